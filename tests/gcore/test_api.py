"""Authentication, errors and lists of the Gcore API."""

from collections.abc import Mapping
from typing import Any

import pytest

from di_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    GatewayError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Secret,
    ServerError,
)
from di_async.core.http import Request, Response, json_bytes
from di_async.core.responses import read_error
from di_async.gcore.api import (
    FetchRows,
    GcoreDialect,
    in_region,
    read_page,
)
from tests.builders.gcore import HIDDEN, a_container, a_spec
from tests.fake_network import answer
from tests.gcore.helpers import KEY, V3

WALL = 1_760_000_000.0
GET = Request("GET", V3)


def error(response: Response, request: Request = GET, key: str = KEY) -> APIError:
    """Return the error in a response."""
    return GcoreDialect(Secret(key), "42").error(request, response, WALL)


def body(kind: str, message: str = "", **more: Any) -> dict[str, Any]:
    """Return the vendor's error object."""
    return {"exception_class": kind, "message": message, "request_id": "r-1", **more}


def test_headers() -> None:
    """The key has its own scheme; a content type is sent with a body only."""
    dialect = GcoreDialect(Secret(KEY), None)
    assert dialect.headers(GET, WALL)["Authorization"] == f"APIKey {KEY}"
    assert "Content-Type" not in dialect.headers(GET, WALL)
    with_body = dialect.headers(Request("POST", V3, body=b"{}"), WALL)
    assert with_body["Content-Type"] == "application/json"


def test_error_body() -> None:
    """An error has the vendor's class, message and request id."""
    found = error(answer(400, body("HTTPError", "method not allowed")))
    assert isinstance(found, BadRequestError)
    assert (found.code, found.request_id) == ("HTTPError", "r-1")
    assert str(found) == (f"GET {V3}: 400 HTTPError: method not allowed (request id r-1)")


def test_validation_error_lists_the_fields() -> None:
    """The message lists each invalid field and its faults."""
    fields = {"name": ["too short", "not unique"], "image": "missing"}
    found = error(answer(400, body("ValidationError", "Invalid", invalid_fields=fields)))
    assert found.message == "Invalid; name: too short, not unique; image: missing"


def test_quota_error_shows_usage() -> None:
    """The message shows the limit, the usage and the request."""
    info = {"attribute": "gpu", "current_usage": 0, "requested_usage": 1, "limit": 0}
    found = error(answer(403, body("QuotaLimitExceed", "Quota exceeded", info=info)))
    assert found.code == "QuotaLimitExceed"
    assert found.message.endswith("attribute gpu, current_usage 0, requested_usage 1, limit 0")


@pytest.mark.parametrize(("status", "kind"), [(403, PermissionDeniedError), (400, BadRequestError)])
def test_forbidden_is_capacity(status: int, kind: type[APIError]) -> None:
    """`ForbiddenError` means missing capacity; the status decides the error class."""
    found = error(answer(status, body("ForbiddenError", "Forbidden")))
    assert type(found) is kind
    assert found.code == "ForbiddenError"
    assert "no capacity left in the region" in found.message


def test_key_without_a_dollar() -> None:
    """A key without `$` was probably expanded by a shell."""
    found = error(answer(401, body("AuthError", "Bad permanent token: 1234")), key="1234")
    assert isinstance(found, AuthenticationError)
    assert "single quotes" in found.message
    assert "Bad permanent token" in found.message


def test_key_that_is_quoted_in_part() -> None:
    """The secret after the `$` is masked without its number, too."""
    message = "Bad permanent token: s3cret-s3cret of 1234"
    found = error(answer(401, body("AuthError", message)), key="1234$s3cret-s3cret")
    assert "s3cret" not in str(found)
    assert "of 1234" in str(found)


def test_key_with_a_dollar() -> None:
    """A key with `$` is wrong, expired or revoked."""
    assert "wrong, expired or revoked" in error(answer(401, body("AuthError"))).message


def test_not_found_names_the_project() -> None:
    """A 404 names the project that was searched."""
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
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 410, 422])
def test_answer_of_another_form_is_a_gateways(text: bytes, status: int) -> None:
    """An answer without the documented fields is not the API's, whatever its status says."""
    dialect = GcoreDialect(Secret(KEY), "42")
    found = read_error(dialect, GET, Response(status, {}, text), WALL)
    assert type(found) is GatewayError
    assert "check project_id" not in str(found)


@pytest.mark.parametrize("status", [404, 410])
def test_own_404_is_final(status: int) -> None:
    """A 404 or 410 with the documented fields is final."""
    own = answer(status, body("NotFoundError", "m"))
    found = read_error(GcoreDialect(Secret(KEY), "42"), GET, own, WALL)
    assert isinstance(found, NotFoundError)
    assert found.transient is False


def test_conflict_is_a_lock() -> None:
    """A 409 means that another task holds the resource, so a retry may succeed."""
    found = error(answer(409, body("ConflictError", "resource is locked")))
    assert isinstance(found, ConflictError)
    assert (found.transient, found.never_processed) == (True, True)


def test_locked_put() -> None:
    """A locked PUT is not repeated as it is; it needs a new read."""
    found = error(answer(409, body("ConflictError", "locked")), Request("PUT", V3))
    assert (found.transient, found.never_processed) == (False, True)


@pytest.mark.parametrize("message", ["name already exists", "Duplicate name", "not unique"])
def test_conflict_over_a_name(message: str) -> None:
    """A 409 about a name is final."""
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
    """All forms of Retry-After that the vendor's client reads are understood."""
    response = Response(429, headers, b"{}")
    found = error(response)
    assert isinstance(found, RateLimitError)
    assert found.retry_after == seconds
    info = GcoreDialect(Secret(KEY), None).rate_limit(response, WALL)
    assert (info.limited, info.retry_after, info.remaining) == (True, seconds, None)


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
    """The message shows any body that a gateway returns."""
    found = error(Response(502, {}, text))
    assert isinstance(found, ServerError)
    assert message in found.message


def test_redirect() -> None:
    """Redirects are not followed; the message mentions base_url."""
    assert "base_url" in error(Response(302, {"location": "https://x"}, b"")).message


def test_no_secret_in_an_error() -> None:
    """Secrets that a server echoes are masked."""
    probe = {"http_get": {"port": 80, "headers": {"T": HIDDEN + "-header"}}}
    spec = a_spec(
        envs={"KEY": HIDDEN}, probes={"liveness_probe": {"enabled": True, "probe": probe}}
    )
    request = Request("POST", V3, body=json_bytes(spec))
    echo = f"{KEY} {HIDDEN} {HIDDEN}-header"
    fields = {"envs": [echo]}
    found = error(answer(400, body(f"E{KEY}", echo, invalid_fields=fields)), request)
    assert KEY not in f"{found} {vars(found)}"
    assert HIDDEN not in f"{found} {vars(found)}"


def test_long_messages_are_cut() -> None:
    """A long message is truncated."""
    assert len(error(answer(500, body("E", "x" * 5000))).message) < 700


# --- lists -----------------------------------------------------------------------------------


def server(count: int, *, most: int = 1000, with_count: bool = True) -> tuple[FetchRows, list[Any]]:
    """Return a list of `count` rows, at most `most` a request, and the requests it got."""
    requests: list[Any] = []

    async def fetch(params: Mapping[str, Any]) -> Any:
        requests.append((params["limit"], params["offset"]))
        rows = range(params["offset"], min(count, params["offset"] + min(most, params["limit"])))
        body = {"results": [{"name": f"n{i}"} for i in rows]}
        return body | ({"count": count} if with_count else {})

    return fetch, requests


async def names(fetch: FetchRows, number: int, size: int) -> list[Any]:
    """Return the names on a page."""
    page = await read_page(fetch, number, size, key="name")
    return [row["id"] for row in page.rows]


async def test_pages() -> None:
    """Each page begins where the last one ended; the first has the total."""
    fetch, requests = server(5)
    page = await read_page(fetch, 1, 2, key="name")
    assert (page.total, page.last, page.next) == (5, 3, None)
    assert await names(fetch, 3, 2) == ["n4"]
    assert requests == [(2, 0), (2, 4)]


async def test_server_that_serves_less() -> None:
    """No row is skipped between two pages."""
    fetch, requests = server(5, most=2)
    assert await names(fetch, 1, 3) == ["n0", "n1", "n2"]
    assert await names(fetch, 2, 3) == ["n3", "n4"]
    assert requests == [(3, 0), (1, 2), (3, 3)]


async def test_missing_count() -> None:
    """Without a count, a full page may have a successor."""
    fetch, _ = server(3, with_count=False)
    assert (await read_page(fetch, 1, 2)).next is not None
    assert (await read_page(fetch, 2, 2)).next is None


async def test_empty_list() -> None:
    """An empty list is one page."""
    fetch, _ = server(0)
    page = await read_page(fetch, 1, 2)
    assert (page.rows, page.last) == ((), 1)


async def test_response_without_rows() -> None:
    """A response without rows is not an empty list."""

    async def fetch(params: Mapping[str, Any]) -> Any:
        return {"count": 3}

    with pytest.raises(DecodeError, match="results"):
        await read_page(fetch, 1, 2)


async def test_region() -> None:
    """Only rows with a container in the region are left."""
    rows = [{"containers": [a_container(), a_container(region_id=8)]}, {"containers": None}, 7]

    async def fetch(params: Mapping[str, Any]) -> Any:
        return {"count": 3, "results": rows}

    page = await read_page(fetch, 1, 3)
    assert in_region(page, None).rows == tuple(rows)
    assert in_region(page, "8").rows == (rows[0],)
    assert in_region(page, "9").rows == ()
