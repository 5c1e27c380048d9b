"""Deploy a model, wait until it answers, chat with it and delete it."""

import asyncio

from di_async import DigitalOcean
from di_async.digitalocean import DedicatedInferenceSpec

SPEC = DedicatedInferenceSpec.of(
    "chat",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


async def main() -> None:
    async with DigitalOcean() as do:
        change = await do.dedicated_inferences.create(SPEC)
        endpoint = await change.connect(timeout=3600)  # settled, then answering
        print(endpoint.base_url, *endpoint.models)
        for step in endpoint.history[-2:]:
            print(step.note)

        async with endpoint.openai() as llm:  # an openai.AsyncOpenAI
            answer = await llm.chat.completions.create(
                model=endpoint.models[0],
                messages=[{"role": "user", "content": "Why is the sky blue?"}],
            )
            print(answer.choices[0].message.content)

        # until then it bills
        await (await do.dedicated_inferences.delete(change.id))
        print("deleted")


asyncio.run(main())
