"""What all conventions share: odd headers, echoes and bodies that are no JSON."""

import re
from email.utils import formatdate

import pytest

from di_async.core.http import Response
from di_async.core.responses import (
    error_body,
    is_html,
    parse_http_date,
    parse_integer,
    parse_number,
    redact,
    retry_after,
    string_list,
)

WALL = 1_760_000_000.0


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (400, b'{"a": 1}', {"a": 1}),
        (400, b"null", None),
        (400, b" in words \n", "in words"),
        (302, b'{"a": 1}', "redirected; check base_url (redirects are not followed)"),
    ],
)
def test_what_a_refusal_holds(status: int, body: bytes, told: object) -> None:
    """Its value; words where it is no JSON; a redirect is told as that, whatever it holds."""
    assert error_body(Response(status, {}, body)) == told


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [("", b"", "empty"), ("", b" <html>x</html>", "HTML page"), ("text/html", b"x", "not JSON")],
)
def test_pages_are_not_repeated(kind: str, body: bytes, words: str) -> None:
    """A page is named as what it is; its text stays out."""
    response = Response(502, {"content-type": kind}, body)
    assert words in error_body(response)
    assert is_html(response) is bool(body)


@pytest.mark.parametrize(
    ("text", "value"),
    [(None, None), ("", None), ("soon", None), ("inf", None), ("nan", None), ("7.5", 7.5)],
)
def test_number(text: str | None, value: float | None) -> None:
    """Only what is finite is one; as a whole number it is cut."""
    assert parse_number(text) == value
    assert parse_integer(text) == (None if value is None else 7)


@pytest.mark.parametrize(("text", "value"), [("4816", 4816), ("1" * 25, None), ("-3", -3)])
def test_integer(text: str, value: int | None) -> None:
    """Short and long ones alike."""
    assert parse_integer(text) == (int(float(text)) if value is None else value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": formatdate(WALL + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(WALL - 90, usegmt=True)}, 0.0),
        ({"retry-after": "Thu, 99 Oct 2025 99:53:25 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds, seconds or a date, of which the past is now; anything else is silence."""
    assert retry_after(headers, WALL) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 01 Jan 99999 00:00:00 GMT"])
def test_no_date(date: str | None) -> None:
    """Is no moment."""
    assert parse_http_date(date) is None


def test_cleaned() -> None:
    """The longer of two secrets goes first, so that no rest of it stays."""
    tokens = re.compile(r"hf_\w+")
    assert redact("a-b-c hf_x1 a", ["a", "a-b"], tokens) == ("**********-c ********** **********")
    assert len(redact("x" * 5000, [])) < 600


def test_texts() -> None:
    """Of a list alone: text is no list of letters."""
    assert string_list(["a", 1]) == ["a", "1"]
    assert string_list("ab") == string_list(None) == string_list({"a": 1}) == []
