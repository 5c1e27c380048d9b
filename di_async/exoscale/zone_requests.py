"""One zone of the API, as requests see it. All zones of a client share its engine."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from attrs import Factory, evolve, field, frozen
from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority, Request
from di_async.core.pagination import Page, read_page, rows_under
from di_async.core.protocols import Source
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.listing import Listing
from di_async.engine.resource_api import ResourceApi
from di_async.engine.transport import checked_base_url
from di_async.exoscale.endpoints import ENDPOINTS
from di_async.exoscale.lifecycle import observe_operation
from di_async.exoscale.models import CODEC, Deployment, Model, Operation

__all__ = ["OPERATION", "ZoneRequests", "ZoneResources", "zone_url"]

A = TypeVar("A")
R = TypeVar("R")
T = TypeVar("T", bound=Deployment | Model | Operation)

OPERATION = "operation"
_PLACE = "{zone}"


def zone_url(template: str, zone: str) -> str:
    """The base URL of a zone.

    Raises:
        InvalidInputError: (a `ValueError`) no zone can have that name, or the URL would send in
            the clear what is signed.
    """
    letters = zone.replace("-", "") if isinstance(zone, str) else ""
    if not (letters.isascii() and letters.isalnum() and zone == zone.lower()):
        raise InvalidInputError(f"{zone!r} is no zone: a zone is a name such as 'ch-gva-2'")
    return checked_base_url(template.replace(_PLACE, zone))


@frozen
class ZoneRequests:
    """Where one zone's requests go."""

    engine: Engine = field(repr=False)
    template: str
    zone: str
    base_url: str = field(
        init=False,
        default=Factory(lambda site: zone_url(site.template, site.zone), takes_self=True),
    )

    def in_zone(self, zone: str) -> "ZoneRequests":
        """The same in another zone.

        Raises:
            InvalidInputError: the base URL is that of one zone only.
        """
        if zone != self.zone and _PLACE not in self.template:
            raise InvalidInputError(
                f"base_url {self.template} is that of one zone: write {_PLACE} where its name goes"
            )
        return ZoneRequests(self.engine, self.template, zone)

    def request(
        self, name: str, *ids: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Request:
        """A request to one of the endpoints, for this zone."""
        return replace(ENDPOINTS[name].request(*ids, params=params, json=json), base=self.base_url)

    async def json(self, name: str, *ids: str, params: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer to a reading endpoint."""
        return await self.engine.json(self.request(name, *ids, params=params))

    async def read(self, name: str, id: str, into: type[T]) -> T:
        """One object of this zone. Its id is filled in, since the schemas do not require it."""
        return _read(await self.json(name, id), id, into)

    def listing(
        self,
        name: str,
        into: type[T],
        params: Mapping[str, Any] | None = None,
        fits: Callable[[T], bool] | None = None,
    ) -> Listing[T]:
        """All rows of a list. It has no pages: the one answer holds all of them."""

        async def fetch(_: int) -> Page:
            return read_page(await self.json(name, params=params), str(ENDPOINTS[name].key))

        return Listing(fetch, partial(CODEC.structure, into=into), page_size=1, predicate=fits)

    async def rows(self, name: str, into: type[A], *ids: str, **params: Any) -> list[A]:
        """What a small list holds."""
        body = await self.json(name, *ids, params=params)
        return [CODEC.structure(row, into) for row in rows_under(body, str(ENDPOINTS[name].key))]

    async def operation(self, id: str) -> Operation:
        """An operation of this zone."""
        return await self.read("get_operation", id, Operation)

    def source(self, **more: Any) -> Source[Any]:
        """What waiting needs to know about a kind of resource; `more` is what is its own."""
        return Source(
            provider="exoscale",
            base_url=self.base_url,
            scope=self.zone,
            **more,
        )

    def operations(self) -> Source[Operation]:
        """Operations as steps of waits."""
        return self.source(
            noun=OPERATION,
            kind=OPERATION,
            get=self.get_fetcher("get_operation", Operation),
            observe=observe_operation,
            decode_row=lambda row: CODEC.structure(row, Operation),
        )

    def get_fetcher(
        self, name: str, into: type[T]
    ) -> Callable[[ResourceRef, Priority, CallRecord], Awaitable[T]]:
        """How a poller reads one object, once."""

        async def fetch(stage: ResourceRef, priority: Priority, call: CallRecord) -> T:
            body = await self.engine.json_once(self.request(name, stage.id), priority, call)
            return _read(body, stage.id, into)

        return fetch

    def list_fetcher(
        self, name: str, fits: Callable[[Any], object] = lambda _: True
    ) -> Callable[..., Awaitable[Page]]:
        """How a poller reads a list, once."""

        async def sweep(page: int, call: CallRecord, region: str | None = None) -> Page:
            body = await self.engine.json_once(self.request(name), Priority.SWEEP, call)
            found = read_page(body, str(ENDPOINTS[name].key))
            return replace(found, rows=tuple(row for row in found.rows if fits(row)))

        return sweep


class ZoneResources(ResourceApi[R]):
    """Waits for resources of one zone."""

    def __init__(self, site: ZoneRequests, source: Source[R], endpoint: str) -> None:
        super().__init__(site.engine, source, ENDPOINTS[endpoint].request)
        self._site = site

    def watch(
        self, id: str | None = None, *, region: str | None = None
    ) -> AsyncIterator[StatusChange]:
        """An async iterator over what happens in the zone, or to one resource of it.

        Raises:
            InvalidInputError: `region` is another zone; see `in_zone`.
        """
        if region not in (None, self._site.zone):
            raise InvalidInputError(f"this sees {self._site.zone} alone: watch in_zone({region!r})")
        return super().watch(id)


def _read(body: Any, id: str, into: type[T]) -> T:
    found = CODEC.structure(body, into)
    return found if found.id else evolve(found, id=id)
