"""v2: reads and writes of instances; a PUT drops no field by accident."""

from typing import Any

import pytest

from di_async import DeploymentFailedError, InvalidInputError, NotFoundError, SupersededError
from di_async.gcore import InferenceInstanceSpec
from tests.builders.gcore import (
    ID,
    PROJECT,
    a_container,
    an_instance,
    no_such,
    read_instance,
    sample,
)
from tests.fake_network import Step, answer
from tests.gcore.helpers import V2, routed, scripted, sent
from tests.support import VIRTUAL

pytestmark = VIRTUAL

LIST, POST = f"GET {V2}", f"POST {V2}"
GET, PUT, DELETE = f"GET {V2}/{ID}", f"PUT {V2}/{ID}", f"DELETE {V2}/{ID}"
REQUEST = sample("update_request")


def reads(*statuses: str, **fields: Any) -> list[Step]:
    """Return one response to GET for each status."""
    return [answer(200, an_instance(status, **fields)) for status in statuses]


async def test_get_and_list() -> None:
    """`get` returns an instance; `list` returns all, or those of one name."""
    rows = answer(200, {"count": 2, "results": [an_instance(), an_instance(id="b", name="other")]})
    async with routed({GET: reads("ACTIVE"), LIST: rows}) as (client, _):
        api = client.inference_instances
        assert await api.get(ID) == read_instance(an_instance())
        assert [one.id async for one in api.list()] == [ID, "b"]
        assert [one.id async for one in api.list(name="other")] == ["b"]


async def test_missing_instance() -> None:
    """The error of a 404 mentions the project."""
    async with scripted(no_such()) as (client, _):
        with pytest.raises(NotFoundError, match="project"):
            await client.inference_instances.get(ID)


@pytest.mark.parametrize("spec", [REQUEST, InferenceInstanceSpec.from_dict(REQUEST)])
async def test_create(spec: Any) -> None:
    """A create returns the instance and settles at ACTIVE."""
    routes = {
        POST: reads("NEW"),
        GET: reads("NEW", "DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_instances.create(spec)
        found = await change.wait()
    assert (change.id, change.initial) == (ID, read_instance(an_instance("NEW")))
    assert found.status == "ACTIVE"
    assert sent(network.requests[0]) == REQUEST


@pytest.mark.parametrize("project", [None, PROJECT])
async def test_project_of_a_create(project: int | None) -> None:
    """A spec without a project uses the client's."""
    bare = {k: v for k, v in REQUEST.items() if k != "project_id"}
    async with routed({POST: reads("NEW")}, project_id=project) as (client, network):
        await client.inference_instances.create(bare)
    assert sent(network.requests[0]).get("project_id") == project


@pytest.mark.parametrize("word", ["ERROR", "FAILED"])
async def test_failed_create(word: str) -> None:
    """ERROR and FAILED fail the create."""
    async with routed({POST: reads("NEW"), GET: reads("DEPLOYING", word)}) as (client, _):
        change = await client.inference_instances.create(REQUEST)
        with pytest.raises(DeploymentFailedError):
            await change.wait()


async def test_invalid_create() -> None:
    """An invalid spec is rejected before anything is sent."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError, match="name: expected 4 to 30"):
            await client.inference_instances.create({**REQUEST, "name": "abc"})
    assert network.requests == []


async def test_update_keeps_other_fields() -> None:
    """An update of one field sends all fields, with the client's project."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("DEPLOYING", "ACTIVE", image="nginx:2")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_instances.update(ID, image="nginx:2")
        found = await change.wait()
    assert (found.image, found.status) == ("nginx:2", "ACTIVE")
    assert sent(network.requests_of("PUT")[0]) == {
        **REQUEST,
        "image": "nginx:2",
        "project_id": PROJECT,
    }
    assert change.previous_spec.project_id == PROJECT  # to go back to; no read shows it


async def test_every_documented_field_can_be_updated() -> None:
    """Every documented field can be updated alone."""
    there = an_instance(
        envs={}, probes=None, command=None, description=None, containers=[a_container()], timeout=1
    )
    routes = {GET: answer(200, there), PUT: reads("ACTIVE")}
    async with routed(routes) as (client, network):
        for name, value in REQUEST.items():
            await client.inference_instances.update(ID, **{name: value})
            assert sent(network.requests[-1])[name] == value
    assert len(network.requests_of("PUT")) == len(REQUEST) == 14


async def test_replace() -> None:
    """`replace=True` sends only the fields given."""
    least = {
        name: REQUEST[name]
        for name in ("containers", "flavor_id", "image", "listening_port", "name")
    }
    async with routed({GET: reads("ACTIVE"), PUT: reads("DEPLOYING")}) as (client, network):
        await client.inference_instances.update(ID, least, replace=True)
        with pytest.raises(InvalidInputError, match="containers: required"):
            await client.inference_instances.update(ID, image="nginx:2", replace=True)
    assert [sent(request) for request in network.requests_of("PUT")] == [least]


async def test_update_without_authentication(caplog: pytest.LogCaptureFixture) -> None:
    """A replacement that omits `auth_enabled` logs a warning."""
    routes = {GET: reads("ACTIVE", auth_enabled=True), PUT: reads("DEPLOYING")}
    spec = {k: v for k, v in REQUEST.items() if k != "auth_enabled"}
    async with routed(routes) as (client, _):
        await client.inference_instances.update(ID, image="nginx:2")
        assert "anyone" not in caplog.text
        await client.inference_instances.update(ID, spec, replace=True)
    assert "anyone" in caplog.text


async def test_update_drops_undocumented_fields(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning lists undocumented fields that an update drops."""
    routes = {GET: reads("ACTIVE", mood="sleepy"), PUT: reads("DEPLOYING")}
    async with routed(routes) as (client, network):
        await client.inference_instances.update(ID, image="nginx:2")
    assert "mood" in caplog.text
    assert "mood" not in sent(network.requests_of("PUT")[0])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "nothing to update"),
        ({"image": ""}, "image"),
        ({"containers": [{"region_id": 9}]}, "scale: required"),
        ({"flavour": "x"}, "flavour: no such field"),
    ],
)
async def test_bad_update(fields: dict[str, Any], problem: str) -> None:
    """An invalid update sends no PUT."""
    async with routed({GET: reads("ACTIVE")}) as (client, network):
        with pytest.raises(InvalidInputError, match=problem):
            await client.inference_instances.update(ID, **fields)
    assert network.requests_of("PUT") == []


async def test_answer_with_the_new_fields_proves_nothing() -> None:
    """If the answer already shows ACTIVE, agreeing reads over 30 s are needed."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("ACTIVE", image="nginx:2")],
        PUT: reads("ACTIVE", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        await change.wait()
    assert change.elapsed >= 30


async def test_stale_reads_do_not_settle() -> None:
    """ACTIVE with the old image never settles the update."""
    routes = {
        GET: [*reads("ACTIVE") * 20, *reads("ACTIVE", image="nginx:2")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        assert (await change.wait()).image == "nginx:2"


async def test_superseded() -> None:
    """An update is superseded if the instance settles with other values."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("DEPLOYING", "ACTIVE", image="theirs:1")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        with pytest.raises(SupersededError):
            await change.wait()


async def test_delete() -> None:
    """DELETED does not settle a delete; only a 404 does."""
    routes = {DELETE: answer(204), GET: [*reads("DELETING", "DELETED"), no_such()]}
    async with routed(routes) as (client, _):
        change = await client.inference_instances.delete(ID)
        await change.wait()
    assert change.outcome == "settled"
    assert [event.status for event in change.history][:2] == ["DELETING", "DELETED"]


async def test_delete_of_a_missing_instance() -> None:
    """The change is settled, and `already_gone` is true."""
    async with scripted(no_such(), no_such()) as (client, _):
        assert (await client.inference_instances.delete(ID)).already_gone


async def test_resume() -> None:
    """Another process resumes the update with the desired state in the token."""
    routes: dict[str, Any] = {GET: reads("ACTIVE"), PUT: reads("DEPLOYING", image="nginx:2")}
    async with routed(routes) as (client, _):
        token = (await client.inference_instances.update(ID, image="nginx:2")).resume_token
    routes = {GET: [*reads("ACTIVE") * 9, *reads("ACTIVE", image="nginx:2")]}
    async with routed(routes) as (client, _):
        found = await client.inference_instances.resume(token).wait()
    assert found.image == "nginx:2"
