"""What a wait reports while it goes on."""

from datetime import datetime
from typing import Any

from attrs import field, frozen

from di_async.core.printable import printable

__all__ = ["StatusChange"]


@frozen(kw_only=True)
class StatusChange:
    """One step of a change's history: a new status, or in `note` why a read had no result.

    Attributes:
        id: the resource's id.
        status: the last status word that a read has shown; None where none has, and in a watch of
            the account where the resource is gone.
        previous: the status word before, where it changed.
        at: wall-clock time.
        elapsed: seconds since the wait's start.
        requests: requests that the wait has sent so far.
        source: `get` or `list`, the kind of read.
        note: reason, evidence or error.
        times: how many equal steps in a row this one stands for.
        resource: the resource as read; neither printed nor compared.
        provider: `digitalocean`, `gcore` or `exoscale`.
        kind: the type of resource, such as `dedicated-inference`.
        action: `create`, `update`, `delete`, `active` (`wait_until_active`) or `predicate`
            (`wait_until`, `watch`).
        name: the resource's name; None where neither the write nor a read has shown it.
        region: where it is, as far as it is known: Gcore's region numbers, Exoscale's zone.
        outcome: in the step that ends the change: `settled`, `failed`, `vanished` or
            `superseded`; else None.
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
    provider: str | None = None
    kind: str | None = None
    action: str | None = None
    name: str | None = None
    region: str | None = None
    outcome: str | None = None

    def __str__(self) -> str:
        status = self.status or "-"
        if self.previous is not None:
            status = f"{self.previous} -> {status}"
        text = f"{self.elapsed:8.1f} s  {status}"
        text = printable(f"{text}  {self.note}" if self.note else text)
        return f"{text} (x{self.times})" if self.times > 1 else text
