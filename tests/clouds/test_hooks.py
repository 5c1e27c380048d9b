"""`on_event=` on every cloud, in virtual time: each step of each wait, once, and it harms none."""

import asyncio
import functools
import logging
from typing import Any

import pytest

from di_async import Change, InvalidInputError, StatusChange, WaitTimeoutError
from tests.clouds.ensuring import ENSURABLE, a_body, ensure
from tests.clouds.support import CLOUDS, CREATE_S, VIRTUAL, Cloud, a_world, everywhere

pytestmark = VIRTUAL
deployable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)
WHOSE = {
    "digitalocean": ("digitalocean", "dedicated-inference"),
    "gcore-v2": ("gcore", "inference-instance"),
    "gcore-v3": ("gcore", "inference-deployment"),
    "exoscale": ("exoscale", "deployment"),
}


def steps(change: Change[Any]) -> list[tuple[str | None, str | None]]:
    """Return status and note of each step of a change."""
    return [(step.status, step.note) for step in change.history]


def shown(events: list[StatusChange]) -> list[tuple[str | None, str | None]]:
    """Return status and note of each event."""
    return [(event.status, event.note) for event in events]


@everywhere
async def test_each_step_is_reported_once(cloud: Cloud) -> None:
    """However many callers await a change, each of its steps is reported once, and in order."""
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        change = await cloud.create(client, "web-1")
        assert events == []
        stream = change.events()
        await asyncio.gather(change, change, anext(stream))
        assert shown(events) == steps(change)
        assert len(events) > 1


@everywhere
async def test_events_say_whose_they_are(cloud: Cloud) -> None:
    """An event has provider, action, id, name and region; the last one has the outcome."""
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        change = await cloud.create(client, "web-1")
        await change
    for event in events:
        found = (event.provider, event.kind, event.action, event.id, event.name)
        assert found == (*WHOSE[cloud.name], "create", change.id, "web-1")
        assert event.region
    assert [event.outcome for event in events] == [None] * (len(events) - 1) + ["settled"]


@everywhere
async def test_events_of_an_update_have_the_name(cloud: Cloud) -> None:
    """Also those of its operation, before a read has shown the resource."""
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        id = await cloud.settled(client, "web-1")
        events.clear()
        await (await cloud.grow(client, id))
    assert {(event.name, event.id) for event in events} == {("web-1", id)}


async def test_an_id_that_is_a_name() -> None:
    """Where ids are names, no read is needed to know the name: also of a delete."""
    cloud = CLOUDS[2]
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        id = await cloud.settled(client, "web-1")
        events.clear()
        deleting = await cloud.delete(client, id)
        with pytest.raises(WaitTimeoutError) as late:
            await deleting.wait(timeout=0)
        await deleting
    assert "web-1 (web-1)" not in str(late.value)
    assert {event.name for event in events} == {"web-1"}


@everywhere
async def test_every_wait_of_the_client_is_reported(cloud: Cloud) -> None:
    """Waits without a write, waits for a deletion, and resumed ones are reported as well."""
    events: list[StatusChange] = []

    def actions() -> set[str | None]:
        found = {event.action for event in events}
        events.clear()
        return found

    async with cloud.client(a_world(), on_event=events.append) as client:
        change = await cloud.create(client, "web-1")
        api = cloud.api(client)
        await api.wait_until_active(change.id)
        assert actions() == {"active"}
        await api.wait_until(change.id, lambda _: True)
        assert actions() == {"predicate"}
        await api.resume(change.resume_token)
        assert actions() == {"create"}
        await (await cloud.grow(client, change.id))
        assert actions() == {"update"}
        await (await cloud.delete(client, change.id))
        assert events[-1].outcome == "settled"
        assert actions() == {"delete"}


@deployable
async def test_ensure_and_temporary_are_reported(cloud: Cloud) -> None:
    """What `ensure` and `temporary` wait for is reported, the deletion included."""
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        done = await ensure(cloud, client, a_body(cloud))
        assert done.change is not None
        await done.change
        assert {event.action for event in events} == {"create"}
        async with cloud.api(client).temporary(a_body(cloud, "passing")):
            pass
    assert [event.action for event in events if event.outcome] == ["create", "create", "delete"]


@everywhere
async def test_no_polling_means_no_events(cloud: Cloud) -> None:
    """While nothing waits, nothing is reported."""
    events: list[StatusChange] = []
    async with cloud.client(a_world(), on_event=events.append) as client:
        change = await cloud.create(client, "web-1")
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=60)
        before = len(events)
        await asyncio.sleep(CREATE_S)
        assert len(events) == before > 0


@everywhere
@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), asyncio.CancelledError()])
async def test_callback_that_raises(
    cloud: Cloud, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises ends no wait, and is logged once, with its name."""
    calls = []

    def broken_metrics(event: StatusChange) -> None:
        calls.append(event)
        raise error

    async with cloud.client(a_world(), on_event=broken_metrics) as client:
        first, second = await cloud.create(client, "web-1"), await cloud.create(client, "web-2")
        await asyncio.gather(first, second)
        assert len(calls) == len(first.history) + len(second.history)
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "on_event" in record.message
    assert "broken_metrics" in record.message
    assert type(error).__name__ in record.message


async def awaited(event: StatusChange) -> None:
    """Do nothing."""


class Awaited:
    """A callable whose result has to be awaited."""

    async def __call__(self, event: StatusChange) -> None:
        """Do nothing."""


@everywhere
@pytest.mark.parametrize(
    ("callback", "problem"),
    [
        (awaited, "plain function"),
        (functools.partial(awaited), "plain function"),
        (Awaited(), "plain function"),
        ("print", "not str"),
    ],
    ids=["coroutine function", "partial", "callable object", "text"],
)
async def test_callbacks_that_are_refused(cloud: Cloud, callback: Any, problem: str) -> None:
    """Coroutine functions and what cannot be called are refused when the client is made."""
    with pytest.raises(InvalidInputError, match=f"on_event: .*{problem}"):
        cloud.make(a_world(), on_event=callback)


async def test_callback_that_returns_a_task(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on by itself, so this is not a mistake."""
    (cloud, *_) = ENSURABLE
    tasks: list[asyncio.Task[None]] = []

    def start(event: StatusChange) -> object:
        tasks.append(asyncio.get_running_loop().create_task(awaited(event)))
        return tasks[-1]

    async with cloud.client(a_world(), on_event=start) as client:
        await cloud.settled(client, "web-1")
        await asyncio.gather(*tasks)
    assert len(tasks) > 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


class Later:
    """An awaitable that is not a coroutine."""

    def __await__(self) -> Any:
        """Do nothing."""
        yield


async def test_callback_that_returns_an_awaitable(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing would await it, so it is logged as a mistake, once."""
    (cloud, *_) = ENSURABLE
    async with cloud.client(a_world(), on_event=lambda _: Later()) as client:
        await cloud.settled(client, "web-1")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "raised InvalidInputError" in record.message


async def test_callback_that_returns_a_coroutine(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine that a plain function returns is closed, and logged as a mistake."""
    (cloud, *_) = ENSURABLE
    async with cloud.client(a_world(), on_event=lambda event: awaited(event)) as client:
        await cloud.settled(client, "web-1")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "raised InvalidInputError" in record.message


async def test_callback_runs_before_the_wait_returns() -> None:
    """The last event is reported before the caller of `wait` goes on."""
    (cloud, *_) = ENSURABLE
    order: list[str | None] = []
    async with cloud.client(a_world(), on_event=lambda e: order.append(e.outcome)) as client:
        await (await cloud.create(client, "web-1"))
        order.append("returned")
    assert order[-2:] == ["settled", "returned"]
