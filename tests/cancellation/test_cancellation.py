"""Cancelling a call at any await loses nothing; `python -m tests.cancellation` prints a report."""

import pytest

from tests.cancellation.sweep import cancel_everywhere
from tests.faults.operations import OPERATIONS, Operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_cancelling_at_any_await_loses_nothing(operation: Operation) -> None:
    """The write is sent once and named, no task is left, and the client still works."""
    results = list(cancel_everywhere(operation))
    assert results
    assert not [f"{result}: {problem}" for result in results for problem in result.problems]
