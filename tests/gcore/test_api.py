"""How Gcore says no, and what it means by it."""

from typing import Any

import pytest

from di_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Secret,
    ServerError,
)
from di_async.core.http import Request, Response, json_bytes
from di_async.gcore.api import GcoreDialect
from tests.gcore.helpers import HIDDEN, KEY, V3, a_spec
from tests.support import answer

WALL = 1_760_000_000.0
GET = Request("GET", V3)


def error(response: Response, request: Request = GET, key: str = KEY) -> APIError:
    """The error in an answer."""
    return GcoreDialect(Secret(key), "42").error(request, response, WALL)


def body(kind: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The vendor's error object."""
    return {"exception_class": kind, "message": message, "request_id": "r-1", **more}


def test_headers() -> None:
    """The key under its own scheme; a content type where there is content."""
    speak = GcoreDialect(Secret(KEY), None)
    assert speak.headers(GET, WALL)["Authorization"] == f"APIKey {KEY}"
    assert "Content-Type" not in speak.headers(GET, WALL)
    with_body = speak.headers(Request("POST", V3, body=b"{}"), WALL)
    assert with_body["Content-Type"] == "application/json"


def test_error_body() -> None:
    """Class, message and request id."""
    found = error(answer(400, body("HTTPError", "method not allowed")))
    assert isinstance(found, BadRequestError)
    assert (found.code, found.request_id) == ("HTTPError", "r-1")
    assert str(found) == (f"GET {V3}: 400 HTTPError: method not allowed (request id r-1)")


def test_validation_error_lists_the_fields() -> None:
    """Which fields, and what is wrong with each."""
    fields = {"name": ["too short", "not unique"], "image": "missing"}
    found = error(answer(400, body("ValidationError", "Invalid", invalid_fields=fields)))
    assert found.message == "Invalid; name: too short, not unique; image: missing"


def test_quota_shows_what_is_used() -> None:
    """Which limit, how much of it, and how much was asked."""
    info = {"attribute": "gpu", "current_usage": 0, "requested_usage": 1, "limit": 0}
    found = error(answer(403, body("QuotaLimitExceed", "Quota exceeded", info=info)))
    assert found.code == "QuotaLimitExceed"
    assert found.message.endswith("attribute gpu, current_usage 0, requested_usage 1, limit 0")


@pytest.mark.parametrize(("status", "kind"), [(403, PermissionDeniedError), (400, BadRequestError)])
def test_forbidden_is_capacity(status: int, kind: type[APIError]) -> None:
    """Not a missing right: the class stays what the status gives, the message says what it is."""
    found = error(answer(status, body("ForbiddenError", "Forbidden")))
    assert type(found) is kind
    assert found.code == "ForbiddenError"
    assert "no capacity left in the region" in found.message


def test_key_without_a_dollar() -> None:
    """A shell may have eaten it."""
    found = error(answer(401, body("AuthError", "Bad permanent token: 1234")), key="1234")
    assert isinstance(found, AuthenticationError)
    assert "single quotes" in found.message
    assert "Bad permanent token" in found.message


def test_key_with_a_dollar() -> None:
    """Then it is the key itself."""
    assert "wrong, expired or revoked" in error(answer(401, body("AuthError"))).message


def test_not_found_names_the_project() -> None:
    """In another project the same would be there."""
    found = error(answer(404, body("NotFoundError", "gone")))
    assert isinstance(found, NotFoundError)
    assert "project 42" in found.message
    assert not found.transient


@pytest.mark.parametrize(
    "text",
    [
        b"<html>nginx</html>",
        b"",
        b"not here",
        b"null",
        b'{"error": "no route"}',
        b'{"message": "no route"}',
        b'{"exception_class": "NotFoundError", "message": null}',
        b'{"id": "not_found", "message": "another API\'s shape"}',
    ],
)
def test_404_without_the_documented_shape_is_transient(text: bytes) -> None:
    """Only the API's own 404 proves that something does not exist."""
    assert error(Response(404, {}, text)).transient


def test_conflict_is_a_lock() -> None:
    """Another task holds it: nothing was done, and later it will go."""
    found = error(answer(409, body("ConflictError", "resource is locked")))
    assert isinstance(found, ConflictError)
    assert (found.transient, found.never_processed) == (True, True)


def test_locked_put() -> None:
    """It was not done either, but it has to be made anew of what is there then."""
    found = error(answer(409, body("ConflictError", "locked")), Request("PUT", V3))
    assert (found.transient, found.never_processed) == (False, True)


@pytest.mark.parametrize("message", ["name already exists", "Duplicate name", "not unique"])
def test_conflict_over_a_name(message: str) -> None:
    """Asking again would not help."""
    assert not error(answer(409, body("ConflictError", message))).transient


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Thu, 09 Oct 2025 08:53:25 GMT"}, 5.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_rate_limit(headers: dict[str, str], seconds: float | None) -> None:
    """Told in each of the ways the vendor's client reads."""
    response = Response(429, headers, b"{}")
    found = error(response)
    assert isinstance(found, RateLimitError)
    assert found.retry_after == seconds
    news = GcoreDialect(Secret(KEY), None).rate_limit(response, WALL)
    assert (news.limited, news.retry_after, news.remaining) == (True, seconds, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"<html>Bad gateway</html>", "HTML"),
        (b"", "empty"),
        (b"upstream died", "upstream died"),
        (b'"plain"', "plain"),
        (b'{"detail": "in detail"}', "in detail"),
    ],
)
def test_odd_bodies(text: bytes, message: str) -> None:
    """Whatever a gateway answers is told."""
    found = error(Response(502, {}, text))
    assert isinstance(found, ServerError)
    assert message in found.message


def test_redirect() -> None:
    """They are not followed, and it says what to look at."""
    assert "base_url" in error(Response(302, {"location": "https://x"}, b"")).message


def test_no_secret_in_an_error() -> None:
    """A server that echoes what it was sent gives nothing away."""
    probe = {"http_get": {"port": 80, "headers": {"T": HIDDEN + "-header"}}}
    spec = a_spec(
        envs={"KEY": HIDDEN}, probes={"liveness_probe": {"enabled": True, "probe": probe}}
    )
    request = Request("POST", V3, body=json_bytes(spec))
    told = f"{KEY} {HIDDEN} {HIDDEN}-header"
    fields = {"envs": [told]}
    found = error(answer(400, body(f"E{KEY}", told, invalid_fields=fields)), request)
    assert KEY not in f"{found} {vars(found)}"
    assert HIDDEN not in f"{found} {vars(found)}"


def test_long_messages_are_cut() -> None:
    """An error stays readable."""
    assert len(error(answer(500, body("E", "x" * 5000))).message) < 700
