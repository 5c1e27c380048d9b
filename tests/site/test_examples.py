"""Tests of `docs/examples`: each runs against the emulator and prints what its page shows."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from di_async.emulator import Lifecycle
from tests.reader import emulator_environment, run
from tests.site import EXAMPLES, OUTPUT, SCRIPTS

__all__ = ["emulator_environment"]  # a fixture
PAGES = list(EXAMPLES.parent.rglob("*.md"))
STEP = re.compile(r" *\d+\.\d s  ")


@pytest.fixture
def di_emulator_options() -> dict[str, Any]:
    """Return options with which a create takes a hundredth of a second."""
    lifecycle = Lifecycle(create=10, update=8, delete=5)
    return {"time_scale": 1000.0, "lifecycle": lifecycle}


def masked(text: str) -> list[str]:
    """Return the lines without numbers, and without the steps of waits, which vary with time."""
    return [re.sub(r"\d+", "0", line) for line in text.splitlines() if not STEP.match(line)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_prints_what_its_page_shows(
    script: Path,
    emulator_environment: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`python -m tests.site` writes the output that pages show."""
    monkeypatch.chdir(tmp_path)
    run(script.read_text(encoding="utf-8"), script.name)
    printed = capsys.readouterr().out
    shown = (OUTPUT / f"{script.stem}.txt").read_text(encoding="utf-8")
    assert sorted(masked(printed)) == sorted(masked(shown))  # what ends together has no order


def test_notebook(emulator_environment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The cells run in order, and leave nothing behind."""
    run((EXAMPLES / "notebook.py").read_text(encoding="utf-8"), "notebook.py")
    assert "settled" in capsys.readouterr().out
    assert emulator_environment.world.created["notebook"] == 1


def test_fastapi_service(emulator_environment: Any) -> None:
    """A deployment is started and followed to its end; errors have a status."""
    names: dict[str, Any] = {"__name__": "fastapi_service"}
    code = (EXAMPLES / "fastapi_service.py").read_text(encoding="utf-8")
    exec(compile(code, "fastapi_service.py", "exec", dont_inherit=True), names)  # noqa: S102
    pytest.importorskip("httpx2", reason="Starlette's test client needs it")
    from fastapi.testclient import TestClient

    with TestClient(names["app"]) as browser:
        started = browser.post(
            "/deployments", params={"name": "web", "model": "openai/gpt-oss-20b"}
        )
        assert started.status_code == 202
        token = started.json()["token"]
        followed = browser.get("/deployments/events", params={"token": token}).text
        assert "data: " in followed
        assert "event: ready\ndata: https://" in followed
        again = browser.post("/deployments", params={"name": "web", "model": "openai/gpt-oss-20b"})
        assert again.status_code == 409
        invalid = browser.post("/deployments", params={"name": "not valid", "model": "m"})
        assert invalid.status_code == 400
        assert browser.get("/deployments/events", params={"token": "x"}).status_code == 400


def test_tests_of_a_service(tmp_path: Path) -> None:
    """The tests pass in another project."""
    copy = tmp_path / "test_service.py"
    copy.write_bytes((EXAMPLES / "test_service.py").read_bytes())
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_is_on_a_page_and_tested(script: Path) -> None:
    """A page includes the script, and its output; without an output, some test names the script."""
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert f'"docs/examples/{script.name}' in pages
    if script in SCRIPTS:
        assert f'"docs/examples/output/{script.stem}.txt' in pages
    elif script.stem != "airflow_fleet":  # runs in Airflow; tests/airflow
        tests = Path(__file__).parents[1].rglob("test_*.py")
        assert any(script.name in test.read_text(encoding="utf-8") for test in tests)
