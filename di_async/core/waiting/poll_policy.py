"""How closely a client follows its waits."""

from typing import Any, Literal

from attrs import Attribute, field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.seconds import checked_seconds
from di_async.core.waiting.durations import DurationStatistics

__all__ = ["PollPolicy"]


def _seconds(_: Any, attribute: "Attribute[float]", value: Any) -> None:
    checked_seconds(value, attribute.name, positive=True)


def _mode(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if value not in ("auto", "always", "never"):
        raise InvalidInputError(f"confirm: expected 'auto', 'always' or 'never', not {value!r}")


def _durations(_: Any, attribute: "Attribute[Any]", value: Any) -> None:
    if value is not None and not isinstance(value, DurationStatistics):
        raise InvalidInputError(f"{attribute.name}: expected a DurationModel, not {value!r}")


@frozen
class PollPolicy:
    """How closely waits are followed. `attrs.evolve(policy, ...)` makes a changed copy.

    Args:
        target_lag: seconds; how late a settled change may be noticed while the budget allows it.
            One resource is never read more often than this.
        max_interval: seconds; the longest time between two reads while the budget allows it.
        confirm: whether a GET confirms a list row. "always": each one. "never": rows settle waits
            by themselves; rows without a spec only after 20 were confirmed. "auto": a GET while the
            GETs fit `target_lag` and the hour's quota; beyond that as with "never". Rows settle a
            wait only if they show the spec or the wait saw the resource in progress, and the
            history says so.
        durations: a `DurationModel` to plan with and to record durations in. Without one, what
            this client learns is lost when it closes.

    Raises:
        InvalidInputError: (a `ValueError`) a value is out of range.
    """

    target_lag: float = field(default=5.0, validator=_seconds)
    max_interval: float = field(default=60.0, validator=_seconds)
    confirm: Literal["auto", "always", "never"] = field(default="auto", validator=_mode)
    durations: DurationStatistics | None = field(default=None, validator=_durations)
