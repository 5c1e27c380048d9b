"""Cancelling `apply`, `ensure`, `temporary` and `create_first_available` at any callback."""

import pytest

from tests.cancellation.callbacks import CALLS, Call, cancel_at_callbacks

QUICK, ALL = 7, 1


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("stride", [QUICK, pytest.param(ALL, marks=pytest.mark.exhaustive)])
def test_cancelling_at_any_callback_loses_nothing(call: Call, stride: int) -> None:
    """What exists is named by the error or deleted, created once, and no task is left."""
    assert not list(cancel_at_callbacks(call, stride))
