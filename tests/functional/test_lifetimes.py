"""Tests of where a client may be entered, left and used."""

import asyncio
import pickle
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import httpx
import pytest

from di_async import (
    ClientClosedError,
    DIError,
    DigitalOcean,
    NotFoundError,
    RequestBudget,
    WaitTimeoutError,
)
from di_async.emulator import Emulator, Lifecycle, Options, running, threaded
from tests.builders.digitalocean import a_spec
from tests.functional.helpers import FAST, QUICKLY, a_client

if TYPE_CHECKING:  # imported by the test that uses it: each worker collects all tests
    from fastapi import FastAPI


class Lifespan:
    """An ASGI server's side of the lifespan protocol: startup and shutdown in one task."""

    def __init__(self, app: "FastAPI") -> None:
        self.app = app
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.ensure_future(self.app(scope, self.to_app.get, self.from_app.put))
        await self.step("lifespan.startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.step("lifespan.shutdown")
        await self.task

    async def step(self, kind: str) -> None:
        """Send one lifespan event and check that it completes."""
        await self.to_app.put({"type": kind})
        assert await self.from_app.get() == {"type": f"{kind}.complete"}


def an_app(emu: Emulator) -> "FastAPI":
    """Return a service that creates instances and waits for them in its requests."""
    from fastapi import FastAPI

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
    """One client lives as long as a service; many requests wait with it concurrently."""
    async with running(**FAST) as emu, Lifespan(an_app(emu)) as served:
        transport = httpx.ASGITransport(app=served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as browser:
            responses = await asyncio.gather(*(browser.post(f"/models/m{n}") for n in range(3)))
    assert [response.json()["status"] for response in responses] == ["active"] * 3


async def test_set_up_and_tear_down_in_different_tasks() -> None:
    """A client may be entered in one task, used in a second and left in a third."""
    async with running(**FAST) as emu:
        client = a_client(emu)
        await asyncio.create_task(client.__aenter__())
        change = await asyncio.create_task(client.dedicated_inferences.create(a_spec()))
        await asyncio.create_task(change.wait())
        await asyncio.create_task(client.aclose())
    assert change.outcome == "settled"


@pytest.fixture
async def client() -> AsyncIterator[DigitalOcean]:
    """Yield a client whose setup and teardown a pytest plugin may run in different tasks."""
    async with running(**FAST) as emu, a_client(emu) as entered:
        yield entered


async def test_client_from_a_fixture(client: DigitalOcean) -> None:
    """A fixture's client works within the test, waits included."""
    change = await client.dedicated_inferences.create(a_spec())
    assert (await change.wait()).status == "active"


def test_sync_fixture_and_own_loop(di_emulator: Emulator) -> None:
    """A plain test can use the packaged emulator and `asyncio.run`."""

    async def main() -> str:
        async with a_client(di_emulator) as client:
            return (await (await client.dedicated_inferences.create(a_spec())).wait()).status

    assert asyncio.run(main()) == "active"


def test_second_asyncio_run_with_a_new_client(di_emulator: Emulator) -> None:
    """A second `asyncio.run` with a new client resumes the wait of the first."""

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
    """A client entered under one loop raises an error in another one, and does not hang."""
    client = a_client(di_emulator)
    with asyncio.Runner() as one:
        one.run(client.__aenter__())
        with asyncio.Runner() as two, pytest.raises(RuntimeError, match="the event loop"):
            two.run(client.dedicated_inferences.sizes())
        one.run(client.aclose())


async def test_client_used_from_another_thread() -> None:
    """A client used from another thread raises a clear RuntimeError."""
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
    """A client that was never entered raises an error that says how to enter it."""
    with pytest.raises(RuntimeError, match="async with"):
        await DigitalOcean("t" * 20).dedicated_inferences.sizes()


async def test_closed_client() -> None:
    """Every call of a closed client raises `ClientClosedError`."""
    async with running(**FAST) as emu:
        async with a_client(emu) as client:
            pass
        with pytest.raises(ClientClosedError):
            await client.dedicated_inferences.sizes()


async def test_leaving_ends_open_waits() -> None:
    """An open wait ends with `ClientClosedError` when the client is left."""
    async with running(seed=0) as emu:
        async with a_client(emu) as client:
            change = await client.dedicated_inferences.create(a_spec())
            wait = asyncio.ensure_future(change.wait(timeout=None))
            await change.events().__anext__()
        with pytest.raises(ClientClosedError):
            await wait


async def test_cancelling_the_first_waiter() -> None:
    """Two waits for one id share reads, and cancelling the first does not affect the other."""
    async with running(**FAST) as emu, a_client(emu) as client:
        change = await client.dedicated_inferences.create(a_spec())
        first = asyncio.ensure_future(change.wait())
        second = asyncio.ensure_future(change.wait())
        await asyncio.sleep(0)  # both have joined
        first.cancel()
        assert (await second).status == "active"
    assert first.cancelled()


async def test_errors_survive_pickling() -> None:
    """Pickled errors keep all their attributes."""
    slow: Options = {**FAST, "lifecycle": Lifecycle(create=3600)}  # no load lets it settle
    async with running(**slow) as emu, a_client(emu) as client:
        errors: list[DIError] = []
        change = await client.dedicated_inferences.create(a_spec())
        for call in (client.dedicated_inferences.get("nothing"), change.wait(timeout=0)):
            with pytest.raises((NotFoundError, WaitTimeoutError)) as caught:
                await call
            errors.append(caught.value)
    for error in errors:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - bytes made above
        assert (type(again), str(again), again.args) == (type(error), str(error), error.args)
        assert set(vars(again)) == set(vars(error))


async def test_callers_session_stays_open() -> None:
    """A caller's session is used and not closed."""
    async with running(**FAST) as emu, aiohttp.ClientSession() as session:
        async with a_client(emu, session=session) as client:
            await client.dedicated_inferences.sizes()
        assert not session.closed


async def test_server_that_closes_after_each_answer() -> None:
    """Dead connections cause no second create, and the budget counts each send."""
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
    """Run a proxy to an emulator that closes each connection after one response."""
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
    """Return one HTTP message, as long as its head says."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(
        line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line
    )
    return head + await reader.readexactly(int(fields.get("content-length", 0)))


def test_threaded_emulator_serves_any_loop() -> None:
    """The threaded emulator outlives the loops of its clients."""
    with threaded(**FAST) as emu:
        for _ in range(2):

            async def main() -> int:
                async with a_client(emu) as client:
                    return len((await client.dedicated_inferences.sizes()).sizes)

            assert asyncio.run(main()) > 0
