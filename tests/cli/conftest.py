"""A way to call `di-async` in this process, aimed at an emulator."""

import pytest
from typer.testing import CliRunner

from di_async.cli.app import app
from di_async.emulator import Emulator, Options
from tests.cli.helpers import HF_TOKEN, Called, Di
from tests.support import AskedTime


@pytest.fixture
def di_emulator_options() -> Options:
    """Ten world seconds pass with each request: no test is a race with the machine."""
    return {"time_scale": 100.0, "clock": AskedTime(0.1).read}


@pytest.fixture
def environment(di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that aim `di-async` at the emulator's clouds, set; others of that kind not."""
    for name in ("DI_ASYNC_PROVIDER", "EXOSCALE_ZONE", "GCORE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    told = {
        "DI_ASYNC_BASE_URL": di_emulator.url,
        "DI_ASYNC_TARGET_LAG": "0.02",
        "DIGITALOCEAN_TOKEN": di_emulator.token,
        "EXOSCALE_API_KEY": di_emulator.exoscale_api_key,
        "EXOSCALE_API_SECRET": di_emulator.exoscale_api_secret,
        "GCORE_API_KEY": di_emulator.gcore_api_key,
        "GCORE_CLOUD_PROJECT_ID": str(di_emulator.gcore_project_id),
        "HF_TOKEN": HF_TOKEN,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return told


@pytest.fixture
def di(environment: dict[str, str]) -> Di:
    """`di-async` with these arguments."""
    return call


def call(*args: str, input: str | None = None) -> Called:
    """Call `di-async` in this process."""
    result = CliRunner().invoke(app, args, input=input)
    return Called(result.exit_code, result.stdout, result.stderr)
