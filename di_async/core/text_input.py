"""Texts from files, stdin and the environment, as programs on all systems write them."""

import codecs

from di_async.core.errors import InvalidInputError

__all__ = ["MAX_INPUT", "decode_text", "is_id_number", "stripped"]

MAX_INPUT = 256 * 1024
"""The most bytes that a spec or token file may have."""
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(raw: str | bytes, *, source: str) -> str:
    """Return the text of a file, which messages call `source`.

    UTF-8 is expected; a byte order mark selects UTF-16 or UTF-32, and is removed.

    Raises:
        InvalidInputError: it is too large, or not text.
    """
    if len(raw) > MAX_INPUT:
        raise InvalidInputError(f"{source} is larger than {MAX_INPUT // 1024} KiB")
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff")
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and raw[:4].count(0) >= 1:
        # JSON and YAML begin with an ASCII character: the place of its zero shows the byte order.
        encoding = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le"
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        # Not chained: the error holds the whole content.
        place = f"byte {error.start + 1} is not valid {encoding or 'UTF-8'}"
        raise InvalidInputError(f"{source} is not text: {place}; save it as UTF-8") from None


def stripped(value: str) -> str:
    """Return a value without the blanks, quotes and byte order mark around it.

    A shell removes quotes; `docker --env-file`, systemd and some CI systems leave them.
    """
    return value.strip("\ufeff \t\r\n").strip("\"'").strip()


def is_id_number(text: str) -> bool:
    """Return whether a text is the number of a region or a project: a few ASCII digits."""
    return text.isascii() and text.isdigit() and len(text) < 20
