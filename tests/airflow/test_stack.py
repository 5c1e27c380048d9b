"""Tests with a whole Airflow: scheduler, DAG processor, API server and two triggerers."""

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("airflow.sdk", reason="needs the extra `airflow`")

from tests.airflow.stack import ROOT, Airflow, Emulator, stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Airflow, Emulator]]:
    """Run a whole Airflow with the DAGs of these tests and the example."""
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    dags.mkdir()
    for path in (ROOT / "tests/airflow/dags/checks.py", ROOT / "docs/examples/airflow_fleet.py"):
        (dags / path.name).symlink_to(path)
    with stack(folder / "home", dags) as started:
        yield started


def test_dags_run(parts: tuple[Airflow, Emulator]) -> None:
    """The example runs green, as do mapped tasks, a batch, and waits without workers.

    A deployment that fails makes its task fail with the story in its log, and the tear-down still
    deletes it.
    """
    airflow, emulator = parts
    airflow.await_dag("failing")
    emulator.fault("error", on="POST /v2/dedicated-inferences")
    airflow.run_dag("failing", "r1")
    airflow.await_task("failing", "r1", "deploy")
    airflow.run_dag("airflow_fleet", "r1")
    airflow.run_dag("many", "r1")
    states = {
        dag: airflow.wait_for_run(dag, "r1", 600) for dag in ("failing", "airflow_fleet", "many")
    }
    for dag in ("airflow_fleet", "many"):
        tasks = airflow.tasks(dag, "r1")
        assert states[dag] == "success", tasks
        assert set(tasks.values()) == {"success"}
    assert states["failing"] == "failed"
    assert airflow.tasks("failing", "r1") == {
        "deploy": "success",
        "wait": "failed",
        "deploy_teardown": "success",
    }
    log = airflow.log("failing", "r1", "wait")
    assert "DeploymentFailedError" in log
    assert "delete(id)` ends the cost" in log
    assert len(airflow.xcom("many", "r1", "batch")) == 20
    # What a trigger passes on arrives as a worker would pass it on.
    ended_by_trigger = airflow.xcom("many", "r1", "seen")
    assert ended_by_trigger["id"] == airflow.xcom("many", "r1", "batch", "ids")[0]
    assert ended_by_trigger["endpoint"] == airflow.xcom("many", "r1", "seen", "endpoint")
    # No deployment is left, and no secret is in what tasks passed on.
    living = [one["name"] for one in emulator.state()["instances"] if one["status"] != "deleting"]
    assert living == ["openai/gpt-oss-20b"]  # a model, which the emulator has from the start
    passed_on = json.dumps(airflow.xcom("airflow_fleet", "r1", "wait_atl1"))
    assert emulator.token not in passed_on
    assert "token_value" not in passed_on


def test_connection_is_known(parts: tuple[Airflow, Emulator]) -> None:
    """Airflow lists the provider and its connection types."""
    airflow, _ = parts
    providers = airflow.api("GET", "/providers?limit=100")["providers"]
    assert "di-async" in {one["package_name"] for one in providers}
    hooks = airflow.command("providers", "hooks")
    for name in ("digitalocean_inference", "gcore_inference", "exoscale_inference"):
        assert name in hooks
