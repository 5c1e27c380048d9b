"""The waits that every resource API offers, besides its own calls."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from di_async.core.errors import InvalidInputError
from di_async.core.secret import hidden
from di_async.core.waiting.evidence import AGREEING_SPAN_S
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.resource_adapter import Capabilities, ResourceAdapter
from di_async.engine.endpoints.serving import Probe, ServingEndpoint
from di_async.engine.engine import Engine
from di_async.engine.frames import ClearsFrames
from di_async.engine.hooks import is_async
from di_async.engine.waiting.change import DEFAULT, Change, Timeout
from di_async.engine.waiting.event_stream import StatusStream

__all__ = ["ResourceApi"]

R = TypeVar("R")


class ResourceApi(ClearsFrames, Generic[R]):
    """Waits without a write, streams of events, and resumed changes."""

    def __init__(
        self, engine: Engine, adapter: ResourceAdapter[R], check_id: Callable[[str], object]
    ) -> None:
        self._engine = engine
        self._adapter = adapter
        self._check_id = check_id
        """Raises `InvalidInputError` for an id that cannot exist."""

    @property
    def capabilities(self) -> Capabilities:
        """What this API supports."""
        return self._adapter.capabilities

    async def wait_until_active(self, id: str, *, timeout: Timeout = DEFAULT) -> R:
        """Return the resource once a read that starts from now on shows it active and usable.

        Args:
            id: the resource.
            timeout: seconds for the whole wait; None waits for ever, 0 sends one read.

        Raises:
            NotFoundError: it never existed.
            WaitError: what `Change.wait` raises.

        Cancelling leaves the resource alone; it bills until it is deleted.
        """
        found: R = await self.begin_wait(id).wait(timeout=timeout)
        return found

    async def wait_until_deleted(self, id: str, *, timeout: Timeout = DEFAULT) -> None:
        """Return once GET answers 404. This deletes nothing; see `Change.wait` for errors."""
        await self.begin_wait(id, deleted=True).wait(timeout=timeout)

    def begin_wait(self, id: str, *, deleted: bool = False, seen: R | None = None) -> Change[Any]:
        """Return the change behind `wait_until_active`, with its events and resume token. No I/O.

        It settles when a read that starts from now on shows the resource active or, with
        `deleted`, when GET answers 404. `seen` is the resource as read just before: it may be new,
        so that for 30 s a 404 of a replica that lags proves nothing.
        """
        action, now = Action.DELETE if deleted else Action.ACTIVE, self._engine.clock.now()
        self._check_id(id)
        lag = AGREEING_SPAN_S if seen is not None and not deleted else 0.0
        expectation = Expectation(action=action, accepted_at=now, grace_until=now + lag)
        return self._engine.change(self._adapter, id, expectation, initial=seen)

    async def connect(
        self,
        id: str,
        *,
        timeout: Timeout = DEFAULT,
        access_token: Any = None,
        private: bool = False,
        probe: Probe = "chat",
        mint_token: str | None = None,
    ) -> ServingEndpoint:
        """Return the endpoint of a deployment once it is active and its models answer.

        See `Change.connect` for arguments and errors.
        """
        key = hidden(access_token)
        del access_token
        change = self.begin_wait(id)
        return await change.connect(
            timeout=timeout,
            access_token=key,
            private=private,
            probe=probe,
            mint_token=mint_token,
        )

    async def wait_until(
        self, id: str, predicate: Callable[[R], object], *, timeout: Timeout = DEFAULT
    ) -> R:
        """Return the resource once `predicate(resource)` is true, whatever its status is.

        The predicate is a plain function. An error in it ends this wait and is raised as it is.
        Other errors are those of `Change.wait`.
        """
        found: R = await self._predicate_wait(id, predicate).wait(timeout=timeout)
        return found

    def watch(self, id: str | None = None, *, region: str | int | None = None) -> StatusStream:
        """Return an async iterator over status changes, beginning with the current state.

        Args:
            id: one resource. The stream ends with `ResourceVanishedError` when it is gone.
            region: without an id: all resources there, else all of the account; Gcore's regions
                are numbers. New ones come with `previous` None; deleted ones, confirmed by a 404,
                with `status` None. The stream has no end. A slow reader gets the latest state of
                each resource.
        """
        if id is not None:
            if region is not None:
                raise InvalidInputError("watch: pass an id or a region, not both")
            return self._predicate_wait(id, lambda _: False).events(timeout=None)
        if not self._adapter.has_list:
            raise InvalidInputError(f"there is no list of every {self._adapter.noun}; pass an id")
        return self._engine.watch(self._adapter, None if region is None else str(region))

    def resume(self, token: str) -> Change[Any]:
        """Return the change whose `resume_token` this is, in any process. No I/O.

        Raises:
            InvalidInputError: (a `ValueError`) damaged, of an unknown version, or of another API.
        """
        change = self._engine.resume(self._adapter, token)
        self._check_id(change.id)
        return change

    def _predicate_wait(self, id: str, predicate: Callable[[R], object]) -> Change[Any]:
        if not callable(predicate) or is_async(predicate):
            raise InvalidInputError("predicate: expected a plain function of the resource")
        self._check_id(id)
        expectation = Expectation(action=Action.PREDICATE, accepted_at=self._engine.clock.now())
        return self._engine.change(self._adapter, id, expectation, predicate=predicate)
