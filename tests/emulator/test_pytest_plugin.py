"""The fixture `di_emulator`, in every kind of test."""

import subprocess
import sys
from pathlib import Path

import pytest

from di_async.emulator import Emulator

from .helpers import BASE, a_spec
from .test_emulator import client
from .test_threaded import get

PLAIN = """
import http.client

def get_status(emu):
    connection = http.client.HTTPConnection(emu.url.removeprefix("http://"))
    connection.request("GET", "/v2/dedicated-inferences",
                       headers={"Authorization": f"Bearer {emu.token}"})
    status = connection.getresponse().status
    connection.close()
    return status

def test_plain(di_emulator):
    assert get_status(di_emulator) == 200
"""
OVERRIDE = """
import pytest

@pytest.fixture
def di_emulator_options():
    return {"dialect": "observed", "tls": True}

def test_overridden(di_emulator):
    assert di_emulator.url.startswith("https://")
    assert di_emulator.world.settings.dialect == "observed"
    assert di_emulator.world.time_scale == 100
"""
ASYNC = """
import aiohttp, pytest

{mark}
async def test_async(di_emulator):
    headers = {{"Authorization": f"Bearer {{di_emulator.token}}"}}
    async with aiohttp.ClientSession(di_emulator.url, headers=headers) as session:
        async with session.get("/v2/dedicated-inferences") as reply:
            assert reply.status == 200
"""
ANYIO = """
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


# looptime, where it is installed, cannot do without pytest-asyncio.
NO_ASYNCIO = ["-p", "no:looptime_plugin", "-p", "no:asyncio"]

UNUSED = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "xdist", "timeout")]


@pytest.mark.half
@pytest.mark.parametrize(
    ("source", "flags"),
    [
        pytest.param(PLAIN, [*NO_ASYNCIO, "-p", "no:anyio"], id="plain"),
        pytest.param(OVERRIDE, NO_ASYNCIO, id="overridden-options"),
        pytest.param(ASYNC.format(mark=""), ["-o", "asyncio_mode=auto"], id="asyncio-auto"),
        pytest.param(
            ASYNC.format(mark="@pytest.mark.asyncio"),
            ["-o", "asyncio_mode=strict"],
            id="asyncio-strict",
        ),
        pytest.param(ANYIO + ASYNC.format(mark="@pytest.mark.anyio"), NO_ASYNCIO, id="anyio"),
    ],
)
def test_fixture_works_in_a_users_suite(tmp_path: Path, source: str, flags: list[str]) -> None:
    """The installed fixture needs no import, whatever plugin runs the test."""
    (tmp_path / "test_user.py").write_text(source)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", *UNUSED]
    scope = ["-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [*command, *flags, *(scope if "no:asyncio" not in flags else []), "test_user.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_fixture_serves_a_plain_test(di_emulator: Emulator) -> None:
    """A test without an event loop can use it."""
    assert get(di_emulator) == 200


async def test_fixture_settles_a_create_in_well_under_a_second(di_emulator: Emulator) -> None:
    """With its defaults a create settles within 0.2 s of real time."""
    body = {"spec": a_spec()}
    async with client(di_emulator) as session, session.post(BASE, json=body) as made:
        id = (await made.json())["dedicated_inference"]["id"]
    truth = di_emulator.truth(id)
    lasts = truth.settled_at - truth.writes[0].accepted_at
    assert lasts / di_emulator.world.time_scale <= 0.2
