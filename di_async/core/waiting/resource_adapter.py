"""What waiting needs to know about one provider's type of resource, as a protocol."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from attrs import frozen
from msgspec import Struct

from di_async.core.errors import DIError, InvalidInputError
from di_async.core.http import Priority
from di_async.core.waiting.observation import Expectation, Observation
from di_async.core.waiting.resume_token import ResourceRef

if TYPE_CHECKING:
    from di_async.core.pagination import Page
    from di_async.core.serving import ConnectOptions, ServingTarget
    from di_async.core.waiting.page_index import RowKey

__all__ = ["CallRecord", "Capabilities", "ResourceAdapter"]

R = TypeVar("R")


class CallRecord(Struct):
    """Request counters of one call, filled in even if it fails."""

    started_at: float = math.inf
    """Loop time of the first request: a read proves nothing about what happened later."""
    requests: int = 0
    """Requests sent, silent repeats included."""
    maybe_processed: int = 0
    """Those of them that the provider may have acted on."""
    is_page: bool = False
    """It reads a list page for polling."""
    last_error: DIError | None = None
    """A copy of the error of the last attempt that failed, without its traceback."""

    def sent(self, at: float) -> None:
        """Count a request that is being sent at this loop time."""
        self.started_at = min(self.started_at, at)
        self.requests += 1
        self.maybe_processed += 1

    def never_sent(self) -> None:
        """Take back a request that did not leave this machine."""
        self.requests -= 1
        self.maybe_processed -= 1

    def not_processed(self) -> None:
        """Note that the provider refused a request without acting on it."""
        self.maybe_processed -= 1


@frozen(kw_only=True)
class Capabilities:
    """What a provider's API supports."""

    unique_names: bool = False
    """A name belongs to one resource at a time, so a lost create can be looked up."""
    spec_versions: bool = False
    """A resource shows which version of its spec runs."""
    updated_at: bool = False
    """A resource shows when it last changed."""
    shows_sent: bool = False
    """A resource shows what an update sent; `Expectation.differed_before` makes it proof."""
    busy_status: int | None = None
    """The HTTP status of a write that is refused while the resource is busy."""
    operations: tuple[str, ...] = ()
    """Kinds of operations that must finish before the resource is judged, such as tasks."""


class ResourceAdapter(Protocol[R]):
    """One type of resource. Providers subclass this and set the attributes."""

    provider: str
    noun: str
    """What messages call a resource."""
    kind: str
    """The `kind` of its references."""
    resource_type: type
    """The class of `get`'s and `decode_row`'s results."""
    base_url: str
    scope: str | None = None
    """The zone or project that ids belong to."""
    default_timeout: float = 3600.0
    """Seconds that a wait without a timeout takes at most."""
    capabilities: Capabilities = Capabilities()
    id_is_name: bool = False
    """A resource's id is its name."""
    has_list: bool = True
    """`list_page` returns rows; without, each resource is read by GET."""
    by_region: bool = False
    """`list_page` can list one region."""
    reasons_may_quote: bool = True
    """Reasons hold text of the provider, which may quote what a resource was given."""

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        """GET a resource, or an operation of one of the capabilities' kinds, once.

        Raises:
            NotFoundError: the API's own 404. DIError: every other failure.
        """
        ...

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> "Page":
        """GET a list page of `poll_schedule.PAGE_SIZE` rows, once. Raises `DIError`."""
        ...

    def row_key(self, row: Any) -> "RowKey":
        """Return a row's id and a fingerprint that changes when its state does.

        `page_index.NO_ROW` for a row that has no id.
        """
        ...

    def decode_row(self, row: Any) -> R:
        """Return a full list row as a resource. Raises `DecodeError`."""
        ...

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a resource, or of an operation, shows."""
        ...

    async def recent_logs(self, id: str, lines: int, call: CallRecord) -> Sequence[str]:
        """Return the last log lines of a resource, the oldest first, from one request.

        They may hold secrets. An API without logs returns none, and no request is sent.

        Raises:
            DIError: the log could not be read.
        """
        return ()

    def reads_sent(self, sent: str) -> bool:
        """Return whether `observe` can read this `Expectation.sent`, which comes from outside."""
        return True

    def observe_row(self, resource: R, row: Any, expectation: Expectation) -> Observation:
        """Return what a list row shows, `partial` if it lacks what decides.

        `resource` is the row as `decode_row` returns it.
        """
        return self.observe(resource, expectation)

    def check_connect(self, options: "ConnectOptions") -> None:
        """Check what a caller passes to `connect`, before anything is awaited.

        Raises:
            InvalidInputError: this API cannot do that, or a key is missing.
        """
        raise InvalidInputError(f"a {self.noun} has no endpoint to connect to")

    def check_serving(self, resource: R) -> None:
        """Check that a settled resource is one that answers: it is not stopped, for example.

        Raises:
            InvalidInputError: it serves nothing as it is; the message says what to do.
        """
        return

    async def serving_target(self, resource: R, options: "ConnectOptions") -> "ServingTarget":
        """Return where a settled resource serves, with its key. It may send requests.

        `check_connect` has accepted the options, and `check_serving` the resource.

        Raises:
            InvalidInputError: it cannot be called as it is; the message says what to do.
        """
        raise InvalidInputError(f"a {self.noun} has no endpoint to connect to")

    def duration_key(self, resource: R) -> tuple[str, str]:
        """Return region and accelerator, which decide how long changes take."""
        return "", ""
