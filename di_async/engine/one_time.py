"""Create keys and tokens whose value the API shows only once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from di_async.core.errors import DIError, OutcomeUnknownError
from di_async.core.http import Request
from di_async.engine.client import Engine
from di_async.engine.lost_writes import recover_write

__all__ = ["create_one_time"]

T = TypeVar("T")


async def create_one_time(
    engine: Engine,
    request: Request,
    what: str,
    *,
    accept: Callable[[Any], T],
    find: Callable[[], Awaitable[Sequence[T]]],
) -> T:
    """Send a create whose answer holds a one-time value, and return the decoded answer.

    Args:
        engine: the client's engine.
        request: the create.
        what: what is created, for messages: "API key 'ci'".
        accept: decodes the answer.
        find: reads what exists under that name.

    Raises:
        OutcomeUnknownError: the answer was lost, and with it the value, so nothing is adopted.
            `.candidates` are those of that name.
    """

    async def send() -> T:
        return accept(await engine.json(request))

    def unknown(lost: DIError, found: Sequence[T] | None) -> OutcomeUnknownError:
        count = "listing them failed" if found is None else f"{len(found)} of that name exist"
        return OutcomeUnknownError(
            f"whether {what} was created is not known ({lost}); its value is lost in any case "
            f"({count}). Delete the ones you do not know and create another",
            method=request.method,
            path=request.path,
            candidates=tuple(found or ()),
        )

    return await recover_write(
        engine,
        what,
        send=send,
        read=find,
        accepted=lambda _: None,  # one that is found lacks its value
        unknown=unknown,
        attempts=1,
        one_read=True,
    )
