"""Record a world's responses to a file and replay them, to measure the client without a world.

In these benchmarks the world is in the client's process, and its objects displace the client's from
the CPU's caches. So a run is recorded and replayed without a world, and the client's CPU is
measured then. The client must send the same requests in the replay.

Both classes replace the world, so that their cost is measured as the world's.
"""

import pickle
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO

from attrs import evolve, frozen

from di_async.emulator import Response, World

__all__ = ["Player", "Recorder", "requests_on"]

_QUICKLY = 1


@frozen
class Recorder:
    """A world whose responses are recorded."""

    world: World
    tape: IO[bytes]

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """Return the world's response."""
        answer = self.world.handle(now, method, path, headers, body)
        packed = evolve(answer, body=zlib.compress(answer.body, _QUICKLY))
        pickle.dump(((method, path), packed), self.tape)
        return answer


def requests_on(tape: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the recorded requests: method, and path with query."""
    with suppress(EOFError):
        while True:
            yield pickle.load(tape)[0]  # noqa: S301 - written by Recorder


@frozen
class Player:
    """Replaces a world: returns its recorded responses in order."""

    tape: IO[bytes]

    def handle(self, _now: float, method: str, path: str, *_more: object) -> Response:
        """Return the next response; raise RuntimeError if its request was another one."""
        recorded: tuple[str, str]
        answer: Response
        recorded, answer = pickle.load(self.tape)  # noqa: S301 - written by Recorder
        if recorded != (method, path):
            raise RuntimeError(f"{recorded} on the tape, and now {(method, path)}")
        return evolve(answer, body=zlib.decompress(answer.body))
