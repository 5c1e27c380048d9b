"""The same answers once more, from a file: what waiting costs where the world is another's process.

The world of these benchmarks lives in our process, and everything that it touches makes our own
code slower: its objects crowd ours out of the caches. So a run is taped and played again without a
world, and the client's CPU is counted then. It must ask for the very same, or the tape is no use.

Rules of this file: both stand where the world does, so what they cost is booked as the world's.
"""

import pickle
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO

from attrs import evolve, frozen

from di_async.emulator import Response, World

__all__ = ["Player", "Recorder", "asked_on"]

_QUICKLY = 1


@frozen
class Recorder:
    """A world whose answers are put on a tape."""

    world: World
    tape: IO[bytes]

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """The world's answer."""
        answer = self.world.handle(now, method, path, headers, body)
        packed = evolve(answer, body=zlib.compress(answer.body, _QUICKLY))
        pickle.dump(((method, path), packed), self.tape)
        return answer


def asked_on(tape: IO[bytes]) -> Iterator[tuple[str, str]]:
    """What was asked: method, and path with query."""
    with suppress(EOFError):
        while True:
            yield pickle.load(tape)[0]  # noqa: S301 - our own file


@frozen
class Player:
    """In place of a world: what it answered then, in the order in which it was asked."""

    tape: IO[bytes]

    def handle(self, _now: float, method: str, path: str, *_more: object) -> Response:
        """The next answer. RuntimeError if something else was asked for it."""
        asked: tuple[str, str]
        answer: Response
        asked, answer = pickle.load(self.tape)  # noqa: S301 - our own file
        if asked != (method, path):
            raise RuntimeError(f"{asked} on the tape, and now {(method, path)}")
        return evolve(answer, body=zlib.decompress(answer.body))
