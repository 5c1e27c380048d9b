"""What `apply` did, or would do. Pure."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from attrs import field, frozen

from di_async.core.errors import DIError, WaitTimeoutError
from di_async.core.pricing import HourlyPrice
from di_async.core.printable import printable

__all__ = ["Action", "Applied", "ApplyReport", "Leftover"]

Action = Literal["created", "updated", "unchanged", "deleted", "failed"]
_PLANNED = {
    "created": "to create",
    "updated": "to update",
    "deleted": "to delete",
    "failed": "impossible",
}


@frozen(kw_only=True)
class Applied:
    """What happened to one deployment, or would happen."""

    provider: str
    name: str
    region: str | None = None
    action: Action
    """`failed`: nothing was sent, no write is known to be accepted, or a deletion is not proven."""
    id: str | None = None
    """None if there is none yet."""
    diff: tuple[str, ...] = ()
    """What differed, a line for each field."""
    active: bool = False
    """It was found active with its spec."""
    hourly_price: HourlyPrice | None = None
    """None if it is not known, or was not needed."""
    duplicates: tuple[str, ...] = ()
    """Ids of others of that name (Exoscale). They exist, and bill."""
    access_token: Any = field(default=None, repr=False)
    """The one-time token of a create (DigitalOcean)."""
    error: DIError | None = None
    """Why it is not active with its spec; a `WaitTimeoutError` if the wait for it timed out."""

    @property
    def pending(self) -> bool:
        """Whether the wait for it timed out; the change goes on, and bills."""
        return isinstance(self.error, WaitTimeoutError)

    def __str__(self) -> str:
        problem = f": {self.error}" if self.error else ""
        where = f" {self.region}" if self.region else ""
        return printable(f"{self.action} {self.provider}{where} {self.name}{problem}")


@frozen(kw_only=True)
class Leftover:
    """A deployment that an earlier apply of the fleet made, and that is no longer in it."""

    provider: str
    name: str
    region: str | None
    id: str


@frozen(kw_only=True)
class ApplyReport:
    """What `apply` did; with `dry_run`, what it would do.

    Attributes:
        results: one for each deployment of the fleet, in its order, then those that were pruned.
        leftovers: made by an earlier apply, no longer in the fleet, and not pruned. They bill.
        unsearched: providers that could not be searched for leftovers, with the error.
        hourly: the price of all deployments of the fleet by currency; empty if there was nothing
            to do.
        unknown_price: how many deployments `hourly` leaves out, as their price is not known.
        not_on_offer: of those to create or update, why the provider lists no price: an unknown
            region, for example.
    """

    results: tuple[Applied, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    unsearched: tuple[tuple[str, DIError], ...] = ()
    hourly: Mapping[str, Decimal] = field(factory=dict)
    unknown_price: int = 0
    not_on_offer: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether every deployment is active with its spec; with `dry_run`, whether each can be."""
        return not self.failed and not self.pending and not self.unsearched

    @property
    def changed(self) -> tuple[Applied, ...]:
        """What was created, updated or deleted, or would be."""
        return tuple(r for r in self.results if r.action not in ("unchanged", "failed"))

    @property
    def failed(self) -> tuple[Applied, ...]:
        """Results with an error, other than a wait that timed out."""
        return tuple(r for r in self.results if r.error is not None and not r.pending)

    @property
    def pending(self) -> tuple[Applied, ...]:
        """Results whose wait timed out."""
        return tuple(r for r in self.results if r.pending)

    @property
    def unsettled(self) -> tuple[Applied, ...]:
        """What has its spec and is not active: an earlier change is in progress, or has failed."""
        found = (r for r in self.results if r.action == "unchanged" and not r.active)
        return tuple(r for r in found if r.error is None)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to send, or to wait for."""
        return bool(self.changed or self.unsettled)

    @property
    def counts(self) -> dict[str, int]:
        """How many deployments there are of each action; those that failed count as `failed`."""
        found = Counter(r.action if r.error is None else _ending(r) for r in self.results)
        order = ("created", "updated", "deleted", "pending", "failed", "unchanged")
        return {word: found[word] for word in order if found[word]}

    def summary(self) -> str:
        """Return the counts in one line."""
        words = _PLANNED if self.dry_run else {}
        parts = [f"{count} {words.get(word, word)}" for word, count in self.counts.items()]
        if self.unsettled:
            parts.append(f"{len(self.unsettled)} of these not active")
        if not (self.has_work or self.failed or self.pending):
            parts[:1] = [f"nothing to do: {parts[0] if parts else 'no deployments'}"]
        return ", ".join(parts)

    def __str__(self) -> str:
        lines = [self.summary()]
        lines += [f"  {result}" for result in self.results if result.error]
        lines += [f"  {provider}: not searched: {error}" for provider, error in self.unsearched]
        return "\n".join(map(printable, lines))


def _ending(result: Applied) -> str:
    return "pending" if result.pending else "failed"
