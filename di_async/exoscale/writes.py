"""Writes that are answered with an operation: sent once, and never repeated on a guess.

A create's answer names what it makes (`reference.id`). Names are not unique, so a create whose
answer was lost cannot be settled by looking: `OutcomeUnknownError` shows what may be it. Nor is a
row taken for ours unless nothing else can be meant: whoever gets it may delete it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from attrs import frozen

from di_async.core.errors import (
    ClientClosedError,
    ConflictError,
    ConnectError,
    DeploymentFailedError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
)
from di_async.core.http import Priority, Request
from di_async.core.lost_create import CLOCK_SKEW
from di_async.core.waiting.observation import Action, Expectation, Phase
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.lost_writes import (
    AMBIGUOUS_ERRORS,
    LOOKUP_DELAYS_S,
    AcceptedWrite,
    delete,
    note_on_cancel,
    retry_while_busy,
    unknown_write,
)
from di_async.engine.waiting.change import Change
from di_async.exoscale.lifecycle import (
    create_expectation,
    differs,
    is_pending,
    observe_operation,
    update_expectation,
)
from di_async.exoscale.models import CODEC, Deployment, Model, Operation
from di_async.exoscale.zone_requests import OPERATION, ZoneRequests

__all__ = ["DeploymentWrites", "Writes"]

logger = logging.getLogger("di_async")

Body = Mapping[str, Any]
R = TypeVar("R", bound=Deployment | Model)

_ALLOWANCE = timedelta(seconds=5)
"""How far apart clocks may be for a row to count as made since; stamps may be whole seconds."""
_ANY = Expectation(action=Action.ACTIVE, accepted_at=0.0)


@frozen
class Writes(Generic[R]):
    """The writes to one kind of resource in one zone."""

    site: ZoneRequests
    adapter: ResourceAdapter[R]
    named: Callable[[str], Awaitable[list[R]]]
    """All that bear a name."""

    # -- create -------------------------------------------------------------------------------

    async def create(self, request: Request, name: str) -> Change[R]:
        """What settles when that which this request makes is ready."""
        began = self.site.engine.clock.datetime()
        finding = f"Look with `find_all({name!r})` in {self.site.zone}"
        with note_on_cancel(f"the {self.adapter.noun} {name!r}", finding):
            call = CallRecord()
            operation, made = await self._accepted(request, name, began, call), None
            if not _referenced(operation):
                sent_at = self.site.engine.clock.wall_at(call.started_at)
                since = datetime.fromtimestamp(sent_at, UTC)
                operation, made = await self._made(operation, request, name, since)
        id = _referenced(operation) or (made.id if made else "")
        logger.info("create of %s accepted: %s", name, id)
        return self._change(id, create_expectation(self._now()), operation, made=made)

    async def _accepted(
        self, request: Request, name: str, began: datetime, call: CallRecord
    ) -> Operation:
        try:
            return await self._send(request, call)
        except ConnectError:
            raise
        except AMBIGUOUS_ERRORS as lost:
            why = f"its answer was lost: {lost}"
            raise await self._unknown(request, name, began, why) from lost

    async def _made(
        self, operation: Operation, request: Request, name: str, began: datetime
    ) -> tuple[Operation, R | None]:
        """An operation that did not tell what it makes, as soon as it does; else what it made."""
        for pause in LOOKUP_DELAYS_S:
            self._raise_if_failed(operation)
            await asyncio.sleep(pause)
            try:
                if operation.id:
                    operation = await self.site.operation(operation.id)
                told = _referenced(operation)
                made = (
                    None if told or not _is_over(operation) else await self._only_match(name, began)
                )
            except ClientClosedError:
                raise
            except DIError as error:
                logger.info("looking for %r failed: %s", name, error)
                continue
            if told or made:
                return operation, made
        self._raise_if_failed(operation)
        which = operation.id or "(no id)"
        why = f"it was accepted as operation {which}, which does not tell the id"
        raise await self._unknown(request, name, began, why)

    async def _only_match(self, name: str, began: datetime) -> R | None:
        """What a create that is over has made, if it alone can be meant.

        None where another of that name may be as young, or it itself may be somebody else's.
        """
        young = await self._recent(name, began)
        if len(young) != 1 or not young[0].id or young[0].created_at is None:
            return None
        return young[0] if young[0].created_at >= began - _ALLOWANCE else None

    async def _recent(self, name: str, began: datetime) -> list[R]:
        """What bears the name and may have been made by this call."""
        since = began - CLOCK_SKEW
        found = await self.named(name)
        return [one for one in found if one.created_at is None or one.created_at >= since]

    async def _unknown(
        self, request: Request, name: str, began: datetime, why: str
    ) -> OutcomeUnknownError:
        try:
            young = await self._recent(name, began)
            ids = ": " + ", ".join(one.id or "(no id)" for one in young) if young else ""
            seen = f"{len(young)} of that name and age exist (`.candidates`{ids})"
        except ClientClosedError:
            raise
        except DIError as error:
            young, seen = [], f"looking for it failed too ({error})"
        return OutcomeUnknownError(
            f"what became of the create of the {self.adapter.noun} {name!r} is not known: {why}. "
            f"{seen}. Names are not unique here, so nothing was adopted, and nothing repeated: "
            "what exists bills",
            method=request.method,
            path=request.path,
            candidates=tuple(young),
        )

    # -- delete -------------------------------------------------------------------------------

    async def delete(self, request: Request, id: str, ready_timeout: float = 0) -> Change[None]:
        """What settles when GET answers 404."""

        async def send(call: CallRecord) -> AcceptedWrite:
            operation = Operation()
            try:
                operation = await retry_while_busy(
                    self.site.engine, lambda: self._send(request, call), ready_timeout
                )
            except ConflictError:
                # An earlier send of ours may be what is under way.
                if not call.maybe_processed or not await self._seems_to_go(id):
                    raise
                logger.warning("the answer to the delete of %s was lost, and one is under way", id)
            return operation, self._operations(operation)

        elsewhere = f"If it is in another zone than {self.site.zone}, it still bills"
        return await delete(self.site.engine, self.adapter, id, send, location_hint=elsewhere)

    async def _seems_to_go(self, id: str) -> bool:
        """It is busy and its state does not tell with what: only a deletion is like that."""
        call = CallRecord()
        try:
            found = await self.adapter.get(ResourceRef(self.adapter.kind, id), Priority.READ, call)
        except NotFoundError as error:
            return not error.transient
        return not is_pending(found.state)

    # -- operations ---------------------------------------------------------------------------

    async def _send(self, request: Request, call: CallRecord | None = None) -> Operation:
        return CODEC.structure(await self.site.engine.json(request, call), Operation)

    def _change(
        self,
        id: str,
        expectation: Expectation,
        operation: Operation,
        *,
        made: R | None = None,
        adopted: bool = False,
    ) -> Change[R]:
        """Return a handle on the write of this operation; `made` is what an adopted create made."""
        return self.site.engine.change(
            self.adapter,
            id,
            expectation,
            operations=self._operations(operation),
            initial=operation if made is None else made,
            adopted=adopted or made is not None,
        )

    def _operations(self, operation: Operation) -> Sequence[ResourceRef]:
        """The operation has to end first, unless it has succeeded already.

        Raises:
            DeploymentFailedError: it has failed, and there is none to ask.
        """
        if not operation.id:
            self._raise_if_failed(operation)
        pending = operation.id and not _is_over(operation)
        return (ResourceRef(OPERATION, operation.id),) if pending else ()

    def _raise_if_failed(self, operation: Operation) -> None:
        seen = observe_operation(operation, _ANY)
        if seen.phase is Phase.FAILED:
            raise DeploymentFailedError(
                f"the write to the {self.adapter.noun} failed: {OPERATION} {seen.reason}.",
                initial=operation,
            )

    def _now(self) -> float:
        return self.site.engine.clock.now()


@frozen
class DeploymentWrites(Writes[Deployment]):
    """What is written to deployments besides."""

    async def modify(
        self,
        id: str,
        request_of: Callable[[Deployment], tuple[Request, Body]],
        ready_timeout: float,
    ) -> Change[Deployment]:
        """What settles when the deployment is ready and shows what this sends.

        `request_of` makes the request, and the fields that must show it, of the live deployment.
        """

        async def write() -> Change[Deployment]:
            before = await self._read(id)
            request, sent = request_of(before)
            operation = await self._sent(request, before, sent)
            logger.info("%s of %s accepted", request.method, id)
            expectation = update_expectation(before, sent, self._now())
            return self._change(
                id, expectation, operation or Operation(), adopted=operation is None
            )

        return await retry_while_busy(self.site.engine, write, ready_timeout)

    async def _sent(self, request: Request, before: Deployment, sent: Body) -> Operation | None:
        """The operation of a write; None where that was lost and the write seen to be accepted.

        It is repeated after a lost answer only while everything looks as before: it sets values,
        so that twice is once.
        """
        try:
            return await self._send(request)
        except ConnectError:
            raise
        except AMBIGUOUS_ERRORS as error:
            lost: DIError = error
        live = before
        for pause in LOOKUP_DELAYS_S:
            logger.warning("the answer to the write to %s was lost: reading again", before.id)
            await asyncio.sleep(pause)
            try:
                live = await self._read(before.id)
                if _is_taken(before, live, sent):
                    return None
                if live != before:
                    break
                return await self._send(request)
            except ConflictError:
                return None  # one is under way, and none was when this write was first sent
            except ClientClosedError:
                raise
            except AMBIGUOUS_ERRORS as error:
                lost = error
            except DIError as error:
                lost = error
                break
        raise unknown_write(request, before.id, lost, live) from lost

    async def _read(self, id: str) -> Deployment:
        return await self.site.read("get_deployment", id, Deployment)


def _is_taken(before: Deployment, live: Deployment, sent: Body) -> bool:
    """A change began, or shows already."""
    began = is_pending(live.state) and not is_pending(before.state)
    return began or bool(differs(before, sent) and differs(live, sent) is False)


def _is_over(operation: Operation) -> bool:
    """It has succeeded."""
    return observe_operation(operation, _ANY).phase is Phase.READY


def _referenced(operation: Operation) -> str:
    return (operation.reference.id if operation.reference else None) or ""
