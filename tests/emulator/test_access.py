"""Who may use the control endpoint over sockets, and what a request cannot do."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from di_async.emulator import Emulator, Fault, running
from di_async.emulator.access import ControlAccess

RESET = b'{"kind":"reset"}'


async def answer(emu: Emulator, head: str, body: bytes = b"", *, key: str = "") -> str:
    """Send raw bytes and return the status line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(emu.url.rsplit(":", 1)[1]))
    lines = [head, *([f"X-Emulator-Key: {key}"] if key else []), f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return line.decode()


@pytest.mark.parametrize(
    ("names", "headers", "status"),
    [
        ((), {"Host": "127.0.0.1:8080"}, None),
        ((), {"Host": "LOCALHOST:8080", "Origin": "http://localhost:8080"}, None),
        ((), {"Host": "[::1]:8080"}, None),
        ((), {"Host": "evil.example"}, 403),
        ((), {"Host": ""}, 403),
        ((), {}, 403),
        ((), {"Host": "["}, 403),
        ((), {"Host": "localhost.evil.example"}, 403),
        ((), {"Host": "localhost:evil.example"}, 403),
        ((), {"Host": "localhost/evil.example"}, 403),
        ((), {"Host": "127.0.0.1#evil.example"}, 403),
        ((), {"Host": "evil@localhost"}, 403),
        ((), {"Host": "[::1].evil.example"}, 403),
        ((), {"Host": "localhost:80", "Origin": "http://localhost:80/x"}, 403),
        ((), {"Host": "127.0.0.1", "Origin": "http://evil.example"}, 403),
        ((), {"Host": "127.0.0.1", "Origin": "null"}, 403),
        (("emulator",), {"Host": "Emulator:8080"}, None),
        (("emulator",), {"Host": "emulator", "Origin": "http://emulator:8080"}, None),
        (("emulator",), {"Host": "192.168.1.5"}, 403),
        (("0.0.0.0",), {"Host": "192.168.1.5:8080"}, None),  # noqa: S104 - not bound
        (("0.0.0.0",), {"Host": "evil.example"}, 403),  # noqa: S104 - not bound
    ],
)
def test_only_known_hosts_and_origins(
    names: tuple[str, ...], headers: dict[str, str], status: int | None
) -> None:
    """Loopback names, the name given by the user and, behind a wildcard, addresses are allowed."""
    access = ControlAccess(names)
    refusal = access.refuse({**headers, "X-Emulator-Key": access.key})
    assert (refusal.status if refusal else None) == status


@pytest.mark.parametrize("key", ["", "wrong", "ä"])
def test_the_key_is_needed(key: str) -> None:
    """Without the right key a request is refused, and the answer names the header to send."""
    refusal = ControlAccess().refuse({"host": "localhost", "x-emulator-key": key})
    assert refusal is not None
    assert refusal.status == 401
    assert "X-Emulator-Key" in refusal.body.decode()


async def test_web_page_cannot_drive_a_running_emulator(emu: Emulator) -> None:
    """Forged posts and rebound names are refused, and the key opens the endpoint."""
    post = "POST /_emulator/faults HTTP/1.1\r\nHost: "
    assert " 403 " in await answer(emu, f"{post}evil.example", RESET)
    assert " 401 " in await answer(emu, f"{post}127.0.0.1", RESET)
    assert " 401 " in await answer(emu, "GET /%5Femulator/state HTTP/1.1\r\nHost: localhost")
    assert emu.world.faults.all() == []
    assert " 201 " in await answer(emu, f"{post}127.0.0.1", RESET, key=emu.control_key)
    assert len(emu.world.faults.all()) == 1


async def test_keys_do_not_depend_on_the_seed() -> None:
    """Equal seeds have different keys, which could be guessed otherwise."""
    async with running(seed=1) as one, running(seed=1) as other:
        assert one.token == other.token
        assert one.control_key != other.control_key


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
@pytest.mark.parametrize("host", ["localhost", "0.0.0.0", "::"])  # noqa: S104 - in a test
async def test_url_is_where_it_listens(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The URL works for wildcards, and where "localhost" resolves to ::1 first, as often."""
    resolve = socket.getaddrinfo

    def as_ipv6(name: str, *rest: Any, **options: Any) -> Any:
        return resolve("::1" if name == "localhost" else name, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", as_ipv6)
    async with running(seed=1, host=host) as emu:
        assert emu.url.startswith("http://127.0.0.1:")
        assert " 401 " in await answer(emu, "GET /v2/dedicated-inferences HTTP/1.1\r\nHost: x")


async def test_address_of_another_machine() -> None:
    """The error names it."""
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1"):
        async with running(host="192.0.2.1"):
            pass


@pytest.mark.parametrize(
    "target",
    [
        *("//[", "/v2/%ff%00", "/" + "a/" * 2000, "/?" + "a" * 3000),
        pytest.param(
            "http://[/x",
            marks=pytest.mark.skipif(
                tuple(map(int, aiohttp.__version__.split(".")[:3])) < (3, 14, 4),
                reason="aiohttp's own parser fails before 3.14.4, and closes the connection",
            ),
        ),
    ],
)
async def test_odd_targets_are_not_errors_of_the_emulator(emu: Emulator, target: str) -> None:
    """A request target that makes no sense is refused."""
    line = await answer(emu, f"GET {target} HTTP/1.1\r\nHost: x")
    assert line.split(" ")[1] in {"400", "401", "404"}


@pytest.mark.parametrize(
    "settings",
    [
        {"status": "abc"},
        {"status": 99},
        {"status": 100},
        {"seconds": float("nan")},
        {"seconds": "1"},
        {"seconds": -1},
        {"delay_s": float("inf")},
        {"delay_s": True},
        {"times": "2"},
        {"id": 5},
        {"on": 5},
        {"message": []},
        {"location": "x\r\ny"},
        {"probability": "1"},
        {"retry_after": None},
    ],
)
async def test_fault_of_wrong_types_is_refused_when_it_is_armed(
    emu: Emulator, settings: dict[str, object]
) -> None:
    """A wrong setting is an error at once, not at the next request."""
    with pytest.raises(ValueError, match=r".+"):
        emu.fault("status", **settings)
    assert emu.world.faults.all() == []
    assert isinstance(emu.fault("status", status=500), Fault)
    body = json.dumps({"kind": "status", **settings}).encode()
    head = "POST /_emulator/faults HTTP/1.1\r\nHost: localhost"
    assert " 400 " in await answer(emu, head, body, key=emu.control_key)


async def test_armed_faults_are_bounded(emu: Emulator) -> None:
    """Spent faults make room; too many armed ones are refused."""
    for _ in range(1000):
        emu.fault("reset", times=None)
    with pytest.raises(ValueError, match="clear some"):
        emu.fault("reset")
    emu.clear_faults()
    assert emu.fault("reset").times == 1


@pytest.mark.parametrize(
    "head",
    [
        "GET /v2/dedicated-inferences HTTP/1.1",  # without a host
        "GET /" + "x" * 9000 + " HTTP/1.1\r\nHost: a",
        "POST /v2/dedicated-inferences HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked",
        "\x00\x01",
        "POST /v2/dedicated-inferences HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip",
    ],
)
async def test_malformed_requests_are_not_logged_as_defects(
    head: str, caplog: pytest.LogCaptureFixture
) -> None:
    """They are answered with 400: no traceback appears in the output of a user's tests."""
    async with running() as emu:
        assert " 400 " in await answer(emu, head, b"not gzip")
    assert not [record.message for record in caplog.records if record.levelname == "ERROR"]
