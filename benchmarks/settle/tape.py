"""The same answers once more, from a file: what waiting costs where the world is another's process.

The world of these benchmarks lives in our process, and everything that it touches makes our own
code slower: its objects crowd ours out of the caches. So a run is taped and played again without a
world, and the client's CPU is counted then. It must ask for the very same, or the tape is no use.

Rules of this file: what the tape costs is booked apart, as what the world costs is.
"""

import asyncio
import itertools
import pickle
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from attrs import define, field

from benchmarks.settle.wire import Latency, Stopwatch, WorldTransport
from di_async.core.wire import Request, Response

__all__ = ["Player", "Recorder", "Tape", "taping"]

_QUICKLY = 1


@define
class Tape:
    """Answers in the order in which they were asked for."""

    path: str
    places: list[int] = field(factory=list)

    def begin(self) -> int:
        """The number of a request that is on its way."""
        self.places.append(-1)
        return len(self.places) - 1

    def note(self, number: int, request: Request, answer: Response) -> None:
        """What came back."""
        packed = zlib.compress(answer.body, _QUICKLY)
        with Path(self.path).open("ab") as file:
            self.places[number] = file.tell()
            pickle.dump((request, answer.status, dict(answer.headers), packed), file)

    def answer(self, number: int, request: Request) -> Response:
        """What came back then. RuntimeError if something else was asked."""
        with Path(self.path).open("rb") as file:
            file.seek(self.places[number])
            asked, status, headers, packed = pickle.load(file)  # noqa: S301 - our own file
        if asked != request:
            raise RuntimeError(f"request {number} was {asked} on the tape, and is {request}")
        return Response(status, headers, zlib.decompress(packed))


@contextmanager
def taping() -> Iterator[Tape]:
    """A tape in a file that is gone when the block ends: in memory it would count as the waits'."""
    with NamedTemporaryFile() as file:
        yield Tape(file.name)


@define
class Recorder(WorldTransport):
    """A way to the world that puts what comes back on a tape."""

    tape: Tape = field(kw_only=True)

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        again: Callable[[], Awaitable[None]],
    ) -> Response:
        """The world's answer."""
        number = self.tape.begin()
        answer = await super().send(request, headers, again)
        self.world_cpu.start()
        self.tape.note(number, request, answer)
        self.world_cpu.stop()
        return answer


@define
class Player:
    """A transport that answers as the tape says, as late as the world did."""

    tape: Tape
    latency: Latency
    cpu: Stopwatch = field(factory=Stopwatch)
    _numbers: Iterator[int] = field(factory=itertools.count)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(
        self,
        request: Request,
        headers: Mapping[str, str],
        again: Callable[[], Awaitable[None]],
    ) -> Response:
        """The answer that the same request got then."""
        number = next(self._numbers)
        await asyncio.sleep(self.latency.draw())
        await asyncio.sleep(self.latency.draw())
        self.cpu.start()
        answer = self.tape.answer(number, request)
        self.cpu.stop()
        return answer
