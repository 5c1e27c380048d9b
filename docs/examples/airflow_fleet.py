"""Deploy a fleet in three regions, wait until it answers, smoke-test it, run a batch, tear down.

It needs the connection `do` (type digitalocean_inference). See docs/airflow.md.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from airflow.sdk import DAG, Variable, task

from di_async.airflow import (
    DedicatedInferenceHook,
    WaitUntilAnsweringOperator,
    temporary,
)

REGIONS = ["atl1", "nyc2", "tor1"]
PROMPTS = [f"Name the country whose telephone code is +{code}." for code in range(30, 60)]


def spec(region: str) -> dict[str, Any]:
    """Return the spec of one region. It has no name, so it gets one from DAG, run and task."""
    accelerator = {"accelerator_slug": "{{ params.gpu }}", "scale": 1, "type": "prefill_decode"}
    return {
        "region": region,
        "enable_public_endpoint": True,
        "model_deployments": [
            {
                "model_slug": "mistral/mistral-7b-instruct-v3",
                "model_provider": "hugging_face",
                "accelerators": [accelerator],
            }
        ],
    }


def token_variable(region: str) -> str:
    """Return the Variable that holds the key of a region's endpoint."""
    return f"fleet_{region}_token"


async def ask(id: str, region: str, prompts: list[str]) -> list[str]:
    """Return a deployment's answers to prompts."""
    key = await asyncio.to_thread(Variable.get, token_variable(region))
    async with DedicatedInferenceHook("do").client() as client:
        api: Any = DedicatedInferenceHook("do").api(client)
        endpoint = await api.connect(id, timeout=60, access_token=key)
    answers = []
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for prompt in prompts:
            body = {
                "model": endpoint.models[0],
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": 30,
            }
            url = f"{endpoint.base_url}/chat/completions"
            tls: Any = endpoint.ssl_context or True
            async with session.post(url, json=body, ssl=tls) as answer:
                answer.raise_for_status()
                found = await answer.json()
                answers.append(found["choices"][0]["message"]["content"])
    return answers


@task
def smoke_test(id: str, region: str) -> dict[str, str]:
    """Ask an endpoint one question; return where it is."""
    if not asyncio.run(ask(id, region, ["Are you there?"])):
        raise ValueError(f"{id} in {region} gave no answer")
    return {"id": id, "region": region}


@task
def run_batch(fleet: list[dict[str, str]]) -> list[str]:
    """Send the prompts to all endpoints at once, each its share."""

    async def run() -> list[str]:
        shares = [PROMPTS[number :: len(fleet)] for number in range(len(fleet))]
        found = await asyncio.gather(
            *(
                ask(one["id"], one["region"], share)
                for one, share in zip(fleet, shares, strict=True)
            )
        )
        return [answer for answers in found for answer in answers]

    return asyncio.run(run())


@task
def report(answers: list[str], fleet: list[dict[str, str]]) -> str:
    """Log how the batch went."""
    text = f"{len(answers)} prompts answered by {len(fleet)} endpoints"
    print(text)  # Airflow logs it
    return text


with DAG(
    dag_id="airflow_fleet",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    schedule=None,
    catchup=False,
    params={"gpu": "gpu-mi300x1-192gb"},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=10)},
):
    fleet: list[Any] = []
    teardowns = []
    for region in REGIONS:
        create, delete = temporary(
            f"deploy_{region}",
            conn_id="do",
            spec=spec(region),
            token_variable=token_variable(region),
        )
        made: Any = create.output
        answering = WaitUntilAnsweringOperator(
            task_id=f"wait_{region}",
            conn_id="do",
            id=made["id"],
            token_variable=token_variable(region),
            wait_timeout=timedelta(hours=1),
        )
        smoke: Any = smoke_test.override(task_id=f"smoke_test_{region}")(made["id"], region)
        answering >> smoke
        fleet.append(smoke)
        teardowns.append(delete)
    batch: Any = run_batch
    reported: Any = report
    reported(batch(fleet), fleet) >> teardowns
