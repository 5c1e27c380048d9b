"""Check price and capacity first, and use the first place that works."""

import asyncio

from di_async import DigitalOcean, NoCapacityError, PriceLimitError
from di_async.digitalocean import DedicatedInferenceSpec

SPEC = DedicatedInferenceSpec.of(
    "frugal",
    region="nyc2",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-h100x1-80gb",
)


async def main() -> None:
    async with DigitalOcean() as do:
        api = do.dedicated_inferences
        print("one hour:", await api.hourly_price(SPEC))
        for place in await api.find_capacity(SPEC):  # the cheapest first
            print(place.region, place.accelerator, place.price)

        try:
            await api.create(SPEC, max_hourly=1)
        except PriceLimitError as error:
            print("refused:", error)  # nothing was created

        try:
            change = await api.create_first_available(
                SPEC,
                regions=["nyc2", "tor1", "atl1"],
                max_hourly=10,
                timeout=3600,
            )
        except NoCapacityError as error:
            # each place, and why it did not work
            print(*error.attempts, sep="\n")
            return
        print(*change.attempts, sep="\n")
        await (await api.delete(change.id))


asyncio.run(main())
