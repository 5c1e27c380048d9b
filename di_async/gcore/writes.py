"""Writes on what is there, and what is done when an answer is lost: look first, then send again.

Changing, starting, stopping and deleting do no more when sent twice; creating does, so that each
kind of resource settles it in its own way.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from di_async.core.errors import (
    APIError,
    ClientClosedError,
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
from di_async.core.waiter import Action, Case
from di_async.core.wire import Request
from di_async.engine.change import Change
from di_async.engine.client import Engine
from di_async.gcore.goals import Goal
from di_async.gcore.lifecycle import proves, shows, update_case
from di_async.gcore.models import Inference

__all__ = ["AMBIGUOUS", "Reply", "Writes", "pause", "told_if_cancelled"]

logger = logging.getLogger("di_async")

AMBIGUOUS = (TransportError, ServerError, DecodeError)
"""After these the request may have been carried out."""

R = TypeVar("R", bound=Inference)
Reply = tuple[Any, Sequence[Stage]]
"""A write's answer as a value, and what has to end first."""
_NO_STEPS: Sequence[Stage] = ()


@contextmanager
def told_if_cancelled(name: str, finding: str) -> Iterator[None]:
    """A create cancelled in flight may have made something: log it, and note it on the error."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        story = f"the create of {name!r} was cancelled in flight: it may exist and bill. {finding}"
        logger.warning(story)
        cancelled.add_note(story)
        raise


async def pause(engine: Engine, attempt: int) -> None:
    """Hold back before the next send, as the client's retry policy wants."""
    jitter = random.random()  # noqa: S311 - jitter, no secret
    await asyncio.sleep(engine.retry.backoff(attempt, jitter))


class Writes(Generic[R]):
    """Writes on resources of one kind."""

    def __init__(
        self,
        engine: Engine,
        source: Source[R],
        get: Callable[[str], Awaitable[R]],
        read: Callable[[Any], Reply],
    ) -> None:
        self._engine = engine
        self._source = source
        self._get = get
        self._read = read

    # -- what is there ------------------------------------------------------------------------

    async def change(self, request: Request, id: str, before: R, goal: Goal) -> Change[R]:
        """Send a write that leads to `goal`; a lost answer is settled by reading.

        Raises:
            OutcomeUnknownError: neither sending nor looking told what became of it.
        """
        live, lost = before, None
        # What may be sent twice was sent again already, one floor below.
        attempts = 1 if request.repeatable else self._engine.retry.attempts
        for attempt in range(1, attempts + 1):
            try:
                answer, steps = self._read(await self._engine.json(request))
                logger.info("%s of %s accepted", goal.kind, id)
                return self._change(id, before, goal, answer, steps=steps)
            except AMBIGUOUS as error:
                if isinstance(error, ConnectError) and lost is None:
                    raise
                lost = error
            except APIError as refused:
                # After a lost answer this may be our own first try, under way.
                if lost is None:
                    raise
                live = await self._read_after(request, id, lost)
                if shows(goal, live):
                    break
                raise _unknown(request, id, lost, live) from refused
            logger.warning("the answer to %s of %s was lost: reading again", request.method, id)
            await pause(self._engine, attempt)
            live = await self._read_after(request, id, lost)
            if shows(goal, live):
                break
        else:
            raise _unknown(request, id, lost, live) from lost
        return self._change(id, before, goal, live, adopted=True)

    def _change(self, id: str, before: R, goal: Goal, answer: Any, **more: Any) -> Change[R]:
        now, unlike = self._engine.clock.now(), proves(goal, before, answer)
        case = update_case(before, goal, now, unlike=unlike)
        return self._engine.change(self._source, id, case, initial=answer, **more)

    async def _read_after(self, request: Request, id: str, lost: DIError) -> R:
        """The resource after a write whose answer was lost: what became of it is to be seen."""
        try:
            return await self._get(id)
        except ClientClosedError:
            raise
        except DIError as error:
            raise _unknown(request, id, lost) from error

    # -- going --------------------------------------------------------------------------------

    async def delete(self, request: Request, id: str, where: str) -> Change[None]:
        """Send a delete; what is not there gives a settled change."""
        trip, gone, steps = Trip(), False, _NO_STEPS
        try:
            _, steps = self._read_or_nothing(await self._engine.json(request, trip))
        except NotFoundError as error:
            if error.transient:
                raise
            gone = True
        already_gone = gone and trip.doubtful <= 1
        if already_gone:
            logger.warning("%s was not there to delete in %s: elsewhere it still bills", id, where)
        else:
            logger.info("delete of %s accepted", id)
        return self._engine.change(
            self._source,
            id,
            Case(action=Action.DELETE, accepted_at=self._engine.clock.now()),
            steps=steps,
            already_gone=already_gone,
            settled_by="DELETE answered 404" if gone else None,
        )

    def _read_or_nothing(self, body: Any) -> Reply:
        """A delete is proven by a 404, whatever its answer looked like."""
        try:
            return self._read(body)
        except DecodeError:
            return None, _NO_STEPS


def _unknown(
    request: Request, id: str, lost: DIError | None, live: Inference | None = None
) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"whether the {request.method} on {id} was carried out is not known ({lost}): read it "
        "before writing again",
        method=request.method,
        path=request.path,
        candidates=() if live is None else (live,),
    )
