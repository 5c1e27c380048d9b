"""How a live resource differs from the spec that a caller wants. Pure."""

from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from di_async.core.errors import InvalidInputError

__all__ = ["Difference", "check_mutable"]

_LONGEST_VALUE = 80


@frozen
class Difference:
    """One field whose value is not the wanted one; None stands for "nothing"."""

    path: str
    """Such as `model_deployments[0].accelerators[0].scale`."""
    shown: Any = field(repr=False)
    wanted: Any = field(repr=False)
    immutable: bool = False
    """It cannot change after creation."""
    secret: bool = False
    """Its values may hold secrets, so they are not shown."""

    def __str__(self) -> str:
        if self.secret:
            return f"{self.path}: differs (its values may be secret)"
        return f"{self.path}: {_text(self.shown)} -> {_text(self.wanted)}"


def check_mutable(differences: Iterable[Difference], owner: str) -> None:
    """Check that each difference can be ended by an update of the owner.

    Raises:
        InvalidInputError: fields differ that cannot change; `.problems` names them.
    """
    fixed = [difference for difference in differences if difference.immutable]
    if fixed:
        problems = tuple(
            f"{one.path}: cannot change after creation; it is {_quoted(one.shown)}, not "
            f"{_quoted(one.wanted)}"
            for one in fixed
        )
        raise InvalidInputError(f"{owner}: {'; '.join(problems)}", problems=problems)


def _quoted(value: Any) -> str:
    return f"'{_text(value)}'" if isinstance(value, str) else _text(value)


def _text(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
