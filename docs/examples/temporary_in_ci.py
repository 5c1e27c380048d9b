"""Test a model on a GPU that is gone afterwards, whatever happens."""

import asyncio

from di_async import DigitalOcean, reap
from di_async.digitalocean import DedicatedInferenceSpec

SPEC = DedicatedInferenceSpec.of(
    "smoke-test",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


async def main() -> None:
    async with DigitalOcean() as do:
        report = await reap(do)  # what a killed run left behind
        print(
            "left behind:", len(report.deleted), "failed:", len(report.failed)
        )

        temporary = do.dedicated_inferences.temporary(
            SPEC, connect=True, timeout=3600, lifetime=2 * 3600, max_hourly=10
        )
        async with temporary as endpoint, endpoint.openai() as llm:
            answer = await llm.chat.completions.create(
                model=endpoint.models[0],
                messages=[{"role": "user", "content": "Say hello."}],
            )
            assert answer.choices[0].message.content, "an empty answer"

        left = await do.dedicated_inferences.list()
        print("instances left:", len(left))


asyncio.run(main())
