"""CPU seconds and memory of a run in this process, without the world's and the harness's share.

CPU is this thread's, so that other load does not count. JSON is timed at the parsers named below
and reported separately: with sockets it belongs to the transport.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from attrs import define, field

from benchmarks.settle.wire import Stopwatch
from di_async.digitalocean import row_summaries

__all__ = ["Meter"]

# Where responses are parsed. Other JSON parsing counts as the client's own CPU.
_PARSERS: tuple[tuple[Any, str], ...] = (
    (orjson, "loads"),
    (row_summaries, "_decode_summaries"),
    (row_summaries, "_decode_raw"),
)


@define
class Meter:
    """CPU and peak memory since `begin`."""

    json_cpu: Stopwatch = field(factory=Stopwatch)
    total_cpu: Stopwatch = field(factory=Stopwatch)
    peak_bytes: int = 0
    _base_bytes: int = 0

    def begin(self) -> None:
        """Start measuring; what exists now does not count."""
        gc.collect()
        gc.freeze()
        self.json_cpu.seconds = 0.0
        _reset_peak()
        self._base_bytes = _memory("VmRSS")
        self.total_cpu.start()

    def end(self) -> None:
        """Stop measuring."""
        self.total_cpu.stop()
        gc.unfreeze()
        self.peak_bytes = max(0, _memory("VmHWM") - self._base_bytes)

    @contextmanager
    def parsing_timed(self) -> Iterator[None]:
        """Measure the time in parsers separately."""
        real = [(module, name, getattr(module, name)) for module, name in _PARSERS]
        for module, name, parse in real:
            setattr(module, name, self._timed(parse))
        try:
            yield
        finally:
            for module, name, parse in real:
                setattr(module, name, parse)

    def _timed(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        watch = self.json_cpu

        def timed(*args: Any) -> Any:
            watch.start()
            try:
                return parse(*args)
            finally:
                watch.stop()

        return timed


def _memory(which: str) -> int:
    """Return a figure of /proc/self/status in bytes, or 0 where there is no such file."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith(f"{which}:"))
    return next((int(line[1]) * 1024 for line in lines), 0)


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
