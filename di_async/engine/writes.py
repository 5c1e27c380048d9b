"""What the writes of every provider have in common when an answer is lost or a resource is busy.

A write whose answer was lost may have been carried out. So it is looked at first; what does no more
when sent twice is then sent again, and a refusal as "busy" after a lost answer is most likely our
own write, under way. A create is never repeated by anything in this file.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import frozen

from di_async.core.errors import (
    APIError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    DecodeError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
)
from di_async.core.ports import Source, Trip
from di_async.core.stages import Stage
from di_async.core.waiter import Action, Case, Phase
from di_async.core.wire import Priority
from di_async.engine.change import Change
from di_async.engine.client import Engine

__all__ = [
    "AMBIGUOUS",
    "LOOKS_AFTER_S",
    "Repeated",
    "delete",
    "pause",
    "repeat_until_seen",
    "told_if_cancelled",
    "when_free",
]

logger = logging.getLogger("di_async")

AMBIGUOUS = (TransportError, ServerError, DecodeError)
"""After these the request may have been carried out."""
LOOKS_AFTER_S = (0.5, 2.0, 5.0)
"""Seconds before each look for what a lost write made: reads lag behind writes."""
# A write of our own that is under way keeps its resource busy for no longer than this.
_OWN_WRITE_S = 300.0

T = TypeVar("T")
Send = Callable[[Trip], Awaitable[T]]
_NO_STEPS: Sequence[Stage] = ()


@contextmanager
def told_if_cancelled(what: str, finding: str) -> Iterator[None]:
    """A create cancelled in flight may have made something: log it, and note it on the error."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        story = f"the create of {what} was cancelled in flight: it may exist and bill. {finding}"
        logger.warning(story)
        cancelled.add_note(story)
        raise


async def pause(engine: Engine, attempt: int) -> None:
    """Hold back before the next send, as the client's retry policy wants."""
    jitter = random.random()  # noqa: S311 - jitter, no secret
    await asyncio.sleep(engine.retry.backoff(attempt, jitter))


async def when_free(
    engine: Engine,
    write: Callable[[], Awaitable[T]],
    ready_timeout: float,
    busy: type[APIError] = ConflictError,
) -> T:
    """What `write` gives, asked again for so many seconds while the API says `busy`."""
    give_up_at = engine.clock.now() + ready_timeout
    while True:
        try:
            return await write()
        except busy:
            await _hold(engine, give_up_at)


async def _hold(engine: Engine, give_up_at: float) -> None:
    """Pause before a busy resource is asked again; raises what is being handled if time is up."""
    seconds = min(engine.polling.target_lag, give_up_at - engine.clock.now())
    if seconds <= 0:
        raise  # the refusal that the caller is handling
    await asyncio.sleep(seconds)


@frozen
class Repeated:
    """How a write that may be repeated went: its answer, or None where it was `adopted`."""

    answer: Any
    adopted: bool = False


async def repeat_until_seen(
    engine: Engine,
    send: Send[Any],
    seen: Callable[[], Awaitable[bool]],
    unknown: Callable[[DIError], OutcomeUnknownError],
    *,
    ready_timeout: float = 0.0,
) -> Repeated:
    """Send a write that does no more when sent twice, until its answer comes or it is seen done.

    Args:
        engine: whose policy and clock hold.
        send: sends it, counting in the trip.
        seen: reads whether it was carried out, or is under way.
        unknown: the error for a write that neither looking nor sending again could settle.
        ready_timeout: seconds to go on while the API says that something else is under way.

    Raises:
        ConflictError: still busy after that time. OutcomeUnknownError: as `unknown` makes it.
    """
    give_up_at = engine.clock.now() + ready_timeout
    lost: DIError | None = None
    sends = 0
    while True:
        trip, refused = Trip(), None
        try:
            return Repeated(await send(trip))
        except AMBIGUOUS as error:
            if isinstance(error, ConnectError) and lost is None and not trip.doubtful:
                raise
            lost, sends = error, sends + 1
        except APIError as error:
            if lost is None and not trip.doubtful:
                if not isinstance(error, ConflictError):
                    raise
                await _hold(engine, give_up_at)
                continue
            # After a lost answer this may be our own write, under way.
            lost, refused = lost or error, error
        give_up_at = max(give_up_at, trip.started_at + _OWN_WRITE_S) if sends < 2 else give_up_at
        logger.warning("the answer to a write was lost (%s): looking", lost)
        if await _seen_soon(seen):
            return Repeated(None, adopted=True)
        over = sends >= engine.retry.attempts or engine.clock.now() >= give_up_at
        if over or not (refused is None or isinstance(refused, ConflictError)):
            raise unknown(lost) from (refused or lost)
        await pause(engine, max(sends, 1))


async def _seen_soon(seen: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it shows within a few seconds; reads that tell nothing are passed over."""
    for seconds in LOOKS_AFTER_S:
        await asyncio.sleep(seconds)
        try:
            if await seen():
                return True
        except ClientClosedError:
            raise
        except DIError as error:
            logger.info("looking failed: %s", error)
    return False


async def delete(
    engine: Engine,
    source: Source[Any],
    id: str,
    send: Send[Sequence[Stage]],
    *,
    elsewhere: str,
    ready_timeout: float = 0.0,
    initial: Callable[[], Any] = lambda: None,
) -> Change[None]:
    """A delete that was accepted, or a settled change where there is nothing to delete.

    Args:
        engine: whose policy and clock hold.
        source: of what is deleted.
        id: its id.
        send: sends the DELETE, counting in the trip; gives the steps that have to end first.
        elsewhere: what to tell where nothing was there: it may bill in another account or zone.
        ready_timeout: seconds to go on while the API says that something else is under way.
        initial: the write's own answer, once it is there.
    """
    trip, gone, steps = Trip(), False, _NO_STEPS
    give_up_at = engine.clock.now() + ready_timeout
    while True:
        try:
            steps = await send(trip)
            break
        except NotFoundError as error:
            if error.transient:
                raise
            gone = True
            break
        except ConflictError:
            if trip.doubtful and await _is_going(source, id):
                break
            # An earlier send of ours may be what keeps it busy: then it is gone, in a while.
            own_until = trip.started_at + _OWN_WRITE_S if trip.doubtful else give_up_at
            await _hold(engine, max(give_up_at, own_until))
    already_gone = gone and trip.doubtful <= 1
    if already_gone:
        logger.warning("%s was not there to delete. %s", id, elsewhere)
    else:
        logger.info("delete of %s accepted", id)
    return engine.change(
        source,
        id,
        Case(action=Action.DELETE, accepted_at=engine.clock.now()),
        steps=steps,
        initial=initial(),
        already_gone=already_gone,
        settled_by="DELETE answered 404" if gone else None,
    )


async def _is_going(source: Source[Any], id: str) -> bool:
    """Whether a read shows that a deletion is under way, or was."""
    case = Case(action=Action.DELETE, accepted_at=0.0)
    try:
        found = await source.fetch(Stage(source.kind, id), Priority.READ, Trip())
    except NotFoundError as error:
        return not error.transient
    except DIError as error:
        if isinstance(error, ClientClosedError):
            raise
        return False
    return source.sight(found, case).phase is Phase.DELETING
