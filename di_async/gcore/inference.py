"""The calls that v2 instances and v3 deployments share: reads, and writes to existing ones.

Sending an update, start, stop or delete twice does no more than sending it once. So after a
lost response the resource is read, and the request is sent again if no read shows its effect.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Struct

from di_async.core.errors import (
    APIError,
    ClientClosedError,
    ConflictError,
    DecodeError,
    DIError,
    NotFoundError,
)
from di_async.core.http import Request
from di_async.core.lost_create import Candidate
from di_async.core.moment import Moment
from di_async.core.pagination import check_page_size, with_rows
from di_async.core.responses import deleted_body
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.listing import Listing
from di_async.engine.log import Log
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.engine.writes.deletion import created_since, delete
from di_async.engine.writes.lost_writes import (
    READ_FIRST,
    AcceptedWrite,
    recover_write,
    retry_while_busy,
    unknown_write,
)
from di_async.gcore.adapter import InferenceAdapter
from di_async.gcore.api import MAX_PAGE, find_named, read_page
from di_async.gcore.desired_state import DesiredState, digest_secrets, matches
from di_async.gcore.lifecycle import (
    desired_is_proof,
    is_deleting,
    shows_desired,
    update_expectation,
)
from di_async.gcore.models import Inference
from di_async.gcore.spec import InferenceSpec, shown_spec

__all__ = ["InferenceApi", "PlannedWrite", "candidate"]

logger = Log("di_async")

R = TypeVar("R", bound=Inference)


class PlannedWrite(Struct, Generic[R], frozen=True):
    """A write to an existing resource, and the state that it should reach."""

    request: Request
    before: R
    """The resource as a GET showed it before the write."""
    desired: DesiredState


class InferenceApi(ResourceApi[R]):
    """Reads and writes that both kinds of resource have."""

    _adapter: InferenceAdapter[R]

    def __init__(self, adapter: InferenceAdapter[R]) -> None:
        super().__init__(adapter.engine, adapter, partial(adapter.request, "get"))
        self._request = adapter.request

    async def get(self, id: str) -> R:
        """Return one resource. Raises `NotFoundError` if it does not exist."""
        read = partial(self._adapter.decode, id=id)
        return await self._engine.json(self._request("get", id), read)

    def _listing(self, page_size: int, predicate: Callable[[R], bool] | None = None) -> Listing[R]:
        check_page_size(page_size, MAX_PAGE)
        self._request("list")  # raises here if there is no project, not at the first row

        async def fetch(params: Mapping[str, Any]) -> Any:
            request = self._request("list", params=params)
            return await self._engine.json(request, partial(with_rows, key="results"))

        read = partial(read_page, fetch, size=page_size, key=self._adapter.id_field)
        return Listing(read, self._adapter.decode_row, page_size, predicate)

    def _accepted(self, body: Any, id: str) -> AcceptedWrite:
        """Return a write's decoded answer and its tasks. Raises `DecodeError`."""
        raise NotImplementedError

    def _created(self, id: str, answer: AcceptedWrite, **more: Any) -> Change[R]:
        expectation = Expectation(action=Action.CREATE, accepted_at=self._engine.clock.now())
        return self._change(id, expectation, answer, **more)

    def _change(
        self, id: str, expectation: Expectation, answer: AcceptedWrite, **more: Any
    ) -> Change[R]:
        """Return the change of a write; `more` are arguments of `Engine.change`."""
        initial, operations = answer
        return self._engine.change(
            self._adapter, id, expectation, operations=operations, initial=initial, **more
        )

    # -- writes to existing resources ---------------------------------------------------------

    async def _modify(
        self, id: str, plan: Callable[[], Awaitable[PlannedWrite[R]]], ready_timeout: float
    ) -> Change[R]:
        """Plan and send a write; while another task holds the resource, do both again.

        Raises:
            OutcomeUnknownError: the response was lost, and reading did not show the outcome.
        """

        async def write() -> Change[R]:
            return await self._send(id, await plan())

        # A locked PUT needs a new plan. The session repeats other locked requests itself.
        return await retry_while_busy(
            self._engine, write, ready_timeout, retry_anyway=lambda error: error.method == "PUT"
        )

    async def _send(self, id: str, plan: PlannedWrite[R]) -> Change[R]:
        request, call = plan.request, CallRecord()

        async def send() -> Change[R]:
            accept = partial(self._accepted, id=id)
            return self._modified(id, plan, await self._engine.json(request, accept, call))

        def accepted(live: R) -> Change[R] | None:
            if not shows_desired(plan.desired, live):
                return None
            return self._modified(id, plan, (live, ()), adopted=True)

        return await recover_write(
            self._engine,
            f"{plan.desired.kind} of {id}",
            call,
            send=send,
            read=lambda: self.get(id),
            accepted=accepted,
            unknown=partial(unknown_write, request, id),
            # The session has already repeated an idempotent request.
            attempts=1 if request.repeatable else self._engine.retry.attempts,
            lookup_hint=READ_FIRST,
            was_sent_before=partial(_answer_was_lost, call),
        )

    def _modified(
        self, id: str, plan: PlannedWrite[R], answer: AcceptedWrite, *, adopted: bool = False
    ) -> Change[R]:
        proof = desired_is_proof(plan.desired, plan.before, answer[0])
        now = self._engine.clock.now()
        expectation = update_expectation(plan.before, plan.desired, now, differed_before=proof)
        return self._change(
            id,
            expectation,
            answer,
            adopted=adopted,
            place=self._adapter.duration_key(plan.before),
            write=plan.request,
            previous_spec=self._previous_spec(plan) if plan.desired.kind == "update" else None,
        )

    def _previous_spec(self, plan: PlannedWrite[R]) -> InferenceSpec:
        """Return the spec from before an update, to go back to."""
        return shown_spec(plan.before, plan.desired.fields)

    async def _delete(self, id: str, location: str, ready_timeout: float) -> Change[None]:
        request = self._request("delete", id)
        by_name = None if request.repeatable else request
        began = self._engine.clock.moment()
        busy: ConflictError | None = None

        async def send(call: CallRecord) -> AcceptedWrite:
            async def write() -> Any:
                nonlocal busy
                if by_name is not None and busy is not None:
                    await self._check_not_replaced(id, by_name, began, busy)
                try:
                    return await self._engine.json(request, _deleted, call)
                except ConflictError as error:
                    busy = error
                    if not _answer_was_lost(call, error) or not await self._is_deleting(id):
                        raise
                    logger.warning("the response to the delete of %s was lost; it is under way", id)

            # The session does not repeat a DELETE by name.
            body = await retry_while_busy(
                self._engine, write, ready_timeout, retry_anyway=lambda _: by_name is not None
            )
            return None, self._tasks(body, id)

        hint = f"It was searched for in {location}; if it exists elsewhere, it still bills"
        return await delete(
            self._engine, self._adapter, id, send, location_hint=hint, by_name=by_name
        )

    async def _check_not_replaced(
        self, id: str, request: Request, began: Moment, busy: ConflictError
    ) -> None:
        """Check what has the name before a refused DELETE is sent again.

        Raises:
            NotFoundError: nothing has it, or what was created since: that is left alone.
            ConflictError: it cannot be read; `busy`, the last refusal.
        """
        try:
            found = await self.get(id)
        except (ClientClosedError, NotFoundError):
            raise
        except DIError:
            raise busy from None
        if created_since(self._engine, request, began, found):
            raise NotFoundError(
                f"{id} was deleted and created again by others",
                method=request.method,
                path=request.path,
                status=404,
            )

    async def _is_deleting(self, id: str) -> bool:
        """Return whether it is being deleted, or gone."""
        return all(map(is_deleting, await find_named(self.get, id)))

    def _tasks(self, body: Any, id: str) -> Sequence[ResourceRef]:
        """Return the tasks of a delete, if its answer shows them; a 404 proves the deletion."""
        try:
            return self._accepted(body, id)[1]
        except DecodeError:
            return ()


def _deleted(body: Any) -> Any:
    """Return an answer to a delete: v3 shows tasks, v2 has no body or shows the instance."""
    return deleted_body(body, ("tasks", "id"))


def candidate(id: str, body: Mapping[str, Any], found: Inference) -> Candidate:
    """Return a resource of the name in a create's body, for `decide_lost_create`."""
    matches_sent = matches(digest_secrets(body), found) is not False
    return Candidate(id, found.created_at, matches_sent, is_deleting(found))


def _answer_was_lost(call: CallRecord, refusal: APIError) -> bool:
    """Return whether an earlier request of this call may have been processed."""
    return call.maybe_processed > (0 if refusal.never_processed else 1)
