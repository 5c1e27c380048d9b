"""Report writes that were cut off while they were under way, so that nothing is lost.

A cancellation, a closed client, an interrupt or an exit ends the call, but not the write: the
provider may have carried it out, and what it created bills. The error that ends the call, and a
warning in the log, name the write and how to look for what it did.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from di_async.core.errors import ClientClosedError, DIError
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.log import Log

__all__ = ["may_have_written", "report_if_cut_off"]

logger = Log("di_async")


@contextmanager
def report_if_cut_off(
    call: CallRecord, story: str, result: Any = None
) -> Iterator[Callable[[Any], None]]:
    """Report a write that is cut off in this block, unless none of its requests was sent.

    Yield a function that takes what the call is about to return.
    `ClientClosedError` gets the story as its message, everything else as a note. If the answer has
    arrived, `.write_result` of the error holds what the call would have returned. `.last_error` of
    a cancellation is the error of the last attempt that failed; None if none was answered.

    Args:
        call: counts the requests of the write.
        story: what the write may have done, and how to look for it.
        result: what the call is about to return, if the answer has arrived already.
    """
    results = [result]
    try:
        yield results.append
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            error.last_error = call.last_error  # type: ignore[attr-defined]
        result = results[-1]
        settled = isinstance(error, DIError) and not isinstance(error, ClientClosedError)
        if settled or not (call.maybe_processed or result):
            raise
        text = _result_text(result) or story
        raised = error
        if isinstance(error, ClientClosedError):
            raised = ClientClosedError(f"the client was closed, and {text}")
        with suppress(AttributeError, TypeError):  # an error with slots
            raised.maybe_written = True  # type: ignore[attr-defined]
            if result is not None:
                raised.write_result = result  # type: ignore[attr-defined]
        with suppress(BaseException):  # a handler may exit once more; this exit goes on anyway
            logger.warning("%s", text)
        if raised is not error:
            raise raised from error
        error.add_note(text)
        raise


def may_have_written(error: BaseException) -> bool:
    """Return whether an error has cut off a write that may have been carried out."""
    return bool(getattr(error, "maybe_written", False))


def _result_text(result: Any) -> str | None:
    """Return what is known of a write whose answer has arrived."""
    id, token = getattr(result, "id", None), getattr(result, "resume_token", None)
    if not id:
        return None
    resume = f", resume token {token}" if isinstance(token, str) else ""
    return (
        f"the write was accepted, and {id} exists and may bill{resume}. "
        "`.write_result` of this error holds the answer, with a one-time token if there is one"
    )
