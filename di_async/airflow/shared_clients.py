"""One client for all triggers of a triggerer that use the same connection.

So they share a poller, which reads many waits from few list pages, and one request budget. A client
is closed when its last user has left it for a while; its budget is kept, as the quota is the
token's.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field

from di_async.airflow.settings import ConnectionSettings
from di_async.core.rate_limit import RequestBudget
from di_async.engine.client import Client

__all__ = ["SharedClients"]

Fetch = Callable[[str], Awaitable[ConnectionSettings]]
LINGER_S = 60.0
"""Seconds for which a client without users stays open."""
FETCH_AGAIN_S = 300.0
"""Seconds after which a connection is read again, for waits that begin then."""


@define(eq=False)
class _Shared:
    client: Client
    users: int = 0
    closing: asyncio.TimerHandle | None = None


@define(eq=False)
class _Fetched:
    settings: "asyncio.Future[ConnectionSettings]"
    at: float


@define(eq=False)
class SharedClients:
    """The clients of one event loop, by connection."""

    fetch: Fetch
    """Reads a connection."""
    _shared: dict[str, _Shared] = field(factory=dict, init=False)
    _budgets: dict[str, RequestBudget | None] = field(factory=dict, init=False)
    _fetched: dict[str, _Fetched] = field(factory=dict, init=False)
    _opening: asyncio.Lock = field(factory=asyncio.Lock, init=False)
    _tasks: set["asyncio.Task[None]"] = field(factory=set, init=False)

    @asynccontextmanager
    async def client(self, conn_id: str) -> AsyncIterator[Client]:
        """Yield the entered client of a connection.

        Raises:
            InvalidInputError: the connection's settings are not valid.
        """
        settings = await self._settings(conn_id)
        key = settings.fingerprint
        async with self._opening:
            shared = self._shared.get(key)
            if shared is None:
                if key not in self._budgets:
                    self._budgets[key] = settings.budget()
                client = settings.client(self._budgets[key])
                # In a context of its own: what it logs belongs to no single task's log.
                loop, empty = asyncio.get_running_loop(), contextvars.Context()
                await loop.create_task(client.__aenter__(), context=empty)
                shared = self._shared[key] = _Shared(client)
            shared.users += 1
        if shared.closing is not None:
            shared.closing.cancel()
            shared.closing = None
        try:
            yield shared.client
        finally:
            shared.users -= 1
            if not shared.users:
                loop = asyncio.get_running_loop()
                shared.closing = loop.call_later(LINGER_S, self._close_unused, key)

    @property
    def open_clients(self) -> int:
        """How many clients are open."""
        return len(self._shared)

    async def _settings(self, conn_id: str) -> ConnectionSettings:
        """Return the settings of a connection; many that ask at once cause one read."""
        loop = asyncio.get_running_loop()
        known = self._fetched.get(conn_id)
        failed = known is not None and known.settings.done() and _failed(known.settings)
        if known is None or failed or loop.time() - known.at > FETCH_AGAIN_S:
            reading = asyncio.ensure_future(self.fetch(conn_id))
            known = self._fetched[conn_id] = _Fetched(reading, loop.time())
        # Shielded: one trigger that is cancelled must not end the read of the others.
        return await asyncio.shield(known.settings)

    def _close_unused(self, key: str) -> None:
        shared = self._shared.get(key)
        if shared is None or shared.users:
            return
        del self._shared[key]
        task = asyncio.ensure_future(shared.client.aclose())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _failed(settings: "asyncio.Future[ConnectionSettings]") -> bool:
    return settings.cancelled() or settings.exception() is not None
