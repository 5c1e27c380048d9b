"""Tests of the text of a completion: as events, as one document, and what is neither."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.completion import CompletionReader
from di_async.core.errors import DecodeError

DONE = b"data: [DONE]\n\n"


def event(text: Any = "a", **more: Any) -> bytes:
    """Return an event with a part of an answer."""
    choice = {"index": 0, "delta": {"content": text}, **more}
    return b"data: " + json.dumps({"choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


def read(*chunks: bytes) -> tuple[str, bool]:
    """Return the text of an answer, and whether it is complete."""
    reader = CompletionReader()
    text = "".join(map(reader.feed, chunks)) + reader.end()
    return text, reader.is_complete


def document(content: Any = "Hello", **more: Any) -> bytes:
    """Return a completion in one piece."""
    choice = {"index": 0, "message": {"content": content}, **more}
    return json.dumps({"choices": [choice]}, indent=1).encode()


TWO = [{"index": n, "delta": {"content": c}, "message": {"content": c}} for n, c in enumerate("aX")]
TWO_DOCUMENTS = json.dumps({"choices": TWO}).encode()
BOTH_AT_ONCE = b"data: " + TWO_DOCUMENTS + b"\n\n"


@pytest.mark.parametrize(
    ("answer", "text", "complete"),
    [
        (event("Hel") + event("lo") + DONE, "Hello", True),
        (event("Hel") + event(None, finish_reason="stop"), "Hel", True),
        (event("Hel") + event("lo"), "Hello", False),
        (event("Hel") + b'data: {"choices": [{"delta": {"content": "lo"}}]}', "Hello", False),
        (event("a") + b"data: [DONE]", "a", True),
        (event("a") + DONE + event("b"), "a", True),
        (b": ping\n\nevent: x\nid: 1\nretry: 5\n" + event("a") + DONE, "a", True),
        (b"\r\n" + event("a").replace(b"\n", b"\r\n") + DONE, "a", True),
        (b"\xef\xbb\xbf" + event("a").replace(b"\n", b"\r") + DONE, "a", True),
        (b"\xef\xbb\xbf" + document(), "Hello", True),
        (event("x\u2028y\x85z\nw") + DONE, "x\u2028y\x85z\nw", True),
        (b'data: {"choices":\ndata:[{"delta": {"content": "a"}}]}\n\n' + DONE, "a", True),
        (event([{"type": "text", "text": "a"}, {"type": "image"}]) + event("b") + DONE, "ab", True),
        (event(delta={"refusal": "No."}) + event(delta={"content": ""}) + DONE, "No.", True),
        (document([{"type": "text", "text": "a"}]), "a", True),
        (event(delta={"tool_calls": [{}]}) + event(None, finish_reason="tool_calls"), "", True),
        (event(["a"]) + event(delta=None) + event(delta="a") + DONE, "", True),
        (b'data: {"choices": null}\n\ndata: {"usage": {}}\n\n' + DONE, "", True),
        (b": ping\n\n", "", False),
        (document(), "Hello", True),
        (b"\n" + document(None), "", True),
        # Several answers, although one was asked for: the first one.
        (event("a") + event("X", index=1) + event("b") + event("Y", index=1) + DONE, "ab", True),
        (event("a") + event("", index=1, finish_reason="stop"), "a", False),
        (event("a", index=1) + event("X", index=0), "a", False),
        (event("a", index=None) + event("b") + event("X", index=2), "ab", False),
        (BOTH_AT_ONCE + DONE, "a", True),
        (TWO_DOCUMENTS, "a", True),
    ],
)
def test_text_of_an_answer(answer: bytes, text: str, complete: bool) -> None:
    """The texts of all parts, and whether the model has finished, however the bytes are split."""
    assert read(answer) == (text, complete)
    assert read(*(bytes([byte]) for byte in answer)) == (text, complete)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"data: 5\n\n", "not a completion"),
        (b"data: []\n\n", "not a completion"),
        (b"data: null\n\n", "not a completion"),
        (b'data: {"choices": [null]}\n\n', "not a completion"),
        (b'data: {"choices": "abc"}\n\n', "not a completion"),
        (b'data: {"choices": [{"index": 0, "del\n\n', "not JSON"),
        (b"data: <html>\n\n", "an HTML page"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "an error: out of memory"),
        (b'data: {"error": {"code": 5}}\n\n', "an error: without a message"),
        (b'event: error\ndata: {"message": "no GPU"}\n\n', "an error: no GPU"),
        (event("Hel") + b"event: error\ndata: 5\n\n", "an error: without a message"),
        (b"event: error\ndata: no GPU\n\n", "an error: no GPU"),
        (event("Hel") + event(None, finish_reason="error") + DONE, "did not finish"),
        (event("Hel") + event(None, finish_reason="abort") + DONE, "did not finish"),
        (document(finish_reason="error"), "did not finish"),
        (b'{"error": "no GPU"}', "an error: no GPU"),
        (b'{"choices": []}', "not a completion"),
        (b'{"choices": [5]}', "not a completion"),
        (b"[]", "not a completion"),
        (b"<html>log in</html>", "an HTML page"),
        (b"", "empty"),
    ],
)
def test_what_is_not_an_answer(answer: bytes, reason: str) -> None:
    """It raises `DecodeError` that says what it is."""
    with pytest.raises(DecodeError, match=reason):
        read(answer)


@given(
    start=st.sampled_from([b"", b"data: ", b'data: {"choices": [', b"event: "]), rest=st.binary()
)
def test_junk(start: bytes, rest: bytes) -> None:
    """Any bytes are an answer, or raise `DecodeError`."""
    try:
        read(start + rest)
    except DecodeError:
        return
