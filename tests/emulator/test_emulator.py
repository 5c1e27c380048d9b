"""The emulator over sockets, in the running loop."""

import asyncio
import gzip
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from di_async.emulator import Emulator, Lifecycle, running
from tests.support import SteppingClock

from .exoscale.helpers import signed
from .helpers import BASE, a_spec

CREATE = f"POST {BASE}"


class Clock:
    """A clock that advances only when it is set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def read(self) -> float:
        """Return the current time."""
        return self.now


@pytest.fixture
async def session(emu: Emulator) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session with the emulator's token."""
    async with client(emu) as session:
        yield session


def client(emu: Emulator, tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Return a client of the control plane."""
    headers = {"Authorization": f"Bearer {emu.token}"}
    connector = aiohttp.TCPConnector(ssl=tls or True)
    return aiohttp.ClientSession(emu.url, headers=headers, connector=connector)


async def raw_get(emu: Emulator) -> asyncio.StreamReader:
    """Return the raw response to a GET, from a plain socket."""
    url = urlsplit(emu.url)
    tls = ssl.create_default_context(cadata=emu.ca_pem) if url.scheme == "https" else None
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=tls)
    writer.write(
        f"GET {BASE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {emu.token}\r\n".encode()
    )
    writer.write(b"Connection: close\r\n\r\n")
    try:
        await reader.read()
    finally:
        writer.close()
    return reader


async def test_lifecycle_of_an_instance_over_http() -> None:
    """Created, active at its time, deleted; `truth` agrees with the responses."""
    clock = Clock()
    lifecycle = Lifecycle(create=600, delete=60)
    async with running(clock=clock.read, lifecycle=lifecycle) as emu, client(emu) as session:
        async with session.post(BASE, json={"spec": a_spec()}) as made:
            id = (await made.json())["dedicated_inference"]["id"]
        clock.now += 600
        async with session.get(f"{BASE}/{id}") as got:
            one = (await got.json())["dedicated_inference"]
        assert (one["status"], emu.truth(id).settled) == ("active", True)
        assert one["endpoints"]["public_endpoint_fqdn"] == emu.dataplane_url
        async with session.delete(f"{BASE}/{id}") as gone:
            assert gone.status == 202
        clock.now += 60
        assert not emu.truth(id).exists
        assert emu.stats.by_operation[CREATE] == 1


async def test_tls_control_plane_is_signed_by_its_own_ca() -> None:
    """With tls=True a client that trusts ca_pem is served, and links are https."""
    async with running(tls=True) as emu:
        trusted = ssl.create_default_context(cadata=emu.ca_pem)
        async with client(emu, trusted) as session, session.get(BASE) as reply:
            assert (await reply.json())["links"]["pages"]["last"].startswith(emu.url)
        async with client(emu) as stranger:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await stranger.get(BASE)


async def test_rate_headers_and_date_are_real_time() -> None:
    """At scale 1000 Date and ratelimit-reset stay near the real clock."""
    passing = SteppingClock(0.001)  # a world second a request: the window is not over by the second
    async with (
        running(time_scale=1000, per_minute=1, clock=passing.read) as emu,
        client(emu) as session,
    ):
        await session.get(BASE)
        async with session.get(BASE) as reply:
            assert (reply.status, reply.headers["retry-after"]) == (429, "1")
            assert 0 <= int(reply.headers["ratelimit-reset"]) - time.time() < 6
            date = parsedate_to_datetime(reply.headers["date"]).timestamp()
            assert abs(date - time.time()) < 5


@pytest.mark.parametrize("tls", [False, True])
async def test_reset_is_a_reset_on_the_wire(tls: bool) -> None:
    """The client's read fails with a connection reset."""
    async with running(tls=tls) as emu:
        emu.fault("reset")
        with pytest.raises(ConnectionResetError):
            await raw_get(emu)


async def test_cut_response_ends_in_the_middle(
    emu: Emulator, session: aiohttp.ClientSession
) -> None:
    """The body is shorter than its content-length."""
    emu.fault("cut")
    async with session.get(f"{BASE}/sizes") as reply:
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.read()


async def test_slow_response_is_late_by_scaled_seconds(
    emu: Emulator, session: aiohttp.ClientSession
) -> None:
    """Fifty world seconds at scale 1000 are 50 ms."""
    emu.fault("slow", delay_s=50)
    start = time.perf_counter()
    async with session.get(BASE) as reply:
        assert reply.status == 200
    assert time.perf_counter() - start >= 0.05


async def test_cleared_faults_no_longer_apply(
    emu: Emulator, session: aiohttp.ClientSession
) -> None:
    """`clear_faults` disarms what `fault` armed."""
    emu.fault("status", times=None)
    emu.clear_faults()
    async with session.get(BASE) as reply:
        assert reply.status == 200


async def test_connection_stays_open_between_requests(
    emu: Emulator, session: aiohttp.ClientSession
) -> None:
    """Polls reuse their connection."""
    async with session.get(BASE) as one:
        await one.read()
    assert session.connector is not None
    async with session.get(BASE) as two:
        assert two.connection is not None or two.headers.get("connection") != "close"


async def test_taken_port_is_a_clear_os_error() -> None:
    """The error names the port."""
    async with running() as emu:
        port = urlsplit(emu.url).port or 0
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: [^(]*$"):
            async with running(port=port):
                pass


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"port": 65_536 + 8080}, "port: expected a whole number from 0 to 65535, not 73616"),
        ({"dataplane_port": -1}, "port: expected a whole number from 0 to 65535, not -1"),
        ({"time_scale": math.inf}, "time_scale must be a number above 0, not inf"),
        ({"time_scale": math.nan}, "time_scale must be a number above 0, not nan"),
        ({"per_minute": 0}, "'per_minute' must be >= 1: 0"),
        ({"per_hour": "9"}, "'per_hour' must be <class 'int'>"),
        ({"dialect": "spoken"}, r"'dialect' must be in \('documented', 'observed'\)"),
        ({"active_word": ""}, "Length of 'active_word' must be >= 1"),
    ],
)
async def test_invalid_option_is_a_value_error(options: Any, says: str) -> None:
    """It is raised at the start, rather than an answer of 500 later or another port than asked."""
    with pytest.raises(ValueError, match=says) as caught:
        async with running(**options):
            pass
    assert len(caught.value.args) == 1


async def test_exit_does_not_wait_for_open_connections_or_slow_responses() -> None:
    """The block ends at once despite a response with a delay of an hour."""
    async with running() as emu, client(emu) as session:
        await session.get(BASE)
        emu.fault("slow", delay_s=3600)
        with pytest.raises(TimeoutError):
            await session.get(BASE, timeout=aiohttp.ClientTimeout(total=0.05))
        start = time.perf_counter()
    assert time.perf_counter() - start < 10


async def test_pending_response_is_reset_when_the_emulator_ends() -> None:
    """A client that still waits receives a reset."""
    async with asyncio.TaskGroup() as group:
        async with running() as emu:
            fault = emu.fault("slow", delay_s=3600)
            waiting = group.create_task(_reset_seen(emu))
            await asyncio.to_thread(_until, lambda: fault.hits == 1)
        assert await waiting


async def _reset_seen(emu: Emulator) -> bool:
    try:
        await raw_get(emu)
    except ConnectionResetError:
        return True
    return False


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.001)


async def test_drawn_seed_can_be_read_and_repeats_the_world() -> None:
    """A drawn seed can be read and used again."""
    async with running() as emu:
        first = emu.token
    async with running(seed=emu.seed) as again:
        assert again.token == first
        assert again.read_only_token != first


async def test_unknown_option_is_a_type_error() -> None:
    """It raises TypeError, and leaves nothing open."""
    with pytest.raises(TypeError, match="colour"):
        async with running(colour="red"):  # type: ignore[call-arg]
            pass


async def test_three_clouds_answer_on_one_port(emu: Emulator) -> None:
    """Each has its own credentials; added resources exist, and `truth` has them."""
    deployment = emu.add_exoscale_deployment(name="exo", zone="de-fra-1")
    emu.add_instance(name="do")
    path = "/zones/de-fra-1/v2/ai/deployment"
    key, secret = emu.exoscale_api_key, emu.exoscale_api_secret
    signature = signed(key, secret, "GET", path, expires=time.time() + 600)
    gcore = f"/cloud/v3/inference/{emu.gcore_project_id}/deployments"
    requests = (
        (path, signature, 200),
        (BASE, f"Bearer {emu.token}", 200),
        (gcore, f"APIKey {emu.gcore_api_key}", 200),
        (gcore, f"Bearer {emu.token}", 401),
        (path, f"Bearer {emu.token}", 403),
    )
    async with aiohttp.ClientSession(emu.url) as session:
        for target, authorization, status in requests:
            async with session.get(target, headers={"Authorization": authorization}) as reply:
                assert reply.status == status, target
    assert emu.truth(deployment.id).status == "ready"
    assert emu.exoscale_url.format(zone="de-fra-1") == f"{emu.url}/zones/de-fra-1"
    assert emu.add_exoscale_model(name="a/b", state="downloading").state == "downloading"


async def test_signature_expires_by_the_real_clock(emu: Emulator) -> None:
    """At scale 1000, too, the error shows the server's real time."""
    path = "/v2/ai/model"
    key, secret = emu.exoscale_api_key, emu.exoscale_api_secret
    late = signed(key, secret, "GET", path, expires=time.time() - 60)
    async with (
        aiohttp.ClientSession(emu.url) as session,
        session.get(path, headers={"Authorization": late}) as reply,
    ):
        assert reply.status == 403
        message = (await reply.json())["detail"]
    assert abs(int(message.rpartition(" ")[2]) - time.time()) < 5


async def test_key_of_an_exoscale_deployment_is_valid_on_the_data_plane(emu: Emulator) -> None:
    """One data plane serves all vendors."""
    id = emu.add_exoscale_deployment().id
    key = next(key for key, owner in emu.world.exoscale.store.keys.items() if owner == id)
    tls = ssl.create_default_context(cadata=emu.ca_pem)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with (
        aiohttp.ClientSession(emu.dataplane_url, connector=connector) as session,
        session.get("/v1/models", headers={"Authorization": f"Bearer {key}"}) as reply,
    ):
        assert reply.status == 200


async def test_client_that_leaves_in_the_middle_of_a_request(
    emu: Emulator, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that closes its connection while it sends a body is not logged as a failure."""
    url = urlsplit(emu.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"POST {BASE} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    await writer.drain()
    async with session.get(BASE) as reply:  # until the emulator has read what was sent before
        assert reply.status == 200
    writer.close()
    await writer.wait_closed()
    async with session.get(BASE) as reply:
        assert reply.status == 200
    assert not caplog.records


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"{}", mtime=0)[:-12]])
async def test_a_body_that_cannot_be_decompressed(emu: Emulator, body: bytes) -> None:
    """It is 400, and the server goes on."""
    async with client(emu) as session:
        headers = {"Content-Encoding": "gzip"}
        async with session.post(BASE, data=body, headers=headers) as reply:
            assert reply.status == 400
        async with session.get(BASE) as reply:
            assert reply.status == 200
