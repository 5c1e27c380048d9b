"""Tests of `change.eta`: when a change is expected to settle."""

import json

import pytest

from di_async import DurationModel, PollPolicy
from tests.clouds.support import CREATE_S, VIRTUAL, Cloud, a_world, everywhere

pytestmark = VIRTUAL


async def learn(cloud: Cloud, model: DurationModel, count: int) -> None:
    """Let a client see a create settle, and repeat its kind."""
    async with cloud.client(a_world(), polling=PollPolicy(durations=model)) as client:
        await cloud.settled(client, "known")
    (kind,) = json.loads(model.to_json())["kinds"]
    for _ in range(count - 1):
        model.learn(tuple(kind["key"]), CREATE_S)


@everywhere
async def test_eta(cloud: Cloud) -> None:
    """After 20 creates of a kind, the next one has an expected time, until it has settled."""
    model = DurationModel()
    await learn(cloud, model, 20)
    async with cloud.client(a_world(), polling=PollPolicy(durations=model)) as client:
        change = await cloud.create(client, "next-one")
        assert change.eta == pytest.approx(CREATE_S, rel=0.2)
        async for _ in change.events():
            break
        assert change.eta == pytest.approx(CREATE_S - change.elapsed, rel=0.2)
        await change.wait()
        assert change.eta is None


@everywhere
async def test_eta_is_not_known(cloud: Cloud) -> None:
    """Without 20 changes of the kind, nothing is known."""
    async with cloud.client(a_world()) as client:
        change = await cloud.create(client, "first-one")
        async for _ in change.events():
            break
        assert change.eta is None
    assert change.eta is None
