"""Tests of what all dialects share: headers, error bodies and bodies that are not JSON."""

from collections.abc import Callable

import pytest

from di_async.core.errors import DecodeError
from di_async.core.http import Response
from di_async.core.http_time import parse_number
from di_async.core.responses import (
    error_body,
    is_html,
    is_own_answer,
    own_id,
    own_name,
    parse_integer,
    string_list,
)
from di_async.core.secret import Secret
from di_async.digitalocean.api import DigitalOceanDialect


@pytest.mark.parametrize(
    ("status", "body", "value"),
    [
        (400, b'{"a": 1}', {"a": 1}),
        (400, b"null", None),
        (400, b" in text \n", "in text"),
        (302, b'{"a": 1}', "redirected; check base_url (redirects are not followed)"),
    ],
)
def test_error_body(status: int, body: bytes, value: object) -> None:
    """An error body is its JSON value, or its text; a redirect is named as such."""
    assert error_body(Response(status, {}, body)) == value


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [("", b"", "empty"), ("", b" <html>x</html>", "HTML page"), ("text/html", b"x", "not JSON")],
)
def test_html_pages_are_not_shown(kind: str, body: bytes, text: str) -> None:
    """An HTML page is named, but its text is not shown."""
    response = Response(502, {"content-type": kind}, body)
    assert text in error_body(response)
    assert is_html(response) is bool(body)


@pytest.mark.parametrize(
    ("text", "value"),
    [(None, None), ("", None), ("soon", None), ("inf", None), ("nan", None), ("7.5", 7.5)],
)
def test_number(text: str | None, value: float | None) -> None:
    """A header's number is accepted only if finite; as an integer it is truncated."""
    assert parse_number(text) == value
    assert parse_integer(text) == (None if value is None else 7)


@pytest.mark.parametrize(("text", "value"), [("4816", 4816), ("1" * 25, None), ("-3", -3)])
def test_integer(text: str, value: int | None) -> None:
    """Integers of any length are accepted."""
    assert parse_integer(text) == (int(float(text)) if value is None else value)


def test_texts() -> None:
    """Only a list of texts is accepted; a single text is not split into letters."""
    assert string_list(["a", 1]) == ["a", "1"]
    assert string_list("ab") == string_list(None) == string_list({"a": 1}) == []


@pytest.mark.parametrize(
    ("status", "body", "own"),
    [
        (200, b'{"a": 1}', True),
        (200, b"\xef\xbb\xbf\r\n [1]", True),
        (202, b"", True),
        (200, b"<html>", False),
        (200, b"ok", False),
        (404, b'{"id": "not_found", "message": "no such instance"}', True),
        (429, b'{"message": "slow down"}', False),
        (503, b"<html>", False),
    ],
)
def test_own_answers(status: int, body: bytes, own: bool) -> None:
    """Quota headers count in answers that have the API's form."""
    dialect = DigitalOceanDialect(Secret("t"))
    assert is_own_answer(dialect, Response(status, {}, body)) is own


@pytest.mark.parametrize("check", [own_id, own_name])
def test_a_secret_shown_as_an_id(check: Callable[[str, str], object]) -> None:
    """An answer that shows the caller's token in place of the id or name is not quoted."""
    planted = "dop_v1_" + "0123456789abcdef" * 4
    with pytest.raises(DecodeError, match="about another resource") as caught:
        check(f"Bearer {planted}", "web")
    assert planted not in str(caught.value)
