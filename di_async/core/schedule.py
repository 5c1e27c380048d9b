"""When to ask again. Pure: ages, counts and rates in, seconds out."""

from typing import Literal

from attrs import field, frozen, validators

__all__ = ["PollPolicy", "poll_interval"]

_CONFIRM = ("auto", "always", "never")


@frozen
class PollPolicy:
    """How closely waits are followed, in seconds.

    Args:
        target_lag: how late a settle may be noticed when the budget allows; polls of one resource
            are never closer than this.
        max_interval: the longest silence when the budget allows (the budget wins).
        confirm: whether a list row needs a confirming GET: "auto", "always" or "never". Waits ask
            by GET today, so that every one of them is confirmed.
    """

    target_lag: float = field(default=5.0, converter=float, validator=validators.gt(0.0))
    max_interval: float = field(default=60.0, converter=float, validator=validators.gt(0.0))
    confirm: Literal["auto", "always", "never"] = field(
        default="auto", validator=validators.in_(_CONFIRM)
    )


def poll_interval(policy: PollPolicy, *, watched: int, rate: float, failures: int = 0) -> float:
    """Seconds between two polls of one resource.

    Args:
        policy: what the caller wants.
        watched: how many resources share the rate.
        rate: requests a second that polling may spend; may be infinite.
        failures: unreadable answers in a row for this one; each doubles its pause.
    """
    fair = max(policy.target_lag, watched / rate)
    eased = policy.target_lag * 2.0 ** min(failures, 30)
    return max(fair, min(eased, policy.max_interval))
