"""Tests of writes whose response is lost or that conflict, common to all providers."""

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
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.engine import Engine
from di_async.engine.writes.lost_writes import create_by_name, recover_write, retry_while_busy
from tests.engine.support import plain_engine
from tests.fake_network import FakeNetwork, Step, answer
from tests.support import VIRTUAL

pytestmark = VIRTUAL

LOST = TransportError("reset")
POST = Request("POST", "/things")


def now() -> float:
    """Return the loop's (virtual) time."""
    return asyncio.get_running_loop().time()


async def created(network: FakeNetwork, rows: Sequence[Any], *, matches_sent: bool = True) -> Any:
    """Create `web`; each lookup returns the next of these rows. Return the result or the error.

    A list holds the resources of that name; an error fails the lookup. The last entry repeats.
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
            candidate=lambda row: Candidate(row, datetime.now(UTC), matches_sent),
            adopt=lambda row: f"adopted {row}",
            lookup_hint="Look with `find('web')`",
        )
    finally:
        await engine.close()


TAKEN, REFUSED = answer(409), answer(400)


@pytest.mark.parametrize("refusal", [TAKEN, REFUSED])
async def test_refused_after_a_loss_is_looked_up_first(refusal: Step) -> None:
    """A refusal after a lost create leads to a lookup: the first try may be the reason."""
    network = FakeNetwork([LOST, refusal])
    assert await created(network, [[], [], [], ["t-1"]]) == "adopted t-1"
    assert len(network.requests) == 2


async def test_conflict_without_a_match_is_retried() -> None:
    """A conflict whose lookup finds nothing is retried: the name may be free again."""
    network = FakeNetwork([LOST, TAKEN, answer(202, {"id": "t-2"})])
    assert await created(network, [[]]) == "t-2"


async def test_other_refusal_without_a_match_is_final() -> None:
    """Another refusal whose lookup finds nothing raises `OutcomeUnknownError` with the refusal."""
    network = FakeNetwork([LOST, REFUSED])
    with pytest.raises(OutcomeUnknownError, match=r"Look with `find\('web'\)` before") as caught:
        await created(network, [[]])
    assert isinstance(caught.value.__cause__, BadRequestError)


@pytest.mark.parametrize("failed", [LOST, ServerError("no")])
async def test_failed_lookups_settle_nothing(failed: DIError) -> None:
    """A create whose lookups fail is not sent again."""
    network = FakeNetwork([LOST])
    with pytest.raises(OutcomeUnknownError):
        await created(network, [failed])
    assert len(network.requests) == 1


async def test_resource_of_another_caller() -> None:
    """A resource of another caller is not adopted; the conflict names it."""
    with pytest.raises(ConflictError, match="'web' is taken by t-3, which this call did not make"):
        await created(FakeNetwork([LOST]), [["t-3"]], matches_sent=False)


@pytest.mark.parametrize("refusal", [TAKEN, REFUSED])
async def test_refused_without_a_loss(refusal: Step) -> None:
    """A refusal without a lost response is raised without a lookup."""
    with pytest.raises(APIError):
        await created(FakeNetwork([refusal]), [AssertionError("a lookup")])


async def test_never_sent() -> None:
    """A create that was never sent is not looked up."""
    with pytest.raises(ConnectError):
        await created(FakeNetwork([ConnectError("no")] * 3), [AssertionError("a lookup")])


# --- reading after a lost response ----------------------------------------------------------------


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
            "write to a",
            CallRecord(),
            send=send,
            lookup_hint="look",
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
    """A read that shows the write is the result; a failed read is followed by the next."""
    assert await recovered(reads) == ("accepted", 2.5)


@pytest.mark.parametrize(
    ("reads", "last"), [([1, LOST, LOST], "1"), ([LOST, LOST, LOST], "None"), ([1, 2, 3], "3")]
)
async def test_reads_that_show_nothing(reads: list[Any], last: str) -> None:
    """Three reads that show nothing raise `OutcomeUnknownError`, with the last successful one."""
    error, seconds = await recovered(reads)
    assert isinstance(error, OutcomeUnknownError)
    assert str(error).endswith(f"last read: {last}")
    assert seconds == 7.5


@pytest.mark.parametrize(("reads", "seconds"), [([1], 0.5), ([LOST, 1], 2.5)])
async def test_first_read_that_succeeds_decides(reads: list[Any], seconds: float) -> None:
    """With `one_read` the first successful read decides; a failed one is followed by the next."""
    assert (await recovered(reads, one_read=True))[1] == seconds


async def test_closed_client_ends_the_reads() -> None:
    """A closed client's error ends the reads immediately."""
    error, seconds = await recovered([ClientClosedError("closed")])
    assert isinstance(error, ClientClosedError)
    assert seconds == 0.5


async def test_write_is_not_resent_where_may_resend_forbids_it() -> None:
    """A write is not resent where `may_resend` forbids it, whatever attempts are left."""
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
                "write to a",
                CallRecord(),
                send=send,
                lookup_hint="look",
                read=read,
                accepted=lambda _: None,
                unknown=lambda lost, seen: OutcomeUnknownError("unknown"),
                attempts=3,
                may_resend=lambda _, allowed=may_resend: allowed,  # type: ignore[misc]
            )
        assert sends == expected


# --- busy resources ---------------------------------------------------------------------------


def refusal(status: int = 409, *, begun: bool = False, method: str = "PATCH") -> APIError:
    """Return a refusal; one that is not `begun` changed nothing."""
    error = api_error(status, "no", method=method)
    error.never_processed = not begun
    return error


async def busy(engine: Engine, error: APIError, times: int, wait: float, **more: Any) -> int:
    """Return how often a write is sent that is refused this many times."""
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
    """The refusal is raised immediately, or once the time is over."""
    began = now()
    with pytest.raises(APIError) as caught:
        await busy(plain_engine(FakeNetwork([])), error, times, wait)
    assert caught.value is error
    assert now() - began == (60.0 if times == 100 else 0.0)


async def test_busy_until_free() -> None:
    """A busy write is retried until it is accepted."""
    assert await busy(plain_engine(FakeNetwork([])), refusal(), 3, 60.0) == 4


async def test_refusal_retried_by_the_policy() -> None:
    """A refusal that the policy retries is retried even without a wait."""
    engine = plain_engine(FakeNetwork([]), retry=RetryPolicy(attempts=3))
    assert await busy(engine, refusal(), 2, 0.0, retry_anyway=lambda _: True) == 3
    engine = plain_engine(FakeNetwork([]), retry=RetryPolicy(attempts=2))
    with pytest.raises(ConflictError):
        await busy(engine, refusal(), 2, 0.0, retry_anyway=lambda _: True)


async def test_busy_status_of_a_provider() -> None:
    """A provider may name its own busy statuses."""
    engine, said = plain_engine(FakeNetwork([])), refusal(403)
    assert await busy(engine, said, 1, 60.0, is_busy=lambda error: error is said) == 2
