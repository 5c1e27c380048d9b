"""A process that tries mutants in its own copy of the tree, each in a forked process.

Expensive imports are done once here; the package and its tests are imported in the children.
Reads a JSON object per line from stdin and writes one per line to stdout.
"""

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

PRELOADED = (
    "aiohttp.web", "anyio", "attrs", "cattrs.preconf.orjson", "msgspec",
    "orjson", "pytest_asyncio.plugin", "pytest_timeout", "rich.console", "trustme", "typer", "yaml",
)  # fmt: skip
OPTIONS = (
    "-n", "0", "-x", "-q", "--no-header", "--tb=no", "--assert=plain", "-p", "no:cacheprovider",
    "--hypothesis-profile=mutation",
)  # fmt: skip
# One failing example is enough, so it is not shrunk.
settings.register_profile(
    "mutation",
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
KILLED_BY_TIME = -1
WALL_LIMIT = 600.0


def _child(files: list[str], cpu_limit: int) -> None:
    """Run pytest and leave with its exit status."""
    os.setsid()
    # Processor time, so that a busy machine kills no mutant.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_limit, cpu_limit + 5))
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open("mutation-output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(nothing, 0), os.dup2(log, 1), os.dup2(log, 2)
    code = 99
    try:
        code = int(pytest.main([*OPTIONS, *files]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def run(files: list[str], cpu_limit: int) -> int:
    """Return the exit status of pytest over these files; KILLED_BY_TIME when it took too long."""
    pid = os.fork()
    if pid == 0:
        _child(files, cpu_limit)
    deadline, pause = time.monotonic() + WALL_LIMIT, 0.01
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return KILLED_BY_TIME
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def try_mutant(job: dict[str, Any]) -> dict[str, Any]:
    """Write the changed module, run the stages until one fails, restore the module."""
    path = Path(job["path"])
    original = path.read_bytes()
    cached = Path(importlib.util.cache_from_source(str(path)))
    cached.unlink(missing_ok=True)
    path.write_text(job["source"], encoding="utf-8")
    codes, seconds = [], []
    try:
        for files, cpu_limit in zip(job["stages"], job["cpu_limits"], strict=True):
            started = os.times()
            codes.append(run(files, cpu_limit))
            ended = os.times()
            seconds.append(sum(ended[2:4]) - sum(started[2:4]))
            if codes[-1] != 0:
                break
    finally:
        path.write_bytes(original)
    output = Path("mutation-output.txt").read_text(encoding="utf-8", errors="replace")
    return {"codes": codes, "seconds": seconds, "output": output[-2000:]}


def main() -> None:
    """Write one line for each line read."""
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        answers.write(json.dumps(try_mutant(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
