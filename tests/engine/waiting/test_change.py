"""A handle on a write: waiting, timeouts, events, history, resuming."""

import asyncio
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

pytestmark = pytest.mark.looptime

GONE = NotFoundError("no such thing", status=404)
WORKING = in_turn(Thing("new"))


async def failure(fleet: Fleet, **options: Any) -> WaitError:
    """How the wait for one change fails."""
    with pytest.raises(WaitError) as caught:
        await fleet.change(**options).wait()
    return caught.value


# --- timeouts ----------------------------------------------------------------------------------


async def test_timeout_zero_is_one_look_that_may_succeed() -> None:
    """Not no look: what is settled already is given back."""
    assert (await Fleet(active_at(0)).change().wait(timeout=0)).status == "active"


async def test_timeout_zero_is_one_look_and_no_more() -> None:
    """It ends with the first answer."""
    fleet = Fleet(WORKING)
    with pytest.raises(WaitTimeoutError):
        await fleet.change().wait(timeout=0)
    assert len(fleet.asked) == 1
    assert now() < 0.1


async def test_timeout_zero_is_not_drawn_out_by_a_silent_provider() -> None:
    """One look that hangs is given up after a minute."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(active_at(0), read_s=10_000).change().wait(timeout=0)
    assert now() == pytest.approx(60)


async def test_timeout_is_the_whole_wait_to_the_second() -> None:
    """Not of an attempt, and not rounded to polls."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(WORKING).change().wait(timeout=123.4)
    assert now() == pytest.approx(123.4, abs=0.1)


async def test_read_in_flight_at_the_deadline_may_still_win() -> None:
    """Its answer is taken within a short grace."""
    fleet = Fleet(active_at(0), read_s=4)
    assert (await fleet.change().wait(timeout=3)).status == "active"


async def test_read_in_flight_at_the_deadline_is_not_waited_for_long() -> None:
    """Five seconds, then the time given is over."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(active_at(0), read_s=60).change().wait(timeout=3)
    assert now() == pytest.approx(8)


async def test_no_timeout_waits_for_hours() -> None:
    """None has no end."""
    fleet = Fleet(active_at(4_000))
    assert (await fleet.change().wait(timeout=None)).status == "active"


async def test_default_timeout_is_the_provider_s() -> None:
    """Not given, the source's default holds."""
    with pytest.raises(WaitTimeoutError):
        await Fleet(WORKING).change().wait()
    assert now() == pytest.approx(600, abs=0.1)


async def test_negative_timeout_is_an_input_error() -> None:
    """It is neither nothing nor for ever."""
    fleet = Fleet(WORKING)
    with pytest.raises(InvalidInputError, match="timeout"):
        await fleet.change().wait(timeout=-1)
    assert fleet.asked == []


async def test_timeout_is_a_timeout_error_with_the_whole_story() -> None:
    """Nothing is lost: id, resource, history, cost, and how to go on."""
    fleet = Fleet(in_turn(Thing("new", name="web"), ServerError("x", status=500), Thing("new")))
    change = fleet.change("id-1", initial=Thing("first"))
    with pytest.raises(TimeoutError) as caught:
        await change.wait(timeout=13)
    error = caught.value
    assert isinstance(error, WaitTimeoutError)
    assert (error.id, error.resource, error.initial) == ("id-1", Thing("new"), Thing("first"))
    assert error.history == change.history != ()
    assert error.elapsed == pytest.approx(13, abs=0.1)
    assert error.requests == len(fleet.asked) == 3
    assert isinstance(error.last_error, ServerError)
    assert ResumeToken.decode(error.resume_token or "").resource.id == "id-1"


async def test_timeout_says_that_it_keeps_billing() -> None:
    """And under which name and id."""
    error = await failure(Fleet(in_turn(Thing("new", name="web"))), id="id-1")
    assert "web (id-1) is not active within the timeout. Last status: new" in str(error)
    assert "bills as long as it exists" in str(error)


# --- ends --------------------------------------------------------------------------------------


async def test_failure_is_told_and_remembered() -> None:
    """A second wait raises at once, without asking."""
    fleet = Fleet(in_turn(Thing("new"), Thing("error")))
    change = fleet.change(action=Action.CREATE)
    for _ in range(2):
        with pytest.raises(DeploymentFailedError, match="its status is 'error'"):
            await change.wait()
    assert (change.outcome, len(fleet.asked)) == ("failed", 2)


async def test_settled_change_is_given_again_without_asking() -> None:
    """Any number may wait, any often."""
    fleet = Fleet(active_at(0))
    change = fleet.change()
    assert await change.wait() is await change.wait(timeout=0) is change.latest
    assert len(fleet.asked) == 1


async def test_many_waiters_of_one_change_get_the_same() -> None:
    """With one read for all of them."""
    fleet = Fleet(active_at(0))
    change = fleet.change()
    found = await asyncio.gather(*(change.wait() for _ in range(50)))
    assert {id(one) for one in found} == {id(change.latest)}
    assert len(fleet.asked) == 1


async def test_deadlines_of_many_waiters_are_each_their_own() -> None:
    """One times out, the other goes on."""
    change = Fleet(active_at(50)).change()
    short = asyncio.create_task(change.wait(timeout=10))
    long = asyncio.create_task(change.wait(timeout=100))
    with pytest.raises(WaitTimeoutError):
        await short
    assert now() == pytest.approx(10, abs=0.1)
    assert (await long).status == "active"


async def test_delete_gives_none_on_404() -> None:
    """Gone is what was wanted."""
    change = Fleet(in_turn(Thing("deleting"), GONE)).change(action=Action.DELETE)
    assert await change.wait() is None
    assert change.outcome == "settled"


async def test_delete_that_times_out_says_that_it_is_not_gone() -> None:
    """The goal of a delete is another one."""
    error = await failure(Fleet(in_turn(Thing("deleting"))), action=Action.DELETE)
    assert "is not gone within the timeout" in str(error)


async def test_unknown_id_is_not_found_for_wait_until_active() -> None:
    """The API's own error, once it is sure that nothing was ever there."""
    with pytest.raises(NotFoundError) as caught:
        await Fleet(in_turn(GONE)).change().wait()
    assert caught.value is GONE


async def test_thing_that_disappears_has_vanished() -> None:
    """Two 404s in a row, and the API's error is the cause."""
    error = await failure(Fleet(in_turn(Thing("new"), GONE)))
    assert isinstance(error, ResourceVanishedError)
    assert error.__cause__ is GONE
    assert "vanished: GET answers 404" in str(error)


async def test_create_that_never_appears_has_vanished_after_its_grace() -> None:
    """It says that it never appeared."""
    error = await failure(Fleet(in_turn(GONE)), action=Action.CREATE)
    assert isinstance(error, ResourceVanishedError)
    assert "never appeared" in str(error)
    assert 120 <= error.elapsed <= 132


async def test_somebody_s_delete_supersedes() -> None:
    """A create that is being deleted ends."""
    error = await failure(Fleet(in_turn(Thing("deleting"))), action=Action.CREATE)
    assert isinstance(error, SupersededError)


async def test_refusal_tells_what_the_api_said() -> None:
    """409 while polling is nothing to wait for."""
    error = await failure(Fleet(in_turn(ConflictError("no", status=409))))
    assert isinstance(error, WaitRefusedError)
    assert "cannot be read" in str(error)


async def test_cancelled_wait_carries_a_note_and_leaves_the_change_usable() -> None:
    """Cancellation is not wrapped; the note says that it bills."""
    change = Fleet(active_at(60)).change()
    task = asyncio.create_task(change.wait())
    await asyncio.sleep(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert any("bills" in note for note in caught.value.__notes__)
    assert (await change.wait()).status == "active"


async def test_change_known_to_be_settled_asks_nothing() -> None:
    """A delete of what was not there."""
    fleet = Fleet(WORKING)
    change = fleet.change(action=Action.DELETE, settled_by="DELETE answered 404")
    assert await change.wait() is None
    assert (change.outcome, fleet.asked) == ("settled", [])


async def test_latest_is_the_write_s_answer_until_something_was_read() -> None:
    """And repr tells what is known."""
    change = Fleet(active_at(0)).change("x", initial=Thing("first"))
    assert change.latest == Thing("first")
    assert repr(change) == "<Change active x: not known to be settled>"
    await change.wait()
    assert change.latest == Thing("active")
    assert repr(change) == "<Change active x: settled>"


# --- predicates --------------------------------------------------------------------------------


async def test_predicate_gets_what_it_asked_for_not_a_stale_look() -> None:
    """A lagging replica's older state is not asked about: the resource given fits."""
    shown = [("updating", 20), ("active", 10), ("updating", 21), ("active", 30)]
    things = [Thing(word, ResourceVersion(updated_at=time(at))) for word, at in shown]
    fleet = Fleet(in_turn(*things))
    found = await fleet.change(
        action=Action.PREDICATE, predicate=lambda thing: thing.status == "active"
    ).wait()
    assert found is things[-1]


@pytest.mark.parametrize("word", ["error", "deleting", "odd"])
async def test_no_status_ends_a_predicate_wait_by_itself(word: str) -> None:
    """Only the predicate, time, or two 404s do."""
    fleet = Fleet(in_turn(Thing(word), Thing(word), GONE))
    with pytest.raises(ResourceVanishedError):
        await fleet.change(action=Action.PREDICATE, predicate=lambda _: False).wait()
    assert len(fleet.asked) == 4


# --- events ------------------------------------------------------------------------------------


async def collected(change: Change[Any], **options: Any) -> list[StatusChange]:
    """All events of a change."""
    return [event async for event in change.events(**options)]


async def test_events_tell_the_story_and_end_when_settled() -> None:
    """One for each new thing, the last one with the evidence."""
    fleet = Fleet(in_turn(Thing("new"), Thing("new"), Thing("updating"), Thing("active")))
    change = fleet.change()
    events = await collected(change)
    assert [(e.previous, e.status) for e in events] == [
        (None, "new"),
        ("new", "updating"),
        ("updating", "active"),
        (None, "active"),
    ]
    assert events[-1].note == "settled: read after the write was accepted"
    assert change.history[0].times == 2


async def test_events_raise_as_wait_does() -> None:
    """After having told all."""
    change = Fleet(in_turn(Thing("new"), Thing("error"))).change(action=Action.CREATE)
    got: list[StatusChange] = []

    async def collect() -> None:
        async for event in change.events():
            got.append(event)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(DeploymentFailedError):
        await collect()
    assert [event.status for event in got] == ["new", "error", "error"]


async def test_late_listener_gets_the_past_first() -> None:
    """History, past and to come; a finished one costs nothing."""
    fleet = Fleet(active_at(12))
    change = fleet.change()
    await change.wait()
    asked = len(fleet.asked)
    assert tuple(await collected(change)) == change.history
    assert len(fleet.asked) == asked


async def test_two_streams_and_a_wait_share_one_poll() -> None:
    """Each gets everything."""
    fleet = Fleet(active_at(12))
    change = fleet.change()
    one, other, found = await asyncio.gather(collected(change), collected(change), change.wait())
    assert [e.status for e in one] == [e.status for e in other]
    assert found.status == "active"
    assert len(fleet.asked) == 4


async def test_left_stream_leaves_nothing_running() -> None:
    """Breaking out stops the asking."""
    fleet = Fleet(WORKING)
    async for _ in fleet.change().events():
        break
    await asyncio.sleep(100)
    assert len(fleet.asked) == 1


async def test_stream_has_one_time_limit_for_all_its_events() -> None:
    """A resource that flaps for ever does not keep it alive."""
    flapping = Fleet(lambda _id, at: Thing(f"odd-{at:.0f}"))
    with pytest.raises(WaitTimeoutError):
        await collected(flapping.change(), timeout=60)
    assert now() <= 60 + 5


async def test_refusal_ends_a_stream_even_if_each_is_worded_anew() -> None:
    """Request ids differ from answer to answer."""
    numbers = iter(range(1000))

    def refuse(_id: str, _at: float) -> AuthenticationError:
        return AuthenticationError("no", status=401, request_id=f"r{next(numbers)}")

    fleet = Fleet(refuse)
    with pytest.raises(WaitRefusedError):
        await collected(fleet.change())
    assert len(fleet.asked) == 1


async def test_stream_without_end_goes_on_for_hours() -> None:
    """`timeout=None`."""
    fleet = Fleet(active_at(4_000))
    assert (await collected(fleet.change(), timeout=None))[-1].status == "active"


async def test_stream_ends_with_the_client() -> None:
    """Closing ends it with `ClientClosedError`."""
    fleet = Fleet(WORKING)
    task = asyncio.create_task(collected(fleet.change()))
    await asyncio.sleep(3)
    await fleet.poller.close()
    with pytest.raises(ClientClosedError):
        await task


# --- history -----------------------------------------------------------------------------------


async def test_equal_troubles_are_counted_not_piled_up() -> None:
    """Whatever their request ids."""
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


async def test_history_of_a_resource_that_flaps_for_days_is_bounded() -> None:
    """And still tells how it ended."""
    flapping = Fleet(lambda _id, at: Thing("active" if at > 5_600 else f"odd-{at:.0f}"))
    change = flapping.change()
    await change.wait(timeout=None)
    assert len(change.history) <= 1002
    assert (change.history[-1].note or "").startswith("settled")


async def test_unknown_status_is_logged_once_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    """It is pending; the word stays in the history."""
    fleet = Fleet(in_turn(Thing("odd"), Thing("new"), Thing("odd"), Thing("active")))
    change = fleet.change()
    with caplog.at_level(logging.WARNING):
        await change.wait()
    assert sum("unknown status 'odd'" in r.message for r in caplog.records) == 1
    assert [e.status for e in change.history][:3] == ["odd", "new", "odd"]


async def test_stale_read_is_noted_and_does_not_become_the_latest() -> None:
    """Older than what is known: told, not believed."""
    shown = [("updating", 20), ("new", 10), ("active", 30)]
    fleet = Fleet(in_turn(*(Thing(w, ResourceVersion(updated_at=time(at))) for w, at in shown)))
    change = fleet.change()
    await change.wait()
    notes = [event.note or "" for event in change.history]
    assert any("stale read: 'new'" in note for note in notes)
    assert "new" not in [event.status for event in change.history]


# --- resuming ----------------------------------------------------------------------------------


async def test_resume_token_carries_start_and_deadline() -> None:
    """In wall-clock time, so that another process understands it."""
    fleet = Fleet(WORKING)
    change = fleet.change()
    await asyncio.sleep(40)
    with pytest.raises(WaitTimeoutError):
        await change.wait(timeout=100)
    token = ResumeToken.decode(change.resume_token)
    assert token.started_at == pytest.approx(fleet.clock.wall() - 140, abs=1)
    assert token.deadline_at == pytest.approx(fleet.clock.wall(), abs=1)


@pytest.mark.parametrize(("timeout", "endless"), [(None, True), (50.0, False)])
async def test_resume_token_tells_a_wait_without_end_from_one_with_a_deadline(
    timeout: float | None, endless: bool
) -> None:
    """So that the next process waits for as long as this one would have."""
    change = Fleet(active_at(10)).change()
    await change.wait(timeout=timeout)
    token = ResumeToken.decode(change.resume_token)
    assert (token.endless, token.deadline_at is None) == (endless, endless)


async def test_resumed_wait_without_end_has_none() -> None:
    """It outlives the provider's default."""
    change = Fleet(active_at(2_000)).change(resumed_until=math.inf)
    assert (await change.wait()).status == "active"


@pytest.mark.parametrize(("left", "waits"), [(90.0, 90.0), (-5.0, 600.0)])
async def test_resumed_wait_has_what_the_token_has_left(left: float, waits: float) -> None:
    """Without a timeout of its own; one that is used up gives way to the default."""
    fleet = Fleet(WORKING)
    change = fleet.change(resumed_until=fleet.clock.wall() + left)
    with pytest.raises(WaitTimeoutError):
        await change.wait()
    assert now() == pytest.approx(waits, abs=0.2)


async def test_late_joiner_does_not_take_an_older_read_for_proof() -> None:
    """A read on its way when the write was accepted says nothing about it."""
    fleet = Fleet(in_turn(Thing("active"), Thing("new"), Thing("active")), read_s=3)
    watching = asyncio.create_task(
        fleet.change("a", Action.PREDICATE, predicate=lambda _: False).wait()
    )
    await asyncio.sleep(1)
    created = fleet.change("a", Action.CREATE)
    await created.wait()
    assert [event.status for event in created.history][:2] == ["new", "active"]
    watching.cancel()


def test_case_of_a_change_is_its_action() -> None:
    """The words users see are the enum's values."""
    assert [action.value for action in Action] == [
        "create",
        "update",
        "delete",
        "active",
        "predicate",
    ]
    assert Expectation(action=Action.CREATE, accepted_at=0).action == "create"
