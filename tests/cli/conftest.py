"""Fixtures that call `di-async` in this process, against an emulator."""

import os
import signal
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from di_async.cli.app import app
from di_async.emulator import Emulator, Options
from tests.cli.helpers import HF_TOKEN, Di, Result
from tests.support import SteppingClock


@pytest.fixture
def di_emulator_options() -> Options:
    """Advance ten emulated seconds per request, so that no test depends on real time."""
    return {"time_scale": 100.0, "clock": SteppingClock(0.1).read}


@pytest.fixture
def default_signals() -> Iterator[None]:
    """Let child processes start with SIGINT and SIGHUP enabled, even where they are ignored here.

    A background job of a shell ignores the one, `nohup` the other, and children inherit that.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if os.name != "nt":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def environment(di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables that point `di-async` at the emulator; unset the others of their kind."""
    for name in ("DI_ASYNC_DURATIONS", "DI_ASYNC_PROVIDER", "EXOSCALE_ZONE", "GCORE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "DI_ASYNC_BASE_URL": di_emulator.url,
        "DI_ASYNC_TARGET_LAG": "0.02",
        "DIGITALOCEAN_TOKEN": di_emulator.token,
        "EXOSCALE_API_KEY": di_emulator.exoscale_api_key,
        "EXOSCALE_API_SECRET": di_emulator.exoscale_api_secret,
        "GCORE_API_KEY": di_emulator.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(di_emulator.gcore_project_id),
        "HF_TOKEN": HF_TOKEN,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def di(environment: dict[str, str]) -> Di:
    """The function that calls `di-async`."""
    return call


def call(*args: str, input: str | None = None) -> Result:
    """Call `di-async` in this process."""
    result = CliRunner().invoke(app, args, input=input)
    return Result(result.exit_code, result.stdout, result.stderr)
