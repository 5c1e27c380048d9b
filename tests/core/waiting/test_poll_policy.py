"""What a caller may ask of the poller."""

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
def test_policy_that_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    """At construction, as a `ValueError`."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        PollPolicy(**bad)  # type: ignore[arg-type]


def test_policies_of_the_same_settings_are_equal() -> None:
    """And can be keys; a model of one's own is a setting too."""
    assert {PollPolicy(), PollPolicy(target_lag=5.0)} == {PollPolicy()}
    assert PollPolicy(durations=DurationModel()) != PollPolicy()
