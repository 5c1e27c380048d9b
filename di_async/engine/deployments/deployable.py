"""What a provider supplies so that deployments can be temporary, reaped, or placed anywhere."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from attrs import frozen
from msgspec import Struct

from di_async.core.capacity import FailureKind
from di_async.core.errors import DecodeError, DIError, NotFoundError
from di_async.core.http import Request
from di_async.core.moment import Moment
from di_async.core.pricing import HourlyPrice, Placement
from di_async.core.server_clock import CLOCK_SKEW_S
from di_async.core.serving import ConnectOptions
from di_async.engine.engine import Engine
from di_async.engine.frames import ClearsFrames
from di_async.engine.listing import Listing
from di_async.engine.waiting.change import Change
from di_async.engine.writes.ensure import Ensured

__all__ = ["Deployable", "Named", "OnUnreadable", "collect_rows"]

R = TypeVar("R")
OnUnreadable = Callable[[DIError], object]
"""Called with the error of the rows that cannot be read."""


class Named(Struct, frozen=True):
    """A resource as a read shows it."""

    id: str
    name: str
    region: str | None = None
    resource: Any = None


class DeploymentCalls(Protocol[R]):
    """The calls that the APIs of all providers' deployments have."""

    async def create(self, spec: Any, *args: Any, **options: Any) -> Change[R]:
        """Send a create."""
        ...

    async def ensure(self, spec: Any, *args: Any, **options: Any) -> Ensured[R]:
        """Create, update, or do nothing."""
        ...

    async def delete(self, id: str) -> Change[None]:
        """Send a delete."""
        ...

    async def find_capacity(self, spec: Any) -> Sequence[Placement[Any]]:
        """Return where a deployment can run, the cheapest first."""
        ...

    async def hourly_price(self, spec: Any) -> HourlyPrice | None:
        """Return what a deployment would cost."""
        ...


@frozen(eq=False, repr=False)
class Deployable(ClearsFrames, ABC, Generic[R]):
    """The deployments of one account, or of one zone, as generic code sees them."""

    engine: Engine
    request: Request
    """Any request of this API: the clock that counts is that of the server that it goes to."""
    api: DeploymentCalls[R]
    noun: ClassVar[str]
    """For messages: "dedicated inference"."""
    longest_name = 63
    """The longest name that the provider accepts."""
    zone = ""
    """The only zone of its deployments, where names belong to a zone."""
    id_is_name = False
    """Others may use the id again once its deployment is gone."""

    @abstractmethod
    def complete(self, spec: Any) -> Any:
        """Return the spec in full. Raises `InvalidInputError`."""

    @abstractmethod
    def placed(self, fields: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Return a caller's spec with the region filled in.

        Raises:
            InvalidInputError: the spec is for another region.
        """

    @abstractmethod
    def name_of(self, spec: Any) -> str:
        """Return the name in a complete spec."""

    @abstractmethod
    def renamed(self, spec: Any, name: str) -> Any:
        """Return a complete spec with another name."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Check the further arguments of `create`. Raises `TypeError`, as the call would."""
        inspect.signature(self.api.create).bind(None, **options)

    @abstractmethod
    def check_connect(self, spec: Any, options: ConnectOptions) -> None:
        """Check what `connect` will be called with once a complete spec has been created.

        Raises:
            InvalidInputError: it would fail.
        """

    @abstractmethod
    def place_of(self, spec: Any) -> tuple[str, str]:
        """Return the region and the accelerator of a complete spec."""

    @abstractmethod
    def moved(self, spec: Any, region: str, accelerator: str) -> Any:
        """Return a complete spec that runs elsewhere, or on other accelerators."""

    async def places(self, spec: Any) -> Sequence[Placement[Any]]:
        """Return where a complete spec can run, the cheapest first.

        A place with a reason could not be read.
        """
        return await self.api.find_capacity(spec)

    def in_region(self, region: str) -> "Deployable[R]":
        """Return the deployments of a region."""
        return self

    async def create(self, spec: Any, **options: Any) -> Change[R]:
        """Send a create."""
        return await self.api.create(spec, **options)

    async def ensure(self, spec: Any, **options: Any) -> Ensured[R]:
        """Create, update, or do nothing; see `ensure` of the provider's API."""
        return await self.api.ensure(spec, **options)

    async def delete(self, id: str) -> Change[None]:
        """Send a delete."""
        return await self.api.delete(id)

    @abstractmethod
    async def find_named(self, name: str) -> Sequence[Named]:
        """Return all resources of that name."""

    @abstractmethod
    async def list_named(self, on_unreadable: OnUnreadable | None = None) -> Sequence[Named]:
        """Return all resources of the account or zone with their names.

        Rows that cannot be read are left out if `on_unreadable` is passed, else they raise.
        """

    @abstractmethod
    async def read(self, id: str) -> Named:
        """Return one resource. Raises `NotFoundError`."""

    async def is_used_again(self, id: str, since: Moment) -> bool:
        """Return whether others have certainly created what has this id since that moment."""
        if not self.id_is_name:
            return False
        try:
            found = (await self.read(id)).resource
        except NotFoundError:
            return False
        return self.engine.call_window(self.request, since).surely_before(found.created_at)

    async def hourly_price(self, spec: Any) -> HourlyPrice | None:
        """Return what a complete spec would cost."""
        return await self.api.hourly_price(spec)

    @abstractmethod
    async def offer_problem(self, spec: Any) -> str | None:
        """Return why a complete spec has no price, such as an unknown region; else None."""

    async def price_of(self, resource: Any) -> HourlyPrice | None:
        """Return what an existing resource costs; None if that is not known."""
        return None

    @abstractmethod
    def explain(self, error: DIError) -> FailureKind:
        """Return what a failed create or wait means for other places."""

    def earliest_time(self, since: Moment) -> float:
        """Return the earliest time that it can have been at `since`, in epoch seconds.

        Every answer since then counts: one may come from a cache or from a wrong clock.
        """
        return self.engine.call_window(self.request, since).earliest

    def latest_time(self, since: Moment) -> float:
        """Return the latest time that it can be now, by every answer since `since`.

        Where this machine's clock agrees with the last one, an earlier one was wrong if it differs.
        """
        if self.is_time_certain():
            return self.engine.running.session.server_time(self.request)
        passed = self.engine.clock.now() - since.loop
        return self.engine.call_window(self.request, since).latest + passed

    def is_time_certain(self) -> bool:
        """Return whether an answer has shown the provider's clock, and this machine's agrees."""
        session = self.engine.running.session
        ahead = session.server_time(self.request) - self.engine.clock.wall()
        return session.knows_time(self.request) and abs(ahead) <= CLOCK_SKEW_S


async def collect_rows(listing: Listing[R], on_unreadable: OnUnreadable | None) -> Sequence[R]:
    """Return all rows of a list; see `Deployable.list_named` for those that cannot be read."""
    if on_unreadable is None:
        return await listing.collect()
    rows, gaps = await listing.collect_readable()
    for gap in gaps:
        if isinstance(gap, DecodeError):  # a list that changed is logged
            on_unreadable(gap)
    return rows
