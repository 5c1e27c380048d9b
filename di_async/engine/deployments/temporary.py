"""A deployment for the length of a block: `async with api.temporary(spec) as resource`."""

import asyncio
import inspect
import secrets
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar

from attrs import define, field

from di_async.core.errors import (
    APIError,
    CleanupError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    DIError,
    InvalidInputError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
    WaitError,
)
from di_async.core.pricing import HourlyPrice
from di_async.core.redaction import masked
from di_async.core.seconds import checked_seconds, checked_timeout
from di_async.core.secret import hidden
from di_async.core.temporary_names import (
    DEFAULT_PREFIX,
    LIFETIME_S,
    RANDOM_LENGTH,
    check_lifetime,
    check_prefix,
    format_name,
)
from di_async.core.validation import check_value, mapping
from di_async.engine.deployments import sigterm
from di_async.engine.deployments.cleanup import (
    CLEANUP_TIMEOUT_S,
    cleanup_error,
    delete_proven,
    error_of,
    find_made,
    finish,
    let_answer,
    story_of,
)
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.endpoints.connecting import checked_options
from di_async.engine.log import Log
from di_async.engine.waiting.change import DEFAULT, Change, Default, Timeout
from di_async.engine.waiting.failures import replace_advice

__all__ = ["Temporary", "made_nothing"]

logger = Log("di_async")

_DELETED = "It has been deleted: GET answered 404."
# So many reads at most until a response shows the provider's time, and this machine's agrees.
_MOST_READS_OF_TIME = 2
_INTERRUPTS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)

T = TypeVar("T")


def _with_hidden_key(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of a `connect` with the key, if there is one, as a `Secret`."""
    check_value(mapping, options, "connect_options")
    if "access_token" not in options:
        return options
    return {**options, "access_token": hidden(options["access_token"])}


@define(eq=False, kw_only=True)
class Temporary(Generic[T]):
    """An async context manager that creates a deployment, and deletes it on the way out.

    Attributes:
        name: of the deployment; it holds its expiry. Empty before the block is entered.
        change: of the create; None before it is accepted.
    """

    target: Deployable[Any]
    spec: Any = field(repr=masked)
    timeout: Timeout = DEFAULT
    connect: bool = False
    connect_options: Mapping[str, Any] = field(
        factory=dict, converter=_with_hidden_key, repr=masked
    )
    lifetime: float = LIFETIME_S
    prefix: str = DEFAULT_PREFIX
    cleanup_timeout: float = CLEANUP_TIMEOUT_S
    options: Mapping[str, Any] = field(factory=dict, repr=masked)
    name: str = field(default="", init=False)
    change: Change[Any] | None = field(default=None, init=False)
    _price: HourlyPrice | None = field(default=None, init=False)
    _creating: "asyncio.Task[Change[Any]] | None" = field(default=None, init=False)
    _owner: "asyncio.Task[object] | None" = field(default=None, init=False)
    _until: float = field(default=0.0, init=False)
    """Loop time at which the clean-up ends at the latest."""
    _ids: dict[str, Change[None] | None] = field(factory=dict, init=False)
    """What has to be deleted, and the last DELETE of it that was accepted."""
    _failed_id: str = field(default="", init=False)
    """What is being deleted."""
    _was_deleted: bool = field(default=False, init=False)
    """Whether something was deleted, with proof."""
    _failed: BaseException | None = field(default=None, init=False, repr=False)
    """Why the create failed."""
    _unresolved: str = field(default="", init=False)
    """What a create may have made that was not found."""
    _cleaning: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    """Held while it is deleted: by the end of the block, or by the end of the client."""
    _is_clean: bool = field(default=False, init=False)
    """Whether nothing is left to delete."""
    _announced: bool = field(default=False, init=False)
    """Whether the deletion was logged."""

    def __attrs_post_init__(self) -> None:
        checked_seconds(self.lifetime, "lifetime", positive=True)
        checked_seconds(self.cleanup_timeout, "cleanup_timeout", positive=True)
        check_prefix(self.prefix)
        check_lifetime(self.lifetime, self._longest_wait)
        self.target.check_options(self.options)
        self.spec = self.target.complete(self.spec)
        if self.connect:
            self._check_connect()

    @property
    def _longest_wait(self) -> float | None:
        """The seconds that the caller allows for the wait; None if that is not limited."""
        timeout: Any = self.timeout
        if self.connect and isinstance(timeout, Default):
            timeout = self.connect_options.get("timeout")
        return None if isinstance(timeout, Default) else checked_timeout(timeout)

    def _check_connect(self) -> None:
        """Check `connect_options` before anything is created."""
        try:
            bound = inspect.signature(Change.connect).bind(None, **self.connect_options)
        except TypeError as error:
            raise InvalidInputError(f"connect_options: {error}") from None
        bound.apply_defaults()
        names = "access_token", "private", "probe", "mint_token"
        options = checked_options(**{name: bound.arguments[name] for name in names})
        self.target.check_connect(self.spec, options)

    async def __aenter__(self) -> T:
        if self._owner is not None:
            raise InvalidInputError(
                "a temporary deployment is entered once; make one for each block"
            )
        self._owner = sigterm.enter()
        self.target.engine.before_close.add(self._end_with_client)
        try:
            found: T = await self._start()
        except BaseException as error:
            await self._end(error)
            raise
        return found

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end(error)

    async def _start(self) -> Any:
        await self._prepare()
        if self._is_clean:
            raise ClientClosedError("the client was closed before anything was created")
        # In a task of its own: its answer holds the id, so that a cancellation does not end it.
        # The spec may hold secrets, so no variable here holds it: tracebacks may show variables.
        self._creating = asyncio.ensure_future(
            self.target.create(self.target.renamed(self.spec, self.name), **self.options)
        )
        await asyncio.wait([self._creating])
        self.change = self._creating.result()
        self._ids[self.change.id] = None
        if self.connect:
            timeout = {} if isinstance(self.timeout, Default) else {"timeout": self.timeout}
            return await self.change.connect(**{**self.connect_options, **timeout})
        return await self.change.wait(timeout=self.timeout)

    async def _prepare(self) -> None:
        """Learn price and clock, and make the name."""
        target, began = self.target, self.target.engine.clock.moment()
        try:
            self._price = await target.hourly_price(self.spec)
            for _ in range(_MOST_READS_OF_TIME):
                if target.is_time_certain():
                    break
                await target.find_named(target.name_of(self.spec))
        except (ClientClosedError, InvalidInputError):
            raise
        except DIError as error:
            logger.info("price or time could not be read: %s", error)
        self.name = format_name(
            target.name_of(self.spec),
            target.latest_time(began) + self.lifetime,
            # Not of `random`: processes with the same seed would make the same name.
            [secrets.randbelow(36) for _ in range(RANDOM_LENGTH)],
            self.prefix,
            target.longest_name,
        )

    # -- the way out --------------------------------------------------------------------------

    async def _end(self, error: BaseException | None) -> None:
        """Delete what exists, whatever happens meanwhile.

        Raises:
            CleanupError: it could not be proven deleted. SystemExit: SIGTERM has arrived.
            CancelledError: the caller was cancelled while it was deleted.
            TransportError: the response to the create was lost, and what it made has been deleted.
        """
        if self._owner is None:  # the block was never entered
            return
        # An async generator that is closed can await. A coroutine cannot, but its loop still runs
        # the deletion, which is a task of its own.
        if isinstance(error, GeneratorExit) and not self._is_usable:
            self._abandon(self._owner)
            return
        self._until = asyncio.get_running_loop().time() + self.cleanup_timeout
        cancelled: asyncio.CancelledError | None = None
        failure: CleanupError | None = None
        try:
            if isinstance(error, _INTERRUPTS):
                self._announce()
            task, cancelled = await finish(self._clean_up, self._announce)
            failure = self._failure(task)
        finally:
            self.target.engine.before_close.discard(self._end_with_client)
            terminated = sigterm.leave(self._owner)
        if failure is not None:
            raise failure from error if error is not None else failure.last_error
        if isinstance(error, WaitError) and self.change is not None and error.id == self.change.id:
            error.advice, error.resume_token = _DELETED, None
        elif isinstance(error, _INTERRUPTS) and self.change is not None:
            replace_advice(error, _DELETED)
        self._report_unresolved(error, cancelled)
        if terminated:
            raise SystemExit(sigterm.EXIT_CODE) from error
        if cancelled is not None and not isinstance(error, asyncio.CancelledError):
            raise cancelled
        if isinstance(error, OutcomeUnknownError) and self.change is None and self._was_deleted:
            raise TransportError(
                f"the response to the create of {self.name!r} was lost. {_DELETED}",
                method=error.method,
                path=error.path,
            ) from error

    def _abandon(self, owner: "asyncio.Task[object]") -> None:
        """End a block that can delete nothing any more."""
        if not self._is_clean:
            logger.error("%s was abandoned; it may exist, and bill", self.name or "a create")
        sigterm.leave(owner)

    def _report_unresolved(self, *errors: BaseException | None) -> None:
        """Report what a create may have made that was not found, unless its own error is raised."""
        own = isinstance(errors[0], OutcomeUnknownError | ClientClosedError)
        if self._unresolved and not own:
            logger.warning("%s", self._unresolved)
            for error in filter(None, errors):
                error.add_note(self._unresolved)

    @property
    def _is_usable(self) -> bool:
        """Whether the client is open, and this is its running loop."""
        try:
            self.target.engine.running  # noqa: B018 - it raises
        except ClientClosedError:
            return False
        return True

    def _announce(self) -> None:
        """Log once that the deletion goes on, or else an interrupt would seem to do nothing."""
        if self._announced or self._creating is None:
            return
        self._announced = True
        id = next(iter(self._ids), self.name)
        which = self.name if id == self.name else f"{self.name} ({id})"
        logger.warning(
            "interrupted: deleting the temporary %s %s, for at most %.0f s; another Ctrl-C or "
            "cancellation does not stop that",
            self.target.noun,
            which,
            self.cleanup_timeout,
        )

    def _failure(self, task: asyncio.Task[None]) -> CleanupError | None:
        reason = asyncio.CancelledError() if task.cancelled() else task.exception()
        if reason is None:
            return None
        id = self._failed_id or next(iter(self._ids), "")
        return cleanup_error(
            self.target.noun, self.name, id, self._price, reason, has_expiry=bool(self.name)
        )

    async def _end_with_client(self) -> None:
        """Delete it before the client is closed, as the end of the block could not do it then."""
        self._until = asyncio.get_running_loop().time() + self.cleanup_timeout
        self._announce()
        with suppress(DIError):  # the end of the block reports it
            await self._clean_up()

    async def _clean_up(self) -> None:
        """Find out what the create made, and delete it. May be begun again."""
        async with self._cleaning:
            if not self._is_clean and self._creating is not None:
                await self._delete_created(self._creating)
            self._is_clean = True

    async def _delete_created(self, creating: "asyncio.Task[Change[Any]]") -> None:
        if self.change is None:
            await self._find_created(creating)
        for id, deletion in list(self._ids.items()):
            self._failed_id = id
            keep = partial(self._ids.__setitem__, id)
            await delete_proven(self.target, id, self._until, keep, deletion)
            self._was_deleted = True
            del self._ids[id]
        self._failed_id = ""

    async def _find_created(self, creating: "asyncio.Task[Change[Any]]") -> None:
        await let_answer(creating)
        # Of a task that was cancelled, only the first error has notes.
        failed = self._failed = self._failed or error_of(creating)
        if failed is None:
            self.change = creating.result()
            self._ids[self.change.id] = None
            return
        made = getattr(failed, "write_result", None)
        if made is not None:
            self._ids.setdefault(made.id)
        elif isinstance(failed, ConflictError) or not made_nothing(failed):
            # A conflict may come from an earlier attempt of the same create, as nothing else has
            # its name.
            found = await find_made(self.target, self.name, self._until)
            self._ids = dict.fromkeys(found) | self._ids
            self._unresolved = "" if self._ids or self._was_deleted else story_of(failed)


def made_nothing(error: BaseException) -> bool:
    """Return whether a create that failed cannot have made anything.

    Of a conflict, `create` has proven that the name belongs to something else.
    """
    if isinstance(error, InvalidInputError | ConnectError):
        return True
    return isinstance(error, APIError) and not isinstance(error, ServerError)
