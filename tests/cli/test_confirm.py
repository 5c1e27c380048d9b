"""Tests of the confirmation that `apply` asks for on a terminal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import write_file
from tests.clouds.ensuring import ENSURABLE
from tests.fleet.fleets import an_entry

if os.name == "nt":
    pytest.skip("needs POSIX terminals", allow_module_level=True)
import pty


@contextmanager
def asked(file: str, env: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """Run `apply` on a terminal until it asks; yield the process and the terminal's other end."""
    master, slave = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "di_async", "apply", file],
        env={**os.environ, **env},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # SIGINT may be ignored in this process, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(slave)
    with process:
        try:
            assert process.stderr
            seen = ""
            while not seen.endswith("[y/N]: "):
                seen += process.stderr.read(1)
                assert process.poll() is None, seen
            yield process, master
            process.wait(timeout=60)
        finally:
            process.kill()
            os.close(master)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a fleet of one deployment."""
    return write_file(
        tmp_path / "fleet.json", json.dumps({"deployments": [an_entry(ENSURABLE[0])]})
    )


def created(emu: Emulator) -> int:
    """Return how many deployments exist."""
    return len(emu.world.instances)


@pytest.mark.parametrize(("answer", "code", "count"), [("n", 1, 0), ("yes", 0, 1)])
def test_only_yes_goes_on(
    answer: str,
    code: int,
    count: int,
    file: str,
    di_emulator: Emulator,
    environment: dict[str, str],
) -> None:
    """Anything else changes nothing, and ends with 1."""
    with asked(file, environment) as (process, terminal):
        os.write(terminal, f"{answer}\n".encode())
    assert (process.returncode, created(di_emulator)) == (code, count)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_prompt(
    number: signal.Signals,
    code: int,
    file: str,
    di_emulator: Emulator,
    environment: dict[str, str],
) -> None:
    """Nothing is changed, and the command says so below the prompt."""
    with asked(file, environment) as (process, _):
        process.send_signal(number)
        assert process.stderr
        assert process.stderr.read() == "\nnothing was changed\n"
    assert (process.returncode, created(di_emulator)) == (code, 0)
