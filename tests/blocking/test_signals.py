"""The blocking clients in processes that get signals: Ctrl-C ends a call, and nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from di_async.emulator import Emulator, threaded
from tests.blocking.support import LIFECYCLE, client_of
from tests.clouds.ensuring import ENSURABLE, a_body, everywhere_in_processes
from tests.clouds.support import Cloud
from tests.concurrent_ensure.worker import access, api

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
    pytest.mark.slow,
]


@pytest.fixture
def emu() -> Iterator[Emulator]:
    """Run an emulator in which changes take fractions of a second."""
    with threaded(seed=0, time_scale=100.0, lifecycle=LIFECYCLE) as emulator:
        emulator.world.add_exoscale_model(name="openai/gpt-oss-20b")
        yield emulator


@contextmanager
def worker(cloud: Cloud, emu: Emulator, task: str) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a task of the worker in a process, killed after the block."""
    arguments = orjson.dumps([access(cloud.name, emu), a_body(cloud)]).decode()
    command = [sys.executable, "-W", "error", "-m", "tests.blocking.worker", task, arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: Any) -> str:
    """Return the next line of a process."""
    line: str = process.stdout.readline().decode().strip()
    return line


def names(cloud: Cloud, emu: Emulator) -> list[str]:
    """Return the names of all deployments."""
    with client_of(cloud.name, emu) as client:
        return [row.name for row in api(cloud.name, client).list()]


@everywhere_in_processes
def test_ctrl_c_ends_a_wait(cloud: Cloud, emu: Emulator) -> None:
    """KeyboardInterrupt comes out at once with a note, and the deployment is left alone."""
    emu.fault("stuck", on=cloud.POST)
    with worker(cloud, emu, "wait") as process:
        assert said(process) == "waiting"
        process.send_signal(signal.SIGINT)
        assert said(process) == "interrupted"
        assert "was left alone and bills" in said(process)
        # The program goes on: no wait is left, and the client still works.
        assert said(process) == "0 awaited, 1 listed"
        assert process.wait(10) == 0
        assert process.stderr.read() == b""  # type: ignore[union-attr]
    assert names(cloud, emu) == ["web-1"]


@everywhere_in_processes
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)],
    ids=["SIGTERM", "SIGINT"],
)
def test_a_signal_in_a_temporary_block_deletes_it(
    cloud: Cloud, emu: Emulator, number: signal.Signals, code: int
) -> None:
    """The process ends once the deployment is gone, even if the signal comes again."""
    with worker(cloud, emu, "temporary") as process:
        assert said(process) == "inside"
        slow = emu.fault("slow", on=cloud.DELETE, delay_s=50.0)
        process.send_signal(number)
        while not slow.hits:
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) == code
    assert names(cloud, emu) == []


def test_ctrl_c_before_the_answer_to_the_create(emu: Emulator) -> None:
    """What a temporary block's create made is deleted although the block never began."""
    cloud = ENSURABLE[0]
    slow = emu.fault("slow", on=cloud.POST, delay_s=50.0)
    with worker(cloud, emu, "temporary") as process:
        while not slow.hits:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
    assert emu.world.created
    assert names(cloud, emu) == []


def test_an_open_client_is_closed_at_exit(emu: Emulator) -> None:
    """A program that leaves its client open ends without a warning."""
    with worker(ENSURABLE[0], emu, "open") as process:
        assert process.wait(20) == 0
        assert process.stderr.read() == b""  # type: ignore[union-attr]


def test_what_is_left_open_ends_with_the_program(emu: Emulator) -> None:
    """The deployment of a block is deleted, clients are closed, and Python does not hang.

    Python closes generators, and drops objects, after it has stopped all threads.
    """
    with worker(ENSURABLE[0], emu, "leave_open") as process:
        name, same = said(process).split()
        assert name == same
        assert process.wait(20) == 0
        (line,) = process.stderr.read().decode().splitlines()  # type: ignore[union-attr]
        assert line.startswith("interrupted: deleting")
        assert name in line
    assert names(ENSURABLE[0], emu) == []


def test_a_child_of_a_fork_opens_its_own_client(emu: Emulator) -> None:
    """The loop's thread is not in the child: the parent's client raises, a new one works."""
    with worker(ENSURABLE[0], emu, "fork") as process:
        assert said(process) == "child: ClientClosedError, then 0 listed"
        assert process.wait(20) == 0


def test_a_child_that_exits_in_a_temporary_block_leaves_it_alone(emu: Emulator) -> None:
    """Its exit code is its own, nothing is logged, and the parent deletes the deployment."""
    with worker(ENSURABLE[0], emu, "fork_inside") as process:
        assert said(process) == "child: 3, 1 listed"
        assert said(process) == "after it: 0 listed, default: True"
        assert process.wait(20) == 0
        assert process.stderr.read() == b""  # type: ignore[union-attr]


def test_sigterm_of_a_forked_child_ends_the_child_only(emu: Emulator) -> None:
    """The child ends although its parent has a handler; the parent deletes the deployment."""
    with worker(ENSURABLE[0], emu, "end_a_child") as process:
        assert said(process) == f"child: {-signal.SIGTERM}, 1 listed"
        assert process.wait(20) == 0
    assert names(ENSURABLE[0], emu) == []
