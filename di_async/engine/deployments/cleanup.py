"""Delete what must not go on billing: with retries, until GET answers 404, also if cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import chain, repeat
from typing import Any, TypeVar

import anyio
from msgspec import Struct

from di_async.core.errors import (
    CleanupError,
    ClientClosedError,
    ConflictError,
    DeploymentFailedError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
)
from di_async.core.pricing import HourlyPrice
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.engine.concurrency import cancellation_behind, with_budget
from di_async.engine.deployments.deployable import Deployable, Named
from di_async.engine.log import Log
from di_async.engine.reading import LOOKUP_DELAYS_S, read_after
from di_async.engine.waiting.change import Change

__all__ = [
    "CLEANUP_TIMEOUT_S",
    "Answer",
    "answer_of",
    "cleanup_error",
    "delete_named",
    "delete_proven",
    "error_of",
    "find_made",
    "finish",
    "let_answer",
    "story_of",
]

logger = Log("di_async")

CLEANUP_TIMEOUT_S = 900.0
"""Deletions take minutes; the wait ends as soon as GET answers 404."""
ANSWER_GRACE_S = 60.0
"""How long a create in flight may take to answer once its caller is cancelled."""
_LOOK_AGAIN_S = 15.0
_MOST_FAILURES = 8
_MOST_RESTARTS = 20

T = TypeVar("T")


def _ignore(*_: object) -> None:
    """Do nothing."""


async def finish(
    work: Callable[[], Coroutine[Any, Any, T]],
    on_cancel: Callable[[], object] = _ignore,
) -> tuple[asyncio.Task[T], asyncio.CancelledError | None]:
    """Run work in a task of its own until it is done, even if the caller is cancelled.

    When a loop is shut down, every task is cancelled; then the work is begun again. `on_cancel` is
    called whenever the caller is cancelled. Returns the task, and the caller's last cancellation,
    which the caller raises when the work is done.
    """
    cancelled: asyncio.CancelledError | None = None
    restarts = 0
    task = asyncio.ensure_future(work())
    while True:
        # anyio would deliver a cancellation of the caller in each iteration of the loop.
        with anyio.CancelScope(shield=True):
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
                on_cancel()
        if not task.done():
            continue
        if not task.cancelled() or restarts >= _MOST_RESTARTS:
            return task, cancelled
        restarts += 1
        task = asyncio.ensure_future(work())


class Answer(Struct, frozen=True):
    """What is known of a create whose caller was cancelled."""

    id: str = ""
    """Of what it made; empty if it made nothing, or that is not known."""
    story: str = ""
    """What may exist, if that is not known. It is in the log, too."""


async def let_answer(creating: "asyncio.Task[Any]") -> None:
    """Wait until a create in flight is answered; cut it off after a while."""
    await asyncio.wait([creating], timeout=ANSWER_GRACE_S)
    if not creating.done():
        creating.cancel()
        await asyncio.wait([creating])


def error_of(task: "asyncio.Task[Any]") -> BaseException | None:
    """Return the error of a task that has ended, with its notes if it was cancelled."""
    try:
        task.result()
    except BaseException as error:  # of the task; it ends nothing here
        return error
    return None


async def answer_of(creating: "asyncio.Task[Any]") -> Answer:
    """Return what a create made, once it is answered."""
    await let_answer(creating)
    try:
        return Answer(creating.result().id)
    except BaseException as error:  # of the create; it ends nothing here
        made = getattr(error, "write_result", None)
        if made is not None:
            return Answer(made.id)
        if isinstance(error, OutcomeUnknownError):  # a create that is cut off logs this itself
            logger.warning("%s", error)
        return Answer(story=story_of(error))


def story_of(error: BaseException) -> str:
    """Return what a create that failed says about what may exist."""
    if isinstance(error, OutcomeUnknownError | ClientClosedError):
        return str(error)
    return "; ".join(getattr(error, "__notes__", ()))


async def delete_proven(
    target: Deployable[Any],
    id: str,
    until: float,
    on_change: Callable[[Change[None]], object] = _ignore,
    change: Change[None] | None = None,
) -> None:
    """Delete and return once GET answers 404; try again after each failure.

    A DELETE that was accepted is sent again only if the provider did not carry it out. Where the id
    is a name, what others have created with it since the first try is left alone.

    Args:
        target: the deployments.
        id: what to delete.
        until: loop time after which no try begins.
        on_change: called with the change of each DELETE that was accepted.
        change: the last one that an earlier call, which was cancelled, passed to `on_change`.

    Raises:
        DIError: the error of the last try that was answered; if none was, one that says so.
    """
    engine, failures = target.engine, 0
    began = engine.clock.moment()
    last: DIError | None = None
    while True:
        try:
            if change is None:
                async with asyncio.timeout_at(until):
                    if last is not None and await target.is_used_again(id, began):
                        logger.warning("%s: created again by others, and left alone", id)
                        return
                    change = await target.delete(id)
                on_change(change)
            await change.wait(timeout=max(0.0, until - engine.clock.now()))
        except ClientClosedError:
            raise
        except DIError as error:
            # Busy with another change, its creation for example, or paced by the request budget:
            # no failure, but not yet.
            busy = isinstance(error, ConflictError)
            paced = error.retry_after if isinstance(error, RateLimitError) else None
            failures += not busy and paced is None
            if isinstance(error, DeploymentFailedError):
                change = None
            left = until - engine.clock.now()
            if left <= 0 or failures >= _MOST_FAILURES:
                raise
            backoff = paced or engine.retry.backoff(failures or 1, 1.0)
            pause = engine.polling.target_lag if busy else backoff
            logger.info("deleting %s failed: %s; trying again in %.1f s", id, error, pause)
            last = error
        except TimeoutError as late:
            answered: DIError | None = getattr(cancellation_behind(late), "last_error", None)
            raise answered or last or DIError("the DELETE was not answered in time") from None
        else:
            return
        await asyncio.sleep(min(pause, left))


async def delete_named(
    target: Deployable[Any],
    row: Named,
    on_change: Callable[[Change[None]], object] = _ignore,
    *,
    reason_to_keep: Callable[[], str | None] = lambda: None,
) -> DIError | None:
    """Delete what still has that name; return the error if that could not be proven.

    `reason_to_keep` is called after the name was read again; with a reason, nothing is deleted.
    """
    until = target.engine.clock.now() + CLEANUP_TIMEOUT_S
    try:
        async with asyncio.timeout_at(until):
            fresh = await with_budget(lambda: target.read(row.id))
        if fresh.name != row.name:
            return DIError(f"its name is {fresh.name!r} by now; it was left alone")
        if target.id_is_name and _was_created_again(row.resource, fresh.resource):
            return DIError("others have created it again since; it was left alone")
        if reason := reason_to_keep():
            return DIError(f"{reason}; it was left alone")
        await delete_proven(target, row.id, until, on_change)
    except NotFoundError:
        return None
    except DIError as error:
        return error
    except TimeoutError:
        return DIError(f"not deleted: it could not be read within {CLEANUP_TIMEOUT_S:.0f} s")
    return None


def _was_created_again(listed: Any, fresh: Any) -> bool:
    stamps = listed.created_at, fresh.created_at
    return None not in stamps and stamps[0] != stamps[1]


async def find_made(target: Deployable[Any], name: str, until: float | None = None) -> list[str]:
    """Return the ids of what a create made whose outcome is not known; names are not reused.

    Reads lag behind writes, so it is looked for several times: until a loop time, but no longer
    than two minutes; without one, for some seconds.

    Raises:
        DIError: no read succeeded.
    """
    now = target.engine.clock.now
    longest = sum(LOOKUP_DELAYS_S) if until is None else min(CREATE_GRACE_S, until - now())
    until = now() + longest
    failed: DIError | None = None
    was_read = False
    for seconds in chain((0.0, *LOOKUP_DELAYS_S), repeat(_LOOK_AGAIN_S)):
        pause = min(seconds, max(0.0, until - now()))
        found = await read_after(pause, f"looking for {name}", partial(target.find_named, name))
        if isinstance(found, DIError):
            failed = found
        elif found:
            return [one.id for one in found]
        else:
            was_read = True
        if now() >= until:
            break
    if failed is not None and not was_read:
        raise failed
    return []


def cleanup_error(
    noun: str,
    name: str,
    id: str,
    price: HourlyPrice | None,
    error: BaseException,
    *,
    has_expiry: bool,
) -> CleanupError:
    """Return the error for something that could not be proven deleted, and log it.

    `has_expiry`: its name is one of those that `reap` deletes.
    """
    which = f"{name} ({id})" if id and id != name else name
    cost = f", at {price}" if price is not None else ""
    advice = f"delete({id!r})" if id else f"find it by its name {name!r}"
    if has_expiry:
        advice += "; or let `reap()` delete it after its expiry"
    reason = str(error) or type(error).__name__
    found = CleanupError(
        f"{noun} {which} may still exist, and bill{cost}: its deletion could not be proven "
        f"({reason.rstrip('.')}). Delete it by hand: {advice}",
        id=id,
        name=name,
        hourly_price=price,
        last_error=error,
    )
    logger.error("%s", found)
    return found
