"""Create a deployment, follow its steps, scale it and delete it."""

import asyncio

from di_async import DeploymentFailedError, DigitalOcean, WaitTimeoutError
from di_async.digitalocean import DedicatedInferenceSpec

SPEC = DedicatedInferenceSpec.of(
    "my-llm",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


async def main() -> None:
    async with DigitalOcean() as do:
        change = await do.dedicated_inferences.create(SPEC)
        try:
            async for step in change.events(timeout=3600):
                print(step)
        except WaitTimeoutError as error:
            # it bills; wait again later
            print("still in progress:", error.resume_token)
            return
        except DeploymentFailedError as error:
            # what failed may bill, too
            await do.dedicated_inferences.delete(error.id)
            raise
        di = await change  # immediate: the result of the same wait
        print(di.name, di.status, di.url)

        update = await do.dedicated_inferences.scale(di.id, 2)
        await update.wait(timeout=3600)
        print("proof:", update.history[-1].note)

        deletion = await do.dedicated_inferences.delete(di.id)
        await deletion.wait(timeout=600)  # returns after GET has answered 404
        print("deleted")


asyncio.run(main())
