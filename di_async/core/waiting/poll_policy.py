"""When to ask again. Pure: ages, counts and rates in, seconds out."""

from typing import Literal

from msgspec import Struct

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.durations import DurationModel

__all__ = ["PollPolicy"]

_CONFIRM = ("auto", "always", "never")


class PollPolicy(Struct, frozen=True):
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

    target_lag: float = 5.0
    max_interval: float = 60.0
    confirm: Literal["auto", "always", "never"] = "auto"
    durations: DurationModel | None = None

    def __post_init__(self) -> None:
        seconds = self.target_lag, self.max_interval
        if not all(isinstance(value, int | float) and value > 0 for value in seconds):
            raise InvalidInputError("target_lag and max_interval are in seconds: above 0")
        if self.confirm not in _CONFIRM:
            raise InvalidInputError(f"confirm is one of {', '.join(_CONFIRM)}")
