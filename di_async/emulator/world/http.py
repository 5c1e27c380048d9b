"""The values that cross the world's border: a parsed request, an answer, a refusal.

Rules of this file: values only. A `Refusal` is how a handler says no; the world turns it into the
vendor's error body.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from attrs import Factory, frozen

JSON = {"content-type": "application/json; charset=utf-8"}

# https://docs.digitalocean.com/reference/api/reference/#http-statuses: the body's `id` is a slug.
SLUGS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "unprocessable_entity",
    429: "too_many_requests",
}


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
    """A request as handlers like to read it: header names in lower case, path segments decoded."""

    method: str
    path: str
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
    """A handler's no: a status and the text of the error body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def parse_request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """The parsed request; a trailing slash is no path segment of its own."""
    url = urlsplit(target)
    return Request(
        method=method.upper(),
        path=url.path,
        segments=tuple(unquote(part) for part in url.path.split("/") if part),
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
    )


def json_response(status: int, value: object) -> Response:
    """An answer with a JSON body."""
    return Response(status, dict(JSON), orjson.dumps(value))


def error_response(status: int, message: str, request_id: str) -> Response:
    """The vendor's error body: `id` (a slug of the status), `message`, `request_id`."""
    slug = SLUGS.get(status, "server_error" if status >= 500 else "bad_request")
    return json_response(status, {"id": slug, "message": message, "request_id": request_id})
