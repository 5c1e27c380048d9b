"""What a wait tells while it goes on."""

from datetime import datetime
from typing import Any

from attrs import field, frozen

__all__ = ["StatusChange"]


@frozen(kw_only=True)
class StatusChange:
    """One thing that was learned: a new status, or (`note`) why nothing could be learned.

    `at` is wall-clock time; `elapsed` is seconds since the wait's start; `requests` is what the
    wait has spent on the wire so far; `times` counts equal things in a row.
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
    resource: Any = field(default=None, repr=False, eq=False)

    def __str__(self) -> str:
        status = self.status or "-"  # nothing of the resource itself was seen yet
        moved = status if self.previous is None else f"{self.previous} -> {status}"
        told = f"{self.elapsed:8.1f} s  {moved}"
        told = f"{told}  {self.note}" if self.note else told
        return f"{told} (x{self.times})" if self.times > 1 else told
