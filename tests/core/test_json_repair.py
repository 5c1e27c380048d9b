"""Tests that slightly wrong JSON is read, and nothing else."""

import codecs
from typing import Any

import pytest

from di_async import DecodeError
from di_async.core.codec import loads

PLAIN = '{"a": "ä", "b": [1, 2.5, null]}'
VALUE = {"a": "ä", "b": [1, 2.5, None]}


@pytest.mark.parametrize(
    "body",
    [
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-32"),
        PLAIN.encode("latin-1"),
    ],
)
def test_other_encodings(body: bytes) -> None:
    """A byte order mark and other charsets are read."""
    assert loads(body) == VALUE


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"cut \ud83d"', "cut \ufffd"),
        (rb'"\udc00\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'["\ud83d", "\\ud83d"]', ["\ufffd", "\\ud83d"]),
        (b'{"price": NaN, "least": -Infinity}', {"price": None, "least": None}),
        (b'["NaN", Infinity]', ["NaN", None]),
    ],
)
def test_other_encoders(body: bytes, value: Any) -> None:
    """Halves of surrogate pairs are replaced; numbers that are none are null."""
    assert loads(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>NaN</html>",
        b"nan",
        b'{"a": NaN',
        b"\xff\xfe",
        codecs.BOM_UTF8,
        b"[NaN," * 100_000,
        b'{"a": 1} \\ud83d',
        b"NaN" + b"1" * 5000,
    ],
)
def test_anything_else_is_an_error(body: bytes) -> None:
    """What is not JSON stays a `DecodeError`."""
    with pytest.raises(DecodeError):
        loads(body)
