"""When to ask again. Pure: ages, counts and rates in, seconds out."""

from typing import Literal

from attrs import field, frozen, validators

from di_async.core.durations import DurationModel

__all__ = ["PollPolicy"]

_CONFIRM = ("auto", "always", "never")


@frozen
class PollPolicy:
    """How closely waits are followed, in seconds.

    Args:
        target_lag: how late a settle may be noticed when the budget allows; polls of one resource
            are never closer than this.
        max_interval: the longest silence when the budget allows (the budget wins).
        confirm: whether a list row needs a GET to prove it: "always", "never" (take its word), or
            "auto": while the proofs fit `target_lag` and the hour's quota. A row's word is taken
            only if it shows its spec or was seen unsettled before, and the history says so.
        durations: a `DurationModel` to plan by and to teach; without one, what this client learns
            is forgotten with it.
    """

    target_lag: float = field(default=5.0, converter=float, validator=validators.gt(0.0))
    max_interval: float = field(default=60.0, converter=float, validator=validators.gt(0.0))
    confirm: Literal["auto", "always", "never"] = field(
        default="auto", validator=validators.in_(_CONFIRM)
    )
    durations: DurationModel | None = field(default=None, eq=False)
