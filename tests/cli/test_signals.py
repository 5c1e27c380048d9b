"""Signals, pipes and closed streams of `di-async` as a process."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from di_async.cli.signals import Stop, finish_write, stop_on_signals
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, start

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
    pytest.mark.usefixtures("default_signals"),
]
CREATE = ("create", *EASY)
COMMAND = f"{shlex.quote(sys.executable)} -m di_async"


def shell(line: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash with `pipefail`."""
    return subprocess.run(  # noqa: S603 - our own command
        ["/bin/bash", "-o", "pipefail", "-c", line],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.half
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_a_create_with_everything_that_is_known(
    di_emulator: Emulator, environment: dict[str, str], number: signal.Signals, code: int
) -> None:
    """The id and the one-time token are on stdout, and how to wait again on stderr."""
    di_emulator.fault("stuck", on="POST /v2/dedicated-inferences")
    with start(*CREATE, "-o", "json", env=environment) as creating:
        assert creating.stderr
        while "provisioning" not in creating.stderr.readline():
            pass
        creating.send_signal(number)
        out, err = creating.communicate(timeout=30)
    document = json.loads(out)
    assert (creating.returncode, document["outcome"]) == (code, "interrupted")
    assert document["access_token"]["value"]
    assert f"The create of {document['id']} continues, and is billed." in err
    assert "di-async wait web\n" in err
    assert "--resume " in err
    assert "Traceback" not in err


def test_a_signal_ends_the_emulator_without_leaving_files(tmp_path: Path) -> None:
    """SIGTERM removes its temporary folder."""
    env = {"TMPDIR": str(tmp_path)}
    with start("emulate", "--port", "0", env=env) as emulating:
        assert emulating.stderr
        assert "Ctrl-C" in emulating.stderr.readline()
        assert list(tmp_path.iterdir())
        emulating.send_signal(signal.SIGTERM)
        emulating.communicate(timeout=30)
    assert emulating.returncode == 143
    assert not list(tmp_path.iterdir())


def test_an_ignored_signal_stays_ignored(
    di_emulator: Emulator, environment: dict[str, str]
) -> None:
    """`nohup` works: SIGHUP does not end the wait."""
    di_emulator.add_instance(name="web", status="provisioning", settles_in=1e6)
    line = f"trap '' HUP; exec {COMMAND} wait web --timeout 2"
    with subprocess.Popen(  # noqa: S603 - our own command
        ["/bin/bash", "-c", line],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr
        assert "provisioning" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGHUP)
        assert "did not become active" in waiting.communicate(timeout=30)[1]
    assert waiting.returncode == 3


@pytest.mark.half
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-", "| (exec 0<&-; sleep 0.5)"])
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_create_whose_stdout_fails_is_told_on_stderr(
    di_emulator: Emulator, environment: dict[str, str], redirect: str, form: str
) -> None:
    """Id, one-time token and how to wait are on stderr; the exit code counts lost output."""
    done = shell(f"{COMMAND} {' '.join(CREATE)} --no-wait -o {form} {redirect}", environment)
    found = re.search(r"\bid\W+([0-9a-f-]{36})\b", done.stderr)
    assert found
    assert di_emulator.truth(found[1]).status
    assert "token" in done.stderr
    assert ("di-async wait web" if form == "table" else "resume_token") in done.stderr
    assert done.returncode == (0 if redirect.startswith("|") else 1)
    assert "Traceback" not in done.stderr


@pytest.mark.half
@pytest.mark.parametrize("redirect", ["2>&-", "2> >(true)", "2>/dev/full"])
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_create_whose_stderr_fails_succeeds(
    environment: dict[str, str], redirect: str, form: str
) -> None:
    """Logging and progress are lost; the resume token is on stdout."""
    line = f"{COMMAND} -v {' '.join(CREATE)} --no-wait -o {form} {redirect} | cat"
    done = shell(line, environment)
    assert done.returncode == 0, done.stderr
    assert "resume" in done.stdout


def test_both_streams_fail(environment: dict[str, str], tmp_path: Path) -> None:
    """A file of the state folder holds the id and the token."""
    env = {**environment, "XDG_STATE_HOME": str(tmp_path)}
    done = shell(f"{COMMAND} {' '.join(CREATE)} --no-wait >/dev/full 2>/dev/full", env)
    assert done.returncode == 1
    texts = [file.read_text() for file in (tmp_path / "di-async").iterdir()]
    assert any("access token" in text for text in texts)
    assert any("--resume" in text for text in texts)


@pytest.mark.parametrize("words", ["list", "sizes -o json", "sizes -o yaml", "--help", "demo"])
def test_a_pipe_into_head_is_quiet(environment: dict[str, str], words: str) -> None:
    """Exit code 0, and nothing on stderr."""
    done = shell(f"{COMMAND} {words} | head -1", environment)
    assert done.returncode == 0
    assert words == "list" or done.stderr == ""


def test_a_create_piped_into_head_waits(di_emulator: Emulator, environment: dict[str, str]) -> None:
    """The wait goes on; what `head` may not have read is repeated on stderr at the end."""
    done = shell(f"{COMMAND} {' '.join(CREATE)} | head -1", environment)
    assert done.returncode == 0
    id = done.stdout.split()[1]
    assert di_emulator.truth(id).status == "active"
    assert "access token" in done.stderr


def test_without_stdin(environment: dict[str, str]) -> None:
    """A closed stdin is a usage error, with what to do."""
    for line in (f"{COMMAND} delete web <&-", f"{COMMAND} create --spec - <&-"):
        done = shell(line, environment)
        assert done.returncode == 2
        assert "stdin is" in done.stderr


@pytest.mark.parametrize("color", [{"FORCE_COLOR": "1"}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}])
def test_forced_colour_in_a_pipe(environment: dict[str, str], color: dict[str, str]) -> None:
    """Colour, unless NO_COLOR is set; all columns, and no live display."""
    assert "\r" not in shell(f"{COMMAND} {' '.join(CREATE)}", {**environment, **color}).stderr
    table = shell(f"{COMMAND} list", {**environment, **color}).stdout
    assert {"ENDPOINT", "CREATED"} <= set(table.replace("\x1b", " ").replace("[0m", " ").split())
    assert ("\x1b[32m" in table) is ("NO_COLOR" not in color)
    assert ("\x1b" in table) is ("NO_COLOR" not in color)


async def test_a_write_is_finished_after_a_cancellation() -> None:
    """Its result is returned, and the next await is cancelled."""
    answered, announced, results = asyncio.Event(), asyncio.Event(), []

    async def write() -> str:
        await answered.wait()
        return "id"

    async def command() -> None:
        results.append(await finish_write(write(), announced.set))
        await asyncio.sleep(60)

    task = asyncio.ensure_future(command())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await announced.wait()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert results == ["id"]


async def test_more_cancellations_change_nothing() -> None:
    """A second signal of another kind does not lose the answer, nor leave the write running."""
    announced: list[None] = []
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    results: list[str] = []
    task = finishing(answer, results, lambda: announced.append(None))
    for _ in range(3):
        await turn()
        task.cancel()
    await turn()
    assert not task.done()
    answer.set_result("token")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (results, len(announced)) == (["token"], 1)


async def test_a_write_that_is_slow_to_end_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the deadline it is cancelled and awaited; what it still returns is not lost."""
    monkeypatch.setattr("di_async.cli.signals.FINISH_S", 0.0)
    ending = asyncio.Event()

    async def write() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await ending.wait()
        return "token"

    results: list[str] = []
    task = finishing(write(), results)
    for _ in range(3):
        await turn()
        task.cancel()
    await turn()
    assert not task.done()
    ending.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert results == ["token"]


def finishing(
    write: Awaitable[str], results: list[str], announce: Callable[[], None] = lambda: None
) -> "asyncio.Task[None]":
    """Return the task of a command that finishes a write, keeps its result, and waits."""

    async def command() -> None:
        results.append(await finish_write(write, announce))
        await asyncio.get_running_loop().create_future()

    return asyncio.create_task(command())


async def turn() -> None:
    """Let the loop run what is ready, and what that makes ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_write_without_an_answer_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command does not wait for ever for an answer."""
    monkeypatch.setattr("di_async.cli.signals.FINISH_S", 0.0)
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(finish_write(writing, lambda: None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert writing.cancelled()


async def test_an_error_of_a_write_is_raised() -> None:
    """A write that fails, before or after a cancellation, raises its own error."""

    async def write(answered: asyncio.Event) -> None:
        await answered.wait()
        raise ValueError("refused")

    for cancelled in (False, True):
        answered = asyncio.Event()
        task = asyncio.ensure_future(finish_write(write(answered), answered.set))
        await asyncio.sleep(0)
        if cancelled:
            task.cancel()
        else:
            answered.set()
        with pytest.raises(ValueError, match="refused"):
            await task


async def test_signals_cancel_the_task_once() -> None:
    """The first one counts; afterwards the handlers are as before."""
    stop = Stop()
    assert stop.exit_code == 130

    async def work() -> None:
        with stop_on_signals(stop):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(work())
    assert stop.exit_code in (143, 129)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def stopped_twice(stop: Stop, steps: list[str]) -> None:
    """Run a loop whose task gets SIGINT twice at once; then, if it goes on, once more."""

    async def work() -> None:
        with stop_on_signals(stop):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            steps.append("printed")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if "stopped" not in steps:  # the loop's end cancels it again
                    steps.append("stopped")
                    signal.raise_signal(signal.SIGINT)
                    await turn()
                    steps.append("went on")
                raise

    with asyncio.Runner() as runner:
        runner.run(work())


def test_a_ctrl_c_that_arrives_twice_cuts_no_step_short() -> None:
    """`uv run` and other programs pass it on to a process that has it already."""
    stop, steps = Stop(), list[str]()
    with pytest.raises(asyncio.CancelledError):
        stopped_twice(stop, steps)
    assert steps == ["printed", "stopped", "went on"]
    assert stop.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_later_ctrl_c_ends_the_command_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It interrupts what goes on after the first one, between two steps."""
    monkeypatch.setattr("di_async.cli.signals._SAME_S", -1.0)
    stop, steps = Stop(), list[str]()
    with pytest.raises(KeyboardInterrupt):
        stopped_twice(stop, steps)
    assert "went on" not in steps
    assert stop.exit_code == 130


@pytest.mark.parametrize("command", ["create", "scale"])
def test_a_ctrl_c_that_arrives_twice_loses_no_answer(
    di_emulator: Emulator, environment: dict[str, str], command: str
) -> None:
    """A write is finished, and the id and how to wait again are printed."""
    path = "/v2/dedicated-inferences"
    args: tuple[str, ...] = CREATE
    on = f"POST {path}"
    if command == "scale":
        di_emulator.add_instance(name="web")
        args, on = ("scale", "web", "2"), f"PATCH {path}/{{id}}"
    fault = di_emulator.fault("slow", on=on, delay_s=0.5 * di_emulator.world.simulation.time_scale)
    with start(*args, env=environment) as writing:
        while not fault.hits:
            assert writing.poll() is None
            time.sleep(0.01)
        writing.send_signal(signal.SIGINT)
        time.sleep(0.05)
        writing.send_signal(signal.SIGINT)
        err = writing.communicate(timeout=30)[1]
    assert "Stopping after the response to the request in flight" in err
    assert re.search(r"The (create|update) of [0-9a-f-]{36} continues, and is billed.", err)
    assert "Traceback" not in err
