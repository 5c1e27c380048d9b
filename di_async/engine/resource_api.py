"""Waiting for one kind of resource, as every provider offers it beside its own calls."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Generic, TypeVar

from di_async.core.errors import InvalidInputError
from di_async.core.protocols import Capabilities, Source
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.evidence import Action, Expectation
from di_async.engine.client import Engine
from di_async.engine.waiting.change import DEFAULT, Change, Timeout

__all__ = ["ResourceApi"]

R = TypeVar("R")


class ResourceApi(Generic[R]):
    """The waits that need no write of ours, streams, and changes taken up again."""

    def __init__(self, engine: Engine, source: Source[R], check: Callable[[str], object]) -> None:
        self._engine = engine
        self._source = source
        self._check = check
        """Raises `InvalidInputError` for an id that none can have."""

    @property
    def capabilities(self) -> Capabilities:
        """What this API can promise."""
        return self._source.capabilities

    async def wait_until_active(self, id: str, *, timeout: Timeout = DEFAULT) -> R:
        """The resource, once a read that starts from now on shows it active and usable.

        Raises `NotFoundError` if it was never there, else what `Change.wait` raises.
        """
        found: R = await self.begin_wait(id).wait(timeout=timeout)
        return found

    async def wait_until_deleted(self, id: str, *, timeout: Timeout = DEFAULT) -> None:
        """Comes back once GET answers 404. Deletes nothing itself."""
        await self.begin_wait(id, deleted=True).wait(timeout=timeout)

    def begin_wait(self, id: str, *, deleted: bool = False, seen: R | None = None) -> Change[Any]:
        """What those two wait by: a change whose events and resume token are there as well.

        It settles when a read that starts from now on shows the resource active (or, `deleted`,
        when GET answers 404). `seen` is how it looked before. No I/O.
        """
        return self._handle(id, Action.DELETE if deleted else Action.ACTIVE, initial=seen)

    async def wait_until(
        self, id: str, predicate: Callable[[R], object], *, timeout: Timeout = DEFAULT
    ) -> R:
        """The resource, once `predicate(resource)` is true of a read. No status word raises."""
        waiting = self._handle(id, Action.PREDICATE, predicate=predicate)
        found: R = await waiting.wait(timeout=timeout)
        return found

    def watch(
        self, id: str | None = None, *, region: str | None = None
    ) -> AsyncIterator[StatusChange]:
        """An async iterator over what happens, beginning with how everything is now.

        Args:
            id: one resource. The stream has no end but the resource's: then it raises
                `ResourceVanishedError`.
            region: without an id: all resources there, else all of the account. New ones come
                with `previous` None, deleted ones (proven by a 404) with `status` None, and the
                stream has no end. A slow reader gets the latest state of each.
        """
        if id is not None:
            if region is not None:
                raise InvalidInputError("watch one resource, or a region: not both")
            never = self._handle(id, Action.PREDICATE, predicate=lambda _: False)
            return never.events(timeout=None)
        if self._source.list_page is None:
            raise InvalidInputError(f"no list of every {self._source.noun}: give an id")
        return self._engine.watch(self._source, partial(self._source.list_page, region=region))

    def resume(self, token: str) -> Change[Any]:
        """The change whose `resume_token` this is, from any process. No I/O.

        Raises:
            InvalidInputError: (a `ValueError`) damaged, of an unknown version, or of another API.
        """
        return self._engine.resumed(self._source, token)

    def _handle(
        self,
        id: str,
        action: Action,
        *,
        initial: R | None = None,
        predicate: Callable[[R], object] | None = None,
    ) -> Change[Any]:
        self._check(id)
        expectation = Expectation(action=action, accepted_at=self._engine.clock.now())
        return self._engine.change(
            self._source, id, expectation, initial=initial, predicate=predicate
        )
