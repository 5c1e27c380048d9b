"""Tests of `di-async apply` and `di-async run` as processes that get signals or are killed.

Over sockets, on every cloud. Whatever ends a process, a second one finds what exists.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from attrs import frozen

from di_async import apply, reap
from di_async.core.temporary_names import parse_name
from di_async.emulator import Emulator, Fault
from di_async.engine.client import Client
from tests.clouds.ensuring import ENSURABLE, a_body, everywhere_in_processes
from tests.clouds.support import Cloud
from tests.concurrent_ensure.worker import access, api, connect
from tests.fleet.fleets import PROVIDERS, a_fleet, an_entry, large_fleet

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
    pytest.mark.timeout(90),
    pytest.mark.slow,
]
ENDS_WITH_PARENT = """
import os, time
parent = os.getppid()
print("up", flush=True)
while os.getppid() == parent:
    time.sleep(0.05)
"""
WAITS = "import time; print('up', flush=True); time.sleep(60)"


@frozen
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


def environment(emu: Emulator) -> dict[str, str]:
    """Return the environment of a process that uses the emulator."""
    ours = ("DI_ASYNC", "DIGITALOCEAN", "EXOSCALE", "GCORE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return {
        **kept,
        "DI_ASYNC_BASE_URL": emu.url,
        "DI_ASYNC_TARGET_LAG": "0.05",
        "DIGITALOCEAN_TOKEN": emu.token,
        "EXOSCALE_API_KEY": emu.exoscale_api_key,
        "EXOSCALE_API_SECRET": emu.exoscale_api_secret,
        "GCORE_API_KEY": emu.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(emu.gcore_project_id),
    }


@asynccontextmanager
async def started(emu: Emulator, *args: str) -> AsyncIterator[Process]:
    """Start `di-async`; it is killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "di_async", *args),
        env=environment(emu),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        # SIGINT may be ignored in this process, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def end_of(process: Process) -> Ended:
    """Wait for the end of a process."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def call(emu: Emulator, *args: str) -> Ended:
    """Run `di-async` to its end."""
    async with started(emu, *args) as process:
        return await end_of(process)


async def until(is_true: Callable[[], object]) -> None:
    """Wait until something is true of the emulator."""
    while not is_true():  # noqa: ASYNC110 - an emulator has no event for it
        await asyncio.sleep(0.01)


async def names(cloud: Cloud, emu: Emulator) -> list[str]:
    """Return the names of all deployments."""
    async with connect(*access(cloud.name, emu)) as client:
        return [row.name for row in await api(cloud.name, client).list()]


@asynccontextmanager
async def clients_of_emulator(emu: Emulator) -> AsyncIterator[list[Client]]:
    """Yield an entered client for each cloud."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connect(*access(cloud.name, emu)))
            for cloud in ENSURABLE
        ]


def created(emu: Emulator) -> dict[str, int]:
    """Return how often each name was created, without Exoscale's model."""
    found = emu.world.created
    return {name: count for name, count in found.items() if name != "openai/gpt-oss-20b"}


# -- apply ----------------------------------------------------------------------------------------


def fleet_file(path: Path, *clouds: Cloud, each: int = 2) -> str:
    """Write a fleet of some deployments in each cloud."""
    entries = [an_entry(cloud, f"w-{n}") for n in range(each) for cloud in clouds]
    path.write_text(json.dumps({"fleet": "chat", "deployments": entries}))
    return str(path)


async def in_flight(cloud: Cloud, emu: Emulator) -> None:
    """Return while the answer to a create is on its way."""
    fault: Fault = emu.fault("slow", on=cloud.POST, delay_s=100.0)
    await until(lambda: fault.hits)


async def finished_by_the_next(emu: Emulator, file: str, count: int) -> None:
    """Check that a second run creates what is missing, and nothing twice."""
    emu.clear_faults()
    done = await call(emu, "-o", "json", "apply", "--yes", file)
    assert done.code == 0, done.err
    assert [row["active"] for row in json.loads(done.out)["deployments"]] == [True] * count
    assert sum(created(emu).values()) == count


@everywhere_in_processes
async def test_an_apply_that_was_killed_with_a_create_in_flight(
    cloud: Cloud, emu: Emulator, tmp_path: Path
) -> None:
    """After kill -9, a second run finds what the create has made."""
    file = fleet_file(tmp_path / "fleet.json", cloud)
    async with started(emu, "apply", "--yes", "--concurrency", "1", file) as process:
        await in_flight(cloud, emu)
        process.kill()
        await process.wait()
    await finished_by_the_next(emu, file, 2)


async def test_an_apply_that_was_killed_while_it_waited(emu: Emulator, tmp_path: Path) -> None:
    """After kill -9, a second run waits for what goes on, in all clouds."""
    file = fleet_file(tmp_path / "fleet.json", *ENSURABLE)
    async with started(emu, "apply", "--yes", "--concurrency", "1", file) as process:
        await until(lambda: sum(created(emu).values()) >= 4)
        process.kill()
        await process.wait()
    await finished_by_the_next(emu, file, 6)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_an_apply_with_what_is_known(
    number: signal.Signals, code: int, emu: Emulator, tmp_path: Path
) -> None:
    """The one-time token is in the document, and stderr has how to go on."""
    file = fleet_file(tmp_path / "fleet.json", *ENSURABLE, each=1)
    for cloud in ENSURABLE:
        emu.fault("stuck", on=cloud.POST)
    async with started(emu, "-o", "json", "apply", "--yes", file) as process:
        await until(lambda: sum(created(emu).values()) >= 3)
        process.send_signal(number)
        ended = await end_of(process)
    assert ended.code == code
    assert "Run the same command again" in ended.err
    document = json.loads(ended.out)
    assert document["interrupted"]
    by_provider = {row["provider"]: row for row in document["deployments"]}
    assert by_provider["digitalocean"]["access_token"]["value"]


async def test_a_signal_leaves_tokens_in_their_file_alone(emu: Emulator, tmp_path: Path) -> None:
    """With `--token-out`, the document of an apply that was stopped has no token."""
    cloud, tokens = ENSURABLE[0], tmp_path / "tokens"
    file = fleet_file(tmp_path / "fleet.json", cloud, each=1)
    emu.fault("stuck", on=cloud.POST)
    words = ("-o", "json", "apply", "--yes", "--token-out", str(tokens), file)
    async with started(emu, *words) as process:
        await until(lambda: created(emu))
        process.send_signal(signal.SIGTERM)
        ended = await end_of(process)
    assert ended.code == 143
    (name, token) = tokens.read_text().split()
    assert token not in ended.out + ended.err
    (row,) = json.loads(ended.out)["deployments"]
    assert (row["name"], row["action"], row["outcome"]) == (name, "created", "pending")
    assert row["access_token"]["file"] == str(tokens)


async def test_sixty_deployments_over_three_clouds(emu: Emulator) -> None:
    """The second run says in one line that there is nothing to do; a change to 5 touches 5."""
    async with clients_of_emulator(emu) as clients:
        first = await apply(large_fleet(20), *clients)
        assert first.counts == {"created": 60}, first
        again = await apply(large_fleet(20), *clients)
        assert str(again) == "nothing to do: 60 unchanged"
        changed = await apply(large_fleet(20, changed=5), *clients)
        assert changed.counts == {"updated": 5, "unchanged": 55}, changed
    assert set(created(emu).values()) == {3}  # once in each cloud


async def test_a_prune_that_was_killed_is_finished_by_the_next(
    emu: Emulator, tmp_path: Path
) -> None:
    """What is left is found again, in all clouds."""
    async with clients_of_emulator(emu) as clients:
        await apply(
            a_fleet(*(an_entry(one, f"w-{n}") for n in range(3) for one in ENSURABLE)), *clients
        )
    file = fleet_file(tmp_path / "fleet.json", *ENSURABLE, each=1)
    faults = [emu.fault("slow", on=cloud.DELETE, delay_s=100.0) for cloud in ENSURABLE]
    async with started(emu, "apply", "--yes", "--prune", file) as process:
        await until(lambda: any(fault.hits for fault in faults))
        process.kill()
        await process.wait()
    emu.clear_faults()
    done = await call(emu, "apply", "--yes", "--prune", file)
    assert done.code == 0, done.err
    assert [len(await names(cloud, emu)) for cloud in ENSURABLE] == [1, 1, 1]


# -- run ------------------------------------------------------------------------------------------


def run_arguments(cloud: Cloud, path: Path, *words: str, **options: str) -> list[str]:
    """Return the arguments of a run of some Python code."""
    path.write_text(json.dumps(a_body(cloud)))
    more = [text for name, value in options.items() for text in (f"--{name}", value)]
    provider = PROVIDERS[cloud.name]
    spec = ("--spec", str(path))
    return ["--provider", provider, "run", *spec, *more, "--", sys.executable, "-c", *words]


@everywhere_in_processes
async def test_a_run_passes_endpoint_and_exit_code_on(
    cloud: Cloud, emu: Emulator, tmp_path: Path
) -> None:
    """The command sees the endpoint's URL and key; afterwards the deployment is gone."""
    code = "import os, sys; print(os.environ['OPENAI_BASE_URL']); sys.exit(7)"
    ended = await call(emu, *run_arguments(cloud, tmp_path / "spec.json", code))
    assert ended.code == 7, ended.err
    assert ended.out.strip().endswith("/v1")
    assert "ended with 7" in ended.err
    assert await names(cloud, emu) == []


@pytest.mark.half
@pytest.mark.parametrize(
    ("cloud", "number", "code"),
    [
        (ENSURABLE[0], signal.SIGTERM, 143),
        (ENSURABLE[1], signal.SIGTERM, 143),
        (ENSURABLE[0], signal.SIGINT, 130),
        (ENSURABLE[2], signal.SIGTERM, 143),
    ],
    ids=lambda value: value.name if isinstance(value, Cloud) else str(value),
)
async def test_a_signal_ends_a_run_with_the_deployment_gone(
    cloud: Cloud, number: signal.Signals, code: int, emu: Emulator, tmp_path: Path
) -> None:
    """The command is ended, too."""
    async with started(emu, *run_arguments(cloud, tmp_path / "spec.json", WAITS)) as process:
        assert process.stdout
        assert await process.stdout.readline() == b"up\n"
        process.send_signal(number)
        ended = await end_of(process)  # the command has closed its stdout, too
    assert ended.code == code, ended.err
    assert "is deleted" in ended.err
    assert await names(cloud, emu) == []


async def test_a_second_ctrl_c_does_not_cut_the_deletion_of_a_run_short(
    emu: Emulator, tmp_path: Path
) -> None:
    """The deployment is deleted all the same."""
    cloud = ENSURABLE[0]
    async with started(emu, *run_arguments(cloud, tmp_path / "spec.json", WAITS)) as process:
        assert process.stdout
        assert await process.stdout.readline() == b"up\n"
        fault = emu.fault("slow", on=cloud.DELETE, delay_s=100.0)
        process.send_signal(signal.SIGINT)
        await until(lambda: fault.hits)
        process.send_signal(signal.SIGINT)
        ended = await end_of(process)
    assert ended.code == 130, ended.err
    assert await names(cloud, emu) == []


@everywhere_in_processes
async def test_a_signal_before_the_command_has_begun(
    cloud: Cloud, emu: Emulator, tmp_path: Path
) -> None:
    """The deployment that is being created is deleted, and the command is not run."""
    arguments = run_arguments(cloud, tmp_path / "spec.json", "print('ran')")
    async with started(emu, *arguments) as process:
        await in_flight(cloud, emu)
        process.send_signal(signal.SIGTERM)
        ended = await end_of(process)
    assert (ended.code, ended.out) == (143, "")
    assert await names(cloud, emu) == []


@everywhere_in_processes
async def test_what_a_killed_run_leaves_is_reaped(
    cloud: Cloud, emu: Emulator, tmp_path: Path
) -> None:
    """After kill -9 the deployment exists, its expiry was printed, and `reap` deletes it."""
    arguments = run_arguments(cloud, tmp_path / "spec.json", ENDS_WITH_PARENT, lifetime="1")
    async with started(emu, *arguments) as process:
        assert process.stdout
        await process.stdout.readline()
        process.kill()
        ended = await end_of(process)
    (name,) = await names(cloud, emu)
    assert parse_name(name)
    assert f"created {name}" in ended.err
    assert "reap` deletes it after" in ended.err
    async with connect(*access(cloud.name, emu)) as client:
        while (report := await reap(client)).kept:  # an expiry is a whole second, the next one
            assert not report.failed
    assert [row.name for row in report.deleted] == [name]
    assert await names(cloud, emu) == []
