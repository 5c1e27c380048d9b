"""The 13 operations over sockets, in both dialects; listings whose pages move."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from di_async import DigitalOcean, NotFoundError
from di_async.digitalocean import DedicatedInferences
from di_async.emulator import Emulator, running
from tests.builders.digitalocean import a_spec
from tests.functional.helpers import FAST, a_client


@pytest.fixture(params=["documented", "observed"])
async def emu(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    """A fast emulator, once a dialect."""
    async with running(**{**FAST, "dialect": request.param, "rate_limits": False}) as emulator:
        yield emulator


@pytest.fixture
async def client(emu: Emulator) -> AsyncIterator[DigitalOcean]:
    """A client of it, without a budget to wait for."""
    async with a_client(emu, budget=None) as entered:
        yield entered


@pytest.fixture
def instances(client: DigitalOcean) -> DedicatedInferences:
    """The thirteen operations."""
    return client.dedicated_inferences


async def rows(listing: Any) -> list[Any]:
    """All of a listing."""
    return [row async for row in listing]


async def test_create_get_list_find(instances: DedicatedInferences) -> None:
    """What a create settles to is what get, list and find give."""
    change = await instances.create(a_spec())
    di = await change.wait()
    assert (di.id, di.name, di.status) == (change.id, "web", "active")
    assert await instances.get(di.id) == di == await instances.find("web")
    assert [row.id for row in await rows(instances.list())] == [di.id]


async def test_update_and_scale(instances: DedicatedInferences, emu: Emulator) -> None:
    """Each is seen in the settled instance, one spec version after the other."""
    id = (await (await instances.create(a_spec())).wait()).id
    renamed = await (await instances.update(id, spec={"name": "web-2"})).wait()
    scaled = await (await instances.scale(id, 3)).wait()
    assert (renamed.name, scaled.name) == ("web-2", "web-2")
    assert renamed.spec is not None
    assert scaled.spec is not None
    assert (renamed.spec.version, scaled.spec.version) == (2, 3)
    assert scaled.spec.model_deployments[0].accelerators[0].scale == 3
    assert emu.truth(id).version == 3


async def test_delete(instances: DedicatedInferences, emu: Emulator) -> None:
    """Awaited, it is really gone."""
    id = emu.add_instance().id
    await (await instances.delete(id)).wait()
    assert not emu.truth(id).exists
    with pytest.raises(NotFoundError):
        await instances.get(id)


async def test_accelerators(instances: DedicatedInferences, emu: Emulator) -> None:
    """All, those of a slug, and one alone."""
    id = emu.add_instance(scale=3).id
    found = await rows(instances.list_accelerators(id))
    assert len(found) == 3
    assert await instances.get_accelerator(id, found[0].id) == found[0]
    assert await rows(instances.list_accelerators(id, slug="gpu-mi300x1-192gb")) == found
    assert await rows(instances.list_accelerators(id, slug="gpu-h100x1-80gb")) == []


async def test_tokens(instances: DedicatedInferences, emu: Emulator) -> None:
    """Made with its value, listed without, revoked for good."""
    id = emu.add_instance().id
    made = await instances.create_token(id, "mine")
    assert made.value is not None
    listed = {token.id: token for token in await rows(instances.list_tokens(id))}
    assert (listed[made.id].name, listed[made.id].value) == ("mine", None)
    await instances.revoke_token(id, made.id)
    assert made.id not in [token.id for token in await rows(instances.list_tokens(id))]


async def test_certificate(instances: DedicatedInferences, emu: Emulator) -> None:
    """The CA is the emulator's own, and makes a TLS context that trusts it alone."""
    ca = await instances.ca_certificate(emu.add_instance().id)
    assert ca.pem.strip() == emu.ca_pem.strip()
    assert len(ca.ssl_context().get_ca_certs()) == 1


async def test_what_there_is_to_choose_from(instances: DedicatedInferences) -> None:
    """Regions, exact prices, models and which of them are gated."""
    sizes = await instances.sizes()
    assert {"atl1", "nyc2", "tor1"} <= set(sizes.enabled_regions)
    assert all(isinstance(size.price_per_hour, Decimal) for size in sizes.sizes)
    gated = {
        config.model_slug: config.is_gated_model for config in await instances.gpu_model_configs()
    }
    assert gated["meta-llama/Llama-3.1-8B-Instruct"] is True
    assert gated["mistral/mistral-7b-instruct-v3"] is False


async def test_any_other_endpoint(client: DigitalOcean, emu: Emulator) -> None:
    """`request` speaks to it with the same token and the same errors."""
    emu.add_instance(name="web")
    told = await client.request("GET", "/v2/dedicated-inferences", params={"per_page": 1})
    assert len(told["dedicated_inferences"]) == 1
    with pytest.raises(NotFoundError):
        await client.request("GET", "/v2/droplets")


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "page_size"), [(0, 5), (1, 5), (5, 5), (6, 5), (47, 3)])
async def test_pages(
    instances: DedicatedInferences, emu: Emulator, count: int, page_size: int
) -> None:
    """Every row once, in the order of the pages, however many there are."""
    placed = [emu.add_instance(name=f"i-{n}").id for n in range(count)]
    listing = instances.list(page_size=page_size)
    found = [row.id for row in await rows(listing)]
    assert sorted(found) == sorted(placed)
    assert found == [row.id for row in await rows(instances.list())]
    assert (listing.total, listing.drifted) == (count, False)


async def test_pages_cost_a_request_each(instances: DedicatedInferences, emu: Emulator) -> None:
    """12 rows by 5: three requests, no more."""
    for n in range(12):
        emu.add_instance(name=f"i-{n}")
    await rows(instances.list(page_size=5))
    assert emu.stats.total == 3


async def test_deletes_between_pages(instances: DedicatedInferences, emu: Emulator) -> None:
    """Rows that slip to a page already read are found all the same, and none comes twice."""
    placed = [emu.add_instance(name=f"i-{n}").id for n in range(12)]
    listing = instances.list(page_size=3)
    found = [(await anext(listing)).id]
    for id in (found[0], placed[1] if placed[1] != found[0] else placed[2]):
        await (await instances.delete(id)).wait()
    left = {id for id in placed if emu.truth(id).exists}
    found += [row.id for row in await rows(listing)]
    assert left <= set(found)
    assert len(found) == len(set(found))


async def test_page_that_fails(instances: DedicatedInferences, emu: Emulator) -> None:
    """It fails the listing: half a list would look like a whole one."""
    for n in range(9):
        emu.add_instance(name=f"i-{n}")
    listing = instances.list(page_size=3)
    await anext(listing)
    emu.fault("status", on="GET /v2/dedicated-inferences", status=403)
    with pytest.raises(Exception, match="403"):
        await rows(listing)


@pytest.mark.parametrize("region", ["atl1", "nyc2"])
async def test_region(instances: DedicatedInferences, emu: Emulator, region: str) -> None:
    """Only what is there."""
    for n, place in enumerate(("atl1", "nyc2", "nyc2", "tor1")):
        emu.add_instance(name=f"i-{n}", region=place)
    told = await rows(instances.list(region=region, page_size=1))
    assert {row.region for row in told} == {region}
    assert len(told) == {"atl1": 1, "nyc2": 2}[region]


async def test_pages_of_tokens(instances: DedicatedInferences, emu: Emulator) -> None:
    """The same of an instance's tokens."""
    id = emu.add_instance().id
    made = {emu.add_token(id, f"t-{n}").id for n in range(7)}
    assert made <= {token.id for token in await rows(instances.list_tokens(id, page_size=2))}
