"""Create a deployment where there is room: try places in order, and delete what failed."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import define, field, frozen

from di_async.core.capacity import Attempt, FailureKind, tries_left
from di_async.core.errors import (
    CleanupError,
    ConflictError,
    DIError,
    InvalidInputError,
    NoCapacityError,
    WaitError,
)
from di_async.core.pricing import HourlyPrice
from di_async.core.redaction import masked
from di_async.engine.deployments.cleanup import answer_of, cleanup_error, delete_proven, finish
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change, Timeout
from di_async.engine.waiting.failures import replace_advice

__all__ = ["Search"]

logger = Log("di_async")


@frozen
class _Place:
    region: str
    accelerator: str
    spec: Any = field(repr=masked)


@define(kw_only=True)
class Search:
    """One call of `create_first_available`."""

    target: Deployable[Any]
    spec: Any = field(repr=masked)
    regions: Sequence[Any] | None
    accelerators: Sequence[str] | None
    max_unexplained: int
    timeout: Timeout
    name_timeout: float
    cleanup_timeout: float
    options: Mapping[str, Any] = field(repr=masked)
    attempts: list[Attempt] = field(factory=list, init=False)
    _freed: bool = field(default=False, init=False)
    """A deployment of that name was deleted by this call."""

    async def run(self) -> Change[Any]:
        """Return the settled change of the first place that works."""
        left: int | None = None
        last: DIError | None = None
        for place in await self._places():
            try:
                change = await self._try(place)
            except DIError as error:
                failure = self._explain(error)
                self._note(place, failure, error)
                if failure.is_final:
                    self._attach(error)
                    raise
                last, left = error, tries_left(left, failure, self.max_unexplained)
                if left == 0:
                    break
            else:
                self.attempts.append(
                    Attempt(place.region, place.accelerator, "created", id=change.id)
                )
                change.attempts = tuple(self.attempts)
                return change
        raise self._no_capacity(last) from last

    def _explain(self, error: DIError) -> FailureKind:
        """Return what a failed try means."""
        if isinstance(error, WaitError) and error.resume_token is None:
            return FailureKind.FINAL  # `create` raised it, so what it made is not deleted here
        return self.target.explain(error)

    def _no_capacity(self, last: DIError | None) -> NoCapacityError:
        tries = [str(one).rstrip(".") for one in self.attempts]
        story = "; ".join(tries) or "no place offers it"
        hint = "" if last is None else " What was created there has been deleted."
        return NoCapacityError(
            f"{self.target.name_of(self.spec)} could not be created anywhere: {story}.{hint}",
            attempts=tuple(self.attempts),
        )

    async def _places(self) -> list[_Place]:
        if self.regions is None and self.accelerators is None:
            found = await self.target.places(self.spec)
            self.attempts += [
                Attempt(one.region, one.accelerator, "not read", one.reason)
                for one in found
                if one.reason is not None
            ]
            places = [
                _Place(one.region, one.accelerator, one.spec) for one in found if one.reason is None
            ]
            own = self.target.place_of(self.spec)
            return sorted(places, key=lambda one: (one.region, one.accelerator) != own)
        return list(self._given_places())

    def _given_places(self) -> Iterator[_Place]:
        own_region, own_accelerator = self.target.place_of(self.spec)
        regions = _listed(self.regions, "regions") or [own_region]
        for accelerator in _listed(self.accelerators, "accelerators") or [own_accelerator]:
            for region in regions:
                same = (region, accelerator) == (own_region, own_accelerator)
                spec = self.spec if same else self.target.moved(self.spec, region, accelerator)
                yield _Place(region, accelerator, spec)

    async def _try(self, place: _Place) -> Change[Any]:
        target = self.target.in_region(place.region)
        change = await self._create(target, place)
        try:
            await change.wait(timeout=self.timeout)
        except asyncio.CancelledError as cancelled:
            await self._delete(target, place, change.id, cancelled)
            replace_advice(cancelled, f"{change.id} has been deleted: GET answered 404.")
            raise
        except DIError as error:
            if target.explain(error) is not FailureKind.FINAL:
                await self._delete(target, place, change.id, error)
            raise
        return change

    async def _create(self, target: Deployable[Any], place: _Place) -> Change[Any]:
        """Create; a name that this call has freed may stay taken for a while.

        The wait for the name is here, and not in `create`, so that a cancellation ends it at once.
        """
        clock = target.engine.clock
        until = clock.now() + self.name_timeout
        while True:
            try:
                return await self._create_once(target, place)
            except ConflictError as taken:
                left = until - clock.now()
                if not self._freed or left <= 0:
                    raise
                logger.info("%s; trying again", taken)
            await asyncio.sleep(min(target.engine.polling.target_lag, left))

    async def _create_once(self, target: Deployable[Any], place: _Place) -> Change[Any]:
        """Create in a task of its own; its answer holds the id, so cancellation does not end it."""
        creating = asyncio.ensure_future(target.create(place.spec, **self.options))
        try:
            await asyncio.wait([creating])
        except asyncio.CancelledError as cancelled:
            answer, _ = await finish(partial(answer_of, creating))
            known = answer.result()
            if known.id:
                await self._delete(target, place, known.id, cancelled)
            elif known.story:
                cancelled.add_note(known.story)
            raise
        return creating.result()

    async def _delete(
        self, target: Deployable[Any], place: _Place, id: str, error: BaseException
    ) -> None:
        until = target.engine.clock.now() + self.cleanup_timeout
        sent: list[Change[None]] = []
        task, cancelled = await finish(
            lambda: delete_proven(target, id, until, sent.append, sent[-1] if sent else None)
        )
        reason = asyncio.CancelledError() if task.cancelled() else task.exception()
        if reason is not None:
            price, _ = await finish(partial(_price, target, place.spec))
            name = target.name_of(place.spec)
            raise cleanup_error(
                target.noun, name, id, price.result(), reason, has_expiry=False
            ) from error
        self._freed = True
        if cancelled is not None and not isinstance(error, asyncio.CancelledError):
            raise cancelled

    def _note(self, place: _Place, failure: FailureKind, error: DIError) -> None:
        reason = str(getattr(error, "message", "")) or str(error)
        id = error.id if isinstance(error, WaitError | CleanupError) and error.id else None
        attempt = Attempt(place.region, place.accelerator, failure.value, reason, id)
        logger.warning("%s", attempt)
        self.attempts.append(attempt)

    def _attach(self, error: DIError) -> None:
        error.attempts = tuple(self.attempts)  # type: ignore[attr-defined]


async def _price(target: Deployable[Any], spec: Any) -> HourlyPrice | None:
    try:
        return await target.hourly_price(spec)
    except DIError:
        return None


def _listed(given: Sequence[Any] | None, name: str) -> list[str]:
    """Return the places that a caller named; none if none were given."""
    if given is None:
        return []
    if isinstance(given, str | bytes) or not isinstance(given, Iterable) or not given:
        raise InvalidInputError(f"{name}: expected a list with at least one entry")
    return list(dict.fromkeys(map(str, given)))
