"""Deletes: a 404 to the DELETE, or no answer to it, proves nothing until a GET has answered 404.

The 404 may come from a replica that does not know a new resource yet. So the resource is read, and
the DELETE is sent again while the resource exists, or may exist. Where its id is a name, what the
read shows may have been created since by others: that is left alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from di_async.core.errors import DIError, NotFoundError, OutcomeUnknownError
from di_async.core.http import Priority, Request, is_uuid
from di_async.core.moment import Moment
from di_async.core.responses import no_content
from di_async.core.waiting.evidence import accepted_delete_grace
from di_async.core.waiting.observation import NO_EXPECTATION, Action, Expectation, Phase
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.engine.reading import LOOKUP_DELAYS_S, read_after
from di_async.engine.waiting.change import Change
from di_async.engine.writes.cut_off import report_if_cut_off
from di_async.engine.writes.lost_writes import AMBIGUOUS_ERRORS, AcceptedWrite, backoff

__all__ = ["created_since", "delete", "delete_at_once"]

logger = Log("di_async")

Send = Callable[[CallRecord], Awaitable[AcceptedWrite]]
_NO_ANSWER: AcceptedWrite = (None, ())
_NO_UUID = "It is not a UUID. If it is a name, what has this name still bills: pass its id"


async def delete(
    engine: Engine,
    adapter: ResourceAdapter[Any],
    id: str,
    send: Send,
    *,
    location_hint: str,
    by_name: Request | None = None,
) -> Change[None]:
    """Send a delete and return its change, which is settled if there was nothing to delete.

    Args:
        engine: the client's engine.
        adapter: of the resource's type.
        id: the resource.
        send: sends the DELETE, counting in the record.
        location_hint: where the resource may exist, and bill, if it was not found.
        by_name: the DELETE, if its id is a name, so that the session does not repeat it.

    Raises:
        OutcomeUnknownError: the DELETE answers 404, but a GET shows the resource.
    """
    call = CallRecord()
    story = (
        f"the delete of {id} was cut off in flight: it may have been carried out. Until "
        f"`get({id!r})` raises NotFoundError it exists and bills"
    )
    with report_if_cut_off(call, story):
        return await _delete(engine, adapter, id, send, call, location_hint, by_name)


async def _delete(
    engine: Engine,
    adapter: ResourceAdapter[Any],
    id: str,
    send: Send,
    call: CallRecord,
    location_hint: str,
    by_name: Request | None,
) -> Change[None]:
    not_found = attempt = 0
    began = engine.clock.moment()
    grace_until = engine.creation_grace(adapter, id)
    while True:
        attempt += 1
        answer = await _attempt(send, call, not_found)
        if not isinstance(answer, DIError):
            logger.info("delete of %s accepted", id)
            grace = accepted_delete_grace(has_operation=bool(answer[1]))
            at = _certainly_after(engine, by_name, engine.clock.moment())
            return _change(engine, adapter, id, at, answer, longest_grace=grace, deletes=True)
        # A 404, or a lost response: a GET shows what exists now.
        is_404 = isinstance(answer, NotFoundError)
        not_found += is_404
        attempts = engine.retry.attempts if answer.transient else 1
        may_resend = by_name is not None and not is_404 and attempt < attempts
        seen = await _read(adapter, id, LOOKUP_DELAYS_S if may_resend else (0.0,))
        was_lost = call.maybe_processed > not_found
        is_new = engine.clock.now() < grace_until  # then a 404 proves nothing
        if seen.missing and not is_new:
            if not was_lost:
                where = location_hint if by_name is not None or is_uuid(id) else _NO_UUID
                logger.warning("%s was not found, so nothing was deleted. %s", id, where)
            proof = "DELETE and GET answered 404" if not_found else "GET answered 404"
            return _change(
                engine, adapter, id, already_gone=not was_lost, settled_by=proof, deletes=was_lost
            )
        if seen.deleting:  # by a lost attempt, or by others
            return _change(engine, adapter, id, _certainly_after(engine, by_name, began))
        if by_name is not None and created_since(engine, by_name, began, seen.resource):
            proof = f"what has the name {id} was created after this DELETE"
            return _change(
                engine, adapter, id, already_gone=not was_lost, settled_by=proof, deletes=True
            )
        if may_resend and seen.resource is not None:
            continue
        if not isinstance(answer, NotFoundError):
            raise answer
        if attempt >= engine.retry.attempts and not (seen.missing and is_new):
            _check_unproven(id, answer, None if was_lost else seen.resource)
            at = _certainly_after(engine, by_name, began)
            return _change(engine, adapter, id, at)  # its wait finds out
        await backoff(engine, min(attempt, 5))


async def _attempt(send: Send, call: CallRecord, not_found: int) -> AcceptedWrite | DIError:
    """Return the answer to a DELETE, or the error if it was a 404 or the response was lost."""
    try:
        return await send(call)
    except NotFoundError as error:
        return error
    except AMBIGUOUS_ERRORS as error:
        if call.maybe_processed <= not_found:
            raise  # no attempt was sent, or each was answered
        return error


def _certainly_after(engine: Engine, by_name: Request | None, moment: Moment) -> datetime | None:
    """Return a time by the provider's clock that is certainly later, if the id is a name."""
    if by_name is None:
        return None
    return datetime.fromtimestamp(engine.call_window(by_name, moment).surely_begun_at, UTC)


def created_since(engine: Engine, request: Request, began: Moment, resource: Any) -> bool:
    """Return whether a resource was certainly created after a DELETE of its name began."""
    created_at = getattr(resource, "created_at", None)
    is_another = engine.call_window(request, began).surely_before(created_at)
    if is_another:
        logger.warning("%s: created again after this DELETE, and left alone", request.path)
    return is_another


def _check_unproven(id: str, answer: NotFoundError, resource: Any) -> None:
    """Raise if the resource is there in spite of the 404s."""
    if resource is not None:
        raise OutcomeUnknownError(
            f"DELETE answers 404, but GET shows {id}: it exists and bills; delete it again",
            method="DELETE",
            path=answer.path,
            candidates=(resource,),
        )


async def delete_at_once(
    engine: Engine, request: Request, find: Callable[[], Awaitable[object]], story: str
) -> None:
    """Send a DELETE that is over with its answer; where the answer proves nothing, read.

    Args:
        engine: the client's engine.
        request: the DELETE. By name, it is sent again only after a read.
        find: reads the thing; returns None if it does not exist.
        story: what a call that is cut off may have done.

    Raises:
        NotFoundError: it does not exist, and no attempt of this call may have deleted it.
        OutcomeUnknownError: a repeated DELETE answers 404, but a read shows it.
        APIError, TransportError, DecodeError: no attempt was accepted, as far as a read shows.
    """
    call, began = CallRecord(), engine.clock.moment()
    attempts = 1 if request.repeatable else engine.retry.attempts
    with report_if_cut_off(call, story):
        for attempt in range(1, attempts + 1):
            try:
                await engine.json(request, no_content, call)
            except (NotFoundError, *AMBIGUOUS_ERRORS) as error:
                missing = isinstance(error, NotFoundError)
                if call.maybe_processed <= missing:
                    raise  # nothing but this 404 was answered, or nothing was sent
                if not (request.repeatable or missing):
                    await backoff(engine, attempt)
                found = await read_after(0, "reading after the DELETE", find)
                if isinstance(found, DIError):
                    raise
                if found is None or (
                    request.by_name and created_since(engine, request, began, found)
                ):
                    return
                if missing:
                    raise OutcomeUnknownError(
                        f"DELETE {request.path} answers 404, but a read shows that it "
                        "exists; delete it again",
                        method="DELETE",
                        path=request.path,
                    ) from None
                if attempt == attempts or not error.transient:
                    raise
            else:
                return


class _Seen(Struct, frozen=True):
    """What a GET shows; nothing at all if it failed."""

    missing: bool = False
    deleting: bool = False
    resource: Any = None


async def _read(adapter: ResourceAdapter[Any], id: str, delays: Sequence[float]) -> _Seen:
    """Return what the first GET that is answered shows; each is sent after its delay."""

    async def get() -> _Seen:
        try:
            resource = await adapter.get(ResourceRef(adapter.kind, id), Priority.READ, CallRecord())
        except NotFoundError:
            return _Seen(missing=True)
        deleting = adapter.observe(resource, NO_EXPECTATION).phase is Phase.DELETING
        return _Seen(deleting=deleting, resource=resource)

    for seconds in delays:
        seen = await read_after(seconds, f"reading {id}", get)
        if not isinstance(seen, DIError):
            return seen
    return _Seen()


def _change(
    engine: Engine,
    adapter: ResourceAdapter[Any],
    id: str,
    deleted_at: datetime | None = None,
    answer: AcceptedWrite = _NO_ANSWER,
    **outcome: Any,
) -> Change[None]:
    initial, operations = answer
    expectation = Expectation(
        action=Action.DELETE, accepted_at=engine.clock.now(), deleted_at=deleted_at
    )
    return engine.change(
        adapter, id, expectation, operations=operations, initial=initial, **outcome
    )
