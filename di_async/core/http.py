"""HTTP requests and responses as values, independent of any client or provider.

An endpoint is a row of data; a request is an endpoint filled in and ready to send. Its body is
bytes, because one provider signs exactly what is sent.
"""

import math
import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any
from urllib.parse import quote

import orjson
from attrs import field, frozen
from msgspec import Struct

from di_async.core.errors import InvalidInputError

__all__ = [
    "Endpoint",
    "Priority",
    "Request",
    "Response",
    "checked_id",
    "endpoint_table",
    "is_uuid",
    "json_bytes",
    "query",
]

_REPEATABLE = frozenset({"GET", "HEAD", "DELETE", "PUT", "OPTIONS"})


class Priority(IntEnum):
    """The order in which requests are sent when the budget is short: lower numbers first."""

    MUTATION = 0
    READ = 1
    CONFIRM = 2
    SCHEDULED = 3


def _size(body: bytes | None) -> str:
    """Return what a repr shows of a body, which may hold secrets."""
    return "None" if body is None else f"<{len(body)} bytes>"


@frozen
class Request:
    """One HTTP request. `path` is quoted; `params` keep their order. Its repr hides the body."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=_size)
    base: str | None = None
    """Sent here instead of to the client's base URL: another zone of the same API."""
    reads: bool = False
    """It changes nothing, although its method is that of a write."""
    by_name: bool = False
    """Its id is a name, which something new can have a moment later."""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice has the same effect as once (RFC 9110, 9.2.2).

        Not a DELETE by name: the second one may delete what was created since.
        """
        return self.reads or (
            self.method in _REPEATABLE and not (self.by_name and self.method == "DELETE")
        )

    @property
    def priority(self) -> Priority:
        """Writes go before reads; polling passes its own, lower priority."""
        return Priority.READ if self.method == "GET" or self.reads else Priority.MUTATION


@frozen
class Response:
    """One HTTP response. Header names are lower case. Its repr hides headers and body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=_size)


class Endpoint(Struct, frozen=True):
    """One endpoint of a provider: method, path, and the key of the answer's content."""

    name: str
    method: str
    path: str
    key: str | None = None
    reserved: frozenset[str] = frozenset()
    reads: bool = False
    """Its requests change nothing, although their method is that of a write."""
    by_name: bool = False
    """The last id is a name, which something new can have a moment later."""

    def request(
        self,
        *ids: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Request:
        """Return a request to this endpoint with ids, query and body filled in.

        Raises:
            InvalidInputError: an id is empty, `.`, `..` or the name of another endpoint.
        """
        path = self.path
        if ids:
            path, *slots = _parts(path)
            for id, (name, rest) in zip(ids, slots, strict=True):
                checked = checked_id(id, name, self.reserved)
                plain = checked.isascii() and checked.replace("-", "").isalnum()
                path += (checked if plain else quote(checked, safe="")) + rest
        body = None if json is None else json_bytes(json)
        pairs = query(params) if params else ()
        return Request(self.method, path, pairs, body, reads=self.reads, by_name=self.by_name)


def endpoint_table(*endpoints: Endpoint) -> dict[str, Endpoint]:
    """Return endpoints by name."""
    return {endpoint.name: endpoint for endpoint in endpoints}


@cache
def _parts(path: str) -> tuple[Any, ...]:
    """Split a path template: the text before the first id, then each id's name and what follows."""
    before, *slots = path.split("{")
    return before, *(tuple(slot.split("}")) for slot in slots)


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID as APIs write it."""
    return re.fullmatch("(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def checked_id(id: str, name: str = "id", reserved: Iterable[str] = ()) -> str:
    """Return `id` if it can be part of a path without addressing another endpoint."""
    if not isinstance(id, str):
        hint = "; pass its .id" if hasattr(id, "id") else ""
        raise InvalidInputError(f"{name} must be text, not {type(id).__name__}{hint}")
    if not id.strip():
        raise InvalidInputError(f"{name} is empty; it would address the whole collection")
    if not _is_unicode(id):
        raise InvalidInputError(f"{name} {id!r} is not valid Unicode text")
    if id in {".", ".."} or id in reserved:
        raise InvalidInputError(f"{name} {id!r} is not an id; that path is another endpoint")
    return id


# What orjson says, and what it means.
_NOT_JSON = {
    "Integer exceeds": "it holds a whole number of more than 64 bits",
    "str is not valid": "it holds text that is not valid Unicode",
    "Dict key": "it holds a mapping with a key that is not text",
    "Recursion limit": "it is nested too deeply",
}


def json_bytes(value: Any) -> bytes | None:
    """Return the JSON text of `value`; None for None."""
    if value is None:
        return None
    try:
        body = orjson.dumps(value)
        if b"null" in body and _holds_non_finite(value):  # orjson writes them as null
            raise TypeError("it holds a number that JSON does not have (NaN or infinity)")
    except TypeError as error:
        problem = str(error)
        plain = (words for text, words in _NOT_JSON.items() if problem.startswith(text))
        reason = next(plain, problem)
        raise InvalidInputError(f"the body cannot be encoded as JSON: {reason}") from error
    return body


def _holds_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    parts = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list | tuple) and any(map(_holds_non_finite, parts))


def query(params: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return query parameters as text, without those that are None.

    Raises:
        InvalidInputError: they are not a mapping with text as keys, or not valid Unicode text.
    """
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        raise InvalidInputError("params: expected a mapping of names and values")
    given = ((k, v) for k, v in params.items() if v is not None)
    pairs = tuple((k, str(v).lower() if isinstance(v, bool) else str(v)) for k, v in given)
    for name, value in pairs:
        if not _is_unicode(name + value):
            raise InvalidInputError(f"{name!r}: {value!r} is not valid Unicode text")
    return pairs


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
