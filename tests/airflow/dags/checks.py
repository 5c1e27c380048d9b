"""DAGs of the tests with a whole Airflow."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from di_async.airflow import (
    BatchCreateOperator,
    CreateDeploymentOperator,
    DeleteDeploymentOperator,
    DeploymentSensor,
    temporary,
)

SPEC: dict[str, Any] = {
    "region": "atl1",
    "enable_public_endpoint": True,
    "model_deployments": [
        {
            "model_slug": "mistral/mistral-7b-instruct-v3",
            "model_provider": "hugging_face",
            "accelerators": [
                {"accelerator_slug": "gpu-mi300x1-192gb", "scale": 1, "type": "prefill_decode"}
            ],
        }
    ],
}
EXOSCALE_SPEC = {"model": {"name": "openai/gpt-oss-20b"}, "gpu-type": "gpua5000"}
# A task that is deferred for a few seconds only may be failed by the scheduler, which takes the
# end of its first part for the end of its second one.
SOON: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=1)}


class Traced(CreateDeploymentOperator):
    """A create that leaves the id of its process in a file, so that a test can kill it."""

    def execute(self, context: Any) -> Any:
        """Leave the file and create."""
        ti = context["ti"]
        path = Path(os.environ["DI_ASYNC_PIDS"]) / f"{ti.run_id}.{ti.try_number}"
        unfinished = path.with_suffix(f"{path.suffix}.part")
        unfinished.write_text(f"{os.getpid()} {os.getppid()}")
        unfinished.rename(path)
        return super().execute(context)


with DAG("failing", schedule=None):
    # The deployment fails; its task does, too, and the tear-down still deletes it.
    begin, end = temporary("deploy", conn_id="do", spec=SPEC, **SOON)
    created: Any = begin.output
    wait = DeploymentSensor(
        task_id="wait", conn_id="do", resume_token=created["resume_token"], wait_timeout=300
    )
    begin >> wait >> end

with DAG("many", schedule=None, default_args=SOON):
    # Mapped creates that end in the triggerer, and a batch in one task.
    mapped: Any = CreateDeploymentOperator.partial(
        task_id="mapped", conn_id="do", end_from_trigger=True, wait_timeout=300
    ).expand(spec=[SPEC, SPEC])
    batch: Any = BatchCreateOperator(task_id="batch", conn_id="do", specs=[SPEC] * 20)
    seen: Any = DeploymentSensor(
        task_id="seen",
        conn_id="do",
        id="{{ ti.xcom_pull('batch', key='ids', map_indexes=-1)[0] }}",
        start_from_trigger=True,
        wait_timeout=300,
    )
    batch >> seen
    removed = DeleteDeploymentOperator(
        task_id="remove", conn_id="do", id=mapped.output["id"], name="none"
    )
    removed_batch = DeleteDeploymentOperator(
        task_id="remove_batch", conn_id="do", id=batch.output["ids"]
    )
    seen >> removed_batch

for conn_id, spec in (("do", SPEC), ("exo", EXOSCALE_SPEC)):
    with DAG(f"killed_{conn_id}", schedule=None, max_active_runs=30):
        Traced(
            task_id="deploy",
            conn_id=conn_id,
            spec=spec,
            deferrable=False,
            wait_timeout=300,
            **{**SOON, "retries": 1},
        )

# What `tests.airflow.waits` waits for: so many tasks in each of so many DAGs.
for number in range(int(os.environ.get("DI_ASYNC_WAIT_DAGS", "0"))):
    with DAG(f"waits_{number}", schedule=None):
        for place in range(int(os.environ["DI_ASYNC_WAITS_PER_DAG"])):
            DeploymentSensor(task_id=f"wait_{place}", conn_id="do", id="set by defer_all")
