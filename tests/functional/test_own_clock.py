"""An emulator with a clock of its own: the clients take its time for the provider's."""

import time

import pytest

from di_async import DigitalOcean, Exoscale
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Lifecycle, running
from tests.functional.helpers import QUICKLY

HOUR_S = 3600.0
SPEC = DedicatedInferenceSpec.of(
    "one",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


class Clock:
    """A clock that a test moves."""

    def __init__(self, ahead: float) -> None:
        self.now = time.time() + ahead

    def read(self) -> float:
        """Return the time, in epoch seconds."""
        return self.now


@pytest.mark.parametrize("ahead", [-1000 * HOUR_S, 0.0, 1000 * HOUR_S])
async def test_exoscale_after_an_hour(ahead: float) -> None:
    """A signature is valid for ten minutes: the client signs by the `Date` of the answers."""
    clock = Clock(ahead)
    async with running(clock=clock.read, lifecycle=Lifecycle(create=HOUR_S)) as emu:
        it = emu.add_exoscale_deployment(state="creating")
        keys = emu.exoscale_api_key, emu.exoscale_api_secret
        async with Exoscale(*keys, base_url=emu.exoscale_url, polling=QUICKLY) as client:
            assert (await client.deployments.get(it.id)).state == "creating"
            clock.now += HOUR_S
            assert (await client.deployments.get(it.id)).state == "ready"


@pytest.mark.parametrize("ahead", [-1000 * HOUR_S, 0.0, 1000 * HOUR_S])
async def test_lost_response_to_a_create(ahead: float) -> None:
    """The stamp of what was created is compared with the `Date` of the answers: it is adopted."""
    clock = Clock(ahead)
    async with running(clock=clock.read) as emu:
        emu.fault("reset", on="POST /v2/dedicated-inferences", after_commit=True)
        async with DigitalOcean(emu.token, base_url=emu.url, polling=QUICKLY) as client:
            change = await client.dedicated_inferences.create(SPEC)
        assert change.adopted
        assert emu.world.created == {"one": 1}
