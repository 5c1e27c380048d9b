"""Create ten deployments, wait for all, scan, and delete these ten."""

import asyncio

from di_async import DIError, DigitalOcean, as_completed, scan, wait_all
from di_async.digitalocean import DedicatedInferenceSpec


def spec(number: int) -> DedicatedInferenceSpec:
    return DedicatedInferenceSpec.of(
        f"llm-{number}",
        region="tor1",
        model_slug="openai/gpt-oss-20b",
        accelerator_slug="gpu-h100x1-80gb",
    )


async def main() -> None:
    async with DigitalOcean() as do:
        creates = [
            do.dedicated_inferences.create(spec(number)) for number in range(10)
        ]
        changes = await asyncio.gather(*creates)  # spaced by the budget

        async for change in as_completed(changes, timeout=3600):
            try:
                di = await change
            except DIError as error:
                print("failed:", error)
            else:
                print("ready:", di.name)

        print(await scan(do))  # the whole account

        deletions = [  # only what this script has created
            await do.dedicated_inferences.delete(change.id)
            for change in changes
        ]
        report = await wait_all(deletions, timeout=600)
        print(report)  # one failure does not end the others


asyncio.run(main())
