"""HTTP conventions: signed headers, and error bodies of every shape."""

from email.utils import formatdate
from typing import Any

import orjson
import pytest

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
)
from di_async.core.http import Request, Response
from di_async.core.responses import read_error
from di_async.exoscale.api import ExoscaleDialect, authorization
from tests.exoscale.helpers import DEPLOYMENTS, KEY, ONE, SECRET
from tests.fake_network import answer, plain

WALL = 1_800_000_000.4
BASE = "https://api-ch-gva-2.exoscale.com"
DIALECT = ExoscaleDialect(KEY, Secret(SECRET), BASE)
ASKED = Request("GET", ONE)
SCALE = Request("POST", f"{ONE}/scale", body=b'{"replicas":9}')


def error_of(response: Response, request: Request = ASKED) -> APIError:
    """Return the error of a response."""
    return DIALECT.error(request, response, WALL)


# --- requests ---------------------------------------------------------------------------


def test_signature_covers_the_request() -> None:
    """The signature covers method, path, query and body, and is valid for ten minutes."""
    request = Request("PATCH", ONE, (("a", "b c"),), b'{"name":"x"}')
    headers = DIALECT.headers(request, WALL)
    assert headers["Authorization"] == authorization(
        "PATCH",
        ONE,
        (("a", "b c"),),
        b'{"name":"x"}',
        expires=1_800_000_600,
        key=KEY,
        secret=SECRET,
    )
    assert headers["Content-Type"] == headers["Accept"] == "application/json"


def test_each_attempt_has_its_own_signature() -> None:
    """Each attempt has its own signature and expiry."""
    first, second = DIALECT.headers(ASKED, WALL), DIALECT.headers(ASKED, WALL + 30)
    assert first["Authorization"] != second["Authorization"]


@pytest.mark.parametrize(
    ("base", "request_base"),
    [
        ("http://127.0.0.1:8080/zones/ch-gva-2", None),
        (BASE, "http://127.0.0.1:8080/zones/ch-gva-2"),
    ],
)
def test_prefix_of_the_base_url_is_signed(base: str, request_base: str | None) -> None:
    """The signed path includes the path of the base URL."""
    dialect = ExoscaleDialect(KEY, Secret(SECRET), base)
    headers = dialect.headers(Request("GET", ONE, base=request_base), WALL)
    assert headers["Authorization"] == authorization(
        "GET",
        f"/zones/ch-gva-2{ONE}",
        (),
        None,
        expires=1_800_000_600,
        key=KEY,
        secret=SECRET,
    )


def test_zones_request_is_not_signed() -> None:
    """The request for zones is not signed, so that restricted keys may send it."""
    assert "Authorization" not in DIALECT.headers(Request("GET", "/v2/zone"), WALL)


# --- errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (412, APIError),
        (429, RateLimitError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_class_by_status(status: int, kind: type[APIError]) -> None:
    """Each status has its class; 412 stays a plain APIError."""
    assert type(error_of(answer(status, {"title": "t", "detail": "d"}))) is kind


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"type": "about:blank", "title": "Bad", "status": 400, "detail": "no name"},
            "Bad; no name",
        ),
        ({"error": "no name"}, "no name"),
        ({"message": "no name"}, "no name"),
        ({"error": {"message": "no name"}}, "no name"),
        (
            {"title": "Bad", "detail": "Bad", "errors": ["no name", "no gpu"]},
            "Bad; no name; no gpu",
        ),
        (
            {
                "title": "Bad",
                "errors": [{"pointer": "/name", "detail": "too short"}, {"path": "x"}],
            },
            "Bad; /name: too short; x",
        ),
        (
            {
                "title": "Bad Request",
                "detail": "model does not exist",
                "errors": [{"path": "model", "detail": "does not exist"}],
            },
            "model does not exist",
        ),
        ({"title": "Bad Request"}, "Bad Request"),
        (["odd"], "['odd']"),
        ("odd", "odd"),
        ({"errors": 5, "deployments": 5}, ""),
    ],
)
def test_error_body_shapes(body: Any, text: str) -> None:
    """Every shape of error body becomes one message."""
    assert error_of(answer(400, body)).message == text


def test_conflict_may_be_sent_again() -> None:
    """A 409 was never processed, so even a write may be sent again."""
    error = error_of(answer(409, {"title": "Conflict", "detail": "busy"}), SCALE)
    assert (error.transient, error.never_processed) == (True, True)
    assert "another operation on it is under way" in str(error)


def test_no_gpus_is_final() -> None:
    """A 412 to a create or a scale is not transient."""
    error = error_of(answer(412, {"title": "Precondition Failed", "detail": ""}), SCALE)
    assert (error.status, error.transient) == (412, False)
    assert "too few free GPUs" in str(error)


def test_model_in_use_names_the_deployments() -> None:
    """The 412 of a model's delete names the deployments that use it."""
    error = error_of(
        answer(412, {"deployments": ["web", "batch"]}), Request("DELETE", "/v2/ai/model/m")
    )
    assert "in use by the deployments web, batch" in str(error)
    assert "GPU" not in str(error)


def test_not_found_hints_at_the_zone() -> None:
    """A 404 names the zone's URL, because the id may belong to another zone."""
    error = error_of(answer(404, {"title": "Not Found", "detail": "no such deployment"}))
    assert "zone-local" in str(error)
    assert BASE in str(error)
    elsewhere = Request("GET", ONE, base="https://api-at-vie-1.exoscale.com")
    assert "at-vie-1" in str(error_of(answer(404, {"title": "Not Found"}), elsewhere))


@pytest.mark.parametrize(
    "text",
    [
        *("<html>404</html>", "", "404 page not found", '"not found"', "{}"),
        '{"message": "no Route matched with those values"}',
        '{"title": "Not Found", "detail": null}',
    ],
)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 409, 410, 412])
def test_answer_of_another_form_is_a_gateways(text: str, status: int) -> None:
    """An answer of no documented form is not the API's, whatever its status says."""
    error = read_error(DIALECT, ASKED, plain(status, text), WALL)
    assert type(error) is GatewayError
    assert (error.transient, error.never_processed) == (True, False)
    assert "zone-local" not in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"title": "Not Found", "detail": "none"}),
        (410, {"title": "Gone", "detail": "none"}),
        (403, {"code": "forbidden_operation", "error": "no"}),
        (403, {"message": "Authentication failed: unknown API key"}),
        (401, {"error": "invalid signature"}),
        (412, {"deployments": ["a"]}),
    ],
)
def test_documented_forms_are_the_apis(status: int, body: Any) -> None:
    """Each documented error form counts as the API's own."""
    error = read_error(DIALECT, ASKED, answer(status, body), WALL)
    assert not isinstance(error, GatewayError)
    assert error.transient is False


def test_html_is_not_quoted() -> None:
    """An HTML page is reported as such, without its content."""
    error = error_of(plain(502, "<html>Bad Gateway</html>"))
    assert "HTML page" in error.message
    assert "Bad Gateway" not in error.message


def test_redirect() -> None:
    """A redirect is not followed; the error names `base_url`."""
    assert "check base_url" in str(error_of(plain(301, "")))


# --- 403: three causes that look alike ---------------------------------------------------------


def refusal(body: dict[str, Any], clock: float = 0.0, status: int = 403) -> str:
    """Return the error text for a 403 of a server whose clock is this far ahead."""
    return str(error_of(answer(status, body, date=formatdate(WALL + clock, usegmt=True))))


def test_denied_operation() -> None:
    """The code `forbidden_operation` means that the key's role is too narrow."""
    text = refusal({"code": "forbidden_operation", "error": "not allowed"})
    assert "forbidden_operation: not allowed; the role of this API key does not allow it" in text


@pytest.mark.parametrize("status", [401, 403])
def test_bad_credentials_or_denied(status: int) -> None:
    """Without a code, both causes are named."""
    text = refusal({"error": "invalid request signature"}, status=status)
    assert "the API key or its secret is wrong, or the key's role does not allow this" in text


@pytest.mark.parametrize(
    ("clock", "words"), [(900.0, "900 s behind"), (-900.0, "900 s ahead of"), (61.0, "s behind")]
)
def test_clock_skew(clock: float, words: str) -> None:
    """The Date header shows by how much this machine's clock is wrong."""
    text = refusal({"error": "request expired"}, clock)
    assert words in text
    assert "signatures are valid for 600 s" in text
    assert "secret is wrong" not in text


@pytest.mark.parametrize("date", ["yesterday", ""])
def test_invalid_date_is_ignored(date: str) -> None:
    """An invalid Date header is ignored."""
    assert "clock" not in str(error_of(answer(403, {"error": "no"}, date=date)))


# --- quota ------------------------------------------------------------------------------------


def test_rate_limit() -> None:
    """A 429 is recognised with its retry-after."""
    limit = DIALECT.rate_limit(answer(429, {}, retry_after="7"), WALL)
    assert (limit.limited, limit.retry_after, limit.limit) == (True, 7.0, None)
    assert error_of(answer(429, {}, retry_after="7")).retry_after == 7.0
    assert DIALECT.rate_limit(answer(200, {}), WALL).limited is False
    assert DIALECT.rate_limit(answer(429, {}, retry_after="soon"), WALL).retry_after is None


# --- secrets ----------------------------------------------------------------------------------


def test_echoed_secrets_are_masked() -> None:
    """API secret, signatures and Hugging Face tokens are masked in messages."""
    sent = {"name": "m", "huggingface-token": "odd-token-777"}
    request = Request("POST", "/v2/ai/model", body=orjson.dumps(sent))
    echo = f"{SECRET} signature=abc/+= odd-token-777 hf_abcdefgh123456"
    text = str(error_of(answer(400, {"error": echo, "code": SECRET}), request))
    for secret in (SECRET, "abc/+", "odd-token", "hf_abc"):
        assert secret not in text


def test_repr_holds_no_secret() -> None:
    """No repr shows the secret."""
    assert SECRET not in repr(DIALECT) + repr(vars(DIALECT))


def test_long_message_is_cut() -> None:
    """Long error bodies are cut."""
    assert len(error_of(answer(500, {"error": "x" * 5000})).message) < 600


@pytest.mark.parametrize("page", [DEPLOYMENTS, ONE])
def test_error_names_the_request(page: str) -> None:
    """The error names method and path, not the query."""
    error = error_of(answer(500, {"error": "e"}), Request("GET", page, (("k", "v"),)))
    assert str(error).startswith(f"GET {page}: 500")
