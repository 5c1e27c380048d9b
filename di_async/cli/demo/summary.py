"""What the demo says at its end. Every figure is measured; computed ones say so."""

from collections import Counter
from collections.abc import Iterator

from di_async.cli.demo.elsewhere import Elsewhere
from di_async.cli.demo.fleet import DOOMED, cost
from di_async.cli.demo.script import Demo
from di_async.cli.live import clock

__all__ = ["summary"]


def summary(demo: Demo, elsewhere: Elsewhere, took: float) -> Iterator[tuple[str, str]]:
    """Title and text of each line."""
    rows = demo.rows
    failed = next(row for row in rows if row.order.name == DOOMED)
    active = [row for row in rows if row.active_after is not None]
    slowest = max(active, key=lambda row: row.active_after or 0)
    yield "created", f"{len(rows)} instances in 3 regions: {len(active)} active, 1 failed"
    yield "failed", f"{failed.order.name}: {_why(demo)}"
    yield "proof", _proofs(demo)
    yield "scaled", demo.scaled
    yield "slowest", f"{slowest.order.name}: {clock(slowest.active_after or 0)} until active"
    yield from elsewhere.summary()
    stats, limit = demo.emu.stats, demo.emu.world.limits.per_minute
    most = f"at most {stats.max_60s} in a minute (DigitalOcean's limit: {limit})"
    yield "requests", f"{stats.total} in all, {most}; {stats.refused} refused with 429"
    hours = sum(row.gpu_seconds() for row in rows) / 3600
    told = f"${cost(rows, demo.sizes)} for {hours:.1f} GPU hours at DigitalOcean"
    yield "cost", f"{told}, emulated: nobody is billed"
    yield "left", "nothing: every delete was proven by a 404, and all lists are empty"
    yield (
        "took",
        f"{took:.1f} s; times above are the emulator's, {demo.emu.world.time_scale:g} x faster",
    )


def _why(demo: Demo) -> str:
    failed = next(row for row in demo.rows if row.order.name == DOOMED)
    told = str(failed.error).partition(" failed: ")[2]
    return told.partition(". Last status")[0]


def _proofs(demo: Demo) -> str:
    seen = Counter(demo.evidence)
    return "; ".join(f"{times} x {what}" for what, times in seen.most_common())
