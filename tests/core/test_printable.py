"""Text from servers in terminals, logs and HTML."""

import pytest

from di_async import DIError, NotFoundError, WaitError
from di_async.core.printable import printable

ATTACK = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u2066\nCRITICAL:forged\r\u2028x\t\ud83d"


def test_unsafe_characters_become_escapes() -> None:
    """Control characters, bidirectional marks, line breaks and half emoji are shown as escapes."""
    assert printable(ATTACK) == (
        r"\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\u2066\nCRITICAL:forged\r\u2028x\t\ud83d"
    )


@pytest.mark.parametrize("text", ["", "plain", "\u00e9\u00df \u4e16\u754c \U0001f680", "5\u00a0%"])
def test_other_text_is_unchanged(text: str) -> None:
    """Letters of every script, emoji and spaces stay."""
    assert printable(text) == text


@pytest.mark.parametrize(
    "error",
    [
        DIError(ATTACK),
        NotFoundError(ATTACK, method="GET", path="/x", status=404, request_id=ATTACK),
        WaitError(ATTACK, advice=ATTACK),
    ],
)
def test_errors_are_one_line_and_keep_the_exact_message(error: DIError) -> None:
    """`str(error)` is safe to print and to log; `.message` is what the server sent."""
    assert str(error).isprintable()
    assert error.message == ATTACK
