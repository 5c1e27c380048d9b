"""Writes that are cut off: what their errors say, and hold."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from di_async import ClientClosedError, NotFoundError
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.writes.cut_off import report_if_cut_off

MADE = SimpleNamespace(id="i", resume_token="t")


def cut_off(error: BaseException, result: Any = None, **call: Any) -> BaseException:
    """Return what a write raises that ends with this error."""
    try:
        with report_if_cut_off(CallRecord(**call), "it may exist") as keep:
            keep(result)
            raise error
    except BaseException as raised:
        return raised


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), ClientClosedError("closed"), SystemExit(1)]
)
def test_the_answer_of_a_write(error: BaseException) -> None:
    """If it has arrived, the error that the caller gets holds it, whatever ended the call."""
    raised: Any = cut_off(error, MADE)
    assert raised.write_result is MADE
    text = str(raised) if isinstance(raised, ClientClosedError) else raised.__notes__[0]
    assert "the write was accepted, and i exists and may bill, resume token t" in text


def test_without_an_answer() -> None:
    """Nothing is held, and the error tells what may have happened if it was sent."""
    raised = cut_off(ClientClosedError("closed"), maybe_processed=1)
    assert str(raised) == "the client was closed, and it may exist"
    assert not hasattr(raised, "write_result")
    raised = cut_off(ClientClosedError("closed"))
    assert str(raised) == "closed"


def test_errors_of_the_api_settle_it() -> None:
    """They are the answer, and raised as they are."""
    error = NotFoundError("no", status=404)
    assert cut_off(error, maybe_processed=1) is error
    assert not hasattr(error, "__notes__")
