"""Cancelling a call at any await loses nothing; `python -m tests.cancellation` prints a report."""

import pytest

from tests.cancellation.sweep import cancel_everywhere
from tests.faults.operations import OPERATIONS, Operation

NAMES = list(dict.fromkeys(operation.name for operation in OPERATIONS))


def _parameter(operation: Operation) -> object:
    """By default what several clouds have is played on every second one, in turns."""
    clouds = [one.cloud for one in OPERATIONS if one.name == operation.name]
    turn = NAMES.index(operation.name) + clouds.index(operation.cloud)
    marks = pytest.mark.exhaustive if turn % 2 and len(clouds) > 1 else ()
    return pytest.param(operation, marks=marks, id=str(operation))


@pytest.mark.parametrize("operation", [_parameter(one) for one in OPERATIONS])
def test_cancelling_at_any_await_loses_nothing(operation: Operation) -> None:
    """The write is sent once and named, no task is left, and the client still works."""
    results = list(cancel_everywhere(operation))
    assert results
    assert not [f"{result}: {problem}" for result in results for problem in result.problems]
