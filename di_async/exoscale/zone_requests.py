"""One zone of the API, as requests see it. All zones of a client share its engine."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from attrs import Factory, evolve, field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.http import Priority, Request
from di_async.core.pagination import Page, read_page, rows_under
from di_async.core.waiting.events import StatusChange
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Engine
from di_async.engine.listing import Listing
from di_async.engine.resource_api import ResourceApi
from di_async.engine.transport import checked_base_url
from di_async.exoscale.endpoints import ENDPOINTS
from di_async.exoscale.lifecycle import is_public, row_key
from di_async.exoscale.models import CODEC, Deployment, Model, Operation

__all__ = ["OPERATION", "ZoneAdapter", "ZoneRequests", "ZoneResources", "zone_url"]

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
        return evolve(ENDPOINTS[name].request(*ids, params=params, json=json), base=self.base_url)

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


class ZoneAdapter(ResourceAdapter[T]):
    """How waiting reads one type of resource of one zone, and the operations that change it."""

    provider = "exoscale"
    endpoints: tuple[str, str]
    """Names of the get and the list endpoint."""

    def __init__(self, zone: ZoneRequests) -> None:
        self._zone = zone
        self.base_url = zone.base_url
        self.scope = zone.zone

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        """GET a resource or an operation once."""
        is_operation = ref.kind == OPERATION
        name = "get_operation" if is_operation else self.endpoints[0]
        into = Operation if is_operation else self.resource_type
        request = self._zone.request(name, ref.id)
        return _read(await self._zone.engine.json_once(request, priority, call), ref.id, into)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET the list once; it has one page."""
        name = self.endpoints[1]
        request = self._zone.request(name)
        body = await self._zone.engine.json_once(request, Priority.SWEEP, call)
        page = read_page(body, str(ENDPOINTS[name].key))
        return evolve(page, rows=tuple(row for row in page.rows if not is_public(row)))

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        return row_key(row)

    def decode_row(self, row: Any) -> T:
        """Return a list row as a resource."""
        return cast("T", CODEC.structure(row, self.resource_type))


class ZoneResources(ResourceApi[R]):
    """Waits for resources of one zone."""

    def __init__(self, site: ZoneRequests, adapter: ResourceAdapter[R], endpoint: str) -> None:
        super().__init__(site.engine, adapter, ENDPOINTS[endpoint].request)
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
