"""Arbitrary JSON and text from a seeded generator, and damage to what is well formed."""

import random
from collections.abc import Callable
from typing import Any

__all__ = ["Junk"]

_TEXTS = (
    "", " ", "\x00", "\n", "\r\n", "a", "active", "ACTIVE", "error", "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:60+14:00", "0000-00-00", "2026-01-01T00:00:00",
    "NaN", "Infinity", "-1", "1e400", "0x10", "010", "1:30", "true", "null", "..", "/", "?", "%00",
    "\u202e", "\ud7ff", "\U0001f600", "é" * 10, "x" * 5_000, "{}", "[]", "<html>", "../../etc",
    "00000000-0000-4000-8000-000000000000", "https://", "http://[", "\x1b[2J", "😀" * 100,
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 2, 7, 200, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30, 10**400, 0.0,
    -0.0, 0.5, 1e308, -1e308, 5e-324, 1e-9,
)  # fmt: skip
_KEYS = (
    "id", "name", "status", "state", "spec", "version", "region", "error", "message", "meta",
    "total", "count", "results", "links", "pages", "next", "created_at", "updated_at", "created-at",
    "replicas", "containers", "scale", "min", "max", "endpoints", "token", "value", "reference",
    "tasks",
)  # fmt: skip
_DEEPEST = 5
_MOST_ITEMS = 6


class Junk:
    """A source of arbitrary values; equal seeds give equal values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def text(self) -> str:
        """Return a text that somebody may not have expected."""
        if self.random.random() < 0.7:
            return self.random.choice(_TEXTS)
        letters = (chr(self.random.randrange(0, 0xD7FF)) for _ in range(self.random.randrange(40)))
        return "".join(letters)

    def json(self, depth: int = 0) -> Any:
        """Return an arbitrary JSON value."""
        kinds: tuple[Callable[[], Any], ...] = (
            lambda: None,
            lambda: self.random.choice((True, False)),
            lambda: self.random.choice(_NUMBERS),
            self.text,
            lambda: [self.json(depth + 1) for _ in range(self.random.randrange(_MOST_ITEMS))],
            lambda: {self._key(): self.json(depth + 1) for _ in range(self.random.randrange(6))},
        )
        return self.random.choice(kinds if depth < _DEEPEST else kinds[:4])()

    def octets(self) -> bytes:
        """Return arbitrary bytes."""
        return self.random.randbytes(self.random.randrange(200))

    def damaged(self, value: Any) -> Any:
        """Return a copy of a JSON value with up to three places replaced, removed or doubled."""
        for _ in range(self.random.randrange(1, 4)):
            value = self._damaged_once(value)
        return value

    def damaged_text(self, text: str | bytes) -> bytes:
        """Return a text with some bytes changed, cut off or repeated."""
        raw = bytearray(text.encode() if isinstance(text, str) else text)
        for _ in range(self.random.randrange(1, 5)):
            at = self.random.randrange(len(raw) + 1)
            match self.random.randrange(4):
                case 0:
                    del raw[at:]
                case 1:
                    raw[at:at] = self.octets()[:8]
                case 2 if at < len(raw):
                    raw[at] = self.random.randrange(256)
                case _:
                    raw += raw[at : at + 50]
        return bytes(raw)

    def _key(self) -> str:
        return self.random.choice(_KEYS) if self.random.random() < 0.8 else self.text()

    def _damaged_once(self, value: Any) -> Any:
        stop = not isinstance(value, dict | list) or not value or self.random.random() < 0.1
        if stop:
            return self.json(2)
        if isinstance(value, dict):
            key = self.random.choice(list(value))
            if self.random.random() < 0.15:
                return {name: inner for name, inner in value.items() if name != key}
            return {**value, key: self._damaged_once(value[key])}
        at = self.random.randrange(len(value))
        if self.random.random() < 0.1:
            return [*value, value[at]]
        return [*value[:at], self._damaged_once(value[at]), *value[at + 1 :]]
