"""One of several programs on a token: what to share, and what to keep."""

import asyncio
from pathlib import Path

from di_async import (
    DigitalOcean,
    DurationModel,
    PollPolicy,
    RequestBudget,
    wait_all,
)
from di_async.digitalocean import DedicatedInferenceSpec

DURATIONS = Path("durations.json")


async def main() -> None:
    # Clients of one process share one object.
    budget = RequestBudget(per_minute=250, per_hour=5000)
    durations = DurationModel.load(DURATIONS)  # empty the first time
    polling = PollPolicy(durations=durations)
    async with (
        DigitalOcean(budget=budget, polling=polling) as blue,
        DigitalOcean(budget=budget, polling=polling) as green,
    ):
        changes = [
            await client.dedicated_inferences.create(
                DedicatedInferenceSpec.of(
                    f"{name}-llm",
                    region="atl1",
                    model_slug="openai/gpt-oss-20b",
                    accelerator_slug="gpu-mi300x1-192gb",
                )
            )
            for name, client in {"blue": blue, "green": green}.items()
        ]
        print(await wait_all(changes, timeout=3600))
    # the next run plans its reads with what this one learned
    durations.save(DURATIONS)
    print("saved", DURATIONS)


asyncio.run(main())
