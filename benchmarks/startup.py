"""What it costs to have a client: `python -m benchmarks.startup`.

Fresh interpreters, one after the other in turns: CPU milliseconds to import and to make a client,
and the peak of resident memory over that of a bare interpreter. `floor` is the import of what ours
depends on (attrs, cattrs, anyio, aiohttp) and no more; `door` is `import di_async` without a
client. Beside it the clients of pydo, gcore and gradient. All are made; `entered` is ours after
`async with`, so that it could send at once.

Good: ours at most 1.12 times the floor and 0.55 of pydo, in memory at most 1.15 times the floor;
the door at most 0.4 of the floor.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

from benchmarks.rounds import Limit, Row, Times, finish, options, ratio, told

MADE = "from di_async import DigitalOcean; client = DigitalOcean(token='x')"
ENTERED = f"""
{MADE}
import asyncio
async def main():
    async with client:
        pass
asyncio.run(main())
"""
WAYS = {
    "bare": "",
    "floor": "import attrs, cattrs, anyio, aiohttp",
    "door": "import di_async",
    "ours": MADE,
    "entered": ENTERED,
    "pydo": "import pydo.aio; pydo.aio.Client(token='x')",
    "gcore": "import gcore; gcore.AsyncGcore(api_key='x')",
    "gradient": "import gradient; gradient.AsyncGradient(access_token='x')",
}
# The kernel keeps the peak of whoever forked us in `ru_maxrss`; this process's own begins anew.
PROGRAM = """
import time
began = time.process_time()
{}
took = time.process_time() - began
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(took * 1e3, peak)
"""


def run(code: str, compiled: str) -> tuple[float, float]:
    """CPU milliseconds, and the peak of resident memory in kB.

    What Python compiles it keeps in a folder of ours: everybody's files alike, as pip would do.
    """
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
    argv = [sys.executable, "-c", PROGRAM.format(code)]
    done = subprocess.run(  # noqa: S603
        argv, env={**os.environ, **kept}, capture_output=True, text=True, check=True
    )
    took, peak = done.stdout.split()
    return float(took), float(peak)


def measure(rounds: int, once: Callable[[str], tuple[float, float]]) -> tuple[Times, Times]:
    """Milliseconds, and megabytes over a bare interpreter, by way and round."""
    cpu: Times = {name: [] for name in WAYS if name != "bare"}
    memory: Times = {name: [] for name in cpu}
    for round_ in range(rounds + 1):  # in the first all is compiled
        _, bare = once(WAYS["bare"])
        for name in cpu:
            took, peak = once(WAYS[name])
            if round_:
                cpu[name].append(took)
                memory[name].append((peak - bare) / 1024)
    return cpu, memory


def rows_of(cpu: Times, memory: Times) -> list[Row]:
    """What each took, and what ours is to the floor and to pydo."""
    rows = [
        Limit(most=1.12).row("startup", "ours_x_floor", ratio(cpu, "ours", "floor")),
        Limit(most=0.55).row("startup", "ours_x_pydo", ratio(cpu, "ours", "pydo")),
        Limit(most=1.15).row("startup", "memory_x_floor", ratio(memory, "ours", "floor")),
        Limit(most=0.4).row("startup", "door_x_floor", ratio(cpu, "door", "floor")),
    ]
    return [*told("startup", cpu, "ms"), *told("startup", memory, "mb"), *rows]


def main() -> None:
    """Measure, print, and exit with 1 if a target is missed."""
    asked = options(__doc__, rounds=11).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(asked.rounds, partial(run, compiled=folder))
    finish(rows_of(*measured), asked.json)


if __name__ == "__main__":
    main()
