"""Deletions and look-ups that are tried again, against a target with scripted answers."""

import asyncio
import logging
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import anyio
import pytest

from di_async import (
    ClientClosedError,
    ConflictError,
    DeploymentFailedError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
    PollPolicy,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from di_async.core.moment import Moment
from di_async.core.pricing import HourlyPrice
from di_async.engine.deployments.cleanup import (
    Answer,
    answer_of,
    cleanup_error,
    delete_named,
    delete_proven,
    find_made,
    finish,
    let_answer,
)
from di_async.engine.deployments.deployable import Named
from tests.support import VIRTUAL

pytestmark = VIRTUAL
BUSY, BROKEN = ConflictError("busy", status=409), ServerError("broken", status=500)
NEVER = "never answered"
GONE = "gone"


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


async def play(answer: Any) -> Any:
    """Return an answer, raise it, or wait for ever."""
    if answer == NEVER:
        await asyncio.sleep(1e9)
    if isinstance(answer, BaseException):
        raise answer
    return answer


class Deletion:
    """An accepted DELETE whose wait ends as scripted."""

    def __init__(self, ends: Sequence[Any]) -> None:
        self.ends = list(ends)
        self.timeouts: list[float] = []

    async def wait(self, timeout: float) -> None:
        """Wait once more."""
        self.timeouts.append(timeout)
        await play(self.ends.pop(0))


class Target:
    """A provider's deployments, whose answers are scripted."""

    engine: ClassVar[Any] = SimpleNamespace(
        clock=SimpleNamespace(now=now, moment=lambda: Moment(now(), now())),
        polling=PollPolicy(target_lag=3.0),
        retry=RetryPolicy(initial_delay=2.0, max_delay=16.0),
    )

    id_is_name = False

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[float, str]] = []

    async def is_used_again(self, _: str, since: Moment) -> bool:
        """Return False: ids are not used again. A retry checks from the first try on."""
        assert since.loop == 0
        return False

    async def _answer(self, id: str) -> Any:
        self.calls.append((now(), id))
        return await play(self.answers.pop(0))

    delete = read = find_named = _answer

    @property
    def times(self) -> list[float]:
        """When it was called."""
        return [at for at, _ in self.calls]


def target(*answers: Any) -> Any:
    """Return a scripted target."""
    return Target(*answers)


# --- delete_proven -----------------------------------------------------------------------------


async def test_a_deletion_that_works() -> None:
    """One DELETE and one wait; the accepted one is passed on."""
    deletion, kept = Deletion([GONE]), list[Any]()
    api = target(deletion)
    await delete_proven(api, "i", 900.0, kept.append)
    assert (api.calls, deletion.timeouts, kept) == ([(0, "i")], [900.0], [deletion])


async def test_failures_are_tried_again_with_pauses() -> None:
    """Each pause is twice the one before, up to the longest."""
    api = target(*[BROKEN] * 6, Deletion([GONE]))
    await delete_proven(api, "i", 900.0)
    assert api.times == [0, 2, 6, 14, 30, 46, 62]


async def test_failures_end_it() -> None:
    """The eighth failure is raised."""
    api = target(*[BROKEN] * 9)
    with pytest.raises(ServerError):
        await delete_proven(api, "i", 9000.0)
    assert len(api.calls) == 8


async def test_busy_and_paced_are_not_failures() -> None:
    """However often; the pause is what the schedule or the server says."""
    paced = RateLimitError("slow", status=429, retry_after=7.0)
    api = target(*[BUSY] * 12, *[paced] * 12, BROKEN, Deletion([GONE]))
    await delete_proven(api, "i", 9000.0)
    assert api.times[:14] == [*range(0, 39, 3), 43]
    assert api.times[-3:] == [36 + 11 * 7, 36 + 12 * 7, 36 + 12 * 7 + 2]


async def test_a_429_without_a_time_is_a_failure() -> None:
    """It is tried eight times as well."""
    api = target(*[RateLimitError("slow", status=429)] * 9)
    with pytest.raises(RateLimitError):
        await delete_proven(api, "i", 9000.0)
    assert len(api.calls) == 8


async def test_a_429_that_names_no_pause() -> None:
    """A waiting time of 0 is not a failure, but a pause is made."""
    api = target(RateLimitError("slow", status=429, retry_after=0.0), Deletion([GONE]))
    await delete_proven(api, "i", 900.0)
    assert api.times == [0, 2]


async def test_an_accepted_deletion_is_waited_for_again() -> None:
    """No other DELETE is sent where only its reads fail."""
    deletion = Deletion([BROKEN, BUSY, GONE])
    api = target(deletion)
    await delete_proven(api, "i", 900.0)
    assert (api.times, deletion.timeouts) == ([0], [900.0, 898.0, 895.0])


async def test_a_deletion_that_failed_is_sent_again() -> None:
    """Its task or operation has ended: the provider did not carry it out."""
    first, second = Deletion([DeploymentFailedError("no")]), Deletion([GONE])
    api, kept = target(first, second), list[Any]()
    await delete_proven(api, "i", 900.0, kept.append)
    assert (api.times, kept) == ([0, 2], [first, second])


async def test_a_known_deletion_is_continued() -> None:
    """The one that an earlier call has sent is only waited for."""
    deletion = Deletion([GONE])
    api = target()
    await delete_proven(api, "i", 900.0, change=deletion)  # type: ignore[arg-type]
    assert (api.calls, deletion.timeouts) == ([], [900.0])


async def test_the_time_ends_it() -> None:
    """The last error is raised once the time is over, and the last pause is shortened."""
    api = target(*[BUSY] * 9)
    with pytest.raises(ConflictError):
        await delete_proven(api, "i", 10.0)
    assert api.times == [0, 3, 6, 9, 10]


@pytest.mark.parametrize("before", [[], [BROKEN]])
async def test_a_delete_that_is_never_answered(before: list[Any]) -> None:
    """The error is that of the last try that was answered, or one that says so."""
    with pytest.raises(DIError, match="broken" if before else "not answered in time"):
        await delete_proven(target(*before, NEVER), "i", 10.0)
    assert now() == 10


async def test_a_closed_client_ends_it() -> None:
    """Nothing can be sent any more."""
    api = target(ClientClosedError("closed"), Deletion([GONE]))
    with pytest.raises(ClientClosedError):
        await delete_proven(api, "i", 900.0)
    assert len(api.calls) == 1


async def test_time_that_is_over_already() -> None:
    """A wait never gets a negative timeout."""
    deletion = Deletion([GONE])
    await asyncio.sleep(5)
    await delete_proven(target(), "i", 1.0, change=deletion)  # type: ignore[arg-type]
    assert deletion.timeouts == [0.0]


# --- delete_named ------------------------------------------------------------------------------

ROW = Named("i", "tmp-web")


async def test_a_name_that_is_still_the_same() -> None:
    """It is read first, then deleted."""
    api, kept = target(Named("i", "tmp-web"), deletion := Deletion([GONE])), list[Any]()
    assert await delete_named(api, ROW, kept.append) is None
    assert (api.calls, deletion.timeouts, kept) == ([(0, "i")] * 2, [900.0], [deletion])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Named("i", "mine"), "its name is 'mine' by now; it was left alone"),
        (NotFoundError("no", status=404), None),
        (BROKEN, "broken"),
        (NEVER, "not deleted: it could not be read within 900 s"),
    ],
)
async def test_what_is_not_deleted(answer: Any, error: str | None) -> None:
    """Without a fresh read of the same name no DELETE is sent."""
    api = target(answer)
    found = await delete_named(api, ROW)
    assert (found.message if found else None) == error
    assert len(api.calls) == 1


async def test_a_read_waits_for_the_budget() -> None:
    """A 429 with a waiting time does not count as a failure."""
    paced = RateLimitError("slow", status=429, retry_after=7.0)
    api = target(paced, ROW, Deletion([GONE]))
    assert await delete_named(api, ROW) is None
    assert api.times == [0, 7, 7]


async def test_a_deletion_that_cannot_be_proven() -> None:
    """Its error is returned."""
    assert await delete_named(target(ROW, *[BROKEN] * 8), ROW) is BROKEN


# --- find_made ---------------------------------------------------------------------------------


async def test_what_a_create_made_is_found() -> None:
    """The first read that shows something ends the search."""
    api = target([], [Named("a", "n"), Named("b", "n")], [])
    assert await find_made(api, "n") == ["a", "b"]
    assert api.calls == [(0, "n"), (0.5, "n")]


async def test_nothing_is_found_only_after_several_reads() -> None:
    """Reads lag behind writes."""
    api = target([], [], [], [])
    assert await find_made(api, "n") == []
    assert api.times == [0, 0.5, 2.5, 7.5]


@pytest.mark.parametrize(
    ("until", "times"),
    [
        (108, [100, 100.5, 102.5, 107.5, 108]),
        (130, [100, 100.5, 102.5, 107.5, 122.5, 130]),
        (900, [100, 100.5, 102.5, 107.5, *(122.5 + 15 * n for n in range(7)), 220]),
    ],
)
async def test_it_is_looked_for_until_a_time(until: float, times: list[float]) -> None:
    """Every 15 s, and for two minutes at most."""
    await asyncio.sleep(100)
    api = target(*[[]] * len(times))
    assert await find_made(api, "n", until) == []
    assert api.times == times


async def test_a_read_that_succeeds_is_enough() -> None:
    """Failures beside it are logged only."""
    assert await find_made(target(BROKEN, [], BROKEN, BROKEN), "n") == []
    assert await find_made(target(BROKEN, [Named("a", "n")]), "n") == ["a"]


async def test_reads_that_all_fail() -> None:
    """The last error is raised: nothing is known."""
    with pytest.raises(ServerError):
        await find_made(target(*[BROKEN] * 4), "n")
    with pytest.raises(ClientClosedError):
        await find_made(target(BROKEN, ClientClosedError("closed")), "n")


# --- answers of creates ------------------------------------------------------------------------


def creating(answer: Any, after: float = 1.0) -> "asyncio.Task[Any]":
    """Return a create that is answered after some seconds."""

    async def create() -> Any:
        await asyncio.sleep(after)
        return await play(answer)

    return asyncio.ensure_future(create())


@pytest.mark.parametrize(("after", "cancelled"), [(59.0, False), (61.0, True)])
async def test_a_create_may_take_a_minute_to_answer(after: float, cancelled: bool) -> None:
    """Then it is cut off."""
    task = creating("made", after)
    await let_answer(task)
    assert (task.cancelled(), now()) == (cancelled, min(after, 60))


def with_result(error: Any, id: str) -> BaseException:
    """Return an error of a write whose answer had arrived."""
    error.write_result = SimpleNamespace(id=id)
    return error  # type: ignore[no-any-return]


def with_note(error: BaseException, *notes: str) -> BaseException:
    """Return an error with notes."""
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SimpleNamespace(id="i"), Answer("i")),
        (with_result(ValueError("x"), "i"), Answer("i")),
        (OutcomeUnknownError("it may exist"), Answer(story="it may exist")),
        (ClientClosedError("closed; it may exist"), Answer(story="closed; it may exist")),
        (with_note(BROKEN, "one", "two"), Answer(story="one; two")),
        (ValueError("x"), Answer()),
    ],
)
async def test_what_is_known_of_a_create(answer: Any, expected: Answer) -> None:
    """The id of what it made, or what may exist."""
    assert await answer_of(creating(answer)) == expected


async def test_a_create_that_is_cut_off() -> None:
    """Its cancellation ends nothing here."""
    assert await answer_of(creating(NEVER)) == Answer()


@pytest.mark.parametrize("error", [OutcomeUnknownError("it may exist"), ValueError("x")])
async def test_an_unknown_outcome_is_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A create that is cut off logs that itself."""
    await answer_of(creating(error))
    logged = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert logged == (["it may exist"] if isinstance(error, OutcomeUnknownError) else [])


# --- finish ------------------------------------------------------------------------------------


async def test_work_is_begun_again_only_so_often() -> None:
    """A loop that cancels every task for ever is not obeyed for ever."""
    begun = []

    async def work() -> None:
        begun.append(now())
        raise asyncio.CancelledError

    task, cancelled = await finish(work)
    assert (task.cancelled(), cancelled, len(begun)) == (True, None, 21)


async def test_each_cancellation_of_the_caller_is_reported() -> None:
    """The work goes on, and the last one is returned."""
    seen: list[float] = []
    ending = asyncio.ensure_future(finish(lambda: asyncio.sleep(10), lambda: seen.append(now())))
    for _ in range(2):
        await asyncio.sleep(1)
        ending.cancel()
    task, cancelled = await ending
    assert (task.cancelled(), seen, now()) == (False, [1, 2], 10)
    assert isinstance(cancelled, asyncio.CancelledError)


async def test_a_cancelled_scope_of_anyio_is_not_polled() -> None:
    """It would cancel the caller in each iteration of the loop."""
    seen: list[float] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        task, _ = await finish(lambda: asyncio.sleep(10), lambda: seen.append(now()))
        assert (task.cancelled(), seen, now()) == (False, [], 10)


# --- cleanup_error -----------------------------------------------------------------------------


PRICE = HourlyPrice(Decimal("2.5"), "USD")
EXPIRY = "; or let `reap()` delete it after its expiry"


@pytest.mark.parametrize(
    ("id", "price", "has_expiry", "which", "how"),
    [
        ("i", None, False, "web (i) may still exist, and bill", "delete('i')"),
        ("web", None, False, "web may still exist, and bill", "delete('web')"),
        (
            "",
            PRICE,
            False,
            f"web may still exist, and bill, at {PRICE}",
            "find it by its name 'web'",
        ),
        (
            "i",
            PRICE,
            True,
            f"web (i) may still exist, and bill, at {PRICE}",
            f"delete('i'){EXPIRY}",
        ),
    ],
)
def test_error_of_what_may_bill(
    id: str, price: Any, has_expiry: bool, which: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what may exist, why, what it costs, and how to delete it; so does the log."""
    reason = DIError("no.")
    found = cleanup_error("thing", "web", id, price, reason, has_expiry=has_expiry)
    why = "its deletion could not be proven (no). Delete it by hand:"
    assert str(found) == f"thing {which}: {why} {how}"
    assert (found.id, found.name, found.hourly_price) == (id, "web", price)
    assert found.last_error is reason
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, str(found))


def test_reason_without_a_text() -> None:
    """The class stands for it."""
    found = cleanup_error("thing", "web", "i", None, TimeoutError(), has_expiry=False)
    assert "(TimeoutError)" in str(found)
