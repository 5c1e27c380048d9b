"""The requests to one zone, and how their answers are read."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import Factory, evolve, field, frozen
from msgspec.structs import replace

from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.http import Request
from di_async.core.pagination import Page, read_page, rows_under
from di_async.core.responses import (
    own_id,
    resource_body,
)
from di_async.engine.engine import Engine
from di_async.engine.environment import ZONE, is_loopback
from di_async.engine.listing import Listing
from di_async.exoscale.api import ENDPOINTS
from di_async.exoscale.models import CODEC, AIAPIKey, Deployment, Model, Operation

__all__ = ["ZoneRequests", "decode_with_id", "read_list", "zone_template", "zone_url"]

A = TypeVar("A")
T = TypeVar("T", bound=AIAPIKey | Deployment | Model | Operation)


def zone_template(url: str, name: str) -> str:
    """Return a base URL with `{zone}` in it; to that of an emulator, add the zone's path.

    Raises:
        InvalidInputError: (a `ValueError`) the URL is that of one zone, or of another provider.
    """
    parts = urlsplit(url)
    if ZONE in url:
        return url
    if is_loopback(parts.hostname or "") and parts.path in {"", "/"}:
        return f"{url.rstrip('/')}/zones/{ZONE}"
    raise InvalidInputError(
        f"{name} {url} names one zone, or another provider; write {ZONE} in place of the zone's "
        "name"
    )


def zone_url(template: str, zone: str) -> str:
    """Return the base URL of a zone, from a checked template.

    Raises:
        InvalidInputError: (a `ValueError`) The zone's name is invalid.
    """
    letters = zone.replace("-", "") if isinstance(zone, str) else ""
    if not (letters.isascii() and letters.isalnum() and zone == zone.lower()):
        raise InvalidInputError(f"Invalid zone {zone!r} (expected a name such as 'ch-gva-2').")
    return template.replace(ZONE, zone)


@frozen
class ZoneRequests:
    """Requests to one zone. All zones of a client share its engine."""

    engine: Engine = field(repr=False)
    template: str
    zone: str
    account: str = field(repr=False)
    """The id of the API key."""
    base_url: str = field(
        init=False,
        default=Factory(lambda self: zone_url(self.template, self.zone), takes_self=True),
    )

    def in_zone(self, zone: str) -> "ZoneRequests":
        """Return the requests to another zone.

        Raises:
            InvalidInputError: The base URL belongs to one zone.
        """
        if zone != self.zone and not self.has_other_zones:
            raise InvalidInputError(
                f"base_url {self.template} is the URL of one zone; write {ZONE} in place "
                "of the zone's name."
            )
        return ZoneRequests(self.engine, self.template, zone, self.account)

    @property
    def has_other_zones(self) -> bool:
        """Whether the base URL leaves the zone open."""
        return ZONE in self.template

    def request(
        self, name: str, *ids: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Request:
        """Return a request to one of the endpoints."""
        return evolve(ENDPOINTS[name].request(*ids, params=params, json=json), base=self.base_url)

    async def json(
        self,
        name: str,
        read: Callable[[Any], A],
        *ids: str,
        params: Mapping[str, Any] | None = None,
    ) -> A:
        """Return what `read` returns for the response of an endpoint without a request body."""
        return await self.engine.json(self.request(name, *ids, params=params), read)

    async def read(self, name: str, id: str, into: type[T]) -> T:
        """Return one resource or operation."""
        return await self.json(name, partial(decode_with_id, id=id, into=into), id)

    def listing(
        self,
        name: str,
        into: type[T],
        params: Mapping[str, Any] | None = None,
        predicate: Callable[[T], bool] | None = None,
    ) -> Listing[T]:
        """Return an iterator over a list."""

        async def fetch(_: int) -> Page:
            read = partial(read_list, key=str(ENDPOINTS[name].key))
            return await self.json(name, read, params=params)

        return Listing(fetch, partial(CODEC.structure, into=into), page_size=1, predicate=predicate)

    async def rows(self, name: str, into: type[A], *ids: str, **params: Any) -> list[A]:
        """Return all rows of a list."""
        key = str(ENDPOINTS[name].key)

        def read(body: Any) -> list[A]:
            return [CODEC.structure(row, into) for row in rows_under(body, key)]

        return await self.json(name, read, *ids, params=params)

    async def operation(self, id: str) -> Operation:
        """Return one operation."""
        return await self.read("get_operation", id, Operation)


# A status page of a gateway has a name, a status and a message, too.
_TELLING_FIELDS = (
    *("created-at", "visibility", "gpu-type", "model", "replicas", "model-size"),
    *("scope", "reference"),
)


def read_list(body: Any, key: str) -> Page:
    """Return all rows of a list: the API has no pages, so this is the last one."""
    return replace(read_page(body, key), last=1)


def decode_with_id(body: Any, id: str, into: type[T]) -> T:
    """Decode the resource of this id, and fill in the id: the schemas do not require it.

    Raises:
        DecodeError: (transient) it has no id, and no other field that only the API sends.
    """
    names = ("state",) if into is Operation else ("name",)
    found = CODEC.structure(resource_body(body, *names), into)
    if not found.id:
        if not any(body.get(name) is not None for name in _TELLING_FIELDS):
            raise DecodeError("the answer has no 'id' @ $", transient=True)
        return evolve(found, id=id)
    own_id(found.id, id)
    return found
