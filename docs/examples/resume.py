"""Keep the resume token, so that another process can go on after a crash."""

import asyncio
from pathlib import Path

from di_async import DigitalOcean
from di_async.digitalocean import DedicatedInferenceSpec

TOKEN = Path("change.token")  # in a real service: a row of the job's table
SPEC = DedicatedInferenceSpec.of(
    "durable",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


async def deploy() -> None:
    async with DigitalOcean() as do:
        if TOKEN.exists():  # a process before this one has created it
            change = do.dedicated_inferences.resume(TOKEN.read_text())
            print("resumed")
        else:
            change = await do.dedicated_inferences.create(
                SPEC, name_timeout=600
            )
            TOKEN.write_text(change.resume_token)  # text without secrets
            print("created")
            raise SystemExit("the process dies here")
        di = await change.wait()  # keeps the deadline of a wait that had begun
        print(di.name, di.status)
    TOKEN.unlink()


for _ in "two runs":
    try:
        asyncio.run(deploy())
        break
    except SystemExit as crash:
        print(crash)
