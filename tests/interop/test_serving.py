"""`connect` over sockets on every cloud, and the openai SDK over what it returns."""

import asyncio
import builtins
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from di_async import Change, ConnectError, DigitalOcean, PollPolicy, WaitRefusedError
from di_async.core.secret import Secret
from di_async.core.serving import ServingTarget
from di_async.emulator import Emulator, Lifecycle
from di_async.emulator.gcore.catalog import FLAVORS
from di_async.engine.endpoints.serving import Probe, ServingEndpoint, endpoint_of
from di_async.engine.transport import AiohttpTransport, TransportOptions
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore
from tests.builders.digitalocean import a_spec

FAST = PollPolicy(target_lag=0.05, max_interval=0.2)
MODEL = "openai/gpt-oss-20b"


@pytest.fixture
def di_emulator_options() -> dict[str, Any]:
    """Return an emulator whose models are listed a second before they answer."""
    lifecycle = Lifecycle(create=10, update=8, delete=5, ready_lag=120, list_lead=100)
    return {"time_scale": 100.0, "lifecycle": lifecycle}


@asynccontextmanager
async def digitalocean(emu: Emulator) -> AsyncIterator[tuple[Change[Any], dict[str, Any]]]:
    """Yield a create at DigitalOcean and the options of `connect`."""
    async with DigitalOcean(emu.token, base_url=emu.url, polling=FAST) as client:
        yield await client.dedicated_inferences.create(a_spec()), {}


@asynccontextmanager
async def private(emu: Emulator) -> AsyncIterator[tuple[Change[Any], dict[str, Any]]]:
    """Yield a create at DigitalOcean, and connect to its private endpoint."""
    async with digitalocean(emu) as (change, _):
        yield change, {"private": True}


@asynccontextmanager
async def gcore(emu: Emulator) -> AsyncIterator[tuple[Change[Any], dict[str, Any]]]:
    """Yield a create at Gcore and the options of `connect`."""
    async with Gcore(
        emu.gcore_api_key, emu.gcore_project_id, base_url=emu.url, polling=FAST, budget=None
    ) as client:
        key = await client.api_keys.create("mine")
        spec = {
            "name": "webs",
            "image": "vllm:latest",
            "listening_port": 8000,
            "flavor_name": FLAVORS[0].name,
            "containers": [{"region_id": 7, "scale": {"min": 1, "max": 1}}],
            "api_keys": ["mine"],
        }
        yield await client.inference_deployments.create(spec), {"access_token": key}


@asynccontextmanager
async def exoscale(emu: Emulator) -> AsyncIterator[tuple[Change[Any], dict[str, Any]]]:
    """Yield a create at Exoscale and the options of `connect`."""
    emu.add_exoscale_model(name=MODEL)
    async with Exoscale(
        emu.exoscale_api_key,
        emu.exoscale_api_secret,
        base_url=emu.exoscale_url,
        polling=FAST,
        budget=None,
    ) as client:
        spec = {"name": "webs", "model": {"name": MODEL}, "gpu-type": "gpua5000"}
        yield await client.deployments.create(spec), {}


@pytest.mark.parametrize("cloud", [digitalocean, private, gcore, exoscale])
async def test_openai_over_the_endpoint(cloud: Any, di_emulator: Emulator) -> None:
    """Chat, streaming and embeddings work as soon as `connect` returns; it outlives the client."""
    async with cloud(di_emulator) as (change, options):
        endpoint = await change.connect(timeout=30, **options)
    async with endpoint.openai(max_retries=0) as sdk:
        [model] = endpoint.models
        assert [one.id async for one in sdk.models.list()] == [model]
        hello: Any = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        chat = await sdk.chat.completions.create(**hello)
        stream = await sdk.chat.completions.create(**hello, stream=True)
        parts = [part.choices[0].delta.content or "" async for part in stream]
        assert "".join(parts) == chat.choices[0].message.content
        assert len(parts) > 1
        assert (await sdk.embeddings.create(model=model, input="a")).data[0].embedding
    assert (await endpoint.ready(timeout=5)) is endpoint


async def test_private_endpoint_with_another_ca_is_refused_at_once(di_emulator: Emulator) -> None:
    """Only the CA of `/ca` is trusted: neither the system's nor another instance's."""
    import openai
    import trustme

    other = trustme.CA().cert_pem.bytes().decode()
    target = ServingTarget(url=di_emulator.dataplane_url, access_token=Secret("x"), ca_pem=other)
    endpoint = endpoint_at(target)
    with pytest.raises(WaitRefusedError, match=r"certificate is not trusted.*private") as caught:
        await endpoint.ready(timeout=20)
    assert isinstance(caught.value.last_error, ConnectError)
    async with endpoint.openai(max_retries=0) as sdk:
        with pytest.raises(openai.APIConnectionError):
            await sdk.models.list()


async def test_own_probe_needs_a_certificate_that_is_trusted(di_emulator: Emulator) -> None:
    """A certificate that is not trusted is refused at once, whatever the probe is."""

    async def probe(_: ServingEndpoint) -> None:
        raise AssertionError("it is not called")

    target = ServingTarget(url=di_emulator.dataplane_url, access_token=Secret("x"))
    with pytest.raises(WaitRefusedError, match="certificate is not trusted"):
        await endpoint_at(target, probe=probe).ready(timeout=20)


async def test_clients_of_an_endpoint_use_the_proxy_of_its_client() -> None:
    """Probes and `openai()` take the same way, so that both reach the endpoint."""
    seen: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.url}")
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    server = TestServer(web.Application())
    server.app.router.add_route("*", "/{path:.*}", proxy)
    async with server:
        async with DigitalOcean("x", proxy=f"user:word@127.0.0.1:{server.port}") as client:
            endpoint = endpoint_of_client(client, ServingTarget(url="http://model.test"))
            await endpoint.ready(timeout=5)
        async with endpoint.openai(max_retries=0) as sdk:
            assert [one.id async for one in sdk.models.list()] == ["m"]
        with endpoint.sync_openai(max_retries=0) as sync:
            models = await asyncio.to_thread(sync.models.list)
        assert [one.id for one in models] == ["m"]
    assert seen == ["GET http://model.test/v1/models"] * 3


async def test_probes_use_the_session_of_the_client(
    di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the environment says about proxies does not concern a caller's session."""
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        DigitalOcean(di_emulator.token, base_url=di_emulator.url, session=session) as client,
    ):
        target = ServingTarget(url=di_emulator.dataplane_url, access_token=Secret("x"))
        endpoint = endpoint_of_client(client, target)
        with pytest.raises(WaitRefusedError, match="401"):
            await endpoint.ready(timeout=20)
        assert not session.closed


async def test_wrong_token_is_refused_at_once(di_emulator: Emulator) -> None:
    """401 is final, and the token stays out of the error."""
    async with digitalocean(di_emulator) as (change, _):
        with pytest.raises(WaitRefusedError, match="401") as caught:
            await change.connect(access_token="not-the-token", timeout=30)
    assert "not-the-token" not in str(caught.value)


async def test_refused_connections_and_unknown_hosts_are_not_yet(
    unused_port: int,
) -> None:
    """An endpoint that does not exist yet is awaited."""
    steps: list[str] = []

    async def nothing_to_check() -> None: ...

    endpoint = endpoint_at(ServingTarget(url=f"http://127.0.0.1:{unused_port}"))
    with pytest.raises(TimeoutError):
        await endpoint.probe_until(1.0, steps.append, nothing_to_check)
    assert "no connection" in steps[0]
    unknown = endpoint_at(ServingTarget(url="https://not-there.invalid"))
    steps.clear()
    with pytest.raises(TimeoutError):
        await unknown.probe_until(0, steps.append, nothing_to_check)
    assert len(steps) == 1


@pytest.fixture
def unused_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port


def endpoint_at(target: ServingTarget, probe: Probe = "chat") -> ServingEndpoint:
    """Return the endpoint of a target, without a client."""

    def opened(base_url: str, tls: Any) -> AiohttpTransport:
        return AiohttpTransport(TransportOptions(base_url=base_url, user_agent="test", ssl=tls))

    url = "https://api.test"
    return endpoint_of("one", target, opened, tls=None, client_url=url, probe=probe)


def endpoint_of_client(client: DigitalOcean, target: ServingTarget) -> ServingEndpoint:
    """Return an endpoint with the network settings of a client."""
    engine = client.dedicated_inferences._engine  # noqa: SLF001 - the emulator needs no proxy
    return engine.endpoint("one", target, "https://api.test", "models")


async def test_openai_failures_in_an_own_probe(di_emulator: Emulator) -> None:
    """A probe with the SDK: its connection and status errors are not yet, but for 401."""
    calls = 0

    async def probe(endpoint: ServingEndpoint) -> None:
        nonlocal calls
        calls += 1
        async with endpoint.openai(max_retries=0) as sdk:
            await sdk.embeddings.create(model=endpoint.models[0], input="a")

    async with digitalocean(di_emulator) as (change, options):
        endpoint = await change.connect(probe=probe, timeout=30, **options)
    assert calls == 2
    endpoint.access_token = Secret("wrong")
    with pytest.raises(WaitRefusedError, match="401"):
        await endpoint.ready(10)


async def test_missing_openai_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package, the error says what to install."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "openai":
            raise ModuleNotFoundError("No module named 'openai'", name="openai")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"di-async\[openai\]"):
        endpoint_at(ServingTarget(url="https://a.test")).openai()
