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
from di_async.core.waiter import Action, Case
from di_async.core.wire import Request
from di_async.engine.change import Change
from di_async.engine.client import Engine
from di_async.gcore.goals import Goal
from di_async.gcore.lifecycle import is_going, proves, shows, update_case
from di_async.gcore.models import Inference

__all__ = ["AMBIGUOUS", "LOOKS_AFTER_S", "Plan", "Reply", "Writes", "pause", "told_if_cancelled"]

logger = logging.getLogger("di_async")

AMBIGUOUS = (TransportError, ServerError, DecodeError)
"""After these the request may have been carried out."""

LOOKS_AFTER_S = (0.5, 2.0, 5.0)
"""Seconds before each look for what a lost write did: reads lag behind writes."""

R = TypeVar("R", bound=Inference)
T = TypeVar("T")
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


@frozen
class Plan(Generic[R]):
    """A write on what is there: what is sent, what it was, and where it leads."""

    request: Request
    before: R
    goal: Goal


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

    async def change(
        self, id: str, plan: Callable[[], Awaitable[Plan[R]]], ready_timeout: float
    ) -> Change[R]:
        """Send what `plan` makes of the resource as it is; a lost answer is settled by reading.

        While another task holds the resource it is planned and sent anew, so that nothing goes
        out that was made of an older state.

        Raises:
            OutcomeUnknownError: neither sending nor looking told what became of it.
        """

        async def write() -> Change[R]:
            return await self._send(id, await plan())

        return await self._when_free(write, ready_timeout)

    async def _send(self, id: str, plan: Plan[R]) -> Change[R]:
        request, live, trip = plan.request, plan.before, Trip()
        lost: DIError | None = None
        # What may be sent twice was sent again already, one floor below.
        attempts = 1 if request.repeatable else self._engine.retry.attempts
        for _ in range(attempts):
            refused: APIError | None = None
            try:
                answer, steps = self._read(await self._engine.json(request, trip))
                logger.info("%s of %s accepted", plan.goal.kind, id)
                return self._change(id, plan, answer, steps=steps)
            except AMBIGUOUS as error:
                if isinstance(error, ConnectError) and lost is None:
                    raise
                lost = error
            except APIError as error:
                # After a lost answer this may be our own first try, under way.
                if lost is None and not _unheard(trip, error):
                    raise
                lost, refused = lost or error, error
            logger.warning("the answer to %s of %s was lost: reading again", request.method, id)
            live = await self._look(id, plan, lost)
            if shows(plan.goal, live):
                return self._change(id, plan, live, adopted=True)
            if refused is not None:
                break
        raise _unknown(request, id, lost, live) from lost

    def _change(self, id: str, plan: Plan[R], answer: Any, **more: Any) -> Change[R]:
        now, unlike = self._engine.clock.now(), proves(plan.goal, plan.before, answer)
        case = update_case(plan.before, plan.goal, now, unlike=unlike)
        return self._engine.change(self._source, id, case, initial=answer, **more)

    async def _look(self, id: str, plan: Plan[R], lost: DIError) -> R:
        """The resource after a write whose answer was lost: as sent, or as it stays."""
        live: R | None = None
        for seconds in LOOKS_AFTER_S:
            await asyncio.sleep(seconds)
            try:
                live = await self._get(id)
            except ClientClosedError:
                raise
            except DIError as error:
                logger.info("reading %s again failed: %s", id, error)
                continue
            if shows(plan.goal, live):
                break
        if live is None:
            raise _unknown(plan.request, id, lost) from lost
        return live

    async def _when_free(self, write: Callable[[], Awaitable[T]], ready_timeout: float) -> T:
        """What `write` gives, tried again for so many seconds while another task holds it."""
        clock, attempt = self._engine.clock, 0
        give_up_at = clock.now() + ready_timeout
        while True:
            attempt += 1
            try:
                return await write()
            except ConflictError as busy:
                again = _is_put(busy) and attempt < self._engine.retry.attempts
                left = give_up_at - clock.now()
                if not busy.never_processed or (left <= 0 and not again):
                    raise
            if left > 0:
                await asyncio.sleep(min(self._engine.polling.target_lag, left))
            else:
                await pause(self._engine, attempt)

    # -- going --------------------------------------------------------------------------------

    async def delete(
        self, request: Request, id: str, where: str, ready_timeout: float
    ) -> Change[None]:
        """Send a delete; what is not there gives a settled change."""
        trip, gone, steps = Trip(), False, _NO_STEPS

        async def write() -> Any:
            try:
                return await self._engine.json(request, trip)
            except ConflictError as error:
                # An earlier send of ours may be what is under way.
                if not _unheard(trip, error) or not await self._is_going(id):
                    raise
                logger.warning("the answer to the delete of %s was lost: it is under way", id)

        try:
            _, steps = self._read_or_nothing(await self._when_free(write, ready_timeout))
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

    async def _is_going(self, id: str) -> bool:
        try:
            return is_going(await self._get(id))
        except NotFoundError as error:
            return not error.transient

    def _read_or_nothing(self, body: Any) -> Reply:
        """A delete is proven by a 404, whatever its answer looked like."""
        try:
            return self._read(body)
        except DecodeError:
            return None, _NO_STEPS


def _unheard(trip: Trip, refusal: APIError) -> bool:
    """Before this refusal something was sent whose answer never came."""
    return trip.doubtful > (0 if refusal.never_processed else 1)


def _is_put(error: APIError) -> bool:
    return error.method == "PUT"


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
