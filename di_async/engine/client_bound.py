"""What works only with its open client, and so cannot be pickled or copied."""

from typing import ClassVar, NoReturn

__all__ = ["ClientBound"]


class ClientBound:
    """A base class whose objects refuse to be pickled or copied, and say what to do instead."""

    _instead: ClassVar[str] = "pass on what its calls return"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"This {type(self).__name__} belongs to its client, and cannot be pickled or copied; "
            f"{self._instead}."
        )
