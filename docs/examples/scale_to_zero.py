"""Scale to zero: automatically at Gcore, on request at Exoscale."""

import asyncio

from di_async import Exoscale, Gcore


async def at_gcore() -> None:
    async with Gcore() as gcore:
        change = await gcore.inference_deployments.create(
            {
                "name": "sleepy",
                "image": "vllm/vllm-openai:latest",
                "listening_port": 80,
                "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
                "containers": [
                    {
                        "region_id": 7,
                        # no instance while no request comes for five minutes
                        "scale": {"min": 0, "max": 1, "cooldown_period": 300},
                    }
                ],
            }
        )
        deployment = await change.wait(timeout=7200)
        # PENDING: ready, and scaled to zero
        print(deployment.name, deployment.status)
        await (await gcore.inference_deployments.delete("sleepy"))


async def at_exoscale() -> None:
    async with Exoscale(zone="ch-gva-2") as exo:
        model = await (await exo.models.create("openai/gpt-oss-20b"))
        change = await exo.deployments.create(
            {"name": "office-hours", "model": model, "gpu-type": "gpua5000"}
        )
        deployment = await change.wait(timeout=3600)
        # in the evening: no GPUs
        await (await exo.deployments.scale(deployment.id, 0))
        await (await exo.deployments.scale(deployment.id, 1))  # in the morning
        deployment = await exo.deployments.get(deployment.id)
        print(deployment.name, deployment.state)
        await (await exo.deployments.delete(deployment.id))


asyncio.run(at_gcore())
asyncio.run(at_exoscale())
