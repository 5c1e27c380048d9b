"""What goes over the wire, as values. Knows HTTP words, no client and no provider.

An endpoint is a row of data; a request is an endpoint filled in, ready to send as it stands
(its body is bytes, because one provider signs exactly what is sent).
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Struct

from di_async.core.errors import InvalidInputError

__all__ = ["Endpoint", "Priority", "Request", "Response", "checked_id", "json_bytes", "query"]

_REPEATABLE = frozenset({"GET", "HEAD", "DELETE", "PUT", "OPTIONS"})


class Priority(IntEnum):
    """Who goes first where requests are short: the lower the number, the sooner."""

    MUTATION = 0
    READ = 1
    CONFIRM = 2
    SWEEP = 3


class Request(Struct, frozen=True, gc=False):
    """One HTTP request. `path` is quoted already; `params` keep their order."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    base: str | None = None
    """Where to send it, if not to the client's base URL: another zone of the same API."""

    @property
    def repeatable(self) -> bool:
        """Sending it twice does no more than sending it once (RFC 9110, 9.2.2)."""
        return self.method in _REPEATABLE

    @property
    def priority(self) -> Priority:
        """Writes before reads; pollers choose a humbler one themselves."""
        return Priority.READ if self.method == "GET" else Priority.MUTATION


class Response(Struct, frozen=True, gc=False):
    """One HTTP answer. Headers are found by lower-case names. `sends`: what went out to get it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    sends: int = 1


class Endpoint(Struct, frozen=True):
    """A row of a provider's table: how to ask, and under which key the answer sits."""

    name: str
    method: str
    path: str
    key: str | None = None
    reserved: frozenset[str] = frozenset()

    def request(
        self,
        *ids: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Request:
        """This endpoint with ids, query and body filled in.

        Raises:
            InvalidInputError: an id is empty, `.`, `..` or a word that names another endpoint.

        """
        path = self.path
        if ids:
            path, *slots = _parts(path)
            for id, (name, rest) in zip(ids, slots, strict=True):
                checked = checked_id(id, name, self.reserved)
                plain = checked.isascii() and checked.replace("-", "").isalnum()
                path += (checked if plain else quote(checked, safe="")) + rest
        body = None if json is None else json_bytes(json)
        return Request(self.method, path, query(params) if params else (), body)


@cache
def _parts(path: str) -> tuple[Any, ...]:
    """What stands before the first id, and for each its name and what stands after it."""
    before, *slots = path.split("{")
    return before, *(tuple(slot.split("}")) for slot in slots)


def checked_id(id: str, name: str = "id", reserved: Iterable[str] = ()) -> str:
    """`id`, if it can stand in a path without meaning another endpoint."""
    if not isinstance(id, str) or not id.strip():
        raise InvalidInputError(f"{name} is empty: it would address the whole collection")
    if not id.isascii() and any("\ud800" <= letter <= "\udfff" for letter in id):
        raise InvalidInputError(f"{name} {id!r} is not an id: it is no valid text")
    if id in {".", ".."} or id in reserved:
        raise InvalidInputError(f"{name} {id!r} is not an id: that path is another endpoint")
    return id


def json_bytes(value: Any) -> bytes | None:
    """The JSON text of `value`; nothing for None."""
    if value is None:
        return None
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidInputError(f"this body cannot be written as JSON: {error}") from error


def query(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Query parameters as text, those without a value left out."""
    pairs = ((k, v) for k, v in params.items() if v is not None)
    return tuple((k, str(v).lower() if isinstance(v, bool) else str(v)) for k, v in pairs)
