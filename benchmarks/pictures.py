"""Draw the pictures of the documentation: `python -m benchmarks.pictures [NAME ...]`.

They go to `docs/images`. `settle`, delay against requests of 10,000 waits, takes minutes. The
others take seconds: `timeline`, one wait; `demo`, the summary that the command prints; `watch`, its
screen. Waits run in virtual time, except on the screens.
"""

import asyncio
import io
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from attrs import evolve
from rich.console import Console

from benchmarks.settle.options import Options, policy
from benchmarks.settle.ours import run_ours
from benchmarks.settle.rivals import RIVALS, figures
from benchmarks.settle.runs import Run
from benchmarks.settle.stage import Stage
from benchmarks.settle.virtual import EPOCH, run_virtual
from benchmarks.settle.worlds import build_world, durations
from di_async import DigitalOcean, PollPolicy, RequestBudget, StatusChange, emulator
from di_async.cli.commands.watching import _Screen
from di_async.cli.demo.other_clouds import OtherCloudsDemo
from di_async.cli.demo.run import summary
from di_async.cli.demo.scenario import FleetDemo
from di_async.cli.demo.view import _TableView, titled_lines
from di_async.digitalocean import DedicatedInferenceSpec

FOLDER = Path(__file__).parents[1] / "docs" / "images"
SPEC = DedicatedInferenceSpec.of(
    "llm",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)
WAITS = 10_000
PANELS = (("p50", "median"), ("p99", "99th percentile"))
# As the table in `docs/waiting-explained.md` names them.
OTHERS = {
    "list pages at an even pace": "even list",
    "list pages every 5 s": "naive list 5 s",
    "a GET for each every 5 s": "per-id 5 s",
}
STATES = {"new": "#b8c4ce", "provisioning": "#f2b84b", "active": "#3aa676"}

mpl.use("Agg")
# The same input makes the same file.
mpl.rcParams["svg.hashsalt"] = "di_async"


def settle() -> None:
    """Draw delay against requests: the rows of the table in `docs/waiting-explained.md`."""
    from matplotlib import pyplot as plt

    settles = durations(Run("A", WAITS), 0)
    found = {name: figures(RIVALS[rival](settles, 0)) for name, rival in OTHERS.items()}
    for name, model in (("di_async, nothing known", None), ("di_async, durations known", 1.0)):
        found[name] = run_ours(Run("A", WAITS, model), 0, Options(), RequestBudget())
    for name, of in found.items():
        row = (f"{of[metric]:,.1f} s" for metric in ("p50", "p99", "max"))
        print(f"{name}: {', '.join(row)}, {of['requests']:,.0f} requests")
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.6), sharex=True, sharey=True)
    for axes, (metric, title) in zip(panels, PANELS, strict=True):
        axes.set(yscale="log", xlabel="requests", title=title)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.grid(visible=True, which="both", alpha=0.2)
        for name, of in found.items():
            axes.plot(of["requests"], of[metric], "s" if "di_async" in name else "o", label=name)
    panels[0].set_ylabel("from settled to returned, seconds")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    figure.suptitle(f"{WAITS:,} creates on one token: 250 requests a minute, 5,000 an hour")
    figure.tight_layout()
    figure.savefig(FOLDER / "settle.svg", metadata={"Date": None})


def timeline() -> None:
    """Draw one create: its true state, each read and what it showed, and the end of the wait."""
    run = Run("A", 1, 1.0)
    stage = Stage(build_world(run, 3), 3, policy(run))
    steps: list[StatusChange] = []
    returned: list[float] = []
    ids: list[str] = []

    async def play() -> None:
        async with stage.actor() as actor:
            change = await actor.client.dedicated_inferences.create(SPEC)
            ids.append(change.id)
            steps.extend([step async for step in change.events()])
            returned.append(asyncio.get_running_loop().time())

    run_virtual(play)
    assert stage.world.now is not None
    settled = stage.world.digitalocean.store.truth(ids[0], stage.world.now).writes[0].settles_at
    reads = [sent.at for sent in stage.actors[0].transport.sent if sent.kind == "get"]
    _draw_timeline(reads, steps, settled - EPOCH, returned[0])


def _draw_timeline(
    reads: list[float], steps: list[StatusChange], settled: float, returned: float
) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 3.4))
    begins = 0.02 * settled
    for label, start, end in (
        ("new", 0.0, begins),
        ("provisioning", begins, settled),
        ("active", settled, returned + 40),
    ):
        axes.barh(1, end - start, left=start, height=0.5, color=STATES[label], label=label)
    axes.vlines(reads, -0.25, 0.25, color="#1f4e79", lw=1.2)
    axes.plot([], [], "|", color="#1f4e79", ms=12, label="a read (GET)")
    axes.annotate(
        "accepted",
        (0, 1.25),
        (0, 1.75),
        ha="left",
        arrowprops={"arrowstyle": "->"},
    )
    axes.annotate(
        "settled",
        (settled, 1.25),
        (settled - 40, 1.75),
        ha="right",
        arrowprops={"arrowstyle": "->"},
    )
    axes.annotate(
        f"wait() returns {returned - settled:.1f} s later",
        (returned, 0.25),
        (returned + 8, -0.85),
        ha="right",
        arrowprops={"arrowstyle": "->"},
    )
    axes.set(
        yticks=[1, 0],
        yticklabels=["deployment", "requests"],
        ylim=(-1.2, 2.1),
        xlim=(-10, returned + 45),
        xlabel="seconds since the create was accepted",
        title=f"One create: {len(reads)} reads in {returned:.0f} seconds",
    )
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower left", ncols=4, frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(FOLDER / "timeline.svg", metadata={"Date": None})


def demo() -> None:
    """Draw the end of `di-async demo`: its instances and its summary."""
    console = Console(record=True, width=110, height=40, file=io.StringIO(), force_terminal=True)
    asyncio.run(_play_demo(console))
    save(console, "di-async demo", "demo.svg")


async def _play_demo(console: Console) -> None:
    """Play what the command plays, with the command's defaults."""
    speed, began = 180.0, time.monotonic()
    polling = PollPolicy(target_lag=20 / speed)
    silent = _TableView(Console(file=io.StringIO()))
    async with (
        emulator.running(time_scale=speed, seed=7) as emu,
        DigitalOcean(emu.token, base_url=emu.url, polling=polling, budget=None) as client,
    ):
        fleet = FleetDemo(emu, client, silent, timeout=60)
        await fleet.run()
        others = OtherCloudsDemo(fleet, polling)
        await others.run()
        lines = list(summary(fleet, others, time.monotonic() - began))
        console.print(_TableView(console, silent.rows).render())
        console.print(titled_lines([("", ""), *lines], "green"))


def watch() -> None:
    """Draw the screen of `di-async watch` while a small fleet changes."""
    console = Console(record=True, width=120, height=30, file=io.StringIO(), force_terminal=True)
    console.print(asyncio.run(_play_watch()))
    save(console, "di-async watch", "watch.svg")


async def _play_watch() -> _Screen:
    async with (
        emulator.running(time_scale=240.0, seed=2) as emu,
        DigitalOcean(
            emu.token, base_url=emu.url, polling=PollPolicy(target_lag=0.1), budget=None
        ) as client,
    ):
        api = client.dedicated_inferences
        for number in range(3):
            emu.add_instance(name=f"chat-{number + 1}", region="nyc2")
        emu.fault("error", on="POST /v2/dedicated-inferences", times=1)
        changes = [await api.create(evolve(SPEC, name=f"llm-{number + 1}")) for number in range(4)]
        screen = _Screen("digitalocean", size=lambda: (120, 30))
        async for event in api.watch():
            screen.update(event)
            if sum(row.status == "active" for row in screen.rows.values()) == 5:
                break
        assert len(changes) == 4
        return screen


def save(console: Console, title: str, name: str) -> None:
    """Write what a recording console printed; the picture needs no font of another host."""
    text = console.export_svg(title=title)
    text = re.sub(r"@font-face\s*\{.*?\}", "", text, flags=re.DOTALL)
    (FOLDER / name).write_text(text.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


PICTURES: dict[str, Callable[[], Any]] = {
    "settle": settle,
    "timeline": timeline,
    "demo": demo,
    "watch": watch,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()
