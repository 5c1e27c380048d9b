"""Make the account agree with a spec, as often as you run this."""

import asyncio
from typing import Any

from di_async import DigitalOcean


def spec(replicas: int) -> dict[str, Any]:
    return {
        "name": "ensured",
        "region": "atl1",
        "model_deployments": [
            {
                "model_slug": "openai/gpt-oss-20b",
                "accelerators": [
                    {
                        "accelerator_slug": "gpu-mi300x1-192gb",
                        "scale": replicas,
                    }
                ],
            }
        ],
    }


async def main() -> None:
    async with DigitalOcean() as do:
        await ensure(do, spec(replicas=1))  # created
        await ensure(do, spec(replicas=1))  # unchanged: no write is sent
        await ensure(do, spec(replicas=2))  # updated


async def ensure(do: DigitalOcean, spec: dict[str, Any]) -> None:
    done = await do.dedicated_inferences.ensure(spec)
    print(done.action, *done.diff, sep="\n  ")
    if done.change is not None:  # None after dry_run=True
        await done.change.wait(timeout=3600)  # ready, with this spec


asyncio.run(main())
