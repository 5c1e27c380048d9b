"""Writes on what is there, and what is done when an answer is lost: look first, then send again.

Changing, starting, stopping and deleting do no more when sent twice; creating does, so that each
kind of resource settles it in its own way.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import frozen

from di_async.core.errors import (
    APIError,
    ConflictError,
    DecodeError,
    NotFoundError,
)
from di_async.core.http import Request
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.lost_writes import (
    AcceptedWrite,
    delete,
    recover_write,
    retry_while_busy,
    unknown_write,
)
from di_async.engine.waiting.change import Change
from di_async.gcore.desired_state import DesiredState
from di_async.gcore.lifecycle import (
    desired_is_proof,
    is_deleting,
    shows_desired,
    update_expectation,
)
from di_async.gcore.models import Inference

__all__ = ["PlannedWrite", "Writes"]

logger = logging.getLogger("di_async")

R = TypeVar("R", bound=Inference)


@frozen
class PlannedWrite(Generic[R]):
    """A write on what is there: what is sent, what it was, and where it leads."""

    request: Request
    before: R
    desired: DesiredState


class Writes(Generic[R]):
    """Writes on resources of one kind."""

    def __init__(
        self,
        engine: Engine,
        adapter: ResourceAdapter[R],
        get: Callable[[str], Awaitable[R]],
        read: Callable[[Any], AcceptedWrite],
    ) -> None:
        self._engine = engine
        self._adapter = adapter
        self._get = get
        self._read = read

    # -- what is there ------------------------------------------------------------------------

    async def change(
        self, id: str, plan: Callable[[], Awaitable[PlannedWrite[R]]], ready_timeout: float
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
        return await retry_while_busy(self._engine, write, ready_timeout, retry_anyway=_is_put)

    async def _send(self, id: str, plan: PlannedWrite[R]) -> Change[R]:
        request, call = plan.request, CallRecord()

        async def send() -> Change[R]:
            answer, operations = self._read(await self._engine.json(request, call))
            logger.info("%s of %s accepted", plan.desired.kind, id)
            return self._change(id, plan, answer, operations)

        def accepted(live: R) -> Change[R] | None:
            if not shows_desired(plan.desired, live):
                return None
            return self._change(id, plan, live, adopted=True)

        return await recover_write(
            self._engine,
            id,
            send=send,
            read=lambda: self._get(id),
            accepted=accepted,
            unknown=partial(unknown_write, request, id),
            # An idempotent request was repeated by the session already.
            attempts=1 if request.repeatable else self._engine.retry.attempts,
            was_sent_before=partial(_answer_was_lost, call),
        )

    def _change(
        self,
        id: str,
        plan: PlannedWrite[R],
        answer: Any,
        operations: Sequence[ResourceRef] = (),
        *,
        adopted: bool = False,
    ) -> Change[R]:
        """Return a handle on a write; `answer` is the resource itself where it was adopted."""
        now, unlike = self._engine.clock.now(), desired_is_proof(plan.desired, plan.before, answer)
        expectation = update_expectation(plan.before, plan.desired, now, unlike=unlike)
        return self._engine.change(
            self._adapter,
            id,
            expectation,
            operations=operations,
            initial=answer,
            adopted=adopted,
        )

    # -- going --------------------------------------------------------------------------------

    async def delete(
        self, request: Request, id: str, where: str, ready_timeout: float
    ) -> Change[None]:
        """Send a delete; what is not there gives a settled change."""

        async def send(call: CallRecord) -> AcceptedWrite:
            async def write() -> Any:
                try:
                    return await self._engine.json(request, call)
                except ConflictError as error:
                    # An earlier send of ours may be what is under way.
                    if not _answer_was_lost(call, error) or not await self._is_going(id):
                        raise
                    logger.warning("the answer to the delete of %s was lost: it is under way", id)

            return None, self._steps(await retry_while_busy(self._engine, write, ready_timeout))

        elsewhere = f"It was looked for in {where}: elsewhere it still bills"
        return await delete(self._engine, self._adapter, id, send, location_hint=elsewhere)

    async def _is_going(self, id: str) -> bool:
        try:
            return is_deleting(await self._get(id))
        except NotFoundError as error:
            return not error.transient

    def _steps(self, body: Any) -> Sequence[ResourceRef]:
        """What a delete's answer names; a 404 proves it, whatever that answer looked like."""
        try:
            return self._read(body)[1]
        except DecodeError:
            return ()


def _answer_was_lost(call: CallRecord, refusal: APIError) -> bool:
    """Before this refusal something was sent whose answer never came."""
    return call.maybe_processed > (0 if refusal.never_processed else 1)


def _is_put(error: APIError) -> bool:
    return error.method == "PUT"
