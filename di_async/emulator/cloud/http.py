"""HTTP values: parsed requests, responses, and the error that a handler raises."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from attrs import Factory, frozen

Json = dict[str, object]

# No API takes more digits, and int() refuses thousands of them.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_JSON_TYPE = "application/json; charset=utf-8"


@frozen
class Response:
    """A response, and what the HTTP server does to the connection while sending it.

    Args:
        status: the status code.
        headers: its headers.
        body: its body.
        chunks: a streamed body, in place of `body`.
        drop: reset the connection without a response.
        cut: send the first half of the body, then close.
        delay_s: send it this many world seconds late.
    """

    status: int
    headers: dict[str, str] = Factory(dict)
    body: bytes = b""
    chunks: tuple[bytes, ...] = ()
    drop: bool = False
    cut: bool = False
    delay_s: float = 0.0


@frozen
class Request:
    """A parsed request: header names in lower case, path segments decoded.

    `path` and `raw_query` are as received, percent-encoded.
    """

    method: str
    path: str
    raw_query: str
    segments: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class ApiError(Exception):
    """An error response: its status, its message, and other fields of its body.

    The provider renders it in the vendor's format.
    """

    def __init__(self, status: int, message: str, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers: dict[str, str] = {}


def parse_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """Parse a request; a trailing slash adds no path segment."""
    url = urlsplit(target)
    return Request(
        method=method.upper(),
        path=url.path,
        raw_query=url.query,
        segments=tuple(unquote(part) for part in url.path.split("/") if part),
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )


def json_response(status: int, value: object) -> Response:
    """Return a response with a JSON body."""
    return Response(status, {"content-type": _JSON_TYPE}, orjson.dumps(value))


def parse_json_object(body: bytes) -> Json:
    """Parse a request body; raise `ApiError` 400 unless it is a JSON object."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ApiError(400, "Request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(400, "Request body must be an object.")
    return value


def parse_whole_number(text: str) -> int | None:
    """Return the number in a query or a header; None if it is not a whole number."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None
