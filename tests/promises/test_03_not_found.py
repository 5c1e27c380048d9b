"""Promise 3: what a 404 means depends on what is being waited for.

After a create it is excused for 120 s; after a delete it is the proof of success; for an id that
`wait_until_active` never saw it is `NotFoundError` at once; everywhere else two of them in a row
are `ResourceVanishedError`, and one alone is nothing.
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

# A gateway's 404: no word of the API about the instance.
HTML_404 = Response(404, {"content-type": "text/html"}, b"<html>404 Not Found</html>")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_new_instance_not_found_for_a_while(dialect: str) -> None:
    """404 after a create is excused within 120 s, however many they are."""
    async with virtual_client(world(dialect)) as (client, net):
        net.world.fault("not_found", on=POST, seconds=115)
        change = await client.dedicated_inferences.create(a_spec())
        assert (await change.wait()).status == "active"
    assert change.history[0].note == "GET answered 404"
    assert change.history[0].times > 20


async def test_new_instance_that_never_appears() -> None:
    """After 120 s the grace is over: two more 404s in a row and the instance has vanished."""
    network = fake_api(GONE, post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        began = now()
        with pytest.raises(ResourceVanishedError):
            await change.wait()
    assert 120 + 5 <= now() - began < 120 + 12


async def test_new_instance_that_was_seen_and_is_gone_early() -> None:
    """Within the grace a 404 after a sighting is excused too: replicas lag."""
    network = fake_api(
        an_instance(status="new"), GONE, GONE, GONE, an_instance(), post=[creation()]
    )
    async with client_on(network) as client:
        assert (await (await created(client)).wait()).status == "active"


async def test_deleted_instance() -> None:
    """After a delete the first 404 is success."""
    network = fake_api(an_instance(status="deleting"), GONE, delete=[answer(202)])
    async with client_on(network) as client:
        change = await client.dedicated_inferences.delete(ID)
        await change.wait()
    assert (network.count("GET"), change.outcome) == (2, "settled")


async def test_deletion_waited_for_without_a_delete_of_ours() -> None:
    """`wait_until_deleted` of what is not there is done after one look."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        await client.dedicated_inferences.wait_until_deleted(ID)
    assert network.count("GET") == 1


async def test_404_of_a_gateway_while_deleting() -> None:
    """An HTML page with a 404 is a gateway's word, no proof of a deletion."""
    network = fake_api(HTML_404, HTML_404, HTML_404, an_instance(status="deleting"), GONE)
    async with client_on(network) as client:
        await client.dedicated_inferences.wait_until_deleted(ID)
    assert network.count("GET") == 5


async def test_404_of_a_gateway_while_updating() -> None:
    """Nor do such pages make anything vanish."""
    network = fake_api(
        an_instance(), *[HTML_404] * 5, an_instance(version=2, scale=2), patch=[acceptance()]
    )
    async with client_on(network) as client:
        assert (await (await scaled(client)).wait()).spec.version == 2


async def test_id_never_seen_by_wait_until_active() -> None:
    """`wait_until_active` of an id that is not there raises the API's `NotFoundError` at once."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.dedicated_inferences.wait_until_active(ID)
    assert (network.count("GET"), caught.value.request_id) == (1, "req-1")


async def test_id_never_seen_after_answers_that_told_nothing() -> None:
    """A 5xx is no sighting: the 404 after it is still `NotFoundError`."""
    async with client_on(fake_api(answer(503), GONE)) as client:
        with pytest.raises(NotFoundError):
            await client.dedicated_inferences.wait_until_active(ID)


async def test_one_404_between_sightings() -> None:
    """One 404 of something that was seen is a lagging replica, however often it happens."""
    reads: list[Step] = [an_instance(status="provisioning"), GONE] * 3
    async with client_on(fake_api(*reads, an_instance())) as client:
        assert (await client.dedicated_inferences.wait_until_active(ID)).status == "active"


async def test_two_404s_in_a_row_of_what_wait_until_active_saw() -> None:
    """Two in a row of something that was seen are `ResourceVanishedError`."""
    network = fake_api(an_instance(status="provisioning"), GONE)
    async with client_on(network) as client:
        with pytest.raises(ResourceVanishedError):
            await client.dedicated_inferences.wait_until_active(ID)
    assert network.count("GET") == 3


async def test_one_404_after_an_update() -> None:
    """One 404 does not end an update's wait."""
    done = an_instance(version=2, scale=2)
    network = fake_api(an_instance(), GONE, done, patch=[acceptance()])
    async with client_on(network) as client:
        assert (await (await scaled(client)).wait()).spec.version == 2


async def test_two_404s_in_a_row_after_an_update() -> None:
    """There is no grace after an update: two in a row are `ResourceVanishedError`."""
    network = fake_api(an_instance(), GONE, patch=[acceptance()])
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(ResourceVanishedError):
            await change.wait()
    assert network.count("GET") == 1 + 2


async def test_two_404s_in_a_row_of_a_predicate() -> None:
    """`wait_until` ends in the same way when what it looks at is gone."""
    network = fake_api(GONE)
    async with client_on(network) as client:
        with pytest.raises(ResourceVanishedError):
            await client.dedicated_inferences.wait_until(ID, lambda _: False)
    assert network.count("GET") == 2
