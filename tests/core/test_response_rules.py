"""Each rule of whose answer a response is, and what it shows, with a dialect of one line."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async.core.errors import (
    APIError,
    DecodeError,
    GatewayError,
    InvalidInputError,
    ServerError,
    api_error,
)
from di_async.core.http import Request, Response
from di_async.core.responses import (
    any_body,
    deleted_body,
    error_body,
    fits_status,
    is_html,
    is_own_answer,
    no_content,
    own_id,
    own_name,
    parse_integer,
    read_error,
    read_success,
    resource_body,
    texts_under,
)

REQUEST = Request("GET", "/v2/things/x")
UUID, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
SECRET = "hunter2hunter2"


class Dialect:
    """An API whose errors are objects with a `message`."""

    def is_error(self, status: int, body: Any) -> bool:
        """Return whether the body is an error."""
        return isinstance(body, dict) and "message" in body

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """Return the error."""
        return api_error(response.status, f"the API says {response.status} at {wall:g}")

    def redact(self, request: Request, text: str) -> str:
        """Mask the only secret."""
        return text.replace(SECRET, "***")


DIALECT: Any = Dialect()


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    """Return a response; `_` in names of headers stands for `-`."""
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "own"),
    [
        (404, b'{"message": "no"}', True),
        (404, b'{"detail": "no"}', False),
        (404, b"<html>", False),
        (403, b"", False),
        (428, b"x", False),
        (429, b"x", True),
        (430, b"x", False),
        (499, b"x", False),
        (500, b"x", True),
        (502, b"<html>", True),
        (302, b'{"message": "no"}', False),
    ],
)
def test_whose_error_it_is(status: int, body: bytes, own: bool) -> None:
    """429 and 5xx mean "later", also from a gateway; all else needs the API's form."""
    error = read_error(DIALECT, REQUEST, response(status, body), 7.0)
    if own:
        assert error.message == f"the API says {status} at 7"
    else:
        assert isinstance(error, GatewayError)
        assert (error.method, error.path, error.status) == ("GET", "/v2/things/x", status)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (response(403), "an empty body"),
        (response(403, b" \n"), "an empty body"),
        (response(403, b"<html>x"), "an HTML page"),
        (response(403, b"x", content_type="text/html; charset=utf-8"), "an HTML page"),
        (
            response(403, b'<html><TITLE id="a">Log\n in</TITLE></html>'),
            "an HTML page titled 'Log in'",
        ),
        (response(403, b"no\x1b way"), "no content type, 'no\\\\x1b way'"),
        (response(403, b"no", content_type="text/plain; q=1"), "text/plain, 'no'"),
        (response(403, SECRET.encode()), "no content type, '***'"),
        (response(403, b"\xff"), "no content type, '\ufffd'"),
        (response(403, b"x" * 80), f"no content type, '{'x' * 80}'"),
        (response(403, b"x" * 81), f"no content type, '{'x' * 80}...'"),
        (response(403, b" " * 4096 + b"x"), "an empty body"),
        (response(403, b" " * 4095 + b"x"), "no content type, ''"),
        (response(302), "a redirect; redirects are not followed, check base_url"),
        (
            response(302, location="https://login.test/x?token=1"),
            "a redirect to https://login.test; redirects are not followed, check base_url",
        ),
        (response(399, b"x"), "a redirect; redirects are not followed, check base_url"),
        (response(300, b"x"), "a redirect; redirects are not followed, check base_url"),
        (response(400, b"x", location="https://x.test"), "no content type, 'x'"),
    ],
)
def test_description_of_a_foreign_answer(answer: Response, text: str) -> None:
    """Its type and its first characters, without secrets and without what drives a terminal."""
    error = read_error(DIALECT, REQUEST, answer, 0.0)
    assert error.message == f"a gateway, proxy or firewall sent it, not the API: {text}"


@pytest.mark.parametrize(("status", "own"), [(299, True), (300, False), (404, False)])
def test_form_of_a_success(status: int, own: bool) -> None:
    """A success begins as JSON does, or has no body; any other status needs an error's form."""
    assert is_own_answer(DIALECT, response(status, b'{"a": 1}')) is own
    assert is_own_answer(DIALECT, response(status, b'{"message": "a"}')) is (status != 300)


@pytest.mark.parametrize(("status", "redirect"), [(299, False), (300, True), (399, True),
                                                  (400, False)])  # fmt: skip
def test_body_of_a_redirect(status: int, redirect: bool) -> None:
    """It is not read."""
    assert (error_body(response(status, b'{"a": 1}')) != {"a": 1}) is redirect


@pytest.mark.parametrize(
    ("body", "kind", "html"),
    [(b" \n<x", "", True), (b"{}", "text/html", True), (b"{}", "x/y", False), (b"", "", False)],
)
def test_html(body: bytes, kind: str, html: bool) -> None:
    """A page is known by its first character or by its type."""
    assert is_html(response(502, body, content_type=kind)) is html
    assert is_html(response(502, b"a<")) is False


# --- successes ---------------------------------------------------------------------------------


def own(body: Any) -> Any:
    """Accept an object with an id."""
    return resource_body(body, "id")["id"]


def read(
    answer: Response,
    reader: Callable[[Any], Any] = own,
    decode: Callable[[bytes], Any] | None = None,
) -> Any:
    """Read a success."""
    return read_success(DIALECT, REQUEST, answer, lambda _: 5.0, reader, decode=decode)


@pytest.mark.parametrize(
    ("status", "body", "value"),
    [
        (200, b'{"id": "x"}', {"id": "x"}),
        (200, b"", None),
        (200, b" \n", None),
        (202, b"", None),
        (204, b"junk", None),
        (201, b"[1]", [1]),
    ],
)
def test_a_body_that_decides_nothing(status: int, body: bytes, value: Any) -> None:
    """`any_body` takes every JSON value, and none."""
    assert read(response(status, body), any_body) == value


@pytest.mark.parametrize(("status", "accepted"), [(202, True), (204, True), (200, False),
                                                  (201, False), (203, False)])  # fmt: skip
def test_an_empty_body(status: int, accepted: bool) -> None:
    """It is an answer with 202 and 204 alone: gateways send an empty 200, too."""
    if accepted:
        assert read(response(status), no_content) is None
        return
    with pytest.raises(DecodeError) as caught:
        read(response(status), no_content)
    assert caught.value.transient


def test_an_error_as_a_success() -> None:
    """It is the API's error, at the server's time; with an own decoder, too."""
    answer = response(200, b'{"message": "no"}')
    for decode in (None, lambda _: reject("it is odd")):
        with pytest.raises(ServerError, match="the API says 200 at 5"):
            read(answer, any_body, decode)


def reject(text: str) -> Any:
    """Raise a DecodeError with a cause."""
    raise DecodeError(text) from ValueError("the cause")


@pytest.mark.parametrize("part", ["decode", "read", "json"])
def test_a_body_that_cannot_be_read(part: str) -> None:
    """The error is transient, and names the request and the response."""
    answer = response(200, b"{" if part == "json" else b'{"id": "x"}', x_request_id="r1")
    with pytest.raises(DecodeError) as caught:
        read(
            answer,
            (lambda _: reject("odd")) if part == "read" else own,
            (lambda _: reject("odd")) if part == "decode" else None,
        )
    error = caught.value
    assert error.transient
    assert (error.method, error.path, error.status) == ("GET", "/v2/things/x", 200)
    assert error.request_id == "r1"
    assert str(error) == f"GET /v2/things/x: {error.message} (request id r1)"
    assert (str(error.__cause__) == "the cause") is (part != "json")


def test_an_own_decoder() -> None:
    """It gets the bytes, none with 204, and its value is read."""
    assert read(response(200, b"abc"), lambda value: value, len) == 3
    assert read(response(204, b"abc"), lambda value: value, len) == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"id": "x", "name": "n"}, None),
        ({"id": "x", "name": ""}, "the answer has no 'name' @ $"),
        ({}, "the answer has no 'id' @ $"),
        ([], "the answer is not an object but list"),
        (None, "the answer is not an object but NoneType"),
    ],
)
def test_fields_that_every_resource_has(body: Any, problem: str | None) -> None:
    """The first one that lacks is named."""
    if problem is None:
        assert resource_body(body, "id", "name") is body
        return
    with pytest.raises(DecodeError) as caught:
        resource_body(body, "id", "name")
    assert (caught.value.message, caught.value.transient) == (problem, True)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        (None, True),
        ({}, True),
        ({"tasks": []}, True),
        ({"tasks": None, "id": "x"}, True),
        ({"tasks": None}, False),
        ({"page": "x"}, False),
        ([], False),
        ("", False),
    ],
)
def test_answer_to_a_delete(body: Any, accepted: bool) -> None:
    """None, an empty object, or one with a field of such answers."""
    if accepted:
        assert deleted_body(body, ("id", "tasks")) is body
        return
    with pytest.raises(DecodeError, match="not one to a DELETE") as caught:
        deleted_body(body, ("id", "tasks"))
    assert caught.value.transient


def test_a_body_where_none_is_sent() -> None:
    """It is not the API's answer."""
    bodies: tuple[Any, ...] = ({}, [], "", 0)
    for body in bodies:
        with pytest.raises(DecodeError, match="the API sends none") as caught:
            no_content(body)
        assert caught.value.transient


# --- which resource ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "expected", "id"),
    [
        (UUID, UUID, UUID),
        (UUID, UUID.upper(), UUID),
        (UUID, None, UUID),
        (UUID, "web", UUID),  # the name is resolved to its UUID
        ("web", "web", "web"),
        ("Web", "web", "Web"),
        ("list", "list", "list"),  # a request was sent to it
        (UUID, OTHER, None),
        ("web", "api", None),
        ("web", UUID, None),
        ("list", None, None),
        ("", None, None),
        (None, None, None),
        (None, UUID, None),
        ("..", UUID, None),
        (5, None, None),
    ],
)
def test_id_of_an_answer(shown: Any, expected: str | None, id: str | None) -> None:
    """It can be used, and is the expected one."""
    if id is not None:
        assert own_id(shown, expected, ("list",)) == id
        return
    with pytest.raises(DecodeError) as caught:
        own_id(shown, expected, ("list",))
    assert caught.value.transient
    assert not isinstance(caught.value.__cause__, InvalidInputError)
    usable = isinstance(shown, str) and shown not in ("", "..", "list")
    assert ("another resource" in caught.value.message) is usable


@pytest.mark.parametrize(("shown", "is_own"), [("web", True), ("WEB", True), (None, True),
                                               ("", True), ("api", False)])  # fmt: skip
def test_name_of_an_answer(shown: str | None, is_own: bool) -> None:
    """It is the one that was sent, if one is shown."""
    if is_own:
        own_name(shown, "web")
        return
    with pytest.raises(DecodeError, match="about another resource: 'api'") as caught:
        own_name(shown, "web")
    assert caught.value.transient


# --- error codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"a": "x", "b": ""}, True),
        ({"a": " ", "b": "x"}, False),
        ({"a": "x"}, False),
        ({"a": "x", "b": 5}, False),
        ({"a": 5, "b": 5}, False),
        ([("a", "x")], False),
        (None, False),
    ],
)
def test_texts_under(body: Any, texts: bool) -> None:
    """All of them are text, and the first is not blank."""
    assert texts_under(body, "a", "b") is texts


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize(
    ("code", "fits"),
    [
        ("not_found", True),
        (None, True),
        (404, True),
        *((word, False) for word in (
            "Service_Unavailable", "unauthorized", "FORBIDDEN", "access_denied", "ServerError",
            "server error", "HTTPError", "bad_gateway", "upstream", "no_route", "noroute",
            "timeout", "time_out", "maintenance", "too_many", "conflict",
        )),
    ],
)  # fmt: skip
def test_codes_that_contradict_a_404(status: int, code: Any, fits: bool) -> None:
    """A gateway without a route may answer 404 in a similar form."""
    assert fits_status(status, code) is fits


def test_codes_of_other_statuses() -> None:
    """They decide nothing."""
    assert fits_status(403, "forbidden")
    assert fits_status(409, "conflict")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9" * 19, int("9" * 19)),
        ("9" * 20, int(float("9" * 20))),
        ("0", 0),
        ("7.9", 7),
        ("-3", -3),
        ("x", None),
        (None, None),
    ],
)
def test_whole_numbers_of_headers(text: str | None, value: int | None) -> None:
    """Up to 19 digits are exact."""
    assert parse_integer(text) == value
