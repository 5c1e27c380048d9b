"""Hourly prices, limits on them and places to run, against the emulated DigitalOcean."""

from decimal import Decimal
from typing import Any

import pytest

from di_async import DigitalOcean, HourlyPrice, InvalidInputError, PriceLimitError
from di_async.core.inventory import Prices
from di_async.core.pricing import HourlyPrice as Price
from di_async.digitalocean import GPUModelConfig, Size, Sizes
from di_async.digitalocean.models import CODEC
from di_async.digitalocean.placement import find_places, price_of
from di_async.digitalocean.scanning import DigitalOceanScanner
from di_async.emulator import World
from tests.builders.digitalocean import GPU, MODEL, a_spec
from tests.fake_network import TEN_MINUTES, EmulatorNetwork
from tests.support import VIRTUAL

pytestmark = VIRTUAL

both_dialects = pytest.mark.parametrize("dialect", ["documented", "observed"])


def a_world(dialect: Any = "documented") -> World:
    """Return a world where creates take ten minutes."""
    return World(dialect, seed=0, lifecycle=TEN_MINUTES)


@both_dialects
async def test_hourly_price(dialect: str) -> None:
    """The price is that of all GPUs in the spec's region; None where a size is not on offer."""
    world = a_world(dialect)
    async with DigitalOcean(world.token, transport=EmulatorNetwork(world)) as client:
        api = client.dedicated_inferences
        price = await api.hourly_price(a_spec(accelerator_slug="gpu-h100x1-80gb", scale=3))
        assert price == HourlyPrice(Decimal("13.23"), "USD")
        assert str(price) == "13.23 USD/h"
        nowhere = a_spec(accelerator_slug="gpu-mi325x1-256gb", region="tor1")
        assert await api.hourly_price(nowhere) is None


async def test_max_hourly() -> None:
    """A create that is too expensive, or not on offer, is not sent."""
    world = a_world()
    async with DigitalOcean(world.token, transport=EmulatorNetwork(world)) as client:
        api = client.dedicated_inferences
        with pytest.raises(PriceLimitError, match="more than the limit of 2"):
            await api.create(a_spec(scale=2), max_hourly=2)
        with pytest.raises(PriceLimitError, match="no size 'gpu-new' in region 'atl1'; on offer"):
            await api.create(a_spec(accelerator_slug="gpu-new"), max_hourly=10)
        with pytest.raises(InvalidInputError, match="number of at least 0"):
            await api.create(a_spec(), max_hourly=-1)
        assert world.created == {}
        await api.create(a_spec(), max_hourly={"USD": 10})
        assert world.created == {"web": 1}


@both_dialects
async def test_find_capacity(dialect: str) -> None:
    """Each place pairs a region with a GPU that serves the model, and its spec is valid there."""
    world = a_world(dialect)
    async with DigitalOcean(world.token, transport=EmulatorNetwork(world)) as client:
        api = client.dedicated_inferences
        places = await api.find_capacity(a_spec())
        amounts = [place.price.amount for place in places if place.price]
        assert amounts == sorted(amounts)
        assert len(amounts) == len(places)
        assert {place.region for place in places} == set((await api.sizes()).enabled_regions)
        configs = {one.model_slug: one.gpu_slugs for one in await api.gpu_model_configs()}
        assert {place.accelerator for place in places} <= set(configs[MODEL])
        for place in places[:3]:
            change = await api.create(place.spec)
            assert (await change.wait()).region == place.region
            await (await api.delete(change.id)).wait()


def sizes(*rows: Size, regions: tuple[str, ...] = ("atl1", "nyc2")) -> Sizes:
    """Return sizes on offer."""
    return Sizes(regions, rows)


def test_reasons() -> None:
    """A place that is not usable says why."""
    spec = a_spec()
    offered = sizes(Size(GPU, Decimal(2), "USD", "atl1"), Size("gpu-other", Decimal(1), "USD"))
    configs = [GPUModelConfig(MODEL, None, (GPU,))]
    found = {
        (place.region, place.accelerator): place.reason
        for place in find_places(spec, offered, configs)
    }
    assert found == {
        ("atl1", GPU): None,
        ("nyc2", GPU): f"{GPU} is not on offer in nyc2",
        ("atl1", "gpu-other"): f"{MODEL} does not run on gpu-other",
        ("nyc2", "gpu-other"): f"{MODEL} does not run on gpu-other",
    }


def test_region_that_is_not_enabled() -> None:
    """The spec's own region is listed even where the account has it not enabled."""
    spec = a_spec(region="sfo3")
    (place,) = (p for p in find_places(spec, sizes(Size(GPU)), []) if p.region == "sfo3")
    assert place.reason == "region sfo3 is not enabled"


def test_spec_of_two_gpus() -> None:
    """A spec that mixes GPUs moves between regions as it is."""
    one, other = a_spec(), a_spec(accelerator_slug="gpu-other")
    deployments = (*one.model_deployments, *other.model_deployments)
    mixed = type(one)(name="web", region="atl1", model_deployments=deployments)
    offered = sizes(Size(GPU, Decimal(2), "USD"), Size("gpu-other", Decimal(1), "USD"))
    places = list(find_places(mixed, offered, []))
    assert [(place.region, place.accelerator) for place in places] == [
        ("atl1", f"{GPU}, gpu-other"),
        ("nyc2", f"{GPU}, gpu-other"),
    ]
    assert places[0].price == Price(Decimal(3), "USD")


def test_size_without_price() -> None:
    """A GPU without a price makes the whole price unknown."""
    assert price_of(a_spec(), sizes(Size(GPU))) is None


@pytest.mark.parametrize(
    "size",
    [
        {"region": "atl1"},
        {"region": "atl1", "currency": None},
        {"regions": ["atl1"], "currency": None},
        {"regions": ["atl1", "nyc2"]},
        {},
        {"regions": ["nyc2"]},
        {"price_per_hour": "-1"},
        {"price_per_hour": None},
        {"price_per_hour": "0"},
    ],
)
async def test_scan_and_hourly_price_read_sizes_alike(size: dict[str, Any]) -> None:
    """What a GPU costs in a region is the same for a scan and for a spec, or unknown to both."""
    raw = {"gpu_slug": GPU, "price_per_hour": "2", "currency": "USD", **size}
    offered = CODEC.structure({"enabled_regions": ["atl1"], "sizes": [raw]}, Sizes)

    class Api:
        async def sizes(self) -> Sizes:
            return offered

    prices = Prices()
    await DigitalOceanScanner(None, Api(), "do", prices).fill_prices()  # type: ignore[arg-type]
    scanned = prices.cost(((GPU, 1),), "atl1")
    found = price_of(a_spec(), offered)
    assert scanned == found
    priced = size.get("price_per_hour", "2") in ("0", "2") and size.get("regions") != ["nyc2"]
    assert (found is not None) == priced
    assert found is None or found.currency == "USD"
