"""Every JSON example of the vendor's page on updating a v2 instance decodes and encodes alike."""

from datetime import UTC, datetime

import attrs
import pytest

from di_async.core.request_body import to_wire
from di_async.gcore import InferenceInstance, InferenceInstanceSpec
from di_async.gcore.desired_state import digest_secrets, matches
from di_async.gcore.models import CODEC, Container
from di_async.gcore.spec import NEVER_SHOWN, live_fields, merged_body
from tests.builders.gcore import ID, SAMPLES, a_container, read_instance, sample
from tests.fake_network import answer
from tests.gcore.helpers import V2, routed, sent

USED = {
    *("update_request", "update_200", "containers_request", "containers_200"),
    *("api_key_ids", "command", "envs"),
}


def test_every_sample_is_used() -> None:
    """Every sample file is used and in the index."""
    files = {path.stem for path in SAMPLES.glob("*.json")} - {"index"}
    assert files == USED
    assert files == {name.removesuffix(".json") for name in sample("index")}


def test_answer() -> None:
    """The model has the documented field names."""
    found = read_instance(sample("update_200"))
    assert (found.id, found.name, found.status) == (ID, "my-instance", "ACTIVE")
    assert (found.image, found.listening_port, found.flavor_id) == ("nginx:latest", 8080, ID)
    assert (found.address, found.auth_enabled, found.timeout) == (
        "https://example.com",
        False,
        120,
    )
    assert found.created_at == datetime(2023, 8, 22, 11, 21, tzinfo=UTC)
    assert found.description == "My first instance"
    assert found.image_registry_id == ID
    assert found.probes is not None
    assert found.probes.readiness_probe is not None
    assert found.probes.readiness_probe.probe is not None
    assert found.probes.readiness_probe.probe.http_get is not None
    assert found.probes.readiness_probe.probe.http_get.schema == "HTTP"


def test_every_field_of_the_response_is_decoded() -> None:
    """The model as JSON equals the response."""
    raw = sample("update_200")
    found = {**attrs.asdict(read_instance(raw)), "created_at": raw["created_at"]}
    assert _without_nulls(found) == raw


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(one) for one in value]
    return value


@pytest.mark.parametrize("name", ["containers_request", "containers_200"])
def test_containers(name: str) -> None:
    """Read-only fields of containers are not sent back."""
    (container,) = CODEC.structure(sample(name), tuple[Container, ...])
    assert container.scale.triggers is not None
    assert container.scale.triggers.memory is not None
    assert container.scale.triggers.memory.threshold == 70
    assert to_wire(container) == sample("containers_request")[0]


@pytest.mark.parametrize("name", ["api_key_ids", "command", "envs"])
def test_fields(name: str) -> None:
    """The examples of single fields match the whole answer."""
    assert to_wire(getattr(read_instance(sample("update_200")), name)) == sample(name)


def test_request_as_spec() -> None:
    """A spec made from the request example sends the same body."""
    spec = InferenceInstanceSpec.from_dict(sample("update_request"))
    spec.check()
    assert spec.to_dict() == sample("update_request")


def test_spec_knows_every_documented_field() -> None:
    """The spec has exactly the documented fields."""
    fields = {a.name for a in attrs.fields(InferenceInstanceSpec)}
    assert fields == set(sample("update_request"))


def test_model_knows_every_documented_field() -> None:
    """The model has exactly the documented fields."""
    assert {a.name for a in attrs.fields(InferenceInstance)} == set(sample("update_200"))


def test_which_fields_are_never_shown() -> None:
    """GET shows every field of a PUT but the project."""
    assert set(sample("update_request")) - set(sample("update_200")) == NEVER_SHOWN


def test_the_answer_shows_what_the_request_sent() -> None:
    """The response example shows the fields of the request example."""
    found = read_instance(sample("update_200"))
    assert matches(digest_secrets(sample("update_request")), found) is True


def test_merging_nothing_into_the_answer_gives_the_request() -> None:
    """Merging nothing returns all fields but the project."""
    fields, lost = live_fields(sample("update_200"), read_instance(sample("update_200")))
    body = merged_body(fields, {})
    assert lost == []
    assert body | {"project_id": 1} == sample("update_request")


@pytest.mark.parametrize("replace", [True, False])
async def test_update_on_the_wire(replace: bool) -> None:
    """The request example is sent unchanged, with and without `replace`."""
    there = {**sample("update_200"), "image": "nginx:old", "containers": [a_container()]}
    routes = {
        f"GET {V2}/{ID}": answer(200, there),
        f"PUT {V2}/{ID}": answer(200, sample("update_200")),
    }
    async with routed(routes, project_id=None) as (client, network):
        change = await client.inference_instances.update(
            ID, sample("update_request"), replace=replace
        )
    (request,) = network.requests_of("PUT")
    assert sent(request) == sample("update_request")
    assert change.initial == read_instance(sample("update_200"))
