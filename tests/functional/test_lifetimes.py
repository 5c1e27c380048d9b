"""Issue 2, "it must show" 6: where a client may be entered, left, and used."""

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
import httpx
import pytest
from fastapi import FastAPI

from di_async import (
    ClientClosedError,
    DIError,
    DigitalOcean,
    NotFoundError,
    RequestBudget,
    WaitTimeoutError,
)
from di_async.emulator import Emulator, running, threaded
from tests.builders.digitalocean import a_spec
from tests.functional.helpers import FAST, QUICKLY, a_client


class Lifespan:
    """An ASGI server's half of the lifespan protocol: start-up and shut-down in one task."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.ensure_future(self.app(scope, self.asked.get, self.told.put))
        await self.step("lifespan.startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.step("lifespan.shutdown")
        await self.task

    async def step(self, kind: str) -> None:
        """Ask for one step and make sure that it went well."""
        await self.asked.put({"type": kind})
        assert await self.told.get() == {"type": f"{kind}.complete"}


def an_app(emu: Emulator) -> FastAPI:
    """A service that makes instances and waits for them in its requests."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with a_client(emu) as app.state.client:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/models/{name}")
    async def make(name: str) -> dict[str, str]:
        instances = app.state.client.dedicated_inferences
        di = await (await instances.create(a_spec(name))).wait()
        return {"name": di.name, "status": di.status}

    return app


async def test_fastapi_lifespan() -> None:
    """One client for a service's life; many requests wait with it at once."""
    async with running(**FAST) as emu, Lifespan(an_app(emu)) as served:
        transport = httpx.ASGITransport(app=served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            told = await asyncio.gather(*(browser.post(f"/models/m{n}") for n in range(3)))
    assert [answer.json()["status"] for answer in told] == ["active"] * 3


async def test_set_up_and_tear_down_in_different_tasks() -> None:
    """Entered in one task, used in a second, left in a third, as start-up hooks do."""
    async with running(**FAST) as emu:
        client = a_client(emu)
        await asyncio.create_task(client.__aenter__())
        change = await asyncio.create_task(client.dedicated_inferences.create(a_spec()))
        await asyncio.create_task(change.wait())
        await asyncio.create_task(client.aclose())
    assert change.outcome == "settled"


@pytest.fixture
async def client() -> AsyncIterator[DigitalOcean]:
    """A client whose set-up and tear-down a pytest plugin runs as it likes."""
    async with running(**FAST) as emu, a_client(emu) as entered:
        yield entered


async def test_client_from_a_fixture(client: DigitalOcean) -> None:
    """A fixture's client works within the test, waits included."""
    change = await client.dedicated_inferences.create(a_spec())
    assert (await change.wait()).status == "active"


def test_sync_fixture_and_own_loop(di_emulator: Emulator) -> None:
    """In a plain test, with the packaged emulator and `asyncio.run`."""

    async def main() -> str:
        async with a_client(di_emulator) as client:
            return (await (await client.dedicated_inferences.create(a_spec())).wait()).status

    assert asyncio.run(main()) == "active"


def test_second_asyncio_run_with_a_new_client(di_emulator: Emulator) -> None:
    """Each run of a program's loop makes its own, and goes on where the first one stopped."""

    async def first() -> str:
        async with a_client(di_emulator) as client:
            return (await client.dedicated_inferences.create(a_spec())).resume_token

    async def second(token: str) -> str:
        async with a_client(di_emulator) as client:
            return str((await client.dedicated_inferences.resume(token).wait()).status)

    assert asyncio.run(second(asyncio.run(first()))) == "active"


def test_client_of_a_closed_loop(di_emulator: Emulator) -> None:
    """A client that was left is closed for every loop."""
    client = a_client(di_emulator)

    async def use() -> None:
        async with client:
            await client.dedicated_inferences.sizes()

    asyncio.run(use())
    with pytest.raises(RuntimeError, match="entered once"):
        asyncio.run(use())


def test_client_carried_into_a_second_loop(di_emulator: Emulator) -> None:
    """Entered under one loop and used under another: told so, not hung."""
    client = a_client(di_emulator)
    with asyncio.Runner() as one:
        one.run(client.__aenter__())
        with asyncio.Runner() as two, pytest.raises(RuntimeError, match="the event loop"):
            two.run(client.dedicated_inferences.sizes())
        one.run(client.aclose())


async def test_client_used_from_another_thread() -> None:
    """Another thread has another loop: a clear RuntimeError."""
    errors: list[BaseException] = []
    async with running(**FAST) as emu, a_client(emu) as client:

        def use() -> None:
            try:
                asyncio.run(client.dedicated_inferences.sizes())
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=use)
        thread.start()
        await asyncio.to_thread(thread.join)
    (error,) = errors
    assert "one client for each loop" in str(error)


async def test_not_entered() -> None:
    """A client that was never entered says how to."""
    with pytest.raises(RuntimeError, match="async with"):
        await DigitalOcean("t" * 20).dedicated_inferences.sizes()


async def test_closed_client() -> None:
    """After leaving, every call says that the client is closed."""
    async with running(**FAST) as emu:
        async with a_client(emu) as client:
            pass
        with pytest.raises(ClientClosedError):
            await client.dedicated_inferences.sizes()


async def test_leaving_ends_open_waits() -> None:
    """A wait that is open when the client goes ends with `ClientClosedError`."""
    async with running(seed=0) as emu:
        async with a_client(emu) as client:
            change = await client.dedicated_inferences.create(a_spec())
            wait = asyncio.ensure_future(change.wait(timeout=None))
            await change.events().__anext__()
        with pytest.raises(ClientClosedError):
            await wait


async def test_a_cancelled_first_waiter_harms_no_other() -> None:
    """Two wait for one id at the cost of one; the first one's leaving changes nothing."""
    async with running(**FAST) as emu, a_client(emu) as client:
        change = await client.dedicated_inferences.create(a_spec())
        first = asyncio.ensure_future(change.wait())
        second = asyncio.ensure_future(change.wait())
        await asyncio.sleep(0)  # both have joined
        first.cancel()
        assert (await second).status == "active"
    assert first.cancelled()


async def test_errors_survive_pickling() -> None:
    """An error with all its attributes passes between processes."""
    async with running(**FAST) as emu, a_client(emu) as client:
        errors: list[DIError] = []
        change = await client.dedicated_inferences.create(a_spec())
        for call in (client.dedicated_inferences.get("nothing"), change.wait(timeout=0)):
            with pytest.raises((NotFoundError, WaitTimeoutError)) as caught:
                await call
            errors.append(caught.value)
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
        assert set(vars(again)) == set(vars(error))


async def test_callers_session_stays_open() -> None:
    """A session of the caller's is used and not closed."""
    async with running(**FAST) as emu, aiohttp.ClientSession() as session:
        async with a_client(emu, session=session) as client:
            await client.dedicated_inferences.sizes()
        assert not session.closed


async def test_server_that_closes_after_each_answer() -> None:
    """Connections that turn out dead cost no double create, and the budget counts each send."""
    budget = RequestBudget()
    async with running(**FAST) as emu, closing_proxy(emu) as url:
        options: dict[str, Any] = {"base_url": url, "polling": QUICKLY, "budget": budget}
        async with DigitalOcean(emu.token, **options) as client:
            change = await client.dedicated_inferences.create(a_spec())
            assert (await change.wait()).status == "active"
            await (await client.dedicated_inferences.delete(change.id)).wait()
        assert emu.world.created["web"] == 1
        assert budget.used(asyncio.get_running_loop().time())[1] >= emu.stats.total


@asynccontextmanager
async def closing_proxy(emu: Emulator) -> AsyncIterator[str]:
    """In front of an emulator: closes each connection after one answer, without saying so."""
    port = int(emu.url.rpartition(":")[2])
    talks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())  # type: ignore[arg-type]
        behind, there = await asyncio.open_connection("127.0.0.1", port)
        there.write(await whole_message(reader))
        writer.write(await whole_message(behind))
        for end in (writer, there):
            await end.drain()
            end.close()
            await end.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*talks, return_exceptions=True)
    server.close()
    await server.wait_closed()


async def whole_message(reader: asyncio.StreamReader) -> bytes:
    """One HTTP message: its head, and as much body as the head says."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(
        line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line
    )
    return head + await reader.readexactly(int(fields.get("content-length", 0)))


def test_threaded_emulator_serves_any_loop() -> None:
    """The emulator in its own thread outlives the loops of its clients."""
    with threaded(**FAST) as emu:
        for _ in range(2):

            async def main() -> int:
                async with a_client(emu) as client:
                    return len((await client.dedicated_inferences.sizes()).sizes)

            assert asyncio.run(main()) > 0
