"""Request headers, error bodies, request ids and quota headers of DigitalOcean's API."""

from email.utils import formatdate
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    GatewayError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Secret,
    ServerError,
    UnprocessableEntityError,
)
from di_async.core.http import Request, Response
from di_async.core.responses import read_error
from di_async.digitalocean.api import DigitalOceanDialect
from tests.builders.digitalocean import BASE
from tests.digitalocean.helpers import TOKEN
from tests.fake_network import answer, plain

WALL = 1_704_833_072.0
DIALECT = DigitalOceanDialect(Secret(TOKEN))
REQUEST = Request("GET", f"{BASE}/x")
HTML = "<html><body>Bad Gateway dop_v1_abcdef123456</body></html>"


def error_of(response: Response) -> APIError:
    """Return the error for a response."""
    return DIALECT.error(REQUEST, response, WALL)


def refusal(status: int = 400, **body: Any) -> APIError:
    """Return the error for a JSON body."""
    return error_of(answer(status, body))


# --- what goes out --------------------------------------------------------------------------------


def test_headers_without_a_body() -> None:
    """Without a body: a bearer token and the accepted media type."""
    assert DIALECT.headers(REQUEST, WALL) == {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
    }


def test_headers_with_a_body() -> None:
    """With a body: its media type is JSON."""
    value = DIALECT.headers(Request("POST", BASE, body=b"{}"), WALL)
    assert value["Content-Type"] == "application/json"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, APIError),
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, APIError),
        (422, UnprocessableEntityError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_class_by_status(status: int, kind: type[APIError]) -> None:
    """Each status has its class; the rest are plain APIErrors."""
    assert type(error_of(answer(status, {"id": "x", "message": "m"}))) is kind


def test_documented_body() -> None:
    """`id`, `message` and `request_id` are read and shown on one line with the request."""
    error = refusal(409, id="conflict", message="name is taken", request_id="r-1")
    assert (error.code, error.message, error.request_id) == ("conflict", "name is taken", "r-1")
    assert str(error) == f"GET {BASE}/x: 409 conflict: name is taken (request id r-1)"


def test_request_id_in_the_header() -> None:
    """Without a request id in the body, the header's is used."""
    error = error_of(answer(500, {"id": "server_error", "message": "m"}, x_request_id="r-2"))
    assert error.request_id == "r-2"


def test_error_with_root_causes() -> None:
    """The other documented shape: its messages are joined."""
    error = refusal(422, error="invalid", messages=["too big", "too many"], root_causes=[])
    assert (error.code, error.message) == ("invalid", "too big; too many")


@pytest.mark.parametrize("messages", [[], None])
def test_root_causes_without_messages(messages: Any) -> None:
    """Without messages the error code is shown."""
    assert "not possible" in str(refusal(422, error="not possible", messages=messages))


def test_root_causes_are_shown() -> None:
    """Root causes are part of the message."""
    assert "no quota" in str(refusal(422, error="invalid", messages=[], root_causes=["no quota"]))


@pytest.mark.parametrize("messages", [5, True])
def test_messages_of_a_wrong_type(messages: Any) -> None:
    """An unexpected error body still raises the class of its status."""
    assert type(refusal(422, error="e", messages=messages)) is UnprocessableEntityError


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_body_that_is_not_an_object(body: Any) -> None:
    """JSON other than an object still raises the class of its status."""
    assert type(error_of(answer(404, body))) is NotFoundError


def test_html_is_named_and_not_repeated() -> None:
    """The message names an HTML page and does not contain its text."""
    error = error_of(plain(502, HTML, content_type="text/html"))
    assert "HTML page (a proxy or a gateway may have answered)" in str(error)
    assert "Bad Gateway" not in str(error)


FOREIGN = [HTML, "not here", "", "{}", "[]", "null", '{"error": "not found"}', '{"message": "m"}',
           '{"id": "not_found"}', '{"id": 404, "message": "m"}']  # fmt: skip


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 410, 422])
def test_answer_of_another_form_is_a_gateways(body: str, status: int) -> None:
    """An answer without a documented error body is not the API's, whatever its status says."""
    error = read_error(DIALECT, REQUEST, plain(status, body), WALL)
    assert type(error) is GatewayError
    assert (error.transient, error.status) == (True, status)
    assert "dop_v1_abcdef123456" not in str(error)


@pytest.mark.parametrize("status", [404, 410])
def test_own_404_is_final(status: int) -> None:
    """A 404 or 410 with the documented error body is final."""
    own = answer(status, {"id": "not_found", "message": "m"})
    error = read_error(DIALECT, REQUEST, own, WALL)
    assert isinstance(error, NotFoundError)
    assert error.transient is False


def test_both_documented_error_forms_are_own() -> None:
    """The error with root causes is documented as well."""
    own = answer(400, {"error": "e", "messages": ["m"], "root_causes": ["r"]})
    assert type(read_error(DIALECT, REQUEST, own, WALL)) is BadRequestError


def test_plain_text_is_the_message() -> None:
    """Plain text is the message, as in the vendor's Go client."""
    assert error_of(plain(503, " upstream is gone \n")).message == "upstream is gone"


def test_empty_body() -> None:
    """The message says that the body is empty."""
    assert "empty" in str(error_of(plain(500, "")))


def test_redirect_hints_at_the_base_url() -> None:
    """Redirects are not followed, and the error names the setting to check."""
    error = error_of(plain(307, "", location="https://evil.example"))
    assert "check base_url" in str(error)
    assert "evil" not in str(error)


def test_long_message_is_cut() -> None:
    """Long messages are shortened."""
    assert len(refusal(400, id="x", message="m" * 5000).message) < 600


# --- secrets --------------------------------------------------------------------------------------

ECHOES = [TOKEN, "doo_v1_0123456789abcdef", "hf_abcdefGHIJKL", "di_0123456789abcdef",
          "do_dedicated_0123456789"]  # fmt: skip


@pytest.mark.parametrize("secret", ECHOES)
@pytest.mark.parametrize(
    "body",
    [
        {"id": "x", "message": "bad token {}!"},
        {"error": "x", "messages": ["bad {}"]},
        {"error": "token {} is bad", "messages": []},
        {"id": "x", "message": "m", "request_id": "{}"},
        ["bad {}"],
    ],
    ids=["message", "messages", "error", "request_id", "list"],
)
def test_echoed_secret_is_masked(secret: str, body: Any) -> None:
    """A secret that the server echoes is masked in the error."""
    text = orjson.dumps(body).decode().replace("{}", secret)
    error = error_of(plain(400, text))
    assert secret not in f"{error} {error!r} {error.args} {error.__dict__}"


@pytest.mark.parametrize("secret", ECHOES)
def test_echoed_secret_in_plain_text_is_masked(secret: str) -> None:
    """A secret echoed in plain text is masked, too."""
    assert secret not in str(error_of(plain(400, f"who is {secret}?")))


# --- quota ----------------------------------------------------------------------------------------


def test_rate_headers() -> None:
    """Limit, remaining requests, and seconds until the oldest request expires are read."""
    value = {
        "ratelimit-limit": "5000",
        "ratelimit-remaining": "4816",
        "ratelimit-reset": str(WALL + 60),
    }
    limits = DIALECT.rate_limit(Response(200, value, b""), WALL)
    assert (limits.limited, limits.limit, limits.remaining, limits.reset_in) == (
        False,
        5000,
        4816,
        60.0,
    )


def test_no_rate_headers() -> None:
    """Missing headers are None, not zero."""
    limits = DIALECT.rate_limit(answer(200), WALL)
    assert (limits.limit, limits.remaining, limits.reset_in, limits.retry_after) == (None,) * 4


@pytest.mark.parametrize("value", ["", "soon", "-", "1e400", "inf", "nan"])
@pytest.mark.parametrize("name", ["limit", "remaining", "reset"])
def test_odd_rate_header(name: str, value: str) -> None:
    """A header that is not a number is ignored."""
    limits = DIALECT.rate_limit(Response(200, {f"ratelimit-{name}": value}, b""), WALL)
    assert (limits.limit, limits.remaining, limits.reset_in) == (None, None, None)


def test_retry_after_in_seconds() -> None:
    """The burst limit's `retry-after` is read."""
    assert error_of(answer(429, {}, retry_after="7")).retry_after == 7.0


@pytest.mark.parametrize(("offset", "expected"), [(90, 90.0), (-90, 0.0)])
def test_retry_after_as_a_date(offset: int, expected: float) -> None:
    """An HTTP date is accepted; one in the past means now."""
    value = formatdate(WALL + offset, usegmt=True)
    assert error_of(answer(429, {}, retry_after=value)).retry_after == expected


def test_invalid_retry_after() -> None:
    """A value that is neither a number nor a date is ignored."""
    assert error_of(answer(429, {}, retry_after="soon")).retry_after is None


def test_hourly_limit_names_its_reset() -> None:
    """An hourly 429 has no `retry-after`: the reset is used, unless it lies in the past."""
    value = {"ratelimit-reset": str(WALL + 30)}
    assert error_of(Response(429, value, b"{}")).retry_after == 30.0
    value = {"ratelimit-reset": str(WALL - 30)}
    assert error_of(Response(429, value, b"{}")).retry_after is None


HEADERS = st.dictionaries(
    st.sampled_from(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"]),
    st.text(max_size=12) | st.floats().map(str) | st.integers().map(str),
)


@given(st.integers(300, 599), HEADERS, st.binary(max_size=60))
def test_any_refusal_is_an_api_error(status: int, value: dict[str, str], body: bytes) -> None:
    """Any headers and body of a refusal result in an APIError."""
    error = error_of(Response(status, value, body))
    assert (error.status, error.path) == (status, REQUEST.path)
