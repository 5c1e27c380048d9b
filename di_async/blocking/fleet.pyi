"""Types of `di_async.blocking.fleet`; written by `.ci/stubs.py`."""

from attrs import frozen
from collections.abc import Callable, Iterable, Iterator, Mapping
from di_async.blocking.engine import Change, Client
from di_async.core.pricing import MaxHourly
from di_async.engine.deployments.reap import ReapReport
from di_async.engine.waiting.change import Timeout
from di_async.fleet.apply_report import ApplyReport
from di_async.fleet.fleet_file import Fleet
from di_async.fleet.inventory import Inventory
from di_async.fleet.scanning import OnProgress
from di_async.fleet.waiting import ReturnWhen
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

__all__ = [
    "Completions",
    "Failure",
    "WaitReport",
    "apply",
    "as_completed",
    "reap",
    "scan",
    "wait_all",
]

R = TypeVar("R")

class Completions(Iterator[Change[R]], Generic[R]):
    """The iterator that `as_completed` returns."""
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Change[R]: ...
    def close(self) -> None:
        """End the waits that are still open. Closing twice does nothing."""

class Failure(NamedTuple):
    """A change whose wait ended with an error."""
    change: Change[Any]
    error: Exception

@frozen
class WaitReport(Generic[R]):
    """The outcome of many waits; each change is in one of three groups, in the order given.

    Attributes:
        succeeded: proven settled; `resources` are the results of their waits.
        failed: pairs of a change and the error that ended its wait.
        pending: not settled within the timeout. They were left alone, and bill.
    """
    succeeded: tuple[Change[R], ...] = ()
    failed: tuple[Failure, ...] = ()
    pending: tuple[Change[R], ...] = ()
    @property
    def resources(self) -> tuple[R | None, ...]:
        """The results of the waits in `succeeded` (None for deletes)."""
    @property
    def ok(self) -> bool:
        """Whether every change is proven settled."""

def apply(
    fleet: Fleet,
    *clients: Client,
    dry_run: bool = False,
    prune: bool = False,
    max_hourly: MaxHourly | None = None,
    allow_unknown_price: bool = False,
    concurrency: int = ...,
    timeout: Timeout = ...,
    name_timeout: float = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    on_change: Callable[[Change[Any]], object] | None = None,
) -> ApplyReport:
    """Create and update the deployments of a fleet, and wait until all are active.

    Deployments that match the fleet are left unchanged. One failure does not stop the others;
    failures are in the report. Safe to run again after a crash or a cancellation, as deployments
    are found by their names; at Exoscale, whose lists may lag, another process waits two minutes.

    Args:
        fleet: see `Fleet.from_file`.
        clients: entered clients, one for each provider of the fleet. Further ones are only
            searched for deployments of an earlier apply.
        dry_run: send no write; the report shows what would be done, and the price.
        prune: when everything else has succeeded, delete deployments that an earlier apply of this
            fleet made and that are no longer in it. Nothing else is deleted.
        max_hourly: a limit on the price of the whole fleet, checked before the first write.
        allow_unknown_price: with `max_hourly`, go on if a price is not known. A GPU that the
            provider does not offer in that region is refused nevertheless.
        concurrency: how many deployments are read or written at a time. All are awaited together.
        timeout: seconds for each create and update to settle; default: what `Change.wait` takes.
            A deletion of `prune` may take 15 minutes.
        name_timeout: seconds to wait for a name whose resource is being deleted.
        options: further arguments of `ensure`, by provider, such as
            `{"digitalocean": {"access_tokens": ...}}`.
        on_change: a plain function, called with each change that is waited for. What it raises is
            logged and changes nothing.

    Raises:
        InvalidInputError: a spec is not valid, or a client is missing; nothing was sent.
        PriceLimitError: the fleet costs too much, a price is not known, or something is not on
            offer (`.on_offer`); nothing was sent.
        ClientClosedError: a client is not entered, or closed.

    After Ctrl-C, accepted changes continue at the provider, and bill. The error's notes
    name them, and its `.write_result` is the report so far, with one-time tokens. Apply again to
    wait.
    """

def as_completed(changes: Iterable[Change[R]], *, timeout: Timeout = ...) -> Completions[R]:
    """Return an iterator over the changes in the order in which their waits end.

    Each change comes exactly once, and nothing is raised: check its `outcome`, or `wait()`, which
    returns or raises immediately once `outcome` is set. `outcome` is None for changes that did not
    settle within the timeout (they come last) or could not be read.

    Leaving the loop, or an exception in it, ends the other waits, once nothing refers to the
    iterator. To end them immediately, write
    `with as_completed(changes) as ended: for change in ended: ...`.

    Several tasks may share the iterator: each change comes to one of them. A step that is
    cancelled, such as `asyncio.wait_for(anext(ended), 30)`, loses no change and ends no wait.
    """

def reap(*clients: Client, dry_run: bool = False, prefix: str = ...) -> ReapReport:
    """Delete expired temporary deployments, and nothing else; return what was found.

    Deletions are proven by GET 404. At Exoscale all zones are read.

    Args:
        clients: entered clients, of any provider.
        dry_run: delete nothing; `.deleted` shows what would be deleted.
        prefix: of the names, as given to `temporary`.

    Raises:
        InvalidInputError: no client, something else than a client, or an invalid prefix.
        ClientClosedError: a client is not entered, or closed.
    """

def scan(
    *clients: Client,
    regions: Iterable[str | int] | None = None,
    accelerators: bool = False,
    details: bool = False,
    on_progress: OnProgress | None = None,
) -> Inventory:
    """Return all instances of these clients, with their cost and what is in progress.

    Args:
        clients: entered clients, one for each account.
        regions: list only these, one list each; Gcore's are numbers. Default: all, in one list
            where that covers them.
        accelerators: list each instance's accelerators, one request each.
        details: GET each instance, one request each; useful where list rows lack the spec.
        on_progress: called with `ScanProgress`.

    Raises:
        InvalidInputError: no client, or something else than a client.
        ClientClosedError: a client is not entered, or closed.

    What cannot be read is in `.errors` and is not raised. `details` and `accelerators` wait for
    the request budget as long as it takes. Ctrl-C leaves nothing running.
    """

def wait_all(
    changes: Iterable[Change[R]],
    *,
    timeout: Timeout = ...,
    return_when: ReturnWhen = "ALL_COMPLETED",
) -> WaitReport[R]:
    """Wait for all changes and report the outcome; one failure does not end the others.

    Args:
        changes: of any blocking clients; duplicates are waited for once.
        timeout: seconds for all of them together; None waits for ever, 0 sends one read. Default:
            for each, the default of `Change.wait`.
        return_when: also "FIRST_COMPLETED" or "FIRST_EXCEPTION", as in `asyncio.wait`.

    Raises:
        InvalidInputError: something else than a change, a negative timeout, or an unknown
            `return_when`.

    Ctrl-C ends all these waits and leaves nothing running here; the resources are left alone.
    """
