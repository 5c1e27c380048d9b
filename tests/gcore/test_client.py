"""Constructing a client, and the input that it rejects."""

import logging
import traceback

import pytest

from di_async import InvalidInputError, NotFoundError, RequestBudget, Secret
from di_async.gcore import Gcore
from tests.builders.gcore import HIDDEN, ID, a_deployment, an_instance
from tests.fake_network import FakeNetwork, answer
from tests.gcore.helpers import KEY, V3, routed
from tests.support import VIRTUAL

pytestmark = VIRTUAL


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove all variables that the client reads."""
    for name in ("GCORE_API_KEY", "GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def test_no_key() -> None:
    """A missing key is reported at construction, with the variable to set."""
    with pytest.raises(InvalidInputError, match="GCORE_API_KEY"):
        Gcore()


def test_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is read from the environment, even in single quotes."""
    monkeypatch.setenv("GCORE_API_KEY", f"'{KEY}'")
    assert Gcore().project_id is None


@pytest.mark.parametrize("name", ["GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"])
def test_project_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is read from either variable; an argument overrides it."""
    monkeypatch.setenv(name, "7")
    assert Gcore(KEY).project_id == 7
    assert Gcore(KEY, 8).project_id == 8


@pytest.mark.parametrize("name", ["GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"])
def test_invalid_project_in_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    monkeypatch.setenv(name, "mine")
    with pytest.raises(InvalidInputError, match=f"Invalid {name} 'mine'"):
        Gcore(KEY)


@pytest.mark.parametrize("project", ["", "default", "-1", 0, "4 2", "../42", True])
def test_invalid_project(project: int | str) -> None:
    """A project must be a number, as it is part of paths."""
    with pytest.raises(InvalidInputError, match="project_id"):
        Gcore(KEY, project)


def test_base_url_without_tls() -> None:
    """The key is not sent without TLS."""
    with pytest.raises(InvalidInputError):
        Gcore(KEY, base_url="http://api.gcore.com")


def test_default_budget() -> None:
    """The default budget can be replaced or turned off."""
    budgets = [
        client._engine.budget  # noqa: SLF001 - not public before the client is entered
        for client in (
            Gcore(KEY),
            Gcore(KEY, budget=None),
            Gcore(KEY, budget=RequestBudget(per_minute=5, per_hour=50)),
        )
    ]
    assert budgets[0] is not None
    assert (budgets[0].per_minute, budgets[0].per_hour) == (120, 3600)
    assert budgets[1] is None
    assert budgets[2] is not None
    assert budgets[2].per_minute == 5


async def test_v3_without_a_project() -> None:
    """v3 calls without a project raise before anything is sent; v2 works."""
    network = FakeNetwork({f"GET /cloud/v2/inference/deployments/{ID}": answer(200, an_instance())})
    async with Gcore(KEY, transport=network) as client:
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            await client.inference_deployments.get("web")
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            client.inference_deployments.list()
        assert (await client.inference_instances.get(ID)).id == ID
    assert len(network.requests) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "check_limits"])
async def test_reserved_names(name: str) -> None:
    """Names that address another endpoint are rejected."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError):
            await client.inference_deployments.get(name)
    assert network.requests == []


async def test_names_are_quoted() -> None:
    """A name with a slash stays one path segment."""
    async with routed({f"GET {V3}/a%2Fb": answer(200, a_deployment(name="a/b"))}) as (client, _):
        assert (await client.inference_deployments.get("a/b")).name == "a/b"


async def test_key_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """The key appears in no repr, log or error."""
    caplog.set_level(logging.DEBUG)
    key = f"77${HIDDEN}"
    echo = answer(404, {"exception_class": "NotFoundError", "message": f"APIKey {key}"})
    network = FakeNetwork({f"GET {V3}/web": echo})
    async with Gcore(Secret(key), 42, transport=network) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.inference_deployments.get("web")
    text = "".join(traceback.format_exception(caught.value))
    assert HIDDEN not in f"{client!r} {caplog.text} {text} {vars(caught.value)}"
