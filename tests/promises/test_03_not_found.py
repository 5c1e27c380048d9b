"""Promise 3: the meaning of a 404 depends on the action.

After a create it is tolerated for 120 s. It settles a delete. For an id that `wait_until_active`
never saw it raises `NotFoundError` immediately. Otherwise two in a row raise
`ResourceVanishedError`, and a single one is ignored.
"""

import pytest

from di_async import NotFoundError, ResourceVanishedError
from di_async.core.http import Response
from tests.builders.digitalocean import (
    DIALECTS,
    GONE,
    ID,
    a_spec,
    acceptance,
    an_instance,
    creation,
)
from tests.fake_network import answer, virtual_client
from tests.promises.support import (
    POST,
    VIRTUAL,
    Step,
    client_on,
    created,
    fake_api,
    now,
    scaled,
    world,
)

pytestmark = VIRTUAL

# A 404 from a gateway, not from the API itself.
HTML_404 = Response(404, {"content-type": "text/html"}, b"<html>404 Not Found</html>")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_new_instance_not_found_for_a_while(dialect: str) -> None:
    """Any number of 404s within 120 s after a create is tolerated."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault("not_found", on=POST, seconds=115)
        change = await client.dedicated_inferences.create(a_spec())
        assert (await change.wait()).status == "active"
    assert change.history[0].note == "GET answered 404"
    assert change.history[0].times > 20


async def test_new_instance_that_never_appears() -> None:
    """Two 404s in a row after the 120 s raise `ResourceVanishedError`."""
    network = fake_api(GONE, post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        began = now()
        with pytest.raises(ResourceVanishedError):
            await change.wait()
    assert 120 + 5 <= now() - began < 120 + 12


async def test_404_after_a_new_instance_was_seen() -> None:
    """A 404 within the 120 s is tolerated even after the instance was seen."""
    network = fake_api(
        an_instance(status="new"), GONE, GONE, GONE, an_instance(), post=[creation()]
    )
    async with client_on(network) as client:
        assert (await (await created(client)).wait()).status == "active"


async def test_deleted_instance() -> None:
    """The first 404 after a delete settles it."""
    network = fake_api(an_instance(status="deleting"), GONE, delete=[answer(202)])
    async with client_on(network) as client:
        change = await client.dedicated_inferences.delete(ID)
        await change.wait()
    assert (network.count("GET"), change.outcome) == (2, "settled")


async def test_wait_until_deleted_of_a_missing_instance() -> None:
    """`wait_until_deleted` of a missing instance ends after one read."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        await client.dedicated_inferences.wait_until_deleted(ID)
    assert network.count("GET") == 1


async def test_404_of_a_gateway_while_deleting() -> None:
    """An HTML page with status 404 does not settle a delete."""
    network = fake_api(HTML_404, HTML_404, HTML_404, an_instance(status="deleting"), GONE)
    async with client_on(network) as client:
        await client.dedicated_inferences.wait_until_deleted(ID)
    assert network.count("GET") == 5


async def test_404_of_a_gateway_while_updating() -> None:
    """HTML pages with status 404 do not raise `ResourceVanishedError`."""
    network = fake_api(
        an_instance(), *[HTML_404] * 5, an_instance(version=2, scale=2), patch=[acceptance()]
    )
    async with client_on(network) as client:
        assert (await (await scaled(client)).wait()).spec.version == 2


async def test_id_never_seen_by_wait_until_active() -> None:
    """`wait_until_active` of a missing id raises the API's `NotFoundError` immediately."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.dedicated_inferences.wait_until_active(ID)
    assert (network.count("GET"), caught.value.request_id) == (1, "req-1")


async def test_id_never_seen_after_server_errors() -> None:
    """A 404 after a 5xx still raises `NotFoundError`: the instance was never seen."""
    async with client_on(fake_api(answer(503), GONE)) as client:
        with pytest.raises(NotFoundError):
            await client.dedicated_inferences.wait_until_active(ID)


async def test_one_404_between_successful_reads() -> None:
    """A single 404 between successful reads is ignored, however often it happens."""
    reads: list[Step] = [an_instance(status="provisioning"), GONE] * 3
    async with client_on(fake_api(*reads, an_instance())) as client:
        assert (await client.dedicated_inferences.wait_until_active(ID)).status == "active"


async def test_two_404s_in_a_row_in_wait_until_active() -> None:
    """Two 404s in a row after the instance was seen raise `ResourceVanishedError`."""
    network = fake_api(an_instance(status="provisioning"), GONE)
    async with client_on(network) as client:
        with pytest.raises(ResourceVanishedError):
            await client.dedicated_inferences.wait_until_active(ID)
    assert network.count("GET") == 3


async def test_one_404_after_an_update() -> None:
    """A single 404 does not end an update's wait."""
    done = an_instance(version=2, scale=2)
    network = fake_api(an_instance(), GONE, done, patch=[acceptance()])
    async with client_on(network) as client:
        assert (await (await scaled(client)).wait()).spec.version == 2


async def test_two_404s_in_a_row_after_an_update() -> None:
    """Two 404s in a row after an update raise `ResourceVanishedError`, without a grace period."""
    network = fake_api(an_instance(), GONE, patch=[acceptance()])
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(ResourceVanishedError):
            await change.wait()
    assert network.count("GET") == 1 + 2


async def test_two_404s_in_a_row_in_wait_until() -> None:
    """Two 404s in a row end `wait_until` with `ResourceVanishedError`."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        with pytest.raises(ResourceVanishedError):
            await client.dedicated_inferences.wait_until(ID, lambda _: False)
    assert network.count("GET") == 2
