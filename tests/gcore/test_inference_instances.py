"""v2: instances as documented; a PUT that drops nothing by accident."""

from typing import Any

import pytest

from di_async import DeploymentFailedError, InvalidInputError, NotFoundError, SupersededError
from di_async.gcore import InferenceInstanceSpec
from tests.gcore.helpers import (
    ID,
    PROJECT,
    V2,
    a_container,
    an_instance,
    instance,
    no_such,
    routed,
    sample,
    scripted,
    sent,
)
from tests.support import Step, answer

pytestmark = pytest.mark.looptime(noop_cycles=1)

LIST, POST = f"GET {V2}", f"POST {V2}"
GET, PUT, DELETE = f"GET {V2}/{ID}", f"PUT {V2}/{ID}", f"DELETE {V2}/{ID}"
REQUEST = sample("update_request")


def reads(*statuses: str, **fields: Any) -> list[Step]:
    """Answers to GET, one for each status."""
    return [answer(200, an_instance(status, **fields)) for status in statuses]


async def test_get_and_list() -> None:
    """The instance; the list, all of it or of one name."""
    rows = answer(200, {"count": 2, "results": [an_instance(), an_instance(id="b", name="other")]})
    async with routed({GET: reads("ACTIVE"), LIST: rows}) as (client, _):
        api = client.inference_instances
        assert await api.get(ID) == instance(an_instance())
        assert [one.id async for one in api.list()] == [ID, "b"]
        assert [one.id async for one in api.list(name="other")] == ["b"]


async def test_missing() -> None:
    """A clear 404."""
    async with scripted(no_such()) as (client, _):
        with pytest.raises(NotFoundError, match="project"):
            await client.inference_instances.get(ID)


@pytest.mark.parametrize("spec", [REQUEST, InferenceInstanceSpec.from_dict(REQUEST)])
async def test_create(spec: Any) -> None:
    """The answer is the instance; it settles when it serves."""
    routes = {
        POST: reads("NEW"),
        GET: reads("NEW", "DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_instances.create(spec)
        found = await change.wait()
    assert (change.id, change.initial) == (ID, instance(an_instance("NEW")))
    assert found.status == "ACTIVE"
    assert sent(network.requests[0]) == REQUEST


@pytest.mark.parametrize("project", [None, PROJECT])
async def test_project_of_a_create(project: int | None) -> None:
    """The client's, where the spec names none."""
    bare = {k: v for k, v in REQUEST.items() if k != "project_id"}
    async with routed({POST: reads("NEW")}, project_id=project) as (client, network):
        await client.inference_instances.create(bare)
    assert sent(network.requests[0]).get("project_id") == project


@pytest.mark.parametrize("word", ["ERROR", "FAILED"])
async def test_failed_create(word: str) -> None:
    """Both words are failures."""
    async with routed({POST: reads("NEW"), GET: reads("DEPLOYING", word)}) as (client, _):
        change = await client.inference_instances.create(REQUEST)
        with pytest.raises(DeploymentFailedError):
            await change.wait()


async def test_bad_create() -> None:
    """Nothing is sent."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError, match="name: expected 4 to 30"):
            await client.inference_instances.create({**REQUEST, "name": "abc"})
    assert network.requests == []


async def test_update_keeps_what_is_not_named() -> None:
    """One field given, all sent; the project is the client's."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("DEPLOYING", "ACTIVE", image="nginx:2")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, network):
        change = await client.inference_instances.update(ID, image="nginx:2")
        found = await change.wait()
    assert (found.image, found.status) == ("nginx:2", "ACTIVE")
    assert sent(network.asked("PUT")[0]) == {
        **REQUEST,
        "image": "nginx:2",
        "project_id": PROJECT,
    }


async def test_every_documented_field_can_be_updated() -> None:
    """Each alone, and each arrives."""
    there = an_instance(
        envs={}, probes=None, command=None, description=None, containers=[a_container()], timeout=1
    )
    routes = {GET: answer(200, there), PUT: reads("ACTIVE")}
    async with routed(routes) as (client, network):
        for name, value in REQUEST.items():
            await client.inference_instances.update(ID, **{name: value})
            assert sent(network.requests[-1])[name] == value
    assert len(network.asked("PUT")) == len(REQUEST) == 14


async def test_replace() -> None:
    """Just what was given."""
    least = {
        name: REQUEST[name]
        for name in ("containers", "flavor_id", "image", "listening_port", "name")
    }
    async with routed({GET: reads("ACTIVE"), PUT: reads("DEPLOYING")}) as (client, network):
        await client.inference_instances.update(ID, least, replace=True)
        with pytest.raises(InvalidInputError, match="containers: required"):
            await client.inference_instances.update(ID, image="nginx:2", replace=True)
    assert [sent(request) for request in network.asked("PUT")] == [least]


async def test_update_that_lets_everybody_in(caplog: pytest.LogCaptureFixture) -> None:
    """A replace that leaves `auth_enabled` out is told."""
    routes = {GET: reads("ACTIVE", auth_enabled=True), PUT: reads("DEPLOYING")}
    spec = {k: v for k, v in REQUEST.items() if k != "auth_enabled"}
    async with routed(routes) as (client, _):
        await client.inference_instances.update(ID, image="nginx:2")
        assert "anyone" not in caplog.text
        await client.inference_instances.update(ID, spec, replace=True)
    assert "anyone" in caplog.text


async def test_update_cannot_keep_what_nobody_documents(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says which fields."""
    routes = {GET: reads("ACTIVE", mood="sleepy"), PUT: reads("DEPLOYING")}
    async with routed(routes) as (client, network):
        await client.inference_instances.update(ID, image="nginx:2")
    assert "mood" in caplog.text
    assert "mood" not in sent(network.asked("PUT")[0])


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
    """Nothing is written."""
    async with routed({GET: reads("ACTIVE")}) as (client, network):
        with pytest.raises(InvalidInputError, match=problem):
            await client.inference_instances.update(ID, **fields)
    assert network.asked("PUT") == []


async def test_answer_that_already_shows_it_is_no_proof() -> None:
    """ACTIVE with the new fields right after the PUT: it takes reads that agree over 30 s."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("ACTIVE", image="nginx:2")],
        PUT: reads("ACTIVE", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        await change.wait()
    assert change.elapsed >= 30


async def test_stale_reads_do_not_settle() -> None:
    """ACTIVE with the old image settles nothing, however often it comes."""
    routes = {
        GET: [*reads("ACTIVE") * 20, *reads("ACTIVE", image="nginx:2")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        assert (await change.wait()).image == "nginx:2"


async def test_overtaken() -> None:
    """It moved, and settled as something else: somebody came after us."""
    routes = {
        GET: [*reads("ACTIVE"), *reads("DEPLOYING", "ACTIVE", image="theirs:1")],
        PUT: reads("DEPLOYING", image="nginx:2"),
    }
    async with routed(routes) as (client, _):
        change = await client.inference_instances.update(ID, image="nginx:2")
        with pytest.raises(SupersededError):
            await change.wait()


async def test_delete() -> None:
    """DELETED is a word, 404 is the proof."""
    routes = {DELETE: answer(204), GET: [*reads("DELETING", "DELETED"), no_such()]}
    async with routed(routes) as (client, _):
        change = await client.inference_instances.delete(ID)
        await change.wait()
    assert change.outcome == "settled"
    assert [event.status for event in change.history][:2] == ["DELETING", "DELETED"]


async def test_delete_of_nothing() -> None:
    """A settled change."""
    async with scripted(no_such()) as (client, _):
        assert (await client.inference_instances.delete(ID)).already_gone


async def test_resume() -> None:
    """Another process goes on, with the goal that the token carries."""
    routes: dict[str, Any] = {GET: reads("ACTIVE"), PUT: reads("DEPLOYING", image="nginx:2")}
    async with routed(routes) as (client, _):
        token = (await client.inference_instances.update(ID, image="nginx:2")).resume_token
    routes = {GET: [*reads("ACTIVE") * 9, *reads("ACTIVE", image="nginx:2")]}
    async with routed(routes) as (client, _):
        found = await client.inference_instances.resume(token).wait()
    assert found.image == "nginx:2"
