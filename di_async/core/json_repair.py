"""Read JSON that is slightly wrong, as filters and other languages' encoders write it.

Repaired are a byte order mark, UTF-16 and UTF-32, another charset, NaN and Infinity (read as null),
and halves of surrogate pairs (read as U+FFFD). Anything else stays an error.
"""

import json
import re
from typing import Any

__all__ = ["loads_repaired"]

_BOM = "\ufeff"
_REPLACEMENT = r"\ufffd"
# An escape: a surrogate pair, half of one, or any other.
_ESCAPE = (
    r"(?s)\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F]..)|.)"
)


def loads_repaired(body: bytes) -> Any:
    """Return the value in a JSON text that a strict decoder refused.

    Raises:
        ValueError: it has none of these faults, or others as well.
    """
    text, was_wrong = _text(body)
    if "\\u" in text:
        repaired = re.sub(_ESCAPE, lambda match: _REPLACEMENT if match[2] else match[0], text)
        text, was_wrong = repaired, was_wrong or repaired != text
    if not was_wrong and "NaN" not in text and "Infinity" not in text:
        raise ValueError("not a fault that can be repaired")
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _text(body: bytes) -> tuple[str, bool]:
    """Return the text of a body, and whether it was in anything but plain UTF-8."""
    encoding = json.detect_encoding(body[:4])
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        return body.decode("latin-1"), True
    return text.removeprefix(_BOM), encoding != "utf-8"
