"""What a caller may ask of the poller."""

import pytest

from di_async.core.durations import DurationModel
from di_async.core.schedule import PollPolicy


@pytest.mark.parametrize("bad", [{"target_lag": 0}, {"max_interval": -1}, {"confirm": "maybe"}])
def test_policy_that_makes_no_sense_is_refused(bad: dict[str, object]) -> None:
    """At construction, as a `ValueError`."""
    with pytest.raises(ValueError, match=next(iter(bad))):
        PollPolicy(**bad)  # type: ignore[arg-type]


def test_policies_are_equal_whatever_their_models_have_learned() -> None:
    """Two policies of the same settings are the same policy; a model is no setting."""
    assert PollPolicy(durations=DurationModel()) == PollPolicy()
