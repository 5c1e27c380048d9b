"""What the writes of every provider have in common when an answer is lost or a resource is busy.

A write whose answer was lost may have been carried out, so it is looked at before anything is sent
again. A create is sent again only where its name is unique and a look found nothing of that name.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct

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
from di_async.core.http import Request
from di_async.core.lost_create import Absent, Adopt, Candidate, Foreign, decide_lost_create
from di_async.core.protocols import CallRecord, Source
from di_async.core.waiting.evidence import Action, Expectation
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.waiting.change import Change

__all__ = [
    "AMBIGUOUS_ERRORS",
    "LOOKUP_DELAYS_S",
    "AcceptedWrite",
    "CreateByName",
    "backoff",
    "delete",
    "note_on_cancel",
    "read_until",
    "retry_while_busy",
    "unknown_create",
    "unknown_write",
]

logger = logging.getLogger("di_async")

AMBIGUOUS_ERRORS = (TransportError, ServerError, DecodeError)
"""After these the request may have been carried out."""
LOOKUP_DELAYS_S = (0.5, 2.0, 5.0)
"""Seconds before each look for what a lost write did: reads lag behind writes."""

R = TypeVar("R")
T = TypeVar("T")
AcceptedWrite = tuple[Any, Sequence[ResourceRef]]
"""A write's answer as a value, and what has to end first."""


# -- looking, waiting ---------------------------------------------------------------------------


async def backoff(engine: Engine, attempt: int) -> None:
    """Hold back before the next send, as the client's retry policy wants."""
    jitter = random.random()  # noqa: S311 - jitter, no secret
    await asyncio.sleep(engine.retry.backoff(attempt, jitter))


async def read_until(
    read: Callable[[], Awaitable[T]], tells: Callable[[T], object], id: str
) -> T | None:
    """What the first read that tells shows, else the last one; None where all of them failed."""
    found: T | None = None
    for seconds in LOOKUP_DELAYS_S:
        await asyncio.sleep(seconds)
        try:
            found = await read()
        except ClientClosedError:
            raise
        except DIError as error:
            logger.info("looking %r up failed: %s", id, error)
            continue
        if tells(found):
            break
    return found


def _is_locked(error: APIError) -> bool:
    """Another change holds it, and this one was not begun."""
    return isinstance(error, ConflictError) and error.never_processed


async def retry_while_busy(
    engine: Engine,
    write: Callable[[], Awaitable[T]],
    ready_timeout: float,
    *,
    is_busy: Callable[[APIError], bool] = _is_locked,
    is_repeated: Callable[[APIError], bool] = lambda _: False,
) -> T:
    """What `write` gives, asked again for so many seconds while the API says that it is busy.

    Args:
        engine: whose policy and clock hold.
        write: makes and sends the write anew.
        ready_timeout: seconds to go on asking.
        is_busy: whether a refusal means that.
        is_repeated: whether a refusal is, besides, met as often as the retry policy allows.
    """
    give_up_at, attempt = engine.clock.now() + ready_timeout, 0
    while True:
        attempt += 1
        try:
            return await write()
        except APIError as refusal:
            left = give_up_at - engine.clock.now()
            again = left > 0 or (is_repeated(refusal) and attempt < engine.retry.attempts)
            if not (again and is_busy(refusal)):
                raise
        if left > 0:
            await asyncio.sleep(min(engine.polling.target_lag, left))
        else:
            await backoff(engine, attempt)


# -- create -------------------------------------------------------------------------------------


@contextmanager
def note_on_cancel(what: str, finding: str) -> Iterator[None]:
    """A create cancelled in flight may have made something: log it, and note it on the error."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        story = f"the create of {what} was cancelled in flight: it may exist and bill. {finding}"
        logger.warning(story)
        cancelled.add_note(story)
        raise


class CreateByName(Struct, Generic[R, T], frozen=True, kw_only=True):
    """A create under a unique name: where its answer is lost, what bears the name decides."""

    engine: Engine
    request: Request
    name: str
    read: Callable[[Any], T]
    """What its answer means."""
    find: Callable[[], Awaitable[Sequence[R]]]
    """All that bear the name."""
    candidate: Callable[[R], Candidate]
    """One of them, as it is to be judged."""
    adopt: Callable[[R], T]
    """What it means that this create has made one of them."""
    lookup_hint: str
    """How a user looks for it, such as "Look with `find('web')`"."""

    async def send(self) -> T:
        """What `read` or `adopt` gives.

        Raises:
            ConflictError: the name belongs to something else.
            OutcomeUnknownError: it could not be settled by looking.
        """
        with note_on_cancel(repr(self.name), self.lookup_hint):
            return await self._send()

    async def _send(self) -> T:
        began, lost = self.engine.clock.datetime(), None
        for attempt in range(1, self.engine.retry.attempts + 1):
            refused: APIError | None = None
            try:
                return self.read(await self.engine.json(self.request))
            except AMBIGUOUS_ERRORS as error:
                if isinstance(error, ConnectError) and lost is None:
                    raise
                lost = error
            except APIError as error:
                if lost is None:
                    raise
                refused = error  # perhaps because our own first try has taken the name
            logger.warning("the answer to the create of %r was lost: looking it up", self.name)
            found = await self._made(began, lost)
            if found is not None:
                return self.adopt(found)
            if refused is not None and not isinstance(refused, ConflictError):
                raise self._unknown(lost) from refused
            await backoff(self.engine, attempt)
        raise self._unknown(lost) from lost

    async def _made(self, began: datetime, lost: DIError) -> R | None:
        """What the lost create made, if it did; None if surely nothing bears the name."""
        found = await read_until(self.find, len, self.name)
        if found is None:
            raise self._unknown(lost) from lost
        rows = [(self.candidate(row), row) for row in found]
        match decide_lost_create([candidate for candidate, _ in rows], began):
            case Adopt(id=id):
                return next(row for candidate, row in rows if candidate.id == id)
            case Foreign(id=id, reason=why):
                raise ConflictError(
                    f"the name {self.name!r} is taken by {id}, which this call did not make: {why}",
                    method=self.request.method,
                    path=self.request.path,
                    status=409,
                ) from lost
            case Absent():
                return None

    def _unknown(self, lost: DIError | None) -> OutcomeUnknownError:
        return unknown_create(self.request, self.name, lost, self.lookup_hint)


# -- delete -------------------------------------------------------------------------------------


async def delete(
    engine: Engine,
    source: Source[Any],
    id: str,
    send: Callable[[CallRecord], Awaitable[AcceptedWrite]],
    *,
    location_hint: str,
) -> Change[None]:
    """A delete that was accepted, or a settled change where there is nothing to delete.

    Args:
        engine: whose clock holds.
        source: of what is deleted.
        id: its id.
        send: sends the DELETE, counting in the trip.
        location_hint: what a user should think of where nothing was there: it may bill elsewhere.
    """
    call, gone = CallRecord(), False
    reply: AcceptedWrite = None, ()
    try:
        reply = await send(call)
    except NotFoundError as error:
        if error.transient:
            raise
        gone = True
    already_gone = gone and call.maybe_processed <= 1  # else an earlier send of ours did it
    if already_gone:
        logger.warning("%s was not there to delete. %s", id, location_hint)
    else:
        logger.info("delete of %s accepted", id)
    initial, steps = reply
    return engine.change(
        source,
        id,
        Expectation(action=Action.DELETE, accepted_at=engine.clock.now()),
        steps=steps,
        initial=initial,
        already_gone=already_gone,
        settled_by="DELETE answered 404" if gone else None,
    )


# -- what nobody knows --------------------------------------------------------------------------


def unknown_create(
    request: Request, name: str, lost: DIError | None, finding: str, candidates: Sequence[Any] = ()
) -> OutcomeUnknownError:
    """The error for a create that could not be settled; `finding` is how a user looks for it."""
    seen = f"; {len(candidates)} that may be it are in `.candidates`" if candidates else ""
    return OutcomeUnknownError(
        f"whether {name!r} was created is not known ({lost}){seen}. It may exist and bill. "
        f"{finding} before creating it again",
        method=request.method,
        path=request.path,
        candidates=tuple(candidates),
    )


def unknown_write(
    request: Request, id: str, lost: DIError | None, live: Any = None
) -> OutcomeUnknownError:
    """The error for another write that could not be; `live` is what was read last, if anything."""
    return OutcomeUnknownError(
        f"whether the {request.method} on {id} was carried out is not known ({lost}): read it "
        "before writing to it again",
        method=request.method,
        path=request.path,
        candidates=() if live is None else (live,),
    )
