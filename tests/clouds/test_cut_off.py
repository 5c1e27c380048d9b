"""Writes that are cut off in flight, on every cloud: what they may have done is reported."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from di_async import ClientClosedError, RequestBudget
from di_async.core.http import Request
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, Delayed, EmulatorNetwork

pytestmark = VIRTUAL
NAME = "thing-1"
IN_FLIGHT_S = 5.0


def network_of(client: Any) -> EmulatorNetwork:
    """Return the network of a client of `Cloud.client`."""
    network: EmulatorNetwork = client._engine.transport  # noqa: SLF001
    return network


def slow_writes(client: Any) -> None:
    """Answer every write late; each is carried out at once."""

    def intercept(request: Request, answer: Answer) -> Answer:
        return answer if request.method == "GET" else Delayed(IN_FLIGHT_S, plain(answer))

    network_of(client).intercept = intercept


def plain(answer: Answer) -> Any:
    """Return an answer without its delay."""
    return answer.answer if isinstance(answer, Delayed) else answer


def reported(error: BaseException, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what an error says, with its notes; and the warnings."""
    notes = getattr(error, "__notes__", [])
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    return [" ".join([str(error), *notes]), " ".join(warnings)]


@contextlib.asynccontextmanager
async def settled(cloud: Cloud) -> AsyncIterator[tuple[Any, str]]:
    """Yield a client whose writes are slow, and the id of a resource."""
    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, NAME)
        slow_writes(client)
        yield client, id


@everywhere
async def test_cancelled_create_is_reported(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """A create that is cancelled in flight names what may exist and bill, in the error and log."""
    world = a_world()
    async with cloud.client(world) as client:
        slow_writes(client)
        call = asyncio.ensure_future(cloud.create(client, NAME))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    for text in reported(caught.value, caplog):
        assert f"'{NAME}'" in text
        assert "may exist and bill" in text
    assert world.created[NAME] == 1


@everywhere
async def test_create_of_a_closed_client_is_reported(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that is closed while a lost create is looked up says what may exist and bill."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("reset", now=0, on=cloud.POST, after_commit=True)
        call = asyncio.ensure_future(cloud.create(client, NAME))
        await asyncio.sleep(0.3)
        await client.aclose()
        with pytest.raises(ClientClosedError) as caught:
            await call
    for text in reported(caught.value, caplog):
        assert f"'{NAME}'" in text
        assert "may exist and bill" in text
    assert network_of(client).count("POST") == 1


@everywhere
async def test_answer_that_arrives_as_the_client_closes(cloud: Cloud) -> None:
    """A create whose answer still arrives returns its change, with id and resume token."""
    async with cloud.client(a_world()) as client:
        slow_writes(client)
        call = asyncio.ensure_future(cloud.create(client, NAME))
        await asyncio.sleep(1)
        await client.aclose()
        change = await call
    assert change.id
    assert change.resume_token
    if cloud.name == "digitalocean":
        assert change.access_token.value.reveal()


@pytest.mark.parametrize("write", ["grow", "delete"])
@everywhere
async def test_other_cancelled_writes_are_reported(
    cloud: Cloud, write: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An update or delete that is cancelled in flight says that it may have been carried out."""
    async with settled(cloud) as (client, id):
        call = asyncio.ensure_future(getattr(cloud, write)(client, id))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    for text in reported(caught.value, caplog):
        assert id in text
        assert "may have been carried out" in text


@pytest.mark.parametrize("end", ["cancel", "close"])
@everywhere
async def test_create_that_was_never_sent_is_not_reported(
    cloud: Cloud, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A create that ends while the budget holds it back has made nothing, and says so."""
    world = a_world()
    budget = RequestBudget(per_minute=2, reserve=0.0)
    async with cloud.client(world, budget=budget) as client:
        for _ in range(2):
            await cloud.api(client).list().collect()
        await asyncio.sleep(40)  # the budget has room again after a minute
        call = asyncio.ensure_future(cloud.create(client, NAME))
        await asyncio.sleep(1)
        if end == "cancel":
            call.cancel()
        else:
            await client.aclose()
        with pytest.raises((asyncio.CancelledError, ClientClosedError)) as caught:
            await call
    for text in reported(caught.value, caplog):
        assert "bill" not in text
    assert NAME not in world.created


@everywhere
async def test_the_log_names_what_was_accepted(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has one record for each accepted write, in the same words on every cloud."""
    caplog.set_level(logging.INFO, "di_async")
    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, NAME)
        await (await cloud.grow(client, id)).wait()
        await cloud.delete(client, id)
    texts = [record.getMessage() for record in caplog.records if record.name == "di_async"]
    words = [text.split(" of ")[0] for text in texts if " accepted" in text]
    assert words == ["create", "update", "delete"], texts


class Exit(logging.Handler):
    """A handler that ends the process when it sees a text, as a watchdog may."""

    def emit(self, record: logging.LogRecord) -> None:
        """Exit at the report of the accepted create."""
        if "accepted" in record.getMessage():
            raise SystemExit(3)


@everywhere
async def test_exit_after_the_answer_keeps_what_was_created(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """An exit after the answer arrived carries the change: id, resume token, one-time token."""
    caplog.set_level(logging.INFO, "di_async")
    handler = Exit()
    async with cloud.client(a_world()) as client:
        logging.getLogger("di_async").addHandler(handler)
        try:
            with pytest.raises(SystemExit) as caught:
                await cloud.create(client, NAME)
        finally:
            logging.getLogger("di_async").removeHandler(handler)
    change = caught.value.write_result  # type: ignore[attr-defined]
    (note,) = caught.value.__notes__
    assert change.id in note
    assert change.resume_token in note
    if cloud.name == "digitalocean":
        token = change.access_token.value.reveal()
        assert token
        assert token not in note + caplog.text


class Broken(logging.Handler):
    """A handler that raises, as one whose disk is full does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        raise OSError(28, "No space left on device")


@everywhere
async def test_broken_log_handler_loses_nothing(cloud: Cloud) -> None:
    """A write returns its change although every record fails to be logged."""
    handler, logger = Broken(), logging.getLogger("di_async")
    world = a_world()
    async with cloud.client(world) as client:
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        try:
            change = await cloud.create(client, NAME)
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
    assert change.id
    assert world.created[NAME] == 1
