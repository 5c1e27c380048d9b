"""Creates that are neither sent again nor adopted after a lost response.

They make keys and tokens, whose value the API shows only once, and resources whose names are not
unique.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from di_async.core.errors import DecodeError, DIError, OutcomeUnknownError
from di_async.core.http import Request
from di_async.core.responses import own_id
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.engine import Engine
from di_async.engine.writes.lost_writes import recover_write

__all__ = ["create_once"]

T = TypeVar("T")


async def create_once(
    engine: Engine,
    request: Request,
    what: str,
    *,
    accept: Callable[[Any], T],
    find: Callable[[], Awaitable[Sequence[T]]],
    one_time_value: bool = False,
) -> T:
    """Send a create once and return its decoded answer.

    Args:
        engine: the client's engine.
        request: the create.
        what: what is created, for messages: "API key 'ci'".
        accept: decodes the answer.
        find: reads what exists under that name.
        one_time_value: the answer holds a value that cannot be read again; without it, it counts
            as lost.

    Raises:
        OutcomeUnknownError: the response was lost. `.candidates` are those of that name.
    """
    call = CallRecord()

    async def send() -> T:
        return await engine.json(request, read_answer, call)

    def read_answer(body: Any) -> T:
        made = accept(body)
        if one_time_value:
            _check_one_time_value(made)
        return made

    def unknown(lost: DIError, found: Sequence[T] | None) -> OutcomeUnknownError:
        count = "listing them failed" if found is None else f"{len(found)} of that name exist"
        value = "; its value is lost in any case" if one_time_value else ""
        return OutcomeUnknownError(
            f"it is not known whether {what} was created ({lost}){value} ({count}). Delete the "
            "ones that you do not know, and create another",
            method=request.method,
            path=request.path,
            candidates=tuple(found or ()),
        )

    return await recover_write(
        engine,
        f"create of {what}",
        call,
        send=send,
        read=find,
        accepted=lambda _: None,
        unknown=unknown,
        attempts=1,
        lookup_hint="If it exists, delete it before you create another",
        one_read=True,
    )


def _check_one_time_value(made: Any) -> None:
    if hasattr(made, "id"):
        own_id(made.id)
    if not (getattr(made, "value", None) or getattr(made, "secret", None)):
        raise DecodeError("the answer shows no value @ $", transient=True)
