"""Tests of `docs/examples`: each runs against the emulator and prints what its page shows."""

import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from di_async.core.waiting.resume_token import ResumeToken
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


@pytest.fixture
def service() -> Any:
    """Return the module of the FastAPI service."""
    names: dict[str, Any] = {"__name__": "fastapi_service"}
    code = (EXAMPLES / "fastapi_service.py").read_text(encoding="utf-8")
    exec(compile(code, "fastapi_service.py", "exec", dont_inherit=True), names)  # noqa: S102
    pytest.importorskip("httpx2", reason="Starlette's test client needs it")
    return names


def followed(browser: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Follow a deployment and return the events."""
    return events_of(browser.get(path).text)


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a stream: each with its kind and data."""
    found = re.findall(r"^event: (.*)\ndata: (.*)$", text, flags=re.MULTILINE)
    return [(kind, json.loads(data)) for kind, data in found]


NEW = "/deployments?name=web&model=openai/gpt-oss-20b"


def test_fastapi_service(emulator_environment: Any, service: Any) -> None:
    """A deployment is started, followed to its end, and deleted."""
    from fastapi.testclient import TestClient

    with TestClient(service["app"]) as browser:
        started = browser.post(NEW)
        assert started.status_code == 202
        id, token = started.json()["id"], started.json()["token"]
        assert token.startswith("di_")
        *steps, (kind, done) = followed(browser, f"/deployments/{id}/events")
        assert kind == "done"
        assert done["url"].startswith("https://")
        assert {kind for kind, _ in steps} == {"step"}
        assert steps[-1][1]["outcome"] == "settled"

        deletion = browser.delete(f"/deployments/{id}")
        assert deletion.json() == {"id": id, "already_gone": False}
        path = f"/deployments/{id}/events?deleted=true"
        assert followed(browser, path)[-1] == ("done", {"url": None})
    assert not emulator_environment.world.instances


def test_fastapi_service_has_a_status_for_each_error(
    emulator_environment: Any, service: Any
) -> None:
    """Input is refused with 400, a taken name with 409; a provider that refuses is 502."""
    from fastapi.testclient import TestClient

    with TestClient(service["app"]) as browser:
        browser.post(NEW)
        taken = browser.post(NEW)
        assert (taken.status_code, taken.json()["error"]) == (409, "ConflictError")
        assert browser.post("/deployments?name=not+valid&model=m").status_code == 400
        invalid = browser.get("/deployments/x/events", headers={"Last-Event-ID": "x"})
        assert invalid.status_code == 400
        emulator_environment.fault("status", on="POST /v2/dedicated-inferences", status=401)
        refused = browser.post("/deployments?name=two&model=openai/gpt-oss-20b")
        assert refused.status_code == 502


def test_fastapi_service_deletes_what_fails(emulator_environment: Any, service: Any) -> None:
    """A failed deployment is deleted, and its reader gets an event without Python's words."""
    from fastapi.testclient import TestClient

    emulator_environment.fault("no_capacity", region="atl1")
    with TestClient(service["app"]) as browser:  # waits for tasks in the background
        id = browser.post(NEW).json()["id"]
        path = f"/deployments/{id}/events?deleted=true"
        assert followed(browser, path)[-1] == ("done", {"url": None})
    assert not emulator_environment.world.instances


@pytest.mark.slow
def test_fastapi_service_stops_while_somebody_reads(emulator_environment: Any) -> None:
    """After SIGTERM the open stream ends with a resume token, and uvicorn exits without errors."""
    emulator_environment.fault("stuck", on="POST /v2/dedicated-inferences")
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "fastapi_service:app"]
    path = os.pathsep.join((str(EXAMPLES), str(Path.cwd())))
    with subprocess.Popen(  # noqa: S603 - this interpreter
        command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            log = ""
            while "running on" not in log:
                log += server.stderr.readline() or pytest.fail(log)
            port = int(log.rpartition("127.0.0.1:")[2].split()[0])
            service = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            service.request("POST", NEW)
            id = json.loads(service.getresponse().read())["id"]
            service.request("GET", f"/deployments/{id}/events")
            stream = service.getresponse()
            assert stream.readline() == b": following\n"
            server.terminate()
            *_, last = re.findall(
                r"^event: (.*)\ndata: (.*)$", stream.read().decode(), re.MULTILINE
            )
            assert last[0] == "stopping"
            assert ResumeToken.decode(json.loads(last[1])["resume_token"]).resource.id == id
            log = server.stderr.read()
            server.wait(20)
            stream.close()
            service.close()
        finally:
            server.kill()
    assert "Application shutdown complete" in log
    assert "Waiting for connections" not in log
    assert "Traceback" not in log


@pytest.mark.half
@pytest.mark.parametrize(
    ("name", "tests"), [("test_service.py", 3), ("test_slow_deployment.py", 2), ("emulator.md", 1)]
)
def test_tests_of_a_service(name: str, tests: int, tmp_path: Path) -> None:
    """The tests pass in another project, with the defaults of pytest-asyncio."""
    page = EXAMPLES.parent / name
    code = (page if page.exists() else EXAMPLES / name).read_text(encoding="utf-8")
    copy = tmp_path / "test_copy.py"
    copy.write_text(code.split("```python\n")[-2].split("```")[0] if page.exists() else code)
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(copy)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr


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
