"""Over real sockets: signatures, and comparison with the vendor's client."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import exoscale.api.v2 as sdk  # type: ignore[import-untyped]
import pytest

from di_async import NotFoundError, PermissionDeniedError, PollPolicy
from di_async.emulator import Emulator, Lifecycle, threaded
from di_async.exoscale import DeploymentSpec, Exoscale

MODEL = "openai/gpt-oss-20b"
ZONE = "de-fra-1"


@pytest.fixture
def emu() -> Iterator[Emulator]:
    """Return an emulator whose creates take a fifth of a second."""
    lifecycle = Lifecycle(create=20, update=15, delete=10)
    with threaded(time_scale=100.0, lifecycle=lifecycle, seed=0) as emulator:
        yield emulator


def connected(emu: Emulator, secret: str | None = None) -> Exoscale:
    """Return our client of a zone, with short delays."""
    return Exoscale(
        emu.exoscale_api_key,
        secret or emu.exoscale_api_secret,
        ZONE,
        base_url=emu.exoscale_url,
        polling=PollPolicy(target_lag=0.05, max_interval=0.2),
        budget=None,
    )


def vendors(emu: Emulator) -> Any:
    """Return the vendor's own client of that zone."""
    url = f"{emu.exoscale_url.format(zone=ZONE)}/v2"
    return sdk.Client(emu.exoscale_api_key, emu.exoscale_api_secret, url=url)


async def test_vendors_client_reads_what_ours_wrote(emu: Emulator) -> None:
    """Both clients read the same fields after create, update and scale."""
    emu.add_exoscale_model(name=MODEL, zone=ZONE)
    spec = DeploymentSpec(
        name="web",
        model=MODEL,
        gpu_type="gpua5000",
        gpu_count=4,
        replicas=2,
        inference_engine_version="0.19.0",
        inference_engine_parameters=["--dtype", "float16"],
    )
    async with connected(emu) as client:
        id = (await (await client.deployments.create(spec)).wait()).id
        await (await client.deployments.update(id, name="naïve & new")).wait()
        found = await (await client.deployments.scale(id, 3)).wait()
    theirs = vendors(emu)
    read = await asyncio.to_thread(theirs.get_deployment, id=id)
    theirs.http_client.close()
    sent = {
        "name": "naïve & new",
        "gpu-type": "gpua5000",
        "gpu-count": 4,
        "replicas": 3,
        "inference-engine-version": "0.19.0",
        "inference-engine-parameters": ["--dtype", "float16"],
    }
    assert {key: read[key] for key in sent} == sent
    assert (read["state"], read["model"]["name"]) == ("ready", MODEL)
    assert (found.id, found.deployment_url) == (read["id"], read["deployment-url"])


async def test_query_and_path_are_signed_as_they_are_sent(emu: Emulator) -> None:
    """Ids with quoted characters are signed correctly and return 404."""
    async with connected(emu) as client:
        assert [row async for row in client.deployments.list(visibility="private")] == []
        assert await client.inference_engine_help("0.19.0 & more ü") is not None
        assert (await client.deployments.delete("odd/id & ü")).already_gone


async def test_wrong_secret(emu: Emulator) -> None:
    """A wrong secret reports key, secret or role as the cause."""
    async with connected(emu, "n0t-the-secret") as client:
        with pytest.raises(PermissionDeniedError, match="the API key or its secret is wrong"):
            await client.deployments.get("x")


async def test_wrong_clock(emu: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong clock does no harm: the request is signed again with the server's time."""
    real = time.time
    async with connected(emu) as client:
        monkeypatch.setattr("di_async.engine.clock.Clock.wall", lambda _: real() - 900)
        with pytest.raises(NotFoundError):
            await client.deployments.get("x")
