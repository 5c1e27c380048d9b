"""Failed calls clear the local variables of this package's frames, and nothing else."""

import asyncio
import inspect
import socket
import traceback

import pytest

from di_async import DigitalOcean, InvalidInputError
from di_async.engine.resource_api import ResourceApi


async def test_frames_keep_their_lines_and_lose_their_variables() -> None:
    """The stack of an error stays complete; the caller's own variables stay as they are."""
    mine = {"token": "planted-mine"}
    async with DigitalOcean("t", base_url="http://127.0.0.1:9") as do:
        with pytest.raises(InvalidInputError) as caught:
            await do.dedicated_inferences.create({"name": 5, "region": "planted"})
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "/di_async/" in frame.filename]
    assert any(frame.filename.endswith("dedicated_inferences.py") for frame in ours)
    assert not [frame for frame in ours if "planted" in str(frame.locals)]
    assert any("planted-mine" in str(frame.locals) for frame in shown.stack if frame not in ours)
    assert mine


def test_methods_keep_their_names_and_signatures() -> None:
    """Help, signatures and checks for coroutines see the method itself."""
    found = DigitalOcean.request
    assert inspect.iscoroutinefunction(found)
    assert "json" in inspect.signature(found).parameters
    assert found.__name__ == "request"
    assert not hasattr(ResourceApi.wait_until_active, "__wrapped__")


async def test_cancelled_call_is_cancelled() -> None:
    """Cancelling passes through."""
    with socket.create_server(("127.0.0.1", 0)) as listening:  # accepts nothing
        port = listening.getsockname()[1]
        async with DigitalOcean("t", base_url=f"http://127.0.0.1:{port}") as do:
            call = asyncio.ensure_future(do.request("GET", "/x"))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
