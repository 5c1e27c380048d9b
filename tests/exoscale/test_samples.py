"""Each JSON example of the vendor's reference page decodes as expected.

They are all of one operation: `PATCH /ai/deployment/{id}`.
"""

import pytest

from di_async import APIError, BadRequestError, NotFoundError, PermissionDeniedError, Secret
from di_async.core.http import Request
from di_async.core.waiting.observation import Phase
from di_async.exoscale import Operation, Reference
from di_async.exoscale.api import ExoscaleDialect
from di_async.exoscale.lifecycle import observe_operation
from di_async.exoscale.models import CODEC
from tests.builders.exoscale import ID, SAMPLES, a_deployment, operation, sample
from tests.exoscale.helpers import KEY, ONE, SECRET, VIRTUAL, body, scripted
from tests.fake_network import answer

ERRORS: dict[str, tuple[int, type[APIError]]] = {
    "error_400": (400, BadRequestError),
    "error_403": (403, PermissionDeniedError),
    "error_404": (404, NotFoundError),
}
READ_BY_NAME = {"update_request", "update_curl", "update_200"}


def test_every_sample_is_used() -> None:
    """Every sample is used by a test and listed in the index."""
    files = {path.stem for path in SAMPLES.glob("*.json")} - {"index"}
    assert files == READ_BY_NAME | set(ERRORS)
    assert files == {name.removesuffix(".json") for name in sample("index")}


def test_operation() -> None:
    """All fields of an operation are decoded."""
    assert CODEC.structure(sample("update_200"), Operation) == Operation(
        id="string",
        state="failure",
        reason="incorrect",
        message="string",
        reference=Reference(id="string", link="string", command="string"),
    )


def test_failed_operation_has_reason_and_message() -> None:
    """A failed operation reports reason and message."""
    seen = observe_operation(CODEC.structure(sample("update_200"), Operation))
    assert (seen.phase, seen.documented) == (Phase.FAILED, True)
    assert seen.reason == "string ended in failure: incorrect: string"


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    """Each error has the class of its status, and its text."""
    status, kind = ERRORS[name]
    dialect = ExoscaleDialect(KEY, Secret(SECRET), "https://api-ch-gva-2.exoscale.com")
    error = dialect.error(Request("PATCH", ONE), answer(status, sample(name)), 0.0)
    assert type(error) is kind
    assert "string" in error.message
    assert error.code == sample(name).get("code")


def test_error_names_the_fields() -> None:
    """The message names the invalid fields."""
    dialect = ExoscaleDialect(KEY, Secret(SECRET), "https://api-ch-gva-2.exoscale.com")
    problem = {**sample("error_400"), "errors": [{"path": "name", "detail": "too short"}]}
    error = dialect.error(Request("PATCH", ONE), answer(400, problem), 0.0)
    assert "name: too short" in str(error)


@VIRTUAL
@pytest.mark.parametrize("name", ["update_request", "update_curl"])
async def test_request_is_produced(name: str) -> None:
    """The client sends the body of the example."""
    given = sample(name)
    steps = answer(200, a_deployment()), answer(200, operation())
    async with scripted(*steps) as (client, network):
        await client.deployments.update(
            ID,
            name=given["name"],
            inference_engine_version=given["inference-engine-version"],
            inference_engine_parameters=given["inference-engine-parameters"],
        )
    assert (network.requests[-1].method, network.requests[-1].path) == ("PATCH", ONE)
    assert body(network.requests[-1]) == given
