"""Values that must not be shown by accident, not even by tracebacks with local variables.

Tools that show local variables (rich, Sentry, `pytest -l`) show the repr of values, or look into
lists, mappings and attrs classes. What is secret is therefore kept in objects of this module.
"""

import hmac
from collections.abc import Iterator, KeysView, Mapping
from typing import Any, NoReturn, Self

__all__ = ["Secret", "SecretHeaders", "hidden", "reveal"]


class Secret:
    """A secret whose repr, str and format are masked. `reveal()` returns the value.

    Args:
        value: the secret.
    """

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

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A Secret cannot be pickled; pass reveal() where the value has to be handed on."
        )

    __getstate__ = __reduce__  # some serializers call it


class SecretHeaders(Mapping[str, str]):
    """HTTP headers with authentication; the repr shows their names only.

    It is a `Mapping`, so Sentry would look into it but for `__sentry_repr__`.
    """

    __slots__ = ("__plain",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.__plain = dict(headers)

    def __getitem__(self, name: str) -> str:
        return self.__plain[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header."""
        return self.__plain.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.__plain

    def __iter__(self) -> Iterator[str]:
        return iter(self.__plain)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self.__plain.keys()

    def __len__(self) -> int:
        return len(self.__plain)

    def __repr__(self) -> str:
        return f"SecretHeaders({', '.join(self.__plain)})"

    __sentry_repr__ = __repr__


def reveal(value: Any) -> Any:
    """Return `value`, or the content of a `Secret`."""
    return value.reveal() if isinstance(value, Secret) else value


def hidden(token: Any) -> Secret | None:
    """Return a caller's token as a `Secret`, whatever it is; `serving.as_secret` checks it.

    Call it first, and drop the plain value: tracebacks may show the variables of a failed call.
    """
    if token is None or isinstance(token, Secret):
        return token
    held = getattr(token, "value", None) or getattr(token, "secret", None)
    return held if isinstance(held, Secret) else Secret(token)
