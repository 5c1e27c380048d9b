"""Writes whose response was lost, and writes to a resource that is busy.

A write whose response was lost may have been carried out. So the resource is read before anything
is sent again, and only where sending again cannot do harm.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from di_async.core.errors import (
    APIError,
    ConflictError,
    ConnectError,
    DecodeError,
    DIError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from di_async.core.http import Request
from di_async.core.lost_create import (
    Absent,
    Adopt,
    Candidate,
    CreateDecision,
    Foreign,
    Uncertain,
    decide_lost_create,
)
from di_async.core.seconds import checked_seconds
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.engine.reading import LOOKUP_DELAYS_S, read_after
from di_async.engine.writes.cut_off import report_if_cut_off
from di_async.engine.writes.retried_create import FirstAttempt, candidate_ids, find_earlier_attempt

__all__ = [
    "AMBIGUOUS_ERRORS",
    "READ_FIRST",
    "AcceptedWrite",
    "backoff",
    "create_by_name",
    "recover_write",
    "retry_while_busy",
    "unknown_create",
    "unknown_write",
]

logger = Log("di_async")

AMBIGUOUS_ERRORS = (TransportError, ServerError, DecodeError)
"""After these the request may have been processed."""
READ_FIRST = "Read it before writing to it again"

R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")
AcceptedWrite = tuple[Any, Sequence[ResourceRef]]
"""A write's answer, and the operations that must finish first."""


# -- lost responses -------------------------------------------------------------------------------


async def recover_write(
    engine: Engine,
    write: str,
    call: CallRecord,
    *,
    send: Callable[[], Awaitable[T]],
    read: Callable[[], Awaitable[S]],
    accepted: Callable[[S], T | None],
    unknown: Callable[[DIError, S | None], OutcomeUnknownError],
    attempts: int,
    lookup_hint: str,
    may_resend: Callable[[S], bool] = lambda _: True,
    was_sent_before: Callable[[APIError], bool] = lambda _: False,
    resend_after: Callable[[APIError], bool] = lambda _: False,
    one_read: bool = False,
) -> T:
    """Send a write and return its result; if the response is lost, read what became of it.

    The one rule for every write: after a lost response, read until `accepted` recognises the write
    or the delays are over. If no read succeeds, or sending again could do harm, the outcome is
    unknown. Otherwise send again, `attempts` times in all.

    Args:
        engine: the client's engine.
        write: what is written, such as "create of 'web'", for logs and errors.
        call: counts the requests that `send` sends.
        send: sends the request once and returns the result.
        read: reads what the write would have changed.
        accepted: returns the result if a read shows that the write was carried out; raises
            `ConflictError` if it shows another write instead.
        unknown: returns the error for an unknown outcome, with the last read.
        attempts: how often the write is sent at most.
        lookup_hint: how a user looks for what the write did, if the call is cut off.
        may_resend: whether sending again does no harm after this read.
        was_sent_before: whether a refusal may answer a repetition: the session, or an earlier call,
            has sent this write already, and that response was lost.
        resend_after: whether a refusal may be caused by our own first attempt, so that after a
            read without a result the write is sent again.
        one_read: the first read that succeeds decides; otherwise reading goes on, as lists lag.

    Raises:
        ConnectError: the first attempt was never sent. APIError: it was refused.
        OutcomeUnknownError: neither sending nor reading showed the outcome.
    """
    story = f"the {write} was cut off in flight; it may have been carried out. {lookup_hint}"

    async def attempt_all() -> T:
        lost: DIError | None = None
        state: S | None = None
        for attempt in range(1, attempts + 1):
            refused: APIError | None = None
            try:
                return await send()
            except AMBIGUOUS_ERRORS as error:
                if isinstance(error, ConnectError) and lost is None:
                    raise
                lost = error
            except APIError as error:
                if lost is None and not was_sent_before(error):
                    raise
                lost, refused = lost or error, error
            logger.warning("The response to the %s was lost; looking it up", write)
            outcome = await _read_outcome(write, read, accepted, one_read=one_read)
            result, seen = outcome
            state = seen if seen is not None else state
            if result is not None:
                return result
            is_safe = seen is not None and may_resend(seen) and not _says_no(lost)
            if not is_safe or (refused is not None and not resend_after(refused)):
                raise unknown(lost, state) from (refused if is_safe else lost)
            if attempt < attempts:
                await backoff(engine, attempt)
        assert lost is not None  # noqa: S101 - every attempt ended in an error
        raise unknown(lost, state) from lost

    with report_if_cut_off(call, story) as keep:
        result = await attempt_all()
        keep(result)
        id = getattr(result, "id", None)
        logger.info("%s accepted%s", write, f": {id}" if id and id not in write else "")
        return result


def _says_no(lost: DIError) -> bool:
    """Return whether the API answered with a success status and an error: it will again."""
    return isinstance(lost, ServerError) and lost.status < 300


async def _read_outcome(
    write: str,
    read: Callable[[], Awaitable[S]],
    accepted: Callable[[S], T | None],
    *,
    one_read: bool,
) -> tuple[T | None, S | None]:
    """Read until `accepted` returns a result; return it, and the last read."""
    state: S | None = None
    for seconds in LOOKUP_DELAYS_S:
        seen = await read_after(seconds, f"reading after the {write}", read)
        if isinstance(seen, DIError):
            continue
        state = seen
        result = accepted(state)
        if result is not None or one_read:
            return result, state
    return None, state


async def backoff(engine: Engine, attempt: int) -> None:
    """Wait before the attempt after this one."""
    jitter = random.random()  # noqa: S311 - jitter
    await asyncio.sleep(engine.retry.backoff(attempt, jitter))


# -- busy resources -----------------------------------------------------------------------------


def _is_locked(error: APIError) -> bool:
    """Return whether another change holds the resource, so that this one did not begin."""
    return isinstance(error, ConflictError) and error.never_processed


_READY_HINT = " (if another change is under way, ready_timeout=600 keeps trying for ten minutes)"


async def retry_while_busy(
    engine: Engine,
    write: Callable[[], Awaitable[T]],
    ready_timeout: float,
    *,
    is_busy: Callable[[APIError], bool] = _is_locked,
    retry_anyway: Callable[[APIError], bool] = lambda _: False,
) -> T:
    """Return what `write` returns, trying again while the API answers that it is busy.

    Args:
        engine: the client's engine.
        write: prepares and sends the write.
        ready_timeout: seconds to keep trying.
        is_busy: whether a refusal means "busy".
        retry_anyway: whether such a refusal is tried again as often as the retry policy allows.
    """
    checked_seconds(ready_timeout, "ready_timeout")
    give_up_at, attempt = engine.clock.now() + ready_timeout, 0
    while True:
        attempt += 1
        try:
            return await write()
        except APIError as refusal:
            left = give_up_at - engine.clock.now()
            again = left > 0 or (retry_anyway(refusal) and attempt < engine.retry.attempts)
            if not (again and is_busy(refusal)):
                if is_busy(refusal) and not again:
                    refusal.message += _READY_HINT
                raise
        if left > 0:
            await asyncio.sleep(min(engine.polling.target_lag, left))
        else:
            await backoff(engine, attempt)


# -- create --------------------------------------------------------------------------------------


async def create_by_name(
    engine: Engine,
    request: Request,
    name: str,
    *,
    accept: Callable[[Any], T],
    find: Callable[[], Awaitable[Sequence[R]]],
    candidate: Callable[[R], Candidate],
    adopt: Callable[[R], T],
    lookup_hint: str,
    first: FirstAttempt | None = None,
) -> T:
    """Create under a unique name; if the response is lost, look the name up and adopt or resend.

    Args:
        engine: the client's engine.
        request: the create.
        name: the unique name.
        accept: returns the result for the API's answer.
        find: returns everything of that name.
        candidate: returns one of these as `decide_lost_create` needs it.
        adopt: returns the result for one that this create has made.
        lookup_hint: how a user looks for it, such as "Look with `find('web')`".
        first: an earlier call may have sent it already, then: the name is looked up first.

    Raises:
        ConflictError: the name belongs to something else.
        OutcomeUnknownError: an instance may exist that could not be found.
    """
    began, call = engine.clock.moment(), CallRecord()
    made = await find_earlier_attempt(
        engine, request, name, first, unique_names=True, find=find, candidate=candidate
    )
    if made is not None:
        return adopt(made)

    async def send() -> T:
        return await engine.json(request, accept, call)

    def decide(found: Sequence[R]) -> CreateDecision:
        window = first.window(engine, request) if first else engine.call_window(request, began)
        return decide_lost_create(map(candidate, found), window)

    def accepted(found: Sequence[R]) -> T | None:
        match decide(found):
            case Adopt(id=id):
                return adopt(next(row for row in found if candidate(row).id == id))
            case Foreign(id=id, reason=reason):
                raise ConflictError(
                    f"the name {name!r} is taken by {id}, which this call did not make: {reason}",
                    method=request.method,
                    path=request.path,
                    status=409,
                )
            case Uncertain() | Absent():
                return None

    def unknown(lost: DIError, found: Sequence[R] | None) -> OutcomeUnknownError:
        uncertain = found if isinstance(decide(found or ()), Uncertain) else None
        return unknown_create(request, name, lost, lookup_hint, uncertain or ())

    return await recover_write(
        engine,
        f"create of {name!r}",
        call,
        send=send,
        read=find,
        accepted=accepted,
        unknown=unknown,
        attempts=engine.retry.attempts,
        lookup_hint=f"It may exist and bill. {lookup_hint}",
        # What is uncertain has the name already.
        may_resend=lambda found: not isinstance(decide(found), Uncertain),
        was_sent_before=lambda refusal: (
            isinstance(refusal, ConflictError)
            and first is not None
            and first.may_be_unseen(engine, request)
        ),
        # Our own lost attempt may have taken the name without being visible yet.
        resend_after=lambda refusal: isinstance(refusal, ConflictError),
    )


# -- unknown outcomes ---------------------------------------------------------------------------


def unknown_create(
    request: Request,
    name: str,
    lost: DIError | None,
    lookup_hint: str,
    candidates: Sequence[Any] = (),
) -> OutcomeUnknownError:
    """Return the error for a create with an unknown outcome."""
    ids = candidate_ids(candidates)
    seen = f"; {len(candidates)} that may be it are in `.candidates`: {ids}" if candidates else ""
    return OutcomeUnknownError(
        f"it is not known whether {name!r} was created ({lost}){seen}. It may exist and bill. "
        f"{lookup_hint} before creating it again",
        method=request.method,
        path=request.path,
        candidates=tuple(candidates),
    )


def unknown_write(
    request: Request, id: str, lost: DIError | None, live: Any = None
) -> OutcomeUnknownError:
    """Return the error for another write with an unknown outcome; `live` is the last read."""
    return OutcomeUnknownError(
        f"it is not known whether the {request.method} on {id} was carried out ({lost}): read it "
        "before writing to it again",
        method=request.method,
        path=request.path,
        candidates=() if live is None else (live,),
    )
