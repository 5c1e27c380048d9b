"""Text from servers, made safe for terminals, logs and HTML.

What a server sends (names, messages, log lines) may hold escape sequences that drive a terminal,
line breaks that forge a log line, or bidirectional marks that hide text.
"""

import re

__all__ = ["UNSAFE", "is_printable", "printable"]

# Controls (C0, DEL, C1), soft hyphen, zero-width and bidirectional marks, line separators,
# halves of surrogate pairs, the byte order mark, interlinear and tag characters.
UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
"""One character that `printable` escapes."""


def is_printable(text: str) -> bool:
    """Return whether `printable` returns the text unchanged."""
    return text.isprintable() or UNSAFE.search(text) is None


def printable(text: str) -> str:
    r"""Return the text on one line, with each unsafe character as an escape such as `\x1b`.

    Line breaks and tabs are unsafe too: they become `\n`, `\r` and `\t`.
    """
    return text if text.isprintable() else UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
