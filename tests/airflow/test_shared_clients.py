"""Tests of the client that all triggers of a connection share, in virtual time."""

import asyncio

import pytest

from di_async.airflow.settings import ConnectionSettings
from di_async.airflow.shared_clients import FETCH_AGAIN_S, LINGER_S, SharedClients
from di_async.core.errors import InvalidInputError
from tests.clouds.support import VIRTUAL

pytestmark = VIRTUAL


class Connections:
    """Connections that count how often they are read."""

    def __init__(self) -> None:
        self.reads = 0
        self.password = "one"
        self.fails = False

    async def fetch(self, conn_id: str) -> ConnectionSettings:
        """Read one."""
        self.reads += 1
        await asyncio.sleep(1)
        if self.fails:
            raise InvalidInputError("no such connection")
        return ConnectionSettings.from_fields("digitalocean_inference", password=self.password)


async def test_many_users_share_one_client() -> None:
    """A thousand waits that begin at once read the connection once, and share one client."""
    connections = Connections()
    shared = SharedClients(connections.fetch)
    seen: set[int] = set()

    async def use() -> None:
        async with shared.client("do") as client:
            seen.add(id(client))
            await asyncio.sleep(10)

    await asyncio.gather(*(use() for _ in range(1000)))
    assert connections.reads == 1
    assert len(seen) == 1
    assert shared.open_clients == 1
    await asyncio.sleep(LINGER_S + 1)
    assert shared.open_clients == 0


async def test_client_between_two_waits() -> None:
    """A wait that begins soon after the last one ended uses the same client."""
    shared = SharedClients(Connections().fetch)
    async with shared.client("do") as first:
        pass
    await asyncio.sleep(LINGER_S / 2)
    async with shared.client("do") as second:
        assert second is first
        await asyncio.sleep(LINGER_S * 2)
        assert shared.open_clients == 1
    await asyncio.sleep(LINGER_S + 1)


async def test_budget_outlives_the_client() -> None:
    """A new client of the same connection goes on with the budget: the quota is the token's."""
    shared = SharedClients(Connections().fetch)
    budgets = []
    for _ in range(2):
        async with shared.client("do") as client:
            budgets.append(client._engine.budget)  # noqa: SLF001 - nothing else shows it
        await asyncio.sleep(LINGER_S + 1)
    assert budgets[0] is budgets[1]


async def test_changed_connection() -> None:
    """A changed password makes a new client for later waits; those under way keep theirs."""
    connections = Connections()
    shared = SharedClients(connections.fetch)
    async with shared.client("do") as first:
        connections.password = "two"
        await asyncio.sleep(FETCH_AGAIN_S + 1)
        async with shared.client("do") as second:
            assert second is not first
    await asyncio.sleep(LINGER_S + 1)
    assert shared.open_clients == 0


async def test_failed_read_is_repeated() -> None:
    """A connection that could not be read fails the waits that asked, and is read again."""
    connections = Connections()
    connections.fails = True
    shared = SharedClients(connections.fetch)
    for _ in range(2):
        with pytest.raises(InvalidInputError):
            async with shared.client("do"):
                pass
    assert connections.reads == 2


async def test_cancelled_wait_does_not_end_the_read_of_others() -> None:
    """Cancelling the wait that reads the connection leaves the others alone."""
    shared = SharedClients(Connections().fetch)

    async def use() -> None:
        async with shared.client("do"):
            pass

    first, second = asyncio.ensure_future(use()), asyncio.ensure_future(use())
    await asyncio.sleep(0.5)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.sleep(LINGER_S + 1)
