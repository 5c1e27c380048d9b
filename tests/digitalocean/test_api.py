"""How the API talks: headers out; error bodies, request ids and quota headers in."""

from email.utils import formatdate
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    UnprocessableEntityError,
)
from di_async.core.http import Request, Response
from di_async.digitalocean.api import DigitalOceanDialect
from tests.digitalocean.helpers import ROOT, TOKEN
from tests.support import answer, plain

WALL = 1_704_833_072.0
SPEAKS = DigitalOceanDialect(Secret(TOKEN))
ASKED = Request("GET", f"{ROOT}/x")
HTML = "<html><body>Bad Gateway dop_v1_abcdef123456</body></html>"


def error_of(response: Response) -> APIError:
    """What an answer that is no success becomes."""
    return SPEAKS.error(ASKED, response, WALL)


def refusal(status: int = 400, **body: Any) -> APIError:
    """The error in a JSON body."""
    return error_of(answer(status, body))


# --- what goes out --------------------------------------------------------------------------------


def test_headers_without_a_body() -> None:
    """A bearer token and the media type wanted; no type of a body that is not there."""
    assert SPEAKS.headers(ASKED, WALL) == {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
    }


def test_headers_with_a_body() -> None:
    """A body is JSON, and says so."""
    told = SPEAKS.headers(Request("POST", ROOT, body=b"{}"), WALL)
    assert told["Content-Type"] == "application/json"


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
    """Each status has its class; others stay a plain APIError."""
    assert type(error_of(answer(status, {"id": "x", "message": "m"}))) is kind


def test_documented_body() -> None:
    """`id`, `message` and `request_id` are read, and told in one line with the request."""
    error = refusal(409, id="conflict", message="name is taken", request_id="r-1")
    assert (error.code, error.message, error.request_id) == ("conflict", "name is taken", "r-1")
    assert str(error) == f"GET {ROOT}/x: 409 conflict: name is taken (request id r-1)"


def test_request_id_in_the_header() -> None:
    """Where the body has none the header's is taken."""
    error = error_of(answer(500, {"id": "server_error", "message": "m"}, x_request_id="r-2"))
    assert error.request_id == "r-2"


def test_error_with_root_causes() -> None:
    """The other documented shape: its messages are the message."""
    error = refusal(422, error="invalid", messages=["too big", "too many"], root_causes=[])
    assert (error.code, error.message) == ("invalid", "too big; too many")


@pytest.mark.parametrize("messages", [[], None])
def test_root_causes_without_messages(messages: Any) -> None:
    """Then at least the error's own word is told."""
    assert "not possible" in str(refusal(422, error="not possible", messages=messages))


def test_root_causes_are_told() -> None:
    """The causes are what a caller can act on."""
    assert "no quota" in str(refusal(422, error="invalid", messages=[], root_causes=["no quota"]))


@pytest.mark.parametrize("messages", [5, True])
def test_messages_of_a_wrong_type(messages: Any) -> None:
    """An odd error body is still the error of its status."""
    assert type(refusal(422, error="e", messages=messages)) is UnprocessableEntityError


@pytest.mark.parametrize("told", [[], "text", 5, None])
def test_body_that_is_no_object(told: Any) -> None:
    """JSON of another kind is no obstacle."""
    assert type(error_of(answer(404, told))) is NotFoundError


def test_html_is_told_and_not_repeated() -> None:
    """A gateway's page is named as such; its text stays out of the message."""
    error = error_of(plain(502, HTML, content_type="text/html"))
    assert "HTML page (a proxy or a gateway may have answered)" in str(error)
    assert "Bad Gateway" not in str(error)


def test_html_404_is_no_proof() -> None:
    """A gateway's 404 does not say that anything is gone: it may be asked again."""
    assert error_of(plain(404, HTML)).transient is True
    assert refusal(404, id="not_found", message="m").transient is False


def test_plain_text_is_the_message() -> None:
    """As the vendor's Go client takes it."""
    assert error_of(plain(503, " upstream is gone \n")).message == "upstream is gone"


def test_empty_body() -> None:
    """No body is told as that."""
    assert "empty" in str(error_of(plain(500, "")))


def test_redirect_hints_at_the_base_url() -> None:
    """Redirects are not followed, and the error says what to look at."""
    error = error_of(plain(307, "", location="https://evil.example"))
    assert "check base_url" in str(error)
    assert "evil" not in str(error)


def test_long_message_is_cut() -> None:
    """A page of text does not flood a log."""
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
    """A server that repeats what it was sent does not bring it into our messages."""
    text = orjson.dumps(body).decode().replace("{}", secret)
    error = error_of(plain(400, text))
    assert secret not in f"{error} {error!r} {error.args} {error.__dict__}"


@pytest.mark.parametrize("secret", ECHOES)
def test_echoed_secret_in_plain_text_is_masked(secret: str) -> None:
    """The same where the body is no JSON."""
    assert secret not in str(error_of(plain(400, f"who is {secret}?")))


# --- quota ----------------------------------------------------------------------------------------


def test_rate_headers() -> None:
    """Limit, what remains, and how long until the oldest request expires."""
    told = {
        "ratelimit-limit": "5000",
        "ratelimit-remaining": "4816",
        "ratelimit-reset": str(WALL + 60),
    }
    news = SPEAKS.rate_limit(Response(200, told, b""), WALL)
    assert (news.limited, news.limit, news.remaining, news.reset_in) == (False, 5000, 4816, 60.0)


def test_no_rate_headers() -> None:
    """Silence is silence, not zero."""
    news = SPEAKS.rate_limit(answer(200), WALL)
    assert (news.limit, news.remaining, news.reset_in, news.retry_after) == (None,) * 4


@pytest.mark.parametrize("told", ["", "soon", "-", "1e400", "inf", "nan"])
@pytest.mark.parametrize("name", ["limit", "remaining", "reset"])
def test_odd_rate_header(name: str, told: str) -> None:
    """A header that is no number is as good as none."""
    news = SPEAKS.rate_limit(Response(200, {f"ratelimit-{name}": told}, b""), WALL)
    assert (news.limit, news.remaining, news.reset_in) == (None, None, None)


def test_retry_after_in_seconds() -> None:
    """The burst limit tells when to come back."""
    assert error_of(answer(429, {}, retry_after="7")).retry_after == 7.0


@pytest.mark.parametrize(("offset", "expected"), [(90, 90.0), (-90, 0.0)])
def test_retry_after_as_a_date(offset: int, expected: float) -> None:
    """The other form that HTTP allows; a moment in the past is now."""
    told = formatdate(WALL + offset, usegmt=True)
    assert error_of(answer(429, {}, retry_after=told)).retry_after == expected


def test_retry_after_that_says_nothing() -> None:
    """What is neither number nor date is none."""
    assert error_of(answer(429, {}, retry_after="soon")).retry_after is None


def test_hourly_limit_names_its_reset() -> None:
    """An hourly 429 has no `retry-after`: the reset stands in, at least a second away."""
    told = {"ratelimit-reset": str(WALL + 30)}
    assert error_of(Response(429, told, b"{}")).retry_after == 30.0
    told = {"ratelimit-reset": str(WALL - 30)}
    assert error_of(Response(429, told, b"{}")).retry_after == 1.0


HEADERS = st.dictionaries(
    st.sampled_from(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"]),
    st.text(max_size=12) | st.floats().map(str) | st.integers().map(str),
)


@settings(deadline=None)
@given(st.integers(300, 599), HEADERS, st.binary(max_size=60))
def test_any_refusal_is_an_error_of_ours(status: int, told: dict[str, str], body: bytes) -> None:
    """Whatever the headers and the body of a refusal hold, it is told as an APIError."""
    error = error_of(Response(status, told, body))
    assert (error.status, error.path) == (status, ASKED.path)
