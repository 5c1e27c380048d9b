"""Tests of what the library says where it is used in a way that cannot work."""

from typing import Any

import pytest

from di_async import DigitalOcean, InvalidInputError, WaitTimeoutError
from di_async.emulator import Emulator
from tests.builders.digitalocean import an_instance, read


def test_with_instead_of_async_with() -> None:
    """`with` is answered by the fix."""
    client: Any = DigitalOcean("token")
    with pytest.raises(TypeError, match="use `async with DigitalOcean"), client:
        pass


async def test_listing(di_emulator: Emulator) -> None:
    """A listing can be awaited; `for` is answered by the fix."""
    di_emulator.add_instance(name="web")
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url) as do:
        assert [di.name for di in await do.dedicated_inferences.list()] == ["web"]
        with pytest.raises(TypeError, match="use `async for`"):
            list(do.dedicated_inferences.list())


async def test_change_instead_of_id(di_emulator: Emulator) -> None:
    """Passing a change where an id belongs is answered by the fix."""
    instance = di_emulator.add_instance(name="web")
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url) as do:
        change: Any = await do.dedicated_inferences.delete(instance.id)
        with pytest.raises(InvalidInputError, match=r"must be text, not Change; pass its \.id$"):
            await do.dedicated_inferences.get(change)


def test_trio() -> None:
    """Without an asyncio loop, the message says which loops are supported."""
    with pytest.raises(RuntimeError, match=r"runs on asyncio .* trio is not supported"):
        DigitalOcean("token").__aenter__().send(None)


async def test_timeout_names_the_last_error(di_emulator: Emulator) -> None:
    """A wait whose reads all failed states the error."""
    instance = di_emulator.add_instance(name="web", status="provisioning", settles_in=1e9)
    di_emulator.fault("reset", on="GET /v2/dedicated-inferences/{id}", times=99)
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url) as do:
        with pytest.raises(WaitTimeoutError, match=r"The last error: GET /v2/"):
            await do.dedicated_inferences.wait_until_active(instance.id, timeout=0)


async def test_timeout_of_what_was_not_found(di_emulator: Emulator) -> None:
    """The message says that the cost lasts as long as the resource exists, if it does."""
    async with DigitalOcean(di_emulator.token, base_url=di_emulator.url) as do:
        with pytest.raises(WaitTimeoutError, match="was not found; it bills as long as it exists"):
            await do.dedicated_inferences.wait_until("my-llm", lambda _: True, timeout=0)


def test_url() -> None:
    """An active instance has a URL; others say what to wait for."""
    instance = read(an_instance())
    assert instance.url.startswith("https://")
    assert "/" not in instance.url.removeprefix("https://")
    with pytest.raises(InvalidInputError, match="no endpoint yet"):
        _ = read(an_instance(endpoints=None)).url
