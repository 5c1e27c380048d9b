"""Tests of `PollPolicy`."""

import pytest

from di_async.core.waiting.poll_policy import PollPolicy
from di_async.engine.waiting.duration_model import DurationModel


@pytest.mark.parametrize(
    "bad",
    [
        {"target_lag": 0},
        {"target_lag": "5"},
        {"max_interval": -1},
        {"confirm": "maybe"},
        {"durations": {}},
    ],
)
def test_invalid_policy_is_rejected(bad: dict[str, object]) -> None:
    """An invalid policy raises `ValueError` at construction."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        PollPolicy(**bad)  # type: ignore[arg-type]


def test_policies_of_the_same_settings_are_equal() -> None:
    """Policies with equal settings are equal and hashable; their model counts too."""
    assert {PollPolicy(), PollPolicy(target_lag=5.0)} == {PollPolicy()}
    assert PollPolicy(durations=DurationModel()) != PollPolicy()
