"""Creates whose answer was lost. A create is never sent twice blindly: what it made bills.

v3 names are unique within a project, so the name decides. v2 does not say so: what bears the name
and matches is told as a candidate, and nothing is sent again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from di_async.core.errors import (
    APIError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
)
from di_async.core.reconcile import Absent, Adopt, Candidate, Foreign, decide_lost_create
from di_async.core.wire import Request
from di_async.engine.client import Engine
from di_async.gcore.goals import agreement, hidden
from di_async.gcore.models import Inference
from di_async.gcore.writes import AMBIGUOUS, LOOKS_AFTER_S, Reply, pause

__all__ = ["create_by_name", "create_once"]

logger = logging.getLogger("di_async")

R = TypeVar("R", bound=Inference)
Read = Callable[[Any], Reply]


async def create_by_name(
    engine: Engine,
    request: Request,
    body: Mapping[str, Any],
    read: Read,
    get: Callable[[str], Awaitable[R]],
) -> Reply | R:
    """The answer to a create; or, where it was lost, what it made, found under its unique name.

    Raises:
        ConflictError: the name belongs to something else.
        OutcomeUnknownError: it could not be settled by looking.
    """
    name, began = str(body["name"]), engine.clock.datetime()
    lost: DIError | None = None
    for attempt in range(1, engine.retry.attempts + 1):
        refused: APIError | None = None
        try:
            return read(await engine.json(request))
        except AMBIGUOUS as error:
            if isinstance(error, ConnectError) and lost is None:
                raise
            lost = error
        except APIError as error:
            if lost is None:
                raise
            refused = error  # perhaps because our own first try has taken the name
        logger.warning("the answer to the create of %r was lost: looking it up", name)
        found = await _find(request, name, body, began, get, lost)
        if found is not None:
            return found
        if refused is not None:
            raise _unknown(request, name, lost) from refused
        await pause(engine, attempt)
    raise _unknown(request, name, lost) from lost


async def _find(
    request: Request,
    name: str,
    body: Mapping[str, Any],
    began: datetime,
    get: Callable[[str], Awaitable[R]],
    lost: DIError,
) -> R | None:
    """What the lost create made, if it did; None if surely nothing bears the name."""
    looked = False
    for seconds in LOOKS_AFTER_S:
        await asyncio.sleep(seconds)
        try:
            found = await get(name)
        except ClientClosedError:
            raise
        except NotFoundError as error:
            looked = looked or not error.transient
            continue
        except DIError as error:
            logger.info("looking %r up failed: %s", name, error)
            continue
        match decide_lost_create([_candidate(name, found, body)], began):
            case Adopt():
                logger.warning(
                    "%s was made by a create whose answer was lost: adopted, without its task", name
                )
                return found
            case Foreign(why=why):
                raise ConflictError(
                    f"the name {name!r} is taken by what this call did not make: {why}",
                    method=request.method,
                    path=request.path,
                    status=409,
                ) from lost
            case Absent():  # pragma: no cover - it was found
                pass
    if not looked:
        raise _unknown(request, name, lost) from lost
    return None


async def create_once(
    engine: Engine,
    request: Request,
    body: Mapping[str, Any],
    read: Read,
    named: Callable[[str], Awaitable[Sequence[R]]],
) -> Reply:
    """The answer to a create whose name may be borne by several; it is sent once.

    Raises:
        OutcomeUnknownError: the answer was lost; `.candidates` may be what it made.
    """
    name, began = str(body["name"]), engine.clock.datetime()
    try:
        return read(await engine.json(request))
    except ConnectError:
        raise
    except AMBIGUOUS as error:
        lost: DIError = error
    found: dict[str, R] = {}
    for seconds in LOOKS_AFTER_S:
        await asyncio.sleep(seconds)
        try:
            rows = await named(name)
        except ClientClosedError:
            raise
        except DIError as error:
            logger.info("looking %r up failed: %s", name, error)
            continue
        for row in rows:
            key = str(getattr(row, "id", ""))
            if isinstance(decide_lost_create([_candidate(key, row, body)], began), Adopt):
                found[key] = row
    raise _unknown(request, name, lost, tuple(found.values())) from lost


def _candidate(key: str, found: Inference, body: Mapping[str, Any]) -> Candidate:
    return Candidate(key, found.created_at, agreement(hidden(body), found) is not False)


def _unknown(
    request: Request, name: str, lost: DIError | None, candidates: tuple[Any, ...] = ()
) -> OutcomeUnknownError:
    seen = f"; {len(candidates)} that may be it are in `.candidates`" if candidates else ""
    return OutcomeUnknownError(
        f"whether {name!r} was created is not known ({lost}){seen}. It may exist and bill: look "
        "for it before creating it again",
        method=request.method,
        path=request.path,
        candidates=candidates,
    )
