"""The values that cross the world's border: a parsed request, an answer, a refusal.

Rules of this file: values only. A `Refusal` is how a handler says no; its provider turns it into
the vendor's error body.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from attrs import Factory, frozen

JSON = {"content-type": "application/json; charset=utf-8"}


@frozen
class Response:
    """An answer, and what the skin must do to the connection while it gives it."""

    status: int
    headers: dict[str, str] = Factory(dict)
    body: bytes = b""
    chunks: tuple[bytes, ...] = ()  # a streamed body, in place of `body`
    drop: bool = False  # reset the connection, answer nothing
    cut: bool = False  # send the first half of the body, then close
    delay_s: float = 0.0  # answer late by so many world seconds


@frozen
class Request:
    """A request as handlers like to read it: header names in lower case, path segments decoded.

    `path` and `raw_query` are as they came, percent-encoded.
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
        """The bearer token, or an empty text."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class Refusal(Exception):  # noqa: N818 - a decision, not a defect
    """A handler's no: a status, the text of the error body, and what else that body says."""

    def __init__(self, status: int, message: str, **details: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details


def parse_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """The parsed request; a trailing slash is no path segment of its own."""
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
    """An answer with a JSON body."""
    return Response(status, dict(JSON), orjson.dumps(value))


def parse_object(body: bytes) -> dict[str, object]:
    """The JSON object of a request body; `Refusal` 400 if it is none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "Request body is not valid JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "Request body must be an object.")
    return value
