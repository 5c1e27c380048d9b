"""Tests that a 404 not written by the API proves nothing, on every cloud, for every action."""

import asyncio

import pytest

from di_async import NotFoundError, WaitTimeoutError
from di_async.core.http import Request, Response
from di_async.emulator import World
from tests.clouds import support
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, EmulatorNetwork

pytestmark = [everywhere, VIRTUAL]

FOREIGN = {
    "text": Response(404, {"content-type": "text/plain"}, b"404 page not found"),
    "html": Response(404, {"content-type": "text/html"}, b"<html>404 Not Found</html>"),
    "empty": Response(404, {}, b""),
    "json": Response(404, {"content-type": "application/json"}, b'{"error": "no such route"}'),
    "json text": Response(404, {"content-type": "application/json"}, b'"not found"'),
    "json list": Response(404, {"content-type": "application/json"}, b"[]"),
    "another field": Response(404, {"content-type": "application/json"}, b'{"message": "gone"}'),
}
foreign = pytest.mark.parametrize("response", FOREIGN.values(), ids=FOREIGN)


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[EmulatorNetwork]:
    """Return a list that collects the networks of new clients."""
    made: list[EmulatorNetwork] = []

    def make(world: World) -> EmulatorNetwork:
        made.append(EmulatorNetwork(world))
        return made[-1]

    monkeypatch.setattr(support, "EmulatorNetwork", make)
    return made


def answer_every(network: EmulatorNetwork, method: str, response: Response) -> None:
    """Answer every request of this method with this response; the emulator acts all the same."""

    def intercept(request: Request, answer: Answer) -> Answer:
        return response if request.method == method else answer

    network.intercept = intercept


@foreign
async def test_deletion_is_not_proven(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A wait for a deletion goes on, and ends when the API itself answers 404."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "GET", response)
        waiting = asyncio.ensure_future(cloud.api(client).wait_until_deleted(id, timeout=7200))
        await asyncio.sleep(600)
        assert not waiting.done()
        networks[0].intercept = None
        await cloud.delete(client, id)
        assert await waiting is None


@foreign
async def test_existing_resource_is_not_missing(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A wait for an existing resource reports neither "not found" nor "vanished"."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "GET", response)
        with pytest.raises(WaitTimeoutError) as caught:
            await cloud.api(client).wait_until_active(id, timeout=300)
        assert isinstance(caught.value.last_error, NotFoundError)
        assert caught.value.last_error.transient


@foreign
async def test_delete_answered_by_a_gateway_is_not_done(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """`delete` raises the error instead of returning a settled change."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "DELETE", response)
        with pytest.raises(NotFoundError) as caught:
            await cloud.delete(client, id)
        assert caught.value.transient
