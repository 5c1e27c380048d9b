"""Tests of your own code against the emulator."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from di_async import DeploymentFailedError, DigitalOcean, PollPolicy
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import Emulator, Lifecycle, Options

SPEC = DedicatedInferenceSpec.of(
    "one",
    region="atl1",
    model_slug="openai/gpt-oss-20b",
    accelerator_slug="gpu-mi300x1-192gb",
)


@pytest.fixture
def di_emulator_options() -> Options:
    """Return options: creates take 20 s, 100 times as fast."""
    return {"lifecycle": Lifecycle(create=20, delete=5), "time_scale": 100}


@pytest_asyncio.fixture
async def do(di_emulator: Emulator) -> AsyncIterator[DigitalOcean]:
    """Return a client of the emulator."""
    polling = PollPolicy(target_lag=0.05)
    async with DigitalOcean(
        di_emulator.token,
        base_url=di_emulator.url,
        polling=polling,
        budget=None,
    ) as client:
        yield client


@pytest.mark.asyncio
async def test_becomes_active(do: DigitalOcean) -> None:
    """A create settles with an endpoint."""
    change = await do.dedicated_inferences.create(SPEC)
    di = await change.wait(timeout=10)
    assert di.url.startswith("https://")


@pytest.mark.asyncio
async def test_lost_answer_makes_no_duplicate(
    do: DigitalOcean, di_emulator: Emulator
) -> None:
    """The connection breaks after the API has accepted the create."""
    di_emulator.fault(
        "reset", on="POST /v2/dedicated-inferences", after_commit=True
    )
    change = await do.dedicated_inferences.create(SPEC)
    await change.wait(timeout=10)
    assert change.adopted
    assert di_emulator.world.created["one"] == 1


@pytest.mark.asyncio
async def test_no_capacity(do: DigitalOcean, di_emulator: Emulator) -> None:
    """The provider accepts the create, and fails to carry it out."""
    di_emulator.fault("no_capacity", region="atl1")
    change = await do.dedicated_inferences.create(SPEC)
    with pytest.raises(DeploymentFailedError):
        await change.wait(timeout=10)
