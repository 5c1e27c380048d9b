"""Deploy a fleet in three regions, wait until it answers, smoke-test it, run a batch, tear down.

Connections: `do` (type digitalocean_inference). See docs/airflow.md.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Variable, task

from di_async.airflow import WaitUntilAnsweringOperator, temporary

REGIONS = ["atl1", "nyc2", "tor1"]
PROMPTS = ["Name a prime.", "Name a color.", "Name a river."]


def spec(region: str) -> dict[str, Any]:
    """Return the spec of one region. It has no name, so it gets one from DAG, run and task."""
    return {
        "region": region,
        "enable_public_endpoint": True,
        "model_deployments": [
            {
                "model_slug": "mistral/mistral-7b-instruct-v3",
                "model_provider": "hugging_face",
                "accelerators": [
                    {
                        "accelerator_slug": "{{ params.gpu }}",
                        "scale": 1,
                        "type": "prefill_decode",
                    }
                ],
            }
        ],
    }


@task
def smoke_test(endpoint: dict[str, Any], token_variable: str) -> dict[str, Any]:
    """Ask each model of an endpoint one question."""
    import asyncio

    from di_async.airflow import DedicatedInferenceHook

    key = Variable.get(token_variable)

    async def ask() -> list[str]:
        async with DedicatedInferenceHook("do").client() as client:
            api = client.dedicated_inferences  # type: ignore[attr-defined]
            serving = await api.connect(endpoint["id"], timeout=60, access_token=key)
            return list(serving.models)

    return {**endpoint, "models": asyncio.run(ask())}


@task(retries=2)
def run_batch(endpoints: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send the prompts to the endpoints, one after the other."""
    return [
        {"prompt": prompt, "endpoint": endpoints[number % len(endpoints)]["endpoint"]}
        for number, prompt in enumerate(PROMPTS)
    ]


@task
def report(answers: list[dict[str, Any]]) -> str:
    """Log how the batch went."""
    text = f"{len(answers)} prompts over {len({one['endpoint'] for one in answers})} endpoints"
    print(text)  # noqa: T201 - Airflow logs it
    return text


with DAG(
    dag_id="airflow_fleet",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule=None,
    catchup=False,
    params={"gpu": "gpu-mi300x1-192gb"},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
):
    tested = []
    removals = []
    for region in REGIONS:
        variable = f"fleet_{region}_token"
        create, delete = temporary(
            f"deploy_{region}", conn_id="do", spec=spec(region), token_variable=variable
        )
        answering = WaitUntilAnsweringOperator(
            task_id=f"wait_{region}",
            conn_id="do",
            id=create.output["id"],  # type: ignore[index]
            token_variable=variable,
            wait_timeout=timedelta(hours=1),
        )
        test: Any = smoke_test.override(task_id=f"smoke_test_{region}")
        tested.append(test(answering.output, variable))
        removals.append(delete)
    report(run_batch(tested)) >> removals  # type: ignore[arg-type]
