"""Types of `di_async.blocking.engine`; written by `.ci/stubs.py`."""

import ssl as ssl_module
from attrs import frozen
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from di_async.core.capacity import Attempt
from di_async.core.errors import DIError
from di_async.core.secret import Secret
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.resource_adapter import Capabilities
from di_async.engine.waiting.change import Timeout
from di_async.engine.waiting.stats import Stats
from openai import OpenAI
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, overload

__all__ = [
    "Change",
    "Client",
    "DeployableApi",
    "Ensured",
    "EventStream",
    "Listing",
    "ResourceApi",
    "ServingEndpoint",
    "StatusStream",
]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

Probe = Literal["chat", "models"] | Callable[[ServingEndpoint], object]

class Listing(Iterator[T], Generic[T]):
    """An iterator over all rows of a list.

    A step that failed or was cancelled may be repeated: it reads the same pages again, so that no
    row is missing. Several tasks may share a listing: each row comes once.
    """
    total: int | None
    drifted: bool
    def __iter__(self) -> Self: ...
    def __next__(self) -> T: ...
    def collect(self, on_page: Callable[[int, int | None], object] | None = None) -> list[T]:
        """Return all remaining rows. `on_page(rows_read, total)` is called for each page.

        Raises:
            DIError: The listing was closed meanwhile. Also everything that the requests raise.
        """
    def collect_readable(
        self,
        on_page: Callable[[int, int | None], object] | None = None,
    ) -> tuple[list[T], tuple[DIError, ...]]:
        """Return all remaining rows that can be decoded, and why others may be missing."""
    def close(self) -> None:
        """End the listing, and a step under way: it has no further rows.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two rows.
        """

class ServingEndpoint:
    """The OpenAI-compatible endpoint of a deployment. It outlives the client that made it.

    Attributes:
        id: the deployment.
        base_url: for OpenAI clients; it ends in `/v1`.
        access_token: the key to send, a `Secret`; None if anyone may call the endpoint.
        models: the names of the models, as the endpoint listed them last.
        ssl_context: the TLS context to use; None for the usual one. Of a private endpoint it
            trusts the deployment's CA alone.
        history: the steps until it answered, oldest first.
    """
    id: str
    base_url: str
    access_token: Secret | None
    models: tuple[str, ...]
    ssl_context: ssl_module.SSLContext | None
    history: tuple[StatusChange, ...]
    def openai(self, **options: Any) -> OpenAI:
        """Return an `openai.OpenAI` for this endpoint; use it in `with`.

        Args:
            options: those of `OpenAI`, such as `max_retries`.

        Raises:
            ModuleNotFoundError: the `openai` package is not installed.
        """
    def ready(self, timeout: float | None = 600.0) -> ServingEndpoint:
        """Return this endpoint once its models answer.

        Args:
            timeout: seconds; None waits for ever, 0 sends one probe.

        Raises:
            WaitTimeoutError: it does not answer in time.
            WaitRefusedError: it refuses (401, 403, a certificate that is not trusted).
        """

class StatusStream(Iterator[StatusChange]):
    """An iterator over status changes. Requests are sent only while a step is awaited."""
    def __next__(self) -> StatusChange:
        """Return the next step."""
    def close(self) -> None:
        """End the stream, and a step under way: it has no further steps.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two steps.
        The resource is left alone.
        """

class EventStream(StatusStream, Generic[R_co]):
    """The iterator that `events()` returns: each item is a `StatusChange`.

    It raises what `Change.wait` raises. Requests are sent only while a step is awaited. A step that
    was cancelled may be awaited again.
    """
    def __iter__(self) -> Self: ...
    def __next__(self) -> StatusChange: ...
    def close(self) -> None:
        """End the stream, and a step under way: it has no further steps.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two steps.
        The resource is left alone.
        """

class Change(Generic[R_co]):
    """An accepted write. Nothing is polled except during `wait` and `events`.

    Attributes:
        access_token: the one-time token of a create; the API shows its value only once.
        adopted: the response to the write was lost, and its effect was found by reading.
        already_gone: a delete found nothing to delete.
        attempts: the tries of `create_first_available`, each an `Attempt`.
        previous_spec: the spec before an update or a scale, to go back to. None for all other
            changes, and if it was not shown in full.
    """
    attempts: tuple[Attempt, ...]
    access_token: Any
    adopted: bool
    already_gone: bool
    previous_spec: Any
    @property
    def id(self) -> str:
        """The id of the resource that changes."""
    @property
    def action(self) -> str:
        """`create`, `update`, `delete`, ..."""
    @property
    def initial(self) -> Any:
        """The decoded answer to the write; None after `resume`."""
    @property
    def latest(self) -> R_co | None:
        """The resource as read last, or as the write's answer shows it."""
    @property
    def outcome(self) -> str | None:
        """`settled`, `failed`, `vanished` or `superseded`; None while nothing is proven."""
    @property
    def history(self) -> tuple[StatusChange, ...]:
        """The steps so far, oldest first; of more than 1,000, the latest."""
    @property
    def requests(self) -> int:
        """Requests that the waits for this change have sent so far."""
    @property
    def elapsed(self) -> float:
        """Seconds since the write was accepted, or since the wait began."""
    @property
    def eta(self) -> float | None:
        """Seconds until it is expected to settle; None if that is not known, or it is settled.

        It is the median for changes of the same action, region and GPU. This client, or the
        `DurationModel` of its `PollPolicy`, needs to have seen 20 of them settle. What has settled
        since is taken into account every 20 seconds, while such a change is awaited.
        """
    @property
    def resume_token(self) -> str:
        """Text from which `resume` restores this change in any process. It holds no secret.

        It holds the deadline of the last `wait`, `events` or `connect`. Before the first of these
        there is none, unless the change was resumed. A deadline that has passed when the resumed
        wait begins counts as none: the wait gets the provider's default timeout.
        """
    def wait(self, *, timeout: Timeout = ...) -> R_co:
        """Return the resource once it is proven settled, or None after a delete.

        Safe to call from several threads, and repeatedly.

        Args:
            timeout: seconds for the whole wait; None waits for ever, 0 sends one read. Default:
                what a resumed token has left; the provider's default if that is nothing, or if
                this change was not resumed.

        Raises:
            WaitTimeoutError: not settled in time.
            DeploymentFailedError: the provider reports a failure. `.logs` has the last lines of
                the deployment's log, fetched within 3 seconds, and within `timeout`.
            ResourceVanishedError: GET answers 404 where a resource was expected.
            SupersededError: a later change or deletion replaced this one.
            WaitRefusedError: the provider refuses the reads (401, 403, 422).
            ClientClosedError: the client was closed; `.resume_token` continues the wait.

        A timeout, an error or Ctrl-C leaves the resource alone: it exists, and bills,
        until it is deleted.
        """
    def events(self, *, timeout: Timeout = ...) -> EventStream[R_co]:
        """Return an iterator over all steps, past and future; iterating it polls.

        It ends when the change has settled, and raises what `wait` raises. Leaving the loop early
        ends the polling, not the change. `timeout` is in seconds, as in `wait`.
        """
    def connect(
        self,
        *,
        timeout: Timeout = ...,
        access_token: Any = None,
        private: bool = False,
        probe: Probe = "chat",
        mint_token: str | None = None,
    ) -> ServingEndpoint:
        """Wait for the change, then until the models answer; return the endpoint.

        The endpoint answers once it has listed its models and completed one token with each. The
        history shows when the change settled and when the endpoint answered. Probes are sent to
        the endpoint, at most 3 seconds apart, and not to the provider's API, which is read now and
        then: others may have stopped or deleted the deployment.

        Args:
            timeout: seconds for the wait and the answer together; see `wait`.
            access_token: the endpoint's key: text, a `Secret`, or what created it. Default: the
                one-time token of this create, or what the API reveals.
            private: connect to the private endpoint, and trust only the deployment's own CA.
            probe: "chat", "models" (listing them is enough), or a function that takes
                the endpoint: it counts as answering unless the result is False. Errors of
                connections and HTTP libraries count as "not yet", except refusals such as 401.
            mint_token: create a key of this name once the change has settled, and use it. If this
                call fails after that, `.access_token` of the error is the key, a `Secret`. Pass it
                to the next call: the API never shows it again.

        Raises:
            InvalidInputError: no key is known, or nothing serves, also if it was stopped meanwhile;
                the message says what to do.
            WaitTimeoutError: it did not settle, or did not answer, in time.
            WaitRefusedError: the endpoint refuses (401, 403, a certificate that is not trusted),
                or the API refuses to show its key or CA.
            SupersededError, ResourceVanishedError: it is being deleted, or gone.
            ClientClosedError: the client was closed.
            WaitError: what `wait` raises.

        A timeout, an error or Ctrl-C leaves the deployment alone; it bills.
        """

class ResourceApi(Generic[R]):
    """Waits without a write, streams of events, and resumed changes."""
    @property
    def capabilities(self) -> Capabilities:
        """What this API supports."""
    def wait_until_active(self, id: str, *, timeout: Timeout = ...) -> R:
        """Return the resource once a read that starts from now on shows it active and usable.

        Args:
            id: the resource.
            timeout: seconds for the whole wait; None waits for ever, 0 sends one read.

        Raises:
            NotFoundError: it never existed.
            WaitError: what `Change.wait` raises.

        Ctrl-C leaves the resource alone; it bills until it is deleted.
        """
    def wait_until_deleted(self, id: str, *, timeout: Timeout = ...) -> None:
        """Return once GET answers 404. This deletes nothing; see `Change.wait` for errors."""
    def begin_wait(self, id: str, *, deleted: bool = False, seen: R | None = None) -> Change[Any]:
        """Return the change behind `wait_until_active`, with its events and resume token. No I/O.

        It settles when a read that starts from now on shows the resource active or, with
        `deleted`, when GET answers 404. `seen` is the resource as read just before: it may be new,
        so that for 30 s a 404 of a replica that lags proves nothing.
        """
    def connect(
        self,
        id: str,
        *,
        timeout: Timeout = ...,
        access_token: Any = None,
        private: bool = False,
        probe: Probe = "chat",
        mint_token: str | None = None,
    ) -> ServingEndpoint:
        """Return the endpoint of a deployment once it is active and its models answer.

        See `Change.connect` for arguments and errors.
        """
    def wait_until(self, id: str, predicate: Callable[[R], object], *, timeout: Timeout = ...) -> R:
        """Return the resource once `predicate(resource)` is true, whatever its status is.

        The predicate is a plain function. An error in it ends this wait and is raised as it is.
        Other errors are those of `Change.wait`.
        """
    def watch(self, id: str | None = None, *, region: str | int | None = None) -> StatusStream:
        """Return an iterator over status changes, beginning with the current state.

        Args:
            id: one resource. The stream ends with `ResourceVanishedError` when it is gone.
            region: without an id: all resources there, else all of the account; Gcore's regions
                are numbers. New ones come with `previous` None; deleted ones, confirmed by a 404,
                with `status` None. The stream has no end. A slow reader gets the latest state of
                each resource.
        """
    def resume(self, token: str) -> Change[Any]:
        """Return the change whose `resume_token` this is, in any process. No I/O.

        Raises:
            InvalidInputError: (a `ValueError`) damaged, of an unknown version, or of another API.
        """

class DeployableApi(ResourceApi[R]):
    """What the resource APIs of deployments have in common, besides waits."""
    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: Literal[False] = ...,
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractContextManager[R]:
        """Return a context manager that yields a deployment and deletes it at the end.

        It is deleted whatever ends the block or the wait before it: an error, the end of a
        generator around it, Ctrl-C, and SIGTERM where the program has no handler
        of its own, or the end of the client. An interrupt is logged as a warning that names the
        deployment; further interrupts do not cut the deletion short. A failed deletion is tried
        again, and GET 404 proves it. The name contains its expiry, so that `reap` can delete it
        after a crash.

        Args:
            spec: as for `create`; its name becomes part of the deployment's name.
            timeout: seconds until it is settled (or until it answers, with `connect`).
            connect: yield the endpoint that `change.connect()` returns, and not the resource.
            connect_options: further arguments of `change.connect()`.
            lifetime: seconds after which `reap` may delete it; longer than the wait and the block
                take together.
            prefix: of its name: 1 to 10 lower-case letters, digits or inner dashes.
            cleanup_timeout: seconds that the deletion may take.
            options: further arguments of `create`, such as `max_hourly`.

        Raises:
            InvalidInputError: `lifetime` is shorter than a `timeout` that is given, or `connect`
                could not work with these `connect_options`; nothing was sent.
            CleanupError: it could not be proven deleted; it may bill. Also logged as ERROR.
            TransportError: the response to the create was lost, and what it made was deleted.
            DIError: everything that `create` and `Change.wait` raise.
        """
    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: Literal[True],
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractContextManager[ServingEndpoint]: ...
    @overload
    def temporary(
        self,
        spec: Any,
        *,
        timeout: Timeout = ...,
        connect: bool,
        connect_options: dict[str, Any] | None = ...,
        lifetime: float = ...,
        prefix: str = ...,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> AbstractContextManager[Any]: ...
    def create_first_available(
        self,
        spec: Any,
        *,
        regions: Sequence[Any] | None = None,
        accelerators: Sequence[str] | None = None,
        max_unexplained: int = 2,
        timeout: Timeout = ...,
        name_timeout: float = 600.0,
        cleanup_timeout: float = ...,
        **options: Any,
    ) -> Change[R]:
        """Create a deployment in the first place that has capacity; return its settled change.

        `change.attempts` lists each try, `change.latest` is the resource. What a failed try
        created is deleted, proven by GET 404, before the next one.

        Args:
            spec: as for `create`.
            regions: regions or zones in order; default with `accelerators`: the spec's own.
                Without both, its own place and then those of `find_capacity` are tried; at
                Exoscale those where the model is ready. A zone that cannot be read is left out,
                with a warning and an entry in `.attempts`.
            accelerators: GPU slugs, flavors or GPU families in order; default: the spec's own.
            max_unexplained: how many alternatives are tried after a failure without a reason.
            timeout: seconds for each try to settle.
            name_timeout: seconds to wait for the name of a deleted try to become free.
            cleanup_timeout: seconds that each deletion may take.
            options: further arguments of `create`, such as `max_hourly`.

        Raises:
            NoCapacityError: no place worked; `.attempts` has the reasons.
            InvalidInputError, APIError: the input was refused, so that no other place was tried.
            CleanupError: a failed try could not be proven deleted; it may bill.
            TransportError: the create of a try got no answer; no other place is tried, as it may
                have made something.

        A cancellation is raised after what the current try created is deleted, which takes at most
        `cleanup_timeout` seconds. If its create was cut off, or its response was lost, a note of
        the CancelledError and the log name what may exist, and bill; it is not deleted, as it may
        belong to others.
        """

class Client:
    """The part of a client that is the same for every provider."""
    provider: str
    base_url: str
    def require_open(self) -> None:
        """Check that requests can be sent: entered, not closed, and on the loop that entered it.

        Raises:
            ClientClosedError: they cannot. `scan`, `reap` and `apply` raise it before they begin.
        """
    def stats(self) -> Stats:
        """Return how many requests its waits have sent, and their current pace. No I/O."""
    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """Return the decoded JSON answer of any other endpoint; None where it has no body.

        Authentication, budget, retries and errors are those of every call. A POST or PATCH is
        sent again only if the provider cannot have processed it.

        Args:
            method: such as GET.
            path: below the base URL, percent-encoded, without `.` and `..`.
            params: the query.
            json: the body.

        Raises:
            InvalidInputError: (a `ValueError`) an argument is invalid.
            APIError: the API refused the request.
            TransportError: there is no response.
            DecodeError: the answer is not JSON.
        """
    def open(self) -> Self:
        """Open the client without a `with` block, in a notebook for example; return it.

        Raises:
            ClientClosedError: it was opened before; create a new one.
        """
    def close(self) -> None:
        """End every open wait and call with `ClientClosedError`, and close the network.

        Accepted changes continue at the provider, and bill. Closing twice does nothing, as does
        closing in a forked child of the process that opened it.
        """
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

@frozen
class Ensured(Generic[R]):
    """What `ensure` did, or would do with `dry_run`."""
    action: Literal["created", "updated", "unchanged"]
    diff: tuple[str, ...] = ()
    change: Change[R] | None = None
    id: str | None = None
    duplicates: tuple[str, ...] = ()
    active: bool = False
