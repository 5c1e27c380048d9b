# Each part after `# %%` is one cell.
# %%
from contextlib import AsyncExitStack

from di_async import DigitalOcean, scan
from di_async.digitalocean import DedicatedInferenceSpec

stack = AsyncExitStack()
do = await stack.enter_async_context(DigitalOcean())

# %%
spec = DedicatedInferenceSpec.of(
    "notebook",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)
change = await do.dedicated_inferences.create(spec)
change.id

# %%
# interrupt the cell whenever you like: the change goes on
async for step in change.events():
    print(step)
di = await change

# %%
await scan(do)  # a table

# %%
await (await do.dedicated_inferences.delete(di.id))
await stack.aclose()
