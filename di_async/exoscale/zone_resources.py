"""What deployments and models have in common: reading, creating and deleting in one zone.

Every write returns an operation, and a create's operation names the new resource in
`reference.id`. Names are not unique, so a create whose response was lost is never sent again. An
uncertain match is never adopted, because the caller may delete the resource of its change.
"""

import builtins
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from msgspec import Struct

from di_async.core.errors import (
    ConflictError,
    DecodeError,
    DeploymentFailedError,
    DIError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
)
from di_async.core.http import Request
from di_async.core.moment import Moment
from di_async.core.redaction import redact, sent_secrets
from di_async.core.responses import resource_body
from di_async.core.server_clock import Age, CallWindow
from di_async.core.waiting.observation import Action, Expectation, Phase
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.log import Log
from di_async.engine.reading import read_after
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.engine.waiting.event_stream import StatusStream
from di_async.engine.writes.deletion import delete
from di_async.engine.writes.lost_writes import AcceptedWrite, recover_write, retry_while_busy
from di_async.engine.writes.retried_create import candidate_ids
from di_async.exoscale.adapter import OPERATION, ZoneAdapter
from di_async.exoscale.api import ENDPOINTS
from di_async.exoscale.lifecycle import is_pending, is_public, operation_phase, operation_reason
from di_async.exoscale.models import CODEC, AIAPIKey, Deployment, Model, Operation
from di_async.exoscale.zone_requests import ZoneRequests

__all__ = ["ZoneResources"]

logger = Log("di_async")

R = TypeVar("R", bound=Deployment | Model | AIAPIKey)

# Clocks differ, and timestamps may be whole seconds.
_CREATED_TOLERANCE_S = 5.0


class _CreateProgress(Struct, frozen=True):
    """What reads show of a create whose response did not name its resource."""

    operation: Operation | None
    """None if the create's response was lost, or if reading the operation failed."""
    recent: Sequence[Any] = ()
    """Resources of that name that this create may have made."""


class ZoneResources(ResourceApi[R]):
    """One type of resource in one zone. Other zones are not searched."""

    def __init__(self, requests: ZoneRequests, adapter: ZoneAdapter[R]) -> None:
        super().__init__(requests.engine, adapter, ENDPOINTS[f"get_{adapter.kind}"].request)
        self._requests = requests
        self._kind = adapter.kind

    async def get(self, id: str) -> R:
        """Return one resource. Raises `NotFoundError` if this zone has none of that id."""
        into = cast("type[R]", self._adapter.resource_type)
        return await self._requests.read(f"get_{self._kind}", id, into)

    async def find_all(self, name: str) -> builtins.list[R]:
        """Return all of the organisation's resources of that name, as list rows."""
        into = cast("type[R]", self._adapter.resource_type)
        rows = self._requests.listing(f"list_{self._kind}s", into)
        return [row async for row in rows if row.name == name and not is_public(row)]

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """Delete a resource; return a change that settles when GET answers 404.

        A deployment bills until then. If this zone has no such resource, the change is settled and
        `.already_gone` is true. It may exist, and bill, in another zone.

        Args:
            id: the resource.
            ready_timeout: seconds to keep trying while another operation runs (409).

        Raises:
            ConflictError: Another operation was still under way.
            APIError: With status 412, deployments use the model; the message names them.
        """
        request = self._requests.request(f"delete_{self._kind}", id)

        async def send(call: CallRecord) -> AcceptedWrite:
            operation = Operation()
            try:
                operation = await retry_while_busy(
                    self._engine, lambda: self._send(request, call), ready_timeout
                )
            except ConflictError:
                # An earlier request of ours may be the operation under way.
                if not call.maybe_processed or not await self._seems_deleting(id):
                    raise
                logger.warning("the response to the delete of %s was lost; it is under way", id)
            return operation, self._pending(operation, id, request)

        hint = f"If it is in another zone than {self._requests.zone}, it still bills"
        return await delete(self._engine, self._adapter, id, send, location_hint=hint)

    def watch(self, id: str | None = None, *, region: str | int | None = None) -> StatusStream:
        """Return an async iterator over status changes in the zone, or of one resource.

        Raises:
            InvalidInputError: `region` is another zone; use `in_zone`.
        """
        zone = self._requests.zone
        if region not in (None, zone):
            raise InvalidInputError(
                f"This client watches zone {zone} only; use in_zone({region!r})."
            )
        return super().watch(id)

    # -- create -------------------------------------------------------------------------------

    async def _create(
        self, request: Request, name: str, place: tuple[str, str] | None = None
    ) -> Change[R]:
        call, operation, began = CallRecord(), None, self._engine.clock.moment()
        lookup_hint = f"It may exist and bill. Check `find_all({name!r})` in {self._requests.zone}"

        def window() -> CallWindow:
            waited = min(call.started_at, self._engine.clock.now()) - began.loop
            sent_at = Moment(began.loop + waited, began.wall + waited)
            return self._engine.call_window(request, sent_at)

        def change(answer: Operation, made: R | None = None) -> Change[R]:
            now = self._engine.clock.now()
            return self._change(
                made.id if made else _created_id(answer),
                Expectation(action=Action.CREATE, accepted_at=now),
                answer,
                made=made,
                place=place,
                name=name,
                write=request,
            )

        async def send() -> Change[R]:
            nonlocal operation
            operation = await self._send(request, call)
            if _created_id(operation):  # if it has failed, its wait says so and knows the id
                return change(operation)
            self._raise_if_failed(operation, request, advice=f"{lookup_hint}.")
            which = operation.id or "(no id)"
            raise DecodeError(f"accepted as operation {which}, which does not show the id")

        async def read() -> _CreateProgress:
            return await self._read_progress(operation, name, window)

        def accepted(progress: _CreateProgress) -> Change[R] | None:
            if progress.operation is None:
                return None
            if _created_id(progress.operation):
                return change(progress.operation)
            self._raise_if_failed(progress.operation, request, advice=f"{lookup_hint}.")
            # Only after the operation has succeeded is the list sure to have the resource.
            over = operation_phase(progress.operation) is Phase.READY
            made = _only_match(progress.recent, window()) if over else None
            return change(progress.operation, made) if made else None

        def unknown(lost: DIError, progress: _CreateProgress | None) -> OutcomeUnknownError:
            return self._unknown_create(request, name, lost, progress)

        return await recover_write(
            self._engine,
            f"create of {name!r}",
            call,
            send=send,
            read=read,
            accepted=accepted,
            unknown=unknown,
            attempts=1,
            lookup_hint=lookup_hint,
        )

    async def _read_progress(
        self, operation: Operation | None, name: str, window: Callable[[], CallWindow]
    ) -> _CreateProgress:
        if operation is not None and operation.id:
            what, get = f"reading operation {operation.id}", self._requests.operation
            answer = await read_after(0, what, partial(get, operation.id))
            operation = None if isinstance(answer, DIError) else answer
        if operation is not None and (
            _created_id(operation) or operation_phase(operation) is Phase.FAILED
        ):
            return _CreateProgress(operation)
        rows = await self.find_all(name)
        since = window()
        recent = [row for row in rows if since.age(row.created_at) is not Age.BEFORE]
        return _CreateProgress(operation, recent)

    def _unknown_create(
        self, request: Request, name: str, lost: DIError, progress: _CreateProgress | None
    ) -> OutcomeUnknownError:
        recent: Sequence[Any] = progress.recent if progress else ()
        if progress is None:
            seen = "the list could not be read either"
        else:
            ids = f": {candidate_ids(recent)}" if recent else ""
            seen = f"{len(recent)} of that name and age exist (`.candidates`{ids})"
        return OutcomeUnknownError(
            f"it is not known whether the {self._kind} {name!r} was created ({lost}); {seen}. "
            "Names are not unique, so nothing was adopted or sent again. What exists may bill; "
            "check before creating it again",
            method=request.method,
            path=request.path,
            candidates=tuple(recent),
        )

    # -- operations ---------------------------------------------------------------------------

    async def _send(self, request: Request, call: CallRecord) -> Operation:
        return await self._engine.json(request, _read_operation, call)

    def _change(
        self,
        id: str,
        expectation: Expectation,
        operation: Operation,
        *,
        made: R | None = None,
        adopted: bool = False,
        place: tuple[str, str] | None = None,
        name: str | None = None,
        write: Request | None = None,
        previous_spec: Any = None,
    ) -> Change[R]:
        """Return the change of a write; `made` is the resource of an adopted create."""
        return self._engine.change(
            self._adapter,
            id,
            expectation,
            operations=self._pending(operation, id, write),
            initial=operation if made is None else made,
            adopted=adopted or made is not None,
            place=place,
            name=name,
            write=write,
            previous_spec=previous_spec,
        )

    def _pending(
        self, operation: Operation, id: str, write: Request | None
    ) -> Sequence[ResourceRef]:
        """Return the operation if it must still finish.

        Raises:
            DeploymentFailedError: It has failed, and has no id to read it by.
        """
        if not operation.id:
            advice = "It bills as long as it exists; `delete(id)` ends the cost."
            self._raise_if_failed(operation, write, id=id, advice=advice)
        pending = operation.id and operation_phase(operation) is not Phase.READY
        return (ResourceRef(OPERATION, operation.id),) if pending else ()

    def _raise_if_failed(
        self, operation: Operation, write: Request | None, *, id: str = "", advice: str
    ) -> None:
        if operation_phase(operation) is Phase.FAILED:
            which = f"{self._kind} {id}".rstrip()
            secrets = () if write is None else sent_secrets(write)
            reason = redact(operation_reason(operation), secrets)
            raise DeploymentFailedError(
                f"the write to the {which} failed: operation {reason}.",
                id=id,
                initial=operation,
                advice=advice,
            )

    async def _seems_deleting(self, id: str) -> bool:
        """Return whether it is busy while its state shows no work, as during a deletion."""
        try:
            found = await self.get(id)
        except NotFoundError:
            return True
        return not is_pending(found.state)


def _read_operation(body: Any) -> Operation:
    """Return the operation in the answer to a write. Raises `DecodeError` if there is none."""
    operation = CODEC.structure(resource_body(body), Operation)
    if not any(body.get(name) for name in ("id", "state", "reference")):
        raise DecodeError("the answer is not an operation @ $", transient=True)
    return operation


def _created_id(operation: Operation) -> str:
    return ((operation.reference.id if operation.reference else None) or "").strip()


def _only_match(recent: Sequence[R], window: CallWindow) -> R | None:
    """Return the resource that a finished create has made, if no other one can be it."""
    if len(recent) != 1 or not recent[0].id:
        return None
    stamp = recent[0].created_at
    surely = window.surely_since(stamp, _CREATED_TOLERANCE_S)
    return recent[0] if surely else None
