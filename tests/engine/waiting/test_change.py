"""Tests of a change: waiting, timeouts, events, history, resuming."""

import asyncio
import contextlib
import logging
import math
from typing import Any

import pytest

from di_async import (
    AuthenticationError,
    ClientClosedError,
    ConflictError,
    DeploymentFailedError,
    InvalidInputError,
    NotFoundError,
    ResourceVanishedError,
    ServerError,
    StatusChange,
    SupersededError,
    WaitError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.waiting.observation import Action, Expectation, ResourceVersion
from di_async.core.waiting.resume_token import ResumeToken
from di_async.engine.waiting.change import Change
from tests.core.waiting.evidence_model import time
from tests.engine.support import Fleet, Thing, active_at, in_turn, now
from tests.support import VIRTUAL

pytestmark = VIRTUAL

GONE = NotFoundError("no such thing", status=404)
WORKING = in_turn(Thing("new"))


async def failure(fleet: Fleet, **options: Any) -> WaitError:
    """Return the error of a wait for one change."""
    with pytest.raises(WaitError) as caught:
        await fleet.change(**options).wait()
    return caught.value


# --- timeouts ----------------------------------------------------------------------------------


async def test_timeout_zero_returns_a_settled_resource() -> None:
    """A timeout of 0 reads once and returns a settled resource."""
    assert (await Fleet(active_at(0)).change().wait(timeout=0)).status == "active"


async def test_timeout_zero_reads_once() -> None:
    """A timeout of 0 reads exactly once."""
    fleet = Fleet(WORKING)
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=0)
    assert len(fleet.reads) == 1
    assert now() < 0.1


async def test_timeout_zero_with_a_read_that_hangs() -> None:
    """A single read that hangs is cancelled after a minute."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(active_at(0), read_s=10_000).change().wait(timeout=0)
    assert now() == pytest.approx(60)


async def test_timeout_is_exact() -> None:
    """The timeout covers the whole wait and is not rounded to poll intervals."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(WORKING).change().wait(timeout=123.4)
    assert now() == pytest.approx(123.4, abs=0.1)


async def test_read_in_flight_at_the_deadline_may_settle() -> None:
    """A read in flight at the deadline may settle the wait within a short grace period."""
    fleet = Fleet(active_at(0), read_s=4)
    assert (await fleet.change().wait(timeout=3)).status == "active"


async def test_read_in_flight_at_the_deadline_has_a_short_grace() -> None:
    """A read in flight at the deadline is awaited for five seconds at most."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(active_at(0), read_s=60).change().wait(timeout=3)
    assert now() == pytest.approx(8)


async def test_no_timeout_waits_for_hours() -> None:
    """A timeout of None never ends a wait."""
    fleet = Fleet(active_at(4_000))
    assert (await fleet.change().wait(timeout=None)).status == "active"


async def test_default_timeout_is_the_provider_s() -> None:
    """The default timeout is the adapter's."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(WORKING).change().wait()
    assert now() == pytest.approx(600, abs=0.1)


async def test_negative_timeout_is_an_input_error() -> None:
    """A negative timeout raises `ValueError`, and nothing is read."""
    fleet = Fleet(WORKING)
    with pytest.raises(InvalidInputError, match="timeout"):
        await fleet.change().wait(timeout=-1)
    assert fleet.reads == []


async def test_timeout_error_attributes() -> None:
    """A timeout error has id, resource, history, requests and a resume token."""
    fleet = Fleet(in_turn(Thing("new", name="web"), ServerError("x", status=500), Thing("new")))
    change = fleet.change("id-1", initial=Thing("first"))
    with pytest.raises(TimeoutError) as caught:
        await change.wait(timeout=13)
    error = caught.value
    assert isinstance(error, WaitTimeoutError)
    assert (error.id, error.resource, error.initial) == ("id-1", Thing("new"), Thing("first"))
    assert error.history == change.history != ()
    assert error.elapsed == pytest.approx(13, abs=0.1)
    assert error.requests == len(fleet.reads) == 3
    assert isinstance(error.last_error, ServerError)
    assert ResumeToken.decode(error.resume_token or "").resource.id == "id-1"


async def test_timeout_error_says_that_the_resource_bills() -> None:
    """A timeout error says that the resource still bills, with its name and id."""
    error = await failure(Fleet(in_turn(Thing("new", name="web"))), id="id-1")
    assert "web (id-1) did not become active within the timeout. Last status: new" in str(error)
    assert "bills as long as it exists" in str(error)


async def test_timeout_error_without_a_status() -> None:
    """A timeout error says so where the resource shows no status."""
    error = await failure(Fleet(in_turn(Thing(""))))
    assert "Last status: none shown; " in str(error)


# --- outcomes ----------------------------------------------------------------------------------


async def test_failure_is_stored() -> None:
    """A failure is stored: a second wait raises immediately, without a read."""
    fleet = Fleet(in_turn(Thing("new"), Thing("error")))
    change = fleet.change(action=Action.CREATE)
    for _ in range(2):
        with pytest.raises(DeploymentFailedError, match="its status is 'error'"):
            await change.wait()
    assert (change.outcome, len(fleet.reads)) == ("failed", 2)


async def test_settled_change_is_not_read_again() -> None:
    """A settled change can be awaited any number of times without further reads."""
    fleet = Fleet(active_at(0))
    change = fleet.change()
    assert await change.wait() is await change.wait(timeout=0) is change.latest
    assert len(fleet.reads) == 1


async def test_waiters_of_one_change_share_its_result() -> None:
    """Many waiters of one change share one read and its result."""
    fleet = Fleet(active_at(0))
    change = fleet.change()
    found = await asyncio.gather(*(change.wait() for _ in range(50)))
    assert {id(one) for one in found} == {id(change.latest)}
    assert len(fleet.reads) == 1


async def test_waiters_have_their_own_deadlines() -> None:
    """Waiters of one change have their own deadlines."""
    change = Fleet(active_at(50)).change()
    short = asyncio.create_task(change.wait(timeout=10))
    long = asyncio.create_task(change.wait(timeout=100))
    with pytest.raises(WaitTimeoutError):
        await short
    assert now() == pytest.approx(10, abs=0.1)
    assert (await long).status == "active"


async def test_delete_returns_none_on_404() -> None:
    """A delete returns None on a 404."""
    change = Fleet(in_turn(Thing("deleting"), GONE)).change(action=Action.DELETE)
    assert await change.wait() is None
    assert change.outcome == "settled"


async def test_delete_timeout_says_that_the_resource_exists() -> None:
    """A delete that times out says that the resource still exists."""
    error = await failure(Fleet(in_turn(Thing("deleting"))), action=Action.DELETE)
    assert "was not gone within the timeout" in str(error)


async def test_unknown_id_is_not_found_for_wait_until_active() -> None:
    """An unknown id raises the API's `NotFoundError` in `wait_until_active`."""
    with pytest.raises(NotFoundError) as caught:
        await Fleet(in_turn(GONE)).change().wait()
    assert (caught.value.status, str(caught.value)) == (404, str(GONE))
    assert caught.value is not GONE  # each caller gets an error of its own


async def test_two_404s_raise_resource_vanished() -> None:
    """Two 404s in a row raise `ResourceVanishedError`, caused by the API's error."""
    error = await failure(Fleet(in_turn(Thing("new"), GONE)))
    assert isinstance(error, ResourceVanishedError)
    assert error.__cause__ is GONE
    assert "vanished: GET answered 404" in str(error)


async def test_create_that_never_appears() -> None:
    """A create that never appears raises `ResourceVanishedError` after its grace period."""
    error = await failure(Fleet(in_turn(GONE)), action=Action.CREATE)
    assert isinstance(error, ResourceVanishedError)
    assert "never appeared" in str(error)
    assert 120 <= error.elapsed <= 132


async def test_delete_by_another_client_supersedes() -> None:
    """A delete by another client ends a create with `SupersededError`."""
    error = await failure(Fleet(in_turn(Thing("deleting"))), action=Action.CREATE)
    assert isinstance(error, SupersededError)


async def test_refusal_has_the_message_of_the_api() -> None:
    """A 409 while polling raises `WaitRefusedError` with the API's message."""
    error = await failure(Fleet(in_turn(ConflictError("no", status=409))))
    assert isinstance(error, WaitRefusedError)
    assert "cannot be read" in str(error)


async def test_cancelled_wait_carries_a_note_and_leaves_the_change_usable() -> None:
    """A cancelled wait notes that the resource bills; the change stays usable."""
    change = Fleet(active_at(60)).change()
    task = asyncio.create_task(change.wait())
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("bills" in note for note in caught.value.__notes__)
    assert (await change.wait()).status == "active"


async def test_change_known_to_be_settled_sends_nothing() -> None:
    """A change known to be settled sends no request."""
    fleet = Fleet(WORKING)
    change = fleet.change(action=Action.DELETE, settled_by="DELETE answered 404")
    assert await change.wait() is None
    assert (change.outcome, fleet.reads) == ("settled", [])


async def test_latest_before_and_after_the_first_read() -> None:
    """`latest` is the response to the write until a read succeeds; repr shows what is known."""
    change = Fleet(active_at(0)).change("x", initial=Thing("first"))
    assert change.latest == Thing("first")
    assert repr(change) == "<Change active x: pending>"
    await change.wait()
    assert change.latest == Thing("active")
    assert repr(change) == "<Change active x: settled>"


async def test_repr_is_one_line() -> None:
    """An id of a server cannot forge a line of a log that holds the repr."""
    change = Fleet(active_at(0)).change("x\r\nERROR: \x1b[31mforged")
    assert repr(change) == r"<Change active x\r\nERROR: \x1b[31mforged: pending>"


# --- predicates --------------------------------------------------------------------------------


async def test_predicate_does_not_get_a_stale_read() -> None:
    """A stale read is not passed to the predicate; the returned resource matches it."""
    shown = [("updating", 20), ("active", 10), ("updating", 21), ("active", 30)]
    things = [Thing(status, ResourceVersion(updated_at=time(at))) for status, at in shown]
    fleet = Fleet(in_turn(*things))
    found = await fleet.change(
        action=Action.PREDICATE, predicate=lambda thing: thing.status == "active"
    ).wait()
    assert found is things[-1]


@pytest.mark.parametrize("status", ["error", "deleting", "odd"])
async def test_no_status_ends_a_predicate_wait_by_itself(status: str) -> None:
    """Only the predicate, the deadline or two 404s end a predicate wait."""
    fleet = Fleet(in_turn(Thing(status), Thing(status), GONE))
    with pytest.raises(ResourceVanishedError):
        await fleet.change(action=Action.PREDICATE, predicate=lambda _: False).wait()
    assert len(fleet.reads) == 4


# --- events ------------------------------------------------------------------------------------


async def collected(change: Change[Any], **options: Any) -> list[StatusChange]:
    """Return all events of a change."""
    return [event async for event in change.events(**options)]


async def test_events_end_with_the_proof() -> None:
    """Each new state is an event; the last one names the proof."""
    fleet = Fleet(in_turn(Thing("new"), Thing("new"), Thing("updating"), Thing("active")))
    change = fleet.change()
    events = await collected(change)
    assert [(e.previous, e.status) for e in events] == [
        (None, "new"),
        ("new", "updating"),
        ("updating", "active"),
        (None, "active"),
    ]
    assert events[-1].note == "settled: read after the wait began"
    assert change.history[0].times == 2


async def test_events_raise_as_wait_does() -> None:
    """A stream raises the wait's error after its last event."""
    change = Fleet(in_turn(Thing("new"), Thing("error"))).change(action=Action.CREATE)
    got: list[StatusChange] = []

    async def collect() -> None:
        async for event in change.events():
            got.append(event)  # noqa: PERF401 - events before the error are checked

    with pytest.raises(DeploymentFailedError):
        await collect()
    assert [event.status for event in got] == ["new", "error", "error"]


async def test_closed_stream_has_no_further_steps() -> None:
    """Closing ends a stream for good, also with steps that were not returned; twice is allowed."""
    fleet = Fleet(in_turn(Thing("new"), Thing("updating"), Thing("active")))
    async with contextlib.aclosing(fleet.change().events()) as events:
        assert (await anext(events)).status == "new"
    reads = len(fleet.reads)
    assert [event async for event in events] == []
    await events.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert len(fleet.reads) == reads


async def test_closing_ends_a_step_under_way() -> None:
    """Closing a stream ends the step that awaits news; others of the change go on."""
    change = Fleet(active_at(100)).change()
    closed, other = change.events(), asyncio.ensure_future(collected(change))
    await anext(closed)
    step = asyncio.ensure_future(anext(closed))
    await asyncio.sleep(1)
    before = now()
    await closed.aclose()
    with pytest.raises(StopAsyncIteration):
        await step
    assert now() == before
    assert (await other)[-1].status == "active"


async def test_late_stream_starts_with_the_history() -> None:
    """A late stream starts with the history; a settled change sends no request."""
    fleet = Fleet(active_at(12))
    change = fleet.change()
    await change.wait()
    reads = len(fleet.reads)
    assert tuple(await collected(change)) == change.history
    assert len(fleet.reads) == reads


async def test_two_streams_and_a_wait_share_one_poll() -> None:
    """Two streams and a wait share reads, and each gets all events."""
    fleet = Fleet(active_at(12))
    change = fleet.change()
    one, other, found = await asyncio.gather(collected(change), collected(change), change.wait())
    assert [e.status for e in one] == [e.status for e in other]
    assert found.status == "active"
    assert len(fleet.reads) == 4


async def test_leaving_a_stream_ends_polling() -> None:
    """Leaving a stream ends the polling."""
    fleet = Fleet(WORKING)
    async for _ in fleet.change().events():
        break
    await asyncio.sleep(100)
    assert len(fleet.reads) == 1


async def test_stream_has_one_timeout() -> None:
    """A stream has one timeout for all its events, even if the resource keeps changing."""
    flapping = Fleet(lambda _id, at: Thing(f"odd-{at:.0f}"))
    with pytest.raises(WaitTimeoutError):
        await collected(flapping.change(), timeout=60)
    assert now() <= 60 + 5


async def test_refusals_with_different_request_ids_end_a_stream() -> None:
    """A refusal ends a stream even if its request ids differ each time."""
    numbers = iter(range(1000))

    def refuse(_id: str, _at: float) -> AuthenticationError:
        return AuthenticationError("no", status=401, request_id=f"r{next(numbers)}")

    fleet = Fleet(refuse)
    with pytest.raises(WaitRefusedError):
        await collected(fleet.change())
    assert len(fleet.reads) == 1


async def test_stream_without_a_timeout() -> None:
    """A stream with `timeout=None` goes on for hours."""
    fleet = Fleet(active_at(4_000))
    assert (await collected(fleet.change(), timeout=None))[-1].status == "active"


async def test_stream_ends_with_the_client() -> None:
    """Closing the client ends a stream with `ClientClosedError`."""
    fleet = Fleet(WORKING)
    task = asyncio.create_task(collected(fleet.change()))
    await asyncio.sleep(3)
    await fleet.poller.close()
    with pytest.raises(ClientClosedError):
        await task


# --- history -----------------------------------------------------------------------------------


async def test_equal_errors_are_counted() -> None:
    """Equal errors are counted in one history entry, whatever their request ids."""
    numbers = iter(range(1000))
    fleet = Fleet(
        lambda _id, at: (
            Thing("active")
            if at > 300
            else ServerError("down", status=503, request_id=str(next(numbers)))
        )
    )
    change = fleet.change()
    await change.wait()
    assert [event.times > 1 for event in change.history] == [True, False, False]


async def test_history_is_bounded() -> None:
    """The history of a resource that keeps changing is bounded and keeps the latest steps."""
    flapping = Fleet(lambda _id, at: Thing("active" if at > 5_600 else f"odd-{at:.0f}"))
    change = flapping.change()
    await change.wait(timeout=None)
    assert len(change.history) <= 1002
    assert (change.history[-1].note or "").startswith("settled")
    kept = [step.status for step in change.history]
    assert len(set(kept)) > 900
    assert (kept[-1], "odd-0" in kept) == ("active", False)


async def test_stream_reports_every_status_after_thousands_of_steps() -> None:
    """A stream that follows a resource for long misses no status."""
    shown: list[str] = []

    def show(_id: str, at: float) -> Thing:
        shown.append("active" if at > 6_000 else f"odd-{at:.0f}")
        return Thing(shown[-1])

    events = Fleet(show).change().events(timeout=None)
    seen = [event.status async for event in events]
    assert set(seen) == set(shown)
    assert len(shown) > 1100


async def test_late_stream_starts_with_the_latest_steps() -> None:
    """A stream that begins after thousands of steps starts with those that are kept."""
    flapping = Fleet(lambda _id, at: Thing("active" if at > 6_000 else f"odd-{at:.0f}"))
    change = flapping.change()
    await change.wait(timeout=None)
    assert [event.status async for event in change.events()] == [s.status for s in change.history]


async def test_unknown_status_is_logged_once_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown status is pending, logged once and kept in the history."""
    fleet = Fleet(in_turn(Thing("odd"), Thing("new"), Thing("odd"), Thing("active")))
    change = fleet.change()
    with caplog.at_level(logging.WARNING):
        await change.wait()
    assert sum("unknown status 'odd'" in r.message for r in caplog.records) == 1
    assert [e.status for e in change.history][:3] == ["odd", "new", "odd"]


async def test_stale_read_is_noted_and_does_not_become_the_latest() -> None:
    """A stale read is noted in the history and does not become `latest`."""
    shown = [("updating", 20), ("new", 10), ("active", 30)]
    fleet = Fleet(in_turn(*(Thing(w, ResourceVersion(updated_at=time(at))) for w, at in shown)))
    change = fleet.change()
    await change.wait()
    notes = [event.note or "" for event in change.history]
    assert any("stale read: 'new'" in note for note in notes)
    assert "new" not in [event.status for event in change.history]


# --- resuming ----------------------------------------------------------------------------------


async def test_resume_token_carries_start_and_deadline() -> None:
    """A resume token holds start and deadline in wall-clock time."""
    fleet = Fleet(WORKING)
    change = fleet.change()
    await asyncio.sleep(40)
    with pytest.raises(WaitTimeoutError):
        await change.wait(timeout=100)
    token = ResumeToken.decode(change.resume_token)
    assert token.started_at == pytest.approx(fleet.clock.wall() - 140, abs=1)
    assert token.deadline_at == pytest.approx(fleet.clock.wall(), abs=1)


@pytest.mark.parametrize(("timeout", "endless"), [(None, True), (50.0, False)])
async def test_resume_token_of_a_wait_without_a_deadline(
    timeout: float | None, endless: bool
) -> None:
    """A resume token distinguishes a wait without a deadline from one with a deadline."""
    change = Fleet(active_at(10)).change()
    await change.wait(timeout=timeout)
    token = ResumeToken.decode(change.resume_token)
    assert (token.endless, token.deadline_at is None) == (endless, endless)


async def test_resumed_wait_without_a_deadline() -> None:
    """A resumed wait without a deadline outlives the provider's default."""
    change = Fleet(active_at(2_000)).change(resumed_until=math.inf)
    assert (await change.wait()).status == "active"


@pytest.mark.parametrize(("left", "waits"), [(90.0, 90.0), (-5.0, 600.0)])
async def test_resumed_wait_has_the_rest_of_its_deadline(left: float, waits: float) -> None:
    """A resumed wait has the rest of its deadline; a past deadline is replaced by the default."""
    fleet = Fleet(WORKING)
    change = fleet.change(resumed_until=fleet.clock.wall() + left)
    with pytest.raises(WaitTimeoutError):
        await change.wait()
    assert now() == pytest.approx(waits, abs=0.2)


async def test_read_from_before_the_write_proves_nothing() -> None:
    """A read in flight when the write was accepted proves nothing about it."""
    fleet = Fleet(in_turn(Thing("active"), Thing("new"), Thing("active")), read_s=3)
    watching = asyncio.create_task(
        fleet.change("a", Action.PREDICATE, predicate=lambda _: False).wait()
    )
    await asyncio.sleep(1)
    created = fleet.change("a", Action.CREATE)
    await created.wait()
    assert [event.status for event in created.history][:2] == ["new", "active"]
    watching.cancel()


def test_expectation_has_the_action() -> None:
    """An expectation's action is one of the documented values."""
    assert [action.value for action in Action] == [
        "create",
        "update",
        "delete",
        "active",
        "predicate",
    ]
    assert Expectation(action=Action.CREATE, accepted_at=0).action == "create"
