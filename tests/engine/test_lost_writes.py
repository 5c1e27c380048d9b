"""Writes whose answer is lost, or that meet somebody else: what holds for every vendor."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import (
    APIError,
    BadRequestError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    DIError,
    OutcomeUnknownError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from di_async.core.errors import api_error
from di_async.core.http import Request
from di_async.core.lost_create import Candidate
from di_async.engine.client import Engine
from di_async.engine.lost_writes import create_by_name, recover_write, retry_while_busy
from tests.engine.support import plain_engine
from tests.fake_network import FakeNetwork, Step, answer

pytestmark = pytest.mark.looptime(noop_cycles=1)

LOST = TransportError("reset")
POST = Request("POST", "/things")
NEW = datetime(2100, 1, 1, tzinfo=UTC)


def now() -> float:
    """The loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def created(network: FakeNetwork, rows: Sequence[Any], *, matches_sent: bool = True) -> Any:
    """What a create under the name `web` gives, where looking finds one of these after the other.

    A list is what bears the name; an error is what the look meets. The last is met for ever.
    """
    left = list(rows)

    async def find() -> list[str]:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return list(found)

    engine = plain_engine(network, retry=RetryPolicy(attempts=3))
    await engine.open()
    try:
        return await create_by_name(
            engine,
            POST,
            "web",
            accept=lambda body: body["id"],
            find=find,
            candidate=lambda row: Candidate(row, NEW, matches_sent),
            adopt=lambda row: f"adopted {row}",
            lookup_hint="Look with `find('web')`",
        )
    finally:
        await engine.close()


TAKEN, REFUSED = answer(409), answer(400)


@pytest.mark.parametrize("refusal", [TAKEN, REFUSED])
async def test_refused_after_a_loss_is_looked_up_first(refusal: Step) -> None:
    """Whatever the refusal says, our own first try may be why."""
    network = FakeNetwork([LOST, refusal])
    assert await created(network, [[], [], [], ["t-1"]]) == "adopted t-1"
    assert len(network.requests) == 2


async def test_conflict_that_shows_nothing_is_asked_again() -> None:
    """The name may have been free again; a create under it can be no second one."""
    network = FakeNetwork([LOST, TAKEN, answer(202, {"id": "t-2"})])
    assert await created(network, [[]]) == "t-2"


async def test_other_refusal_that_shows_nothing_is_final() -> None:
    """Then nobody knows, and the refusal is told."""
    network = FakeNetwork([LOST, REFUSED])
    with pytest.raises(OutcomeUnknownError, match=r"Look with `find\('web'\)` before") as caught:
        await created(network, [[]])
    assert isinstance(caught.value.__cause__, BadRequestError)


@pytest.mark.parametrize("failed", [LOST, ServerError("no")])
async def test_looks_that_fail_settle_nothing(failed: DIError) -> None:
    """Nothing is sent again where nothing could be seen."""
    network = FakeNetwork([LOST])
    with pytest.raises(OutcomeUnknownError):
        await created(network, [failed])
    assert len(network.requests) == 1


async def test_somebody_else_s() -> None:
    """It stays theirs, and the conflict says what it is."""
    with pytest.raises(ConflictError, match="'web' is taken by t-3, which this call did not make"):
        await created(FakeNetwork([LOST]), [["t-3"]], matches_sent=False)


@pytest.mark.parametrize("refusal", [TAKEN, REFUSED])
async def test_refused_at_once(refusal: Step) -> None:
    """Without a lost answer there is nothing to look for."""
    with pytest.raises(APIError):
        await created(FakeNetwork([refusal]), [AssertionError("looked")])


async def test_never_sent() -> None:
    """Nor where it never left."""
    with pytest.raises(ConnectError):
        await created(FakeNetwork([ConnectError("no")] * 3), [AssertionError("looked")])


# --- reading after a lost answer ----------------------------------------------------------------


async def recovered(reads: Sequence[Any], **options: Any) -> tuple[Any, float]:
    """Lose the answer to one write, then read; return the result or the error, and the seconds."""
    left, began = list(reads), now()

    async def send() -> str:
        raise LOST

    async def read() -> int:
        seen = left.pop(0)
        if isinstance(seen, Exception):
            raise seen
        return int(seen)

    try:
        result: Any = await recover_write(
            plain_engine(FakeNetwork([])),
            "thing a",
            send=send,
            read=read,
            accepted=lambda number: "accepted" if number == 9 else None,
            unknown=lambda lost, seen: OutcomeUnknownError(f"{lost}; last read: {seen}"),
            attempts=1,
            **options,
        )
    except DIError as error:
        result = error
    assert left == []
    return result, now() - began


@pytest.mark.parametrize("reads", [[1, 9], [LOST, 9]])
async def test_read_that_shows_the_write(reads: list[Any]) -> None:
    """It ends the reading, and is the result; a read that fails is followed by the next."""
    assert await recovered(reads) == ("accepted", 2.5)


@pytest.mark.parametrize(
    ("reads", "last"), [([1, LOST, LOST], "1"), ([LOST, LOST, LOST], "None"), ([1, 2, 3], "3")]
)
async def test_reads_that_show_nothing(reads: list[Any], last: str) -> None:
    """The outcome is unknown after three reads, and the error gets the last one that succeeded."""
    error, seconds = await recovered(reads)
    assert isinstance(error, OutcomeUnknownError)
    assert str(error).endswith(f"last read: {last}")
    assert seconds == 7.5


@pytest.mark.parametrize(("reads", "seconds"), [([1], 0.5), ([LOST, 1], 2.5)])
async def test_first_read_that_succeeds_decides(reads: list[Any], seconds: float) -> None:
    """With `one_read`, one that shows nothing ends the reading; one that fails does not."""
    assert (await recovered(reads, one_read=True))[1] == seconds


async def test_closed_client_ends_the_reading() -> None:
    """Its error is raised at once."""
    error, seconds = await recovered([ClientClosedError("closed")])
    assert isinstance(error, ClientClosedError)
    assert seconds == 0.5


async def test_write_is_not_repeated_where_that_could_do_harm() -> None:
    """`may_resend` decides, whatever the attempts left."""
    sends = 0

    async def send() -> str:
        nonlocal sends
        sends += 1
        raise LOST

    async def read() -> int:
        return 1

    for may_resend, expected in ((True, 3), (False, 1)):
        sends = 0
        with pytest.raises(OutcomeUnknownError):
            await recover_write(
                plain_engine(FakeNetwork([])),
                "thing a",
                send=send,
                read=read,
                accepted=lambda _: None,
                unknown=lambda lost, seen: OutcomeUnknownError("unknown"),
                attempts=3,
                may_resend=lambda _, allowed=may_resend: allowed,  # type: ignore[misc]
            )
        assert sends == expected


# --- busy -------------------------------------------------------------------------------------


def refusal(status: int = 409, *, begun: bool = False, method: str = "PATCH") -> APIError:
    """A refusal; of one that is not `begun` nothing was done."""
    error = api_error(status, "no", method=method)
    error.never_processed = not begun
    return error


async def busy(engine: Engine, error: APIError, times: int, wait: float, **more: Any) -> int:
    """How often a write is sent that is refused so many times."""
    sent = 0

    async def write() -> int:
        nonlocal sent
        sent += 1
        if sent <= times:
            raise error
        return sent

    await engine.open()
    try:
        return await retry_while_busy(engine, write, wait, **more)
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("error", "times", "wait"),
    [
        (refusal(), 1, 0.0),
        (refusal(), 100, 60.0),
        (refusal(begun=True), 1, 60.0),
        (refusal(400), 1, 60.0),
    ],
    ids=["no patience", "for too long", "no lock", "no conflict"],
)
async def test_busy_for_too_long(error: APIError, times: int, wait: float) -> None:
    """The refusal itself comes up: at once, or when the time is over."""
    began = now()
    with pytest.raises(APIError) as caught:
        await busy(plain_engine(FakeNetwork([])), error, times, wait)
    assert caught.value is error
    assert now() - began == (60.0 if times == 100 else 0.0)


async def test_busy_until_free() -> None:
    """Asked again until it is taken."""
    assert await busy(plain_engine(FakeNetwork([])), refusal(), 3, 60.0) == 4


async def test_met_as_often_as_the_policy_allows() -> None:
    """Without any patience, where the vendor's refusal is one to be met again."""
    engine = plain_engine(FakeNetwork([]), retry=RetryPolicy(attempts=3))
    assert await busy(engine, refusal(), 2, 0.0, retry_anyway=lambda _: True) == 3
    engine = plain_engine(FakeNetwork([]), retry=RetryPolicy(attempts=2))
    with pytest.raises(ConflictError):
        await busy(engine, refusal(), 2, 0.0, retry_anyway=lambda _: True)


async def test_another_word_for_busy() -> None:
    """Whatever the vendor calls it."""
    engine, said = plain_engine(FakeNetwork([])), refusal(403)
    assert await busy(engine, said, 1, 60.0, is_busy=lambda error: error is said) == 2
