"""Writes on what is there, and what is done when an answer is lost: look first, then send again.

Changing, starting, stopping and deleting do no more when sent twice; creating does, so that each
kind of resource settles it in its own way.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from attrs import frozen

from di_async.core.errors import (
    APIError,
    ConflictError,
    ConnectError,
    DecodeError,
    DIError,
    NotFoundError,
)
from di_async.core.ports import Source, Trip
from di_async.core.stages import Stage
from di_async.core.wire import Request
from di_async.engine.change import Change
from di_async.engine.client import Engine
from di_async.engine.writes import AMBIGUOUS, Reply, delete, look, unknown_write, when_free
from di_async.gcore.desired_state import DesiredState
from di_async.gcore.lifecycle import is_going, proves, shows, update_case
from di_async.gcore.models import Inference

__all__ = ["Plan", "Writes"]

logger = logging.getLogger("di_async")

R = TypeVar("R", bound=Inference)


@frozen
class Plan(Generic[R]):
    """A write on what is there: what is sent, what it was, and where it leads."""

    request: Request
    before: R
    desired: DesiredState


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

        # A lock that refuses a PUT is met again here; one that refuses others, one floor below.
        return await when_free(self._engine, write, ready_timeout, is_repeated=_is_put)

    async def _send(self, id: str, plan: Plan[R]) -> Change[R]:
        request, live, trip = plan.request, plan.before, Trip()
        lost: DIError | None = None
        # What may be sent twice was sent again already, one floor below.
        attempts = 1 if request.repeatable else self._engine.retry.attempts
        for _ in range(attempts):
            refused: APIError | None = None
            try:
                answer, steps = self._read(await self._engine.json(request, trip))
                logger.info("%s of %s accepted", plan.desired.kind, id)
                return self._change(id, plan, answer, steps)
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
            if shows(plan.desired, live):
                return self._change(id, plan, live, adopted=True)
            if refused is not None:
                break
        raise unknown_write(request, id, lost, live) from lost

    def _change(
        self,
        id: str,
        plan: Plan[R],
        answer: Any,
        steps: Sequence[Stage] = (),
        *,
        adopted: bool = False,
    ) -> Change[R]:
        """Return a handle on a write; `answer` is the resource itself where it was adopted."""
        now, unlike = self._engine.clock.now(), proves(plan.desired, plan.before, answer)
        case = update_case(plan.before, plan.desired, now, unlike=unlike)
        return self._engine.change(
            self._source,
            id,
            case,
            steps=steps,
            initial=answer,
            adopted=adopted,
            shown_at_once=True if adopted else None,
        )

    async def _look(self, id: str, plan: Plan[R], lost: DIError) -> R:
        """The resource after a write whose answer was lost: as sent, or as it stays."""
        live = await look(lambda: self._get(id), lambda live: shows(plan.desired, live), id)
        if live is None:
            raise unknown_write(plan.request, id, lost) from lost
        return live

    # -- going --------------------------------------------------------------------------------

    async def delete(
        self, request: Request, id: str, where: str, ready_timeout: float
    ) -> Change[None]:
        """Send a delete; what is not there gives a settled change."""

        async def send(trip: Trip) -> Reply:
            async def write() -> Any:
                try:
                    return await self._engine.json(request, trip)
                except ConflictError as error:
                    # An earlier send of ours may be what is under way.
                    if not _unheard(trip, error) or not await self._is_going(id):
                        raise
                    logger.warning("the answer to the delete of %s was lost: it is under way", id)

            return None, self._steps(await when_free(self._engine, write, ready_timeout))

        elsewhere = f"It was looked for in {where}: elsewhere it still bills"
        return await delete(self._engine, self._source, id, send, elsewhere=elsewhere)

    async def _is_going(self, id: str) -> bool:
        try:
            return is_going(await self._get(id))
        except NotFoundError as error:
            return not error.transient

    def _steps(self, body: Any) -> Sequence[Stage]:
        """What a delete's answer names; a 404 proves it, whatever that answer looked like."""
        try:
            return self._read(body)[1]
        except DecodeError:
            return ()


def _unheard(trip: Trip, refusal: APIError) -> bool:
    """Before this refusal something was sent whose answer never came."""
    return trip.doubtful > (0 if refusal.never_processed else 1)


def _is_put(error: APIError) -> bool:
    return error.method == "PUT"
