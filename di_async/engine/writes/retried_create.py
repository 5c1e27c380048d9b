"""Creates that an earlier call may have sent already, such as the retry of a task.

What exists under the name is read before anything is sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from di_async.core.errors import ConflictError, InvalidInputError, OutcomeUnknownError
from di_async.core.http import Request
from di_async.core.lost_create import (
    Absent,
    Adopt,
    Ambiguous,
    Candidate,
    Foreign,
    ReadAgain,
    Uncertain,
    decide_retried_create,
)
from di_async.core.server_clock import CallWindow
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.engine.engine import Engine
from di_async.engine.log import Log

__all__ = ["FirstAttempt", "candidate_ids", "find_earlier_attempt", "first_attempt"]

logger = Log("di_async")

_READ_AGAIN_S = 15.0
# A message names at most so many candidates.
_MAX_NAMED = 20

R = TypeVar("R")


class FirstAttempt(Struct, frozen=True):
    """When a create was sent for the first time, perhaps on another machine."""

    at: float
    """Epoch seconds."""

    def window(self, engine: Engine, request: Request) -> CallWindow:
        """Return that time by the server's clock."""
        return engine.attempt_window(request, self.at)

    def may_be_unseen(self, engine: Engine, request: Request) -> bool:
        """Return whether reads need not show yet what the first attempt has made."""
        window = self.window(engine, request)
        return window.now - window.latest < CREATE_GRACE_S


def first_attempt(engine: Engine, at: datetime | None) -> FirstAttempt | None:
    """Return what a caller passed as `first_attempt_at`, checked. The future counts as now.

    Raises:
        InvalidInputError: it is not a datetime with a time zone.
    """
    if at is None:
        return None
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInputError(
            "first_attempt_at: expected a datetime with a time zone, such as datetime.now(UTC)"
        )
    return FirstAttempt(min(at.timestamp(), engine.clock.wall()))


async def find_earlier_attempt(
    engine: Engine,
    request: Request,
    name: str,
    first: FirstAttempt | None,
    *,
    unique_names: bool,
    find: Callable[[], Awaitable[Sequence[R]]],
    candidate: Callable[[R], Candidate],
) -> R | None:
    """Return what an earlier attempt of a create has made; None if the create may be sent.

    Where names are not unique, absence counts two minutes after the first attempt; until then
    the list is read again.

    Args:
        engine: the client's engine.
        request: the create.
        name: its name.
        first: the first attempt; None if this is it: nothing is read.
        unique_names: whether the API refuses a second resource of the name.
        find: returns everything of that name.
        candidate: returns one of these as `decide_retried_create` needs it.

    Raises:
        ConflictError: the name belongs to something else.
        OutcomeUnknownError: what has the name may be of an earlier attempt (`.candidates`).
    """
    if first is None:
        return None
    while True:
        found = await find()
        window = first.window(engine, request)
        decision = decide_retried_create(map(candidate, found), window, unique_names=unique_names)
        match decision:
            case Adopt(id=id):
                return next(row for row in found if candidate(row).id == id)
            case Foreign(id=id, reason=reason):
                raise ConflictError(
                    f"the name {name!r} is taken by {id}, which no attempt of this create made: "
                    f"{reason}",
                    method=request.method,
                    path=request.path,
                    status=409,
                )
            case Uncertain(id=id):
                raise _unknown(request, name, [row for row in found if candidate(row).id == id])
            case Ambiguous(ids=ids):
                raise _unknown(request, name, [row for row in found if candidate(row).id in ids])
            case ReadAgain(seconds=seconds):
                logger.info(
                    "no resource named %s is shown; reading again for %.0f s", name, seconds
                )
                await asyncio.sleep(min(seconds, _READ_AGAIN_S))
            case Absent():
                return None


def _unknown(request: Request, name: str, candidates: Sequence[Any]) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"it is not known whether an earlier attempt created {name!r}; {len(candidates)} of that "
        f"name exist (`.candidates`: {candidate_ids(candidates)}). Nothing was sent. They may "
        "bill: wait for the one that is yours by its id, or delete them before you create it again",
        method=request.method,
        path=request.path,
        candidates=tuple(candidates),
    )


def candidate_ids(candidates: Sequence[Any]) -> str:
    """Return the ids of resources that a create may have made, or else their names."""
    named = (
        getattr(one, "id", None) or getattr(one, "name", None) for one in candidates[:_MAX_NAMED]
    )
    return ", ".join(str(name or "(no id)") for name in named)
