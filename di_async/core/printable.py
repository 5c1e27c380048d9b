"""Text from servers, made safe for terminals, logs and HTML; values of callers, for messages.

What a server sends (names, messages, log lines) may hold escape sequences that drive a terminal,
line breaks that forge a log line, or bidirectional marks that hide text.
"""

import re
from typing import Any

__all__ = ["UNSAFE", "is_printable", "printable", "short_repr"]

_MAX_REPR = 60

# Controls (C0, DEL, C1), soft hyphen, zero-width and bidirectional marks, line separators,
# halves of surrogate pairs, the byte order mark, interlinear and tag characters.
UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
"""A pattern: one character that `printable` escapes. `re` compiles it on its first use."""


def is_printable(text: str) -> bool:
    """Return whether `printable` returns the text unchanged."""
    return text.isprintable() or re.search(UNSAFE, text) is None


def printable(text: str) -> str:
    r"""Return the text on one line, with each unsafe character as an escape such as `\x1b`.

    Line breaks and tabs are unsafe too: they become `\n`, `\r` and `\t`.
    """
    return text if text.isprintable() else re.sub(UNSAFE, _escape, text)


def short_repr(value: Any) -> str:
    """Return the beginning of a value's repr, for a message about what a caller passed."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python refuses to print very long numbers
        return f"{type(value).__name__} of that size"
    return text if len(text) <= _MAX_REPR else f"{text[: _MAX_REPR - 3]}..."


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
