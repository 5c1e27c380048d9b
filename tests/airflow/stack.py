"""A whole Airflow on 127.0.0.1 for tests: its parts, one by one, and an emulator of the APIs.

`airflow standalone` is not used, because it listens on all interfaces. Logs are not served.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from attrs import define, field

ROOT = Path(__file__).parents[2]
START_S = 240.0
"""Seconds that a part may take to start, on a busy machine."""
DONE = {"success", "failed"}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@define(eq=False)
class Emulator:
    """The emulator process."""

    process: "subprocess.Popen[str]"
    url: str
    token: str
    exoscale: dict[str, str]
    gcore: dict[str, Any]
    control_key: str
    placed: list[tuple[str, float]]
    """Id and the epoch second at which it settles."""

    @classmethod
    def start(cls, home: Path, *arguments: str) -> "Emulator":
        """Start one."""
        command = [sys.executable, "-m", "tests.airflow.emulate", *arguments]
        with (home / "emulator.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdout is not None
        return cls(process, **json.loads(process.stdout.readline()))

    def state(self) -> dict[str, Any]:
        """Return the emulator's state: time, resources, request statistics."""
        found: dict[str, Any] = request("GET", f"{self.url}/_emulator/state", key=self.control_key)
        return found

    def fault(self, kind: str, **settings: Any) -> None:
        """Arm a fault."""
        request(
            "POST", f"{self.url}/_emulator/faults", {"kind": kind, **settings}, key=self.control_key
        )

    def connections(self, **extra: Any) -> dict[str, str]:
        """Return the environment variables of one connection for each provider."""
        fast = {"polling": {"target_lag": 1}, **extra}
        made = {
            "do": {"conn_type": "digitalocean_inference", "password": self.token, "extra": fast},
            "gcore": {
                "conn_type": "gcore_inference",
                "password": self.gcore["key"],
                "extra": {**fast, "project_id": self.gcore["project_id"]},
            },
            "exo": {
                "conn_type": "exoscale_inference",
                "login": self.exoscale["key"],
                "password": self.exoscale["secret"],
                "extra": fast,
            },
        }
        return {
            f"AIRFLOW_CONN_{name.upper()}": json.dumps({"host": self.url, **fields})
            for name, fields in made.items()
        }


def request(
    method: str, url: str, body: Any = None, token: str | None = None, key: str | None = None
) -> Any:
    """Send a request and return its JSON."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if key:
        headers["x-emulator-key"] = key
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310
    with urllib.request.urlopen(sent, timeout=60) as answer:  # noqa: S310 - loopback only
        text = answer.read()
    return json.loads(text) if text else None


@define(eq=False)
class Airflow:
    """The parts of one Airflow."""

    home: Path
    environment: dict[str, str]
    port: int
    parts: "dict[str, subprocess.Popen[bytes]]" = field(factory=dict)
    _token: str = ""
    _logs: list[IO[bytes]] = field(factory=list)

    @classmethod
    def prepare(
        cls,
        home: Path,
        dags: Path,
        variables: Mapping[str, str],
        *,
        database: str | None = None,
        parallelism: int = 8,
    ) -> "Airflow":
        """Make an Airflow home and its database."""
        home.mkdir(parents=True, exist_ok=True)
        port = free_port()
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DI_ASYNC"))}
        settings = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "5000",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__FERNET_KEY": "cSbUNqvPWcbRjyH8uEtMKc0QAV_A7rgvwTURAxJJTzI=",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-the-tests-only-0123456789abcdef",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database or f"sqlite:///{home}/airflow.db",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
            "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "NO_PROXY": "*",
            **variables,
        }
        made = cls(home, {**keep, **settings}, port)
        made.command("db", "migrate")
        return made

    def command(self, *arguments: str) -> str:
        """Run an `airflow` command and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, name: str, *arguments: str, **variables: str) -> None:
        """Start a part; its output goes to `<name>.log`."""
        log = (self.home / f"{name}.log").open("ab")
        self._logs.append(log)
        self.parts[name] = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            env={**self.environment, **variables},
            cwd=self.home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def start_api(self) -> None:
        """Start the API server, and return when it answers."""
        self.start("api-server", "api-server", "--host", "127.0.0.1", "--port", str(self.port))
        until = time.monotonic() + START_S
        while True:
            try:
                self._token = request("GET", f"http://127.0.0.1:{self.port}/auth/token")[
                    "access_token"
                ]
                break
            except (OSError, urllib.error.URLError):
                if time.monotonic() > until or self.parts["api-server"].poll() is not None:
                    raise
                time.sleep(1)

    def start_all(self, triggerers: int = 2) -> None:
        """Start every part, and return when the API answers."""
        self.start_api()
        self.start("scheduler", "scheduler", "--skip-serve-logs")
        self.start("dag-processor", "dag-processor")
        for number in range(triggerers):
            self.start_triggerer(f"triggerer-{number + 1}")

    def start_triggerer(self, name: str, *arguments: str) -> None:
        """Start a triggerer."""
        self.start(name, "triggerer", "--skip-serve-logs", *arguments)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call Airflow's REST API."""
        try:
            return request(method, f"http://127.0.0.1:{self.port}/api/v2{path}", body, self._token)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None

    def await_dag(self, dag_id: str) -> None:
        """Wait until a DAG is known."""
        until = time.monotonic() + START_S
        while True:
            try:
                self.api("PATCH", f"/dags/{dag_id}", {"is_paused": False})
                break
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)

    def run_dag(self, dag_id: str, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Wait until a DAG is known, and start a run of it."""
        self.await_dag(dag_id)
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        try:
            self.api("POST", f"/dags/{dag_id}/dagRuns", body)
        except RuntimeError:  # sqlite may be locked
            time.sleep(5)
            self.api("POST", f"/dags/{dag_id}/dagRuns", body)

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 300) -> str:
        """Wait until a run has ended, and return its state."""
        until = time.monotonic() + timeout
        while (state := self.state(dag_id, run_id)) not in DONE:
            if time.monotonic() > until:
                raise TimeoutError(f"{dag_id} {run_id} is {state}: {self.tasks(dag_id, run_id)}")
            time.sleep(1)
        return state

    def await_task(self, dag_id: str, run_id: str, task_id: str, timeout: float = 300) -> None:
        """Wait until a task of a run has ended."""
        until = time.monotonic() + timeout
        while self.tasks(dag_id, run_id).get(task_id) not in DONE:
            if time.monotonic() > until:
                raise TimeoutError(f"{dag_id}.{task_id}: {self.tasks(dag_id, run_id)}")
            time.sleep(1)

    def instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found: list[dict[str, Any]] = []
        while True:
            page = self.api("GET", f"{path}?limit=100&offset={len(found)}")
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the state of each task instance of a run."""
        return {
            f"{one['task_id']}[{one['map_index']}]" if one["map_index"] >= 0 else one["task_id"]: (
                one["state"]
            )
            for one in self.instances(dag_id, run_id)
        }

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return everything that the tries of a task, and its triggers, logged."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        found = sorted(folder.rglob("*.log*"))
        return "\n".join(
            one.read_text(errors="replace") for one in found if f"task_id={task_id}" in str(one)
        )

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.api("GET", f"{path}?deserialize=true")["value"]

    def memory_mb(self, name: str) -> float:
        """Return the resident memory of a part and its children, in MB."""
        group = os.getpgid(self.parts[name].pid)
        total = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, ValueError):
                    if os.getpgid(int(entry.name)) == group:
                        total += int((entry / "statm").read_text().split()[1])
        return total * os.sysconf("SC_PAGE_SIZE") / 1e6

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        """End a part and its children."""
        process = self.parts.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sig)
        process.wait()

    def stop(self) -> None:
        """End every part."""
        for name in list(self.parts):
            self.kill(name)
        for log in self._logs:
            log.close()


@contextmanager
def stack(
    home: Path,
    dags: Path,
    *emulator_arguments: str,
    triggerers: int = 2,
    database: str | None = None,
    variables: Mapping[str, str] | None = None,
    start: bool = True,
    **extra: Any,
) -> Iterator[tuple[Airflow, Emulator]]:
    """Run an emulator and an Airflow that knows it as the connections `do`, `gcore` and `exo`."""
    home.mkdir(parents=True, exist_ok=True)
    emulator = Emulator.start(home, *emulator_arguments)
    try:
        settings = {**emulator.connections(**extra), **(variables or {})}
        airflow = Airflow.prepare(home, dags, settings, database=database)
        try:
            if start:
                airflow.start_all(triggerers)
            yield airflow, emulator
        finally:
            airflow.stop()
    finally:
        emulator.process.kill()
        emulator.process.communicate()
