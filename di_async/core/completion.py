"""The text of a completion, as servers send it: in events, or in one JSON document. Pure.

One answer is asked for. Where a server sends several, the first one is read: events of several
answers are interleaved, and their texts together are none.

Events: https://html.spec.whatwg.org/multipage/server-sent-events.html. A server that ignores
`stream` sends a document.
"""

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from di_async.core.codec import loads
from di_async.core.errors import DecodeError
from di_async.core.serving import error_message, has_failed

__all__ = ["CompletionReader"]

# How the first line of a stream of events begins; a colon alone begins a comment.
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_END = b"[DONE]"
# A CR at the end of what has arrived may be the first half of a CR LF.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@define
class CompletionReader:
    """Reads one answer of a chat endpoint, chunk by chunk."""

    is_over: bool = field(default=False, init=False)
    """The last event was read; what follows does not count."""
    is_complete: bool = field(default=False, init=False)
    """The model has finished; else the answer may have been cut off."""
    _in_events: bool | None = field(default=None, init=False)
    """None: no line that is not blank was read yet."""
    _rest: bytes = field(default=b"", init=False)
    _event: bytes = field(default=b"", init=False)
    """The name of the current event."""
    _choice: Any = field(default=None, init=False)
    """The index of the choice that is read; None before the first one."""
    _data: list[bytes] = field(factory=list, init=False)
    """The data of the current event, or the lines of the document."""

    def feed(self, chunk: bytes) -> str:
        """Return the text in the next bytes of the answer.

        Raises:
            DecodeError: an event is not a part of a completion, or holds an error.
        """
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        return "".join(map(self._read_line, lines))

    def end(self) -> str:
        """Return the text that is left at the end of the answer.

        Raises:
            DecodeError: the answer is not a completion, or holds an error.
        """
        text = self.feed(b"\n\n")
        if self._in_events:
            return text
        choices = _choices(loads(b"\n".join(self._data)))[:1]
        if not choices:
            raise DecodeError("it is JSON, but not a completion")
        _check_end(choices)
        self.is_complete = True
        return _text(choices, "message")

    def _read_line(self, line: bytes) -> str:
        if self._in_events is None and line.strip():
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._in_events = line.startswith(_FIELDS)
        if not self._in_events:
            self._data.append(line)
        elif line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").strip())
        elif line.startswith(b"event:"):
            self._event = line.removeprefix(b"event:").strip()
        elif not line:
            return self._read_event()
        return ""

    def _read_event(self) -> str:
        data, self._data = b"\n".join(self._data), []
        event, self._event = self._event, b""
        if not data or self.is_over:
            return ""
        if event == b"error":
            raise _error_in(_value_or_text(data))
        if data.startswith(_END):
            self.is_over = self.is_complete = True
            return ""
        choices = self._of_one(_choices(loads(data)))
        _check_end(choices)
        self.is_complete |= any(choice.get("finish_reason") for choice in choices)
        return _text(choices, "delta")

    def _of_one(self, choices: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return what belongs to the choice that the answer began with."""
        if choices and self._choice is None:
            self._choice = _index(choices[0])
        return [choice for choice in choices if _index(choice) == self._choice]


def _index(choice: Mapping[str, Any]) -> Any:
    return choice.get("index") or 0


def _choices(body: Any) -> list[Mapping[str, Any]]:
    """Return the choices of a completion, or of a part of one; a part may have none.

    Raises:
        DecodeError: it is something else.
    """
    if isinstance(body, Mapping) and body.get("error"):
        raise _error_in(body)
    choices = (body.get("choices") or []) if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not all(isinstance(one, Mapping) for one in choices):
        raise DecodeError("it is JSON, but not a completion")
    return choices


def _check_end(choices: list[Mapping[str, Any]]) -> None:
    if any(map(has_failed, choices)):
        raise DecodeError("the model did not finish it, because of an error of the server")


def _value_or_text(data: bytes) -> Any:
    try:
        return loads(data)
    except DecodeError:
        return data.decode(errors="replace")


def _error_in(body: Any) -> DecodeError:
    return DecodeError(f"it holds an error: {error_message(body) or 'without a message'}")


def _text(choices: list[Mapping[str, Any]], part: str) -> str:
    """Return the text of choices; a model that refuses says so in a field of its own."""
    parts = [choice.get(part) for choice in choices]
    found = [
        part.get("content") or part.get("refusal") for part in parts if isinstance(part, Mapping)
    ]
    return "".join(map(_plain, found))


def _plain(content: Any) -> str:
    """Return the text of a content, which may be a list of parts."""
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "".join(text for text in texts if isinstance(text, str))
