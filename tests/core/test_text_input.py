"""Tests of texts from files, stdin and the environment."""

import pytest

from di_async import InvalidInputError
from di_async.core.text_input import MAX_INPUT, decode_text, stripped

TEXT = '{"name":\t"Zürich"}\r\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings(encoding: str) -> None:
    """Every Unicode encoding is read, with or without a byte order mark."""
    assert decode_text(TEXT.encode(encoding), source="a file") == TEXT
    assert decode_text("\ufeff" + TEXT, source="a file") == TEXT


def test_what_is_not_text() -> None:
    """Other bytes are refused; the message states the place, and quotes nothing."""
    with pytest.raises(
        InvalidInputError, match=r"^a file is not text: byte 3 .* save it as UTF-8$"
    ):
        decode_text(b"ab\xff", source="a file")
    with pytest.raises(InvalidInputError, match=r"^a file is larger than 256 KiB$"):
        decode_text(b"a" * (MAX_INPUT + 1), source="a file")


@pytest.mark.parametrize("around", ["{}", '"{}"', "'{}'", " {}\r\n", "\ufeff{}\n", ' "{}" '])
def test_stripped(around: str) -> None:
    """Blanks, quotes and marks around a value are removed; those inside stay."""
    assert stripped(around.format("12$ab'c")) == "12$ab'c"
