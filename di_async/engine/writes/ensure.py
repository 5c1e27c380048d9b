"""Bring one deployment, found by its name, to a spec: create it, update it, or do nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from attrs import frozen
from msgspec import Struct, field

from di_async.core.differences import Difference, check_mutable
from di_async.core.errors import (
    APIError,
    ConflictError,
    DIError,
    NotFoundError,
    OutcomeUnknownError,
    WaitError,
    WaitTimeoutError,
)
from di_async.core.seconds import checked_seconds
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.core.waiting.observation import NO_EXPECTATION, Observation, Phase
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.engine.reading import LOOKUP_DELAYS_S, read_after
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.engine.writes.cut_off import may_have_written, report_if_cut_off
from di_async.engine.writes.one_at_a_time import one_at_a_time

__all__ = ["DUPLICATES", "EnsureTarget", "Ensured", "ensure"]

logger = Log("di_async")

R = TypeVar("R")

DUPLICATES = "%d %ss are named %s: %s is used; also there, and billed: %s"
"""The log's message about `Ensured.duplicates`."""
# How often the work begins again after another write came first, and the seconds before that.
_ROUNDS = 20
_FIRST_PAUSE_S, _GROWTH, _LONGEST_PAUSE_S = 1.0, 2.0, 30.0
# The call ends once this many of its writes were not answered, and the last one is an update.
_MAX_LOST_WRITES = 3
# Seconds before each look for a resource whose name is taken: lists lag.
_APPEARS_AFTER_S = (0.0, 0.5, 1.5, 3.0, 5.0, 10.0, 15.0)
# A list may not show for so long what was created.
_LIST_LAG_S = 60.0
# Between two looks for what a create may have made whose answer was lost.
_LOOK_AGAIN_S = 15.0
_LATEST = datetime.max.replace(tzinfo=UTC)
# What this process created where names are not unique: its id, and when. The id is empty where the
# answer was lost.
_created: dict[tuple[Any, ...], tuple[str, float]] = {}


@frozen
class Ensured(Generic[R]):
    """What `ensure` did, or would do with `dry_run`."""

    action: Literal["created", "updated", "unchanged"]
    diff: tuple[str, ...] = ()
    """What differed, a line for each field; empty if nothing did."""
    change: Change[R] | None = None
    """Settles when the resource is active; None with `dry_run`."""
    id: str | None = None
    """The resource; None with `dry_run` if there is none yet."""
    duplicates: tuple[str, ...] = ()
    """Ids of others of that name, where names are not unique. They exist, and bill."""
    active: bool = False
    """It was found active with this spec: there is nothing to do or to wait for."""


class EnsureTarget(Struct, Generic[R], frozen=True, kw_only=True):
    """One provider's calls for one spec."""

    name: str
    find: Callable[[], Awaitable[Sequence[R]]]
    """Returns all resources of that name, with their specs."""
    compare: Callable[[R], Sequence[Difference]]
    """Returns how a resource differs from the spec."""
    create: Callable[[float], Awaitable[Change[R]]]
    """Creates it; takes the seconds to wait for the name."""
    update: Callable[[R, Sequence[Difference]], Awaitable[Change[R]]]
    """Updates what differs, and nothing else."""
    check_price: Callable[[], Awaitable[None]]
    """Raises `PriceLimitError` if the spec costs too much."""
    get: Callable[[str], Awaitable[R]]
    id_of: Callable[[R], str]
    account: str = ""
    """Tells the accounts of one API apart, where names are not unique. Not a secret."""


async def ensure(
    engine: Engine,
    api: ResourceApi[R],
    adapter: ResourceAdapter[R],
    target: EnsureTarget[R],
    *,
    dry_run: bool,
    name_timeout: float,
) -> Ensured[R]:
    """Create or update the target's resource so that it has the target's spec.

    Args:
        engine: the client's engine.
        api: the resource's calls.
        adapter: how waiting reads the resource.
        target: the resource.
        dry_run: send no write.
        name_timeout: seconds to wait while a resource of that name is being deleted.

    Raises:
        InvalidInputError: a field differs that cannot change; nothing was sent.
        ConflictError: the name is taken by a resource that is being deleted.
        OutcomeUnknownError: a resource may exist, and bill, that could not be found.
    """
    checked_seconds(name_timeout, "name_timeout")
    run = _Run(engine, api, adapter, target, engine.clock.now() + name_timeout)
    if dry_run:
        return await run.preview()
    async with one_at_a_time(run.key):
        try:
            return await run.ensure()
        except BaseException as error:
            for lost in run.unknown[-1:]:
                if error is not lost:  # raised while this was looked up
                    error.add_note(str(lost))
            raise


class _Present(Struct, Generic[R], frozen=True):
    """What has the name now."""

    live: R | None = None
    """The resource to bring to the spec."""
    duplicates: tuple[str, ...] = ()
    """The ids of others, where names are not unique."""
    leaving: R | None = None
    """A resource that is being deleted."""


class _Run(Struct, Generic[R], frozen=True):
    """One call of `ensure`."""

    engine: Engine
    api: ResourceApi[R]
    adapter: ResourceAdapter[R]
    target: EnsureTarget[R]
    name_until: float
    sent: list[Ensured[R]] = field(default_factory=list)
    """What this call has sent without an answer."""
    unknown: list[OutcomeUnknownError] = field(default_factory=list)
    """What is not known of what it has sent."""
    logged: set[tuple[str, ...]] = field(default_factory=set)
    """The duplicates that the log has."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Return what identifies the name in this process."""
        adapter = self.adapter
        api = adapter.provider, adapter.base_url, self.target.account
        return *api, adapter.scope, adapter.kind, self.target.name

    async def preview(self) -> Ensured[R]:
        """Return what `ensure` would do."""
        present = await self._present()
        live, duplicates = present.live, present.duplicates
        if live is None:
            await self.target.check_price()
            return Ensured("created", (self._missing(),))
        differences, id = self._compare(live), self.target.id_of(live)
        if not differences:
            active = self._is_active(live)
            return Ensured("unchanged", id=id, duplicates=duplicates, active=active)
        await self.target.check_price()
        return Ensured("updated", _lines(differences), id=id, duplicates=duplicates)

    async def ensure(self) -> Ensured[R]:
        """Create, update, or do nothing; begin again when another write came first."""
        last: DIError | None = None
        pause = _FIRST_PAUSE_S
        for _ in range(_ROUNDS):
            if last is not None:
                await asyncio.sleep(pause)
                pause = min(_GROWTH * pause, _LONGEST_PAUSE_S)
            present = await self._present()
            live = present.live
            try:
                if live is None:
                    return await self._create(present.leaving)
                done = await self._bring_up(live, present.duplicates)
            except (ConflictError, NotFoundError, OutcomeUnknownError) as error:
                # Another call came first, or the response was lost: what exists now decides.
                if isinstance(error, OutcomeUnknownError):
                    self.unknown.append(error)
                    if live is not None and len(self.unknown) >= _MAX_LOST_WRITES:
                        raise
                if live is None and not await self._appears():
                    raise
                logger.info("ensure of %s: reading again after: %s", self.target.name, error)
                last = error
                continue
            if done is not None:
                return done
        raise last or ConflictError(f"{self.target.name} keeps being changed by others; try again")

    # -- create -------------------------------------------------------------------------------

    async def _create(self, leaving: R | None) -> Ensured[R]:
        await self.target.check_price()
        left = max(0.0, self.name_until - self.engine.clock.now())
        if leaving is not None and left == 0 and self.api.capabilities.unique_names:
            raise ConflictError(
                f"the name {self.target.name!r} is taken by {self.target.id_of(leaving)}, which is "
                "being deleted: pass name_timeout= to wait for the name",
                method="POST",
                path="(not sent)",
                status=409,
            )
        try:
            change = await self.target.create(left)
        except BaseException as error:
            if isinstance(error, OutcomeUnknownError):
                self._remember("")
                self.sent.append(Ensured("created", (self._missing(),)))
            elif may_have_written(error):
                self._remember(getattr(getattr(error, "write_result", None), "id", ""))
            raise
        self._remember(change.id)
        # A cancellation from here on must not lose the id.
        with report_if_cut_off(CallRecord(), self._missing(), change):
            duplicates = await self._duplicates_of(change.id)
        return Ensured("created", (self._missing(),), change, change.id, duplicates)

    def _missing(self) -> str:
        return f"{self.target.name}: nothing -> a new {self.adapter.noun}"

    async def _appears(self) -> bool:
        """Return whether a resource of the name is there, or comes soon: lists lag."""
        for pause in _APPEARS_AFTER_S:
            found = await read_after(pause, f"looking up {self.target.name}", self.target.find)
            if found and not isinstance(found, DIError):
                return not all(map(self._is_leaving, found))
        return False

    # -- update -------------------------------------------------------------------------------

    async def _bring_up(self, live: R, duplicates: tuple[str, ...]) -> Ensured[R] | None:
        """Update a resource if it differs; return None if it has to be read again."""
        differences, id = self._compare(live), self.target.id_of(live)
        if not differences:
            change = self.api.begin_wait(id, seen=live)
            before = self.sent[-1] if self.sent else Ensured[R]("unchanged")
            active = not self.sent and self._is_active(live)
            return Ensured(before.action, before.diff, change, id, duplicates, active)
        if self._in_progress(live):
            await self._settle(id)
            return None
        await self.target.check_price()
        diff = _lines(differences)
        try:
            change = await self.target.update(live, differences)
        except OutcomeUnknownError:
            self.sent.append(Ensured("updated", diff))
            raise
        except APIError as refusal:
            if not await self._was_busy(id, refusal):
                raise
            return None
        return Ensured("updated", diff, change, id, duplicates)

    async def _settle(self, id: str) -> None:
        """Wait for a change in progress; how it ends shows in the next read."""
        logger.info("ensure of %s: waiting for the change in progress", self.target.name)
        try:
            await self.api.begin_wait(id).wait()
        except WaitTimeoutError:
            raise
        except WaitError as error:
            logger.info("ensure of %s: %s", self.target.name, error)

    async def _was_busy(self, id: str, refusal: APIError) -> bool:
        """Return whether an update was refused because another change had begun."""
        if isinstance(refusal, ConflictError | NotFoundError):
            raise refusal
        if refusal.status != self.api.capabilities.busy_status:
            return False
        return self._in_progress(await self.target.get(id))

    def _compare(self, live: R) -> Sequence[Difference]:
        differences = self.target.compare(live)
        check_mutable(differences, f"{self.target.name} ({self.target.id_of(live)})")
        return differences

    # -- what exists --------------------------------------------------------------------------

    async def _present(self) -> _Present[R]:
        """Return what has the name now."""
        rows = await self.target.find()
        found = [one for one in rows if not self._is_leaving(one)]
        leaving = next(filter(self._is_leaving, rows), None)
        id_of = self.target.id_of
        if not self.api.capabilities.unique_names:
            made = await self._remembered([id_of(one) for one in found])
            found += [made] if made is not None else []
            found.sort(key=self._preference)
        if not found:
            return _Present(leaving=leaving)
        return _Present(found[0], self._report([id_of(one) for one in found]), leaving)

    def _preference(self, found: R) -> tuple[Any, ...]:
        """Order resources of one name: the one to keep comes first, in every process."""
        different = bool(self.target.compare(found))
        return different, getattr(found, "created_at", None) or _LATEST, self.target.id_of(found)

    async def _duplicates_of(self, id: str) -> tuple[str, ...]:
        if self.api.capabilities.unique_names:
            return ()
        try:
            found = await self.target.find()
        except DIError as error:  # the create has been accepted, so it must be returned
            logger.warning("duplicates of %s could not be looked for: %s", self.target.name, error)
            return ()
        ids = [self.target.id_of(one) for one in found if not self._is_leaving(one)]
        return self._report([id, *(other for other in ids if other != id)])

    def _report(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Return all ids but the first, which is in use; log them if there are any."""
        duplicates = tuple(ids[1:])
        if duplicates and duplicates not in self.logged:
            self.logged.add(duplicates)
            logger.warning(
                DUPLICATES,
                len(ids),
                self.adapter.noun,
                self.target.name,
                ids[0],
                ", ".join(duplicates),
            )
        return duplicates

    def _remember(self, id: str) -> None:
        if not self.api.capabilities.unique_names:
            now = self.engine.clock.steady()
            _created.pop(self.key, None)
            while _created and now - next(iter(_created.values()))[1] > CREATE_GRACE_S:
                del _created[next(iter(_created))]
            _created[self.key] = id, now

    async def _remembered(self, listed: Sequence[str]) -> R | None:
        """Return what this process created a moment ago and the list does not show yet."""
        if self.key not in _created:
            return None
        id, at = _created[self.key]
        if not id:
            return await self._after_lost_answer(at, listed)
        if id in listed:
            return None
        if self.engine.clock.steady() - at < _LIST_LAG_S:
            for pause in (0.0, *LOOKUP_DELAYS_S):
                await asyncio.sleep(pause)
                try:
                    made = await self.target.get(id)
                except NotFoundError:
                    continue  # a replica may not know it yet
                if getattr(made, "name", None) == self.target.name:
                    return made
                break  # it was renamed
        _created.pop(self.key, None)
        return None

    async def _after_lost_answer(self, at: float, listed: Sequence[str]) -> R | None:
        """Return what a create may have made whose answer was lost, once the list shows it.

        It made nothing if nothing is shown two minutes later.
        """
        now, found = self.engine.clock.steady, list[R]()
        until = min(at, now()) + CREATE_GRACE_S
        while not (listed or found) and (left := until - now()) > 0:
            logger.info(
                "ensure of %s: an earlier create may have made it; looking for %.0f s",
                self.target.name,
                left,
            )
            await asyncio.sleep(min(left, _LOOK_AGAIN_S))
            found = [one for one in await self.target.find() if not self._is_leaving(one)]
        _created.pop(self.key, None)
        return next(iter(found), None)

    def _is_leaving(self, found: R) -> bool:
        return self._observe(found).phase is Phase.DELETING

    def _in_progress(self, found: R) -> bool:
        seen = self._observe(found)
        return seen.phase is Phase.WORKING or (seen.phase is Phase.READY and not seen.complete)

    def _is_active(self, found: R) -> bool:
        seen = self._observe(found)
        return seen.phase is Phase.READY and seen.complete

    def _observe(self, found: R) -> Observation:
        return self.adapter.observe(found, NO_EXPECTATION)


def _lines(differences: Sequence[Difference]) -> tuple[str, ...]:
    return tuple(map(str, differences))
