"""A value that must not be shown by accident."""

import hmac
from typing import Any, NoReturn

__all__ = ["Secret"]


class Secret:
    """A secret whose repr, str and format are masked. `reveal()` returns the value."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the secret. Keep it out of logs."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(("Secret", self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A Secret cannot be pickled; pass reveal() where the value has to be handed on."
        )


def reveal(value: Any) -> Any:
    """Return `value`, or the content of a `Secret`."""
    return value.reveal() if isinstance(value, Secret) else value
