"""What a wait tells while it goes on."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

__all__ = ["StatusChange"]


class StatusChange(Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """One thing that was learned: a new status, or (`note`) why nothing could be learned.

    `at` is wall-clock time; `elapsed` is seconds since the wait's start; `requests` is what the
    wait has spent on the wire so far; `times` counts equal things in a row. `resource` is neither
    shown nor compared.
    """

    id: str
    status: str | None
    previous: str | None = None
    at: datetime
    elapsed: float = 0.0
    requests: int = 0
    source: str = "get"
    note: str | None = None
    times: int = 1
    resource: Any = None

    def __str__(self) -> str:
        status = self.status or "-"  # nothing of the resource itself was seen yet
        moved = status if self.previous is None else f"{self.previous} -> {status}"
        told = f"{self.elapsed:8.1f} s  {moved}"
        told = f"{told}  {self.note}" if self.note else told
        return f"{told} (x{self.times})" if self.times > 1 else told

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._told().items())
        return f"StatusChange({told})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StatusChange):
            return NotImplemented
        return self._told() == other._told()

    def __hash__(self) -> int:
        return hash(tuple(self._told().values()))

    def _told(self) -> dict[str, Any]:
        told = asdict(self)
        del told["resource"]
        return told
