"""Chat over a private endpoint, from a machine in its VPC network."""

import asyncio

from di_async import DigitalOcean
from di_async.digitalocean import DedicatedInferenceSpec

SPEC = DedicatedInferenceSpec.of(
    "internal",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
    vpc="997615ce-132d-4bae-9270-9ee21b395e5d",
    enable_public_endpoint=False,
)


async def main() -> None:
    async with DigitalOcean() as do:
        change = await do.dedicated_inferences.create(SPEC)
        # The instance's own CA is fetched and trusted.
        endpoint = await change.connect(private=True, timeout=3600)
        async with endpoint.openai() as llm:
            answer = await llm.chat.completions.create(
                model=endpoint.models[0],
                messages=[{"role": "user", "content": "Hello"}],
            )
            print(answer.choices[0].message.content)
        await (await do.dedicated_inferences.delete(change.id))


asyncio.run(main())
