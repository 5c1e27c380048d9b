"""Cost of starting up: `python -m benchmarks.startup`.

Each way runs in a fresh interpreter, in interleaved rounds. Figures are CPU milliseconds, and the
peak of resident memory above that of a bare interpreter.

The library: `floor` imports only its dependencies, all that `pyproject.toml` names, `door` is
`import di_async`, `ours` makes a client, `entered` also enters it. They are compared with the
clients of pydo, gcore and gradient. Good: ours at most 1.25 times the floor and 0.55 times pydo, in
memory at most 1.15 times the floor; the door at most 0.4 times the floor.

The command: `help` is `di-async --help`, `typer` the `--help` of a typer app with one command.
`list` is `di-async list`, `library_list` a program that lists with the library; both read the same
server in another process. Good: help at most 1.25 times typer, list at most 1.8 times library_list.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.rounds import Limit, Row, Times, finish, median_rows, options, ratio
from benchmarks.server import TOKEN, serving

CLIENT = "from di_async import DigitalOcean; client = DigitalOcean(token='x')"
ENTERED = f"""
{CLIENT}
import asyncio
async def main():
    async with client:
        pass
asyncio.run(main())
"""
TYPER_HELP = """
import typer
app = typer.Typer()
@app.command()
def greet(name: str, loud: bool = False) -> None:
    "Print a greeting."
    typer.echo(name.upper() if loud else name)
app(["--help"])
"""
COMMAND = "from di_async.cli import main; main(['{}'])"
LIBRARY_LIST = """
import asyncio, os
from di_async import DigitalOcean
async def main():
    async with DigitalOcean(base_url=os.environ["DI_ASYNC_BASE_URL"]) as client:
        async for di in client.dedicated_inferences.list():
            print(di.name, di.status, di.region, di.id)
asyncio.run(main())
"""
INSTANCES = 20
WAYS = {
    "bare": "",
    "floor": "import aiohttp, anyio, attrs, cattrs, msgspec, orjson",
    "door": "import di_async",
    "ours": CLIENT,
    "entered": ENTERED,
    "pydo": "import pydo.aio; pydo.aio.Client(token='x')",
    "gcore": "import gcore; gcore.AsyncGcore(api_key='x')",
    "gradient": "import gradient; gradient.AsyncGradient(access_token='x')",
    "typer": TYPER_HELP,
    "help": COMMAND.format("--help"),
    "library_list": LIBRARY_LIST,
    "list": COMMAND.format("list"),
}
# Not `ru_maxrss`: after a fork, it starts at the peak of the parent process.
PROGRAM = """
import time
started_at = time.process_time()
try:
    exec({!r})
except SystemExit as end:
    assert not end.code, end.code
cpu_s = time.process_time() - started_at
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(cpu_s * 1e3, peak)
"""


def run(code: str, env: Mapping[str, str]) -> tuple[float, float]:
    """Return CPU milliseconds, and the peak of resident memory in kB."""
    argv = [sys.executable, "-c", PROGRAM.format(code)]
    done = subprocess.run(  # noqa: S603
        argv, env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    cpu_ms, peak = done.stdout.splitlines()[-1].split()
    return float(cpu_ms), float(peak)


def measure(rounds: int, once: Callable[[str], tuple[float, float]]) -> tuple[Times, Times]:
    """Return milliseconds, and megabytes above a bare interpreter, by way and round."""
    cpu: Times = {name: [] for name in WAYS if name != "bare"}
    memory: Times = {name: [] for name in cpu}
    for round_ in range(rounds + 1):  # the first round compiles all modules
        _, bare = once(WAYS["bare"])
        for name in cpu:
            cpu_ms, peak = once(WAYS[name])
            if round_:
                cpu[name].append(cpu_ms)
                memory[name].append((peak - bare) / 1024)
    return cpu, memory


def rows_of(cpu: Times, memory: Times) -> list[Row]:
    """Return the median of each way, and the ratios that have a bound."""
    rows = [
        Limit(most=1.25).row("startup", "ours_x_floor", ratio(cpu, "ours", "floor")),
        Limit(most=0.55).row("startup", "ours_x_pydo", ratio(cpu, "ours", "pydo")),
        Limit(most=1.15).row("startup", "memory_x_floor", ratio(memory, "ours", "floor")),
        Limit(most=0.4).row("startup", "door_x_floor", ratio(cpu, "door", "floor")),
        Limit(most=1.25).row("startup", "help_x_typer", ratio(cpu, "help", "typer")),
        Limit(most=1.8).row("startup", "list_x_library", ratio(cpu, "list", "library_list")),
    ]
    return [*median_rows("startup", cpu, "ms"), *median_rows("startup", memory, "mb"), *rows]


def main() -> None:
    """Measure, print, and exit with 1 if a bound is missed."""
    args = options(__doc__, rounds=11).parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(INSTANCES) as served:
        env = {
            # A bytecode cache of its own, so that every module is compiled once, as pip would do.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": folder,
            "DI_ASYNC_BASE_URL": served.url,
            "DIGITALOCEAN_TOKEN": TOKEN,
        }
        measured = measure(args.rounds, partial(run, env=env))
    finish(rows_of(*measured), args.json)


if __name__ == "__main__":
    main()
