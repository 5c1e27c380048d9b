"""Tests of the programs that the migration page shows beside each other."""

import re
from pathlib import Path
from typing import Any

import pytest

from di_async.emulator import Lifecycle, threaded
from tests.reader import emulator_environment, run

__all__ = ["emulator_environment"]  # a fixture
PAGE = Path(__file__).parents[2] / "docs" / "migration" / "pydo.md"
PROGRAMS = dict(
    re.findall(
        r'^```python title="(\w+)"\n(.*?)^```$',
        PAGE.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
)
VPC = "997615ce-132d-4bae-9270-9ee21b395e5d"


def test_program_with_pydo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The vendor's program makes the same deployment; it needs TLS, and sleeps between reads."""
    ca_file = tmp_path / "ca.pem"
    with threaded(seed=0, time_scale=1000, tls=True, lifecycle=Lifecycle(create=10)) as emulator:
        ca_file.write_text(emulator.ca_pem)
        monkeypatch.setenv("DIGITALOCEAN_TOKEN", emulator.token)
        monkeypatch.setenv("VPC", VPC)
        client = f"Client(endpoint={emulator.url!r}, connection_verify={str(ca_file)!r}, token="
        run(PROGRAMS["pydo"].replace("Client(token=", client).replace("sleep(5)", "sleep(0.05)"))
        assert emulator.world.created["my-llm"] == 1


def test_program_with_di_async(
    emulator_environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Our program needs no change to run."""
    monkeypatch.setenv("VPC", VPC)
    run(PROGRAMS["di_async"])
    assert capsys.readouterr().out.startswith("https://")
    assert emulator_environment.world.created["my-llm"] == 1
