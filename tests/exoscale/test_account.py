"""AI API keys, the quota, limits on prices and zones to run in, against the emulator."""

import pytest

from di_async import InvalidInputError, NotFoundError, OutcomeUnknownError, PriceLimitError
from tests.exoscale.helpers import VIRTUAL
from tests.exoscale.test_world import SPEC, emulated

pytestmark = VIRTUAL


async def test_api_key() -> None:
    """A key shows its value once; its deletion settles when GET answers 404."""
    async with emulated() as (client, _):
        made = await client.api_keys.create("ci key")
        assert made.value is not None
        assert made.value.reveal() not in repr(made)
        assert (made.scope, made.state) == ("public", "ready")
        assert (await client.api_keys.get(made.id)).value is None
        assert [key.id for key in await client.api_keys.find_all("ci key")] == [made.id]
        change = await client.api_keys.delete(made.id)
        await change.wait()
        with pytest.raises(NotFoundError):
            await client.api_keys.get(made.id)
        assert (await client.api_keys.delete(made.id)).already_gone
        assert await client.api_keys.list().collect() == []


@pytest.mark.parametrize("name", ["", "x" * 51, " ci", "ci.", "ci/2"])
async def test_name_of_an_api_key(name: str) -> None:
    """A name that Exoscale does not allow is refused before anything is sent."""
    async with emulated() as (client, _):
        with pytest.raises(InvalidInputError, match="name: expected 1 to 50"):
            await client.api_keys.create(name)
        assert (await client.api_keys.create("x" + "'" * 48 + "x")).name


async def test_key_of_a_deployment() -> None:
    """A key's scope may be a deployment, which has to exist."""
    async with emulated() as (client, _):
        change = await client.deployments.create(SPEC)
        key = await client.api_keys.create("one", scope=change.id)
        assert key.scope == change.id
        with pytest.raises(NotFoundError):
            await client.api_keys.create("two", scope="00000000-0000-4000-8000-00000000dead")


async def test_lost_api_key() -> None:
    """A key whose response was lost has lost its value: it is named, and not made twice."""
    async with emulated() as (client, world):
        world.fault("reset", on="POST /v2/ai/api-key", after_commit=True)
        with pytest.raises(OutcomeUnknownError, match="its value is lost") as unknown:
            await client.api_keys.create("ci key")
        assert [key.name for key in unknown.value.candidates] == ["ci key"]
        assert len(await client.api_keys.list().collect()) == 1


async def test_quota() -> None:
    """None stands for an unlimited quota."""
    async with emulated() as (client, _):
        assert (await client.quota()).quota_uom_per_minute is None


async def test_max_hourly() -> None:
    """The API shows no prices, so a limit needs `allow_unknown_price`."""
    async with emulated() as (client, world):
        assert await client.deployments.hourly_price(SPEC) is None
        with pytest.raises(PriceLimitError, match="allow_unknown_price=True"):
            await client.deployments.create(SPEC, max_hourly=5)
        assert world.created["web"] == 0
        await client.deployments.create(SPEC, max_hourly=5, allow_unknown_price=True)
        assert world.created["web"] == 1


async def test_find_capacity() -> None:
    """Zones are listed where the organisation may use the GPU family; others have a reason."""
    async with emulated() as (client, _):
        api = client.deployments
        places = await api.find_capacity(SPEC)
        assert len(places) == 7
        assert {place.accelerator for place in places} == {"gpua5000"}
        assert all(place.spec.name == "web" for place in places)
        (none,) = (await api.find_capacity(SPEC, include_full=True))[7:]
        assert (none.region, none.reason) == ("bg-sof-1", "the zone has no gpua5000")
        refused = await api.find_capacity({**SPEC, "gpu-type": "gpurtx6000pro"}, include_full=True)
        assert (refused[0].reason or "").startswith("gpurtx6000pro is not authorised in the zone")


async def test_find_capacity_in_one_zone() -> None:
    """With the URL of a single zone, only that zone is searched."""
    async with emulated(base_url="http://127.0.0.1/zones/ch-gva-2") as (client, _):
        places = await client.deployments.find_capacity(SPEC)
        assert [place.region for place in places] == ["ch-gva-2"]
