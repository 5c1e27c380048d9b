"""Issue 2, "it must show" 7: each mistake is a clear error of ours, with no secret in it."""

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from di_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConnectError,
    DecodeError,
    DIError,
    DigitalOcean,
    InvalidInputError,
    NotFoundError,
    RetryPolicy,
    ServerError,
    TransportError,
    UnprocessableEntityError,
    WaitTimeoutError,
)
from di_async.digitalocean import DedicatedInferences, DedicatedInferenceSpec
from di_async.emulator import Emulator, Options, running
from tests.builders.digitalocean import a_spec
from tests.functional.helpers import (
    ACCOUNT_TOKEN,
    FAST,
    HF_TOKEN,
    a_client,
    http,
    server,
    told,
)

ONCE = RetryPolicy(attempts=1)
ECHO = f'{{"id": "bad", "message": "no {ACCOUNT_TOKEN} nor {HF_TOKEN}"}}'.encode()


@pytest.fixture(autouse=True)
def no_secret_in_the_log(caplog: pytest.LogCaptureFixture) -> Any:
    """Whatever a test here provokes, the log at its most talkative holds no planted secret."""
    caplog.set_level(logging.DEBUG)
    yield
    assert ACCOUNT_TOKEN not in caplog.text
    assert HF_TOKEN not in caplog.text


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """A fast emulator over sockets."""
    async with running(**FAST) as emulator:
        yield emulator


@asynccontextmanager
async def client_at(url: str, **options: Any) -> AsyncIterator[DedicatedInferences]:
    """A client with the planted token, of whatever is there."""
    async with DigitalOcean(ACCOUNT_TOKEN, base_url=url, retry=ONCE, **options) as client:
        yield client.dedicated_inferences


def assert_clear(error: BaseException, *words: str) -> None:
    """It is ours, it says these words, and it keeps the planted secrets."""
    assert isinstance(error, DIError)
    for word in words:
        assert word in str(error)
    assert ACCOUNT_TOKEN not in told(error)
    assert HF_TOKEN not in told(error)


async def test_wrong_token(emu: Emulator) -> None:
    """401, with request and request id, and without the token."""
    async with client_at(emu.url) as instances:
        with pytest.raises(AuthenticationError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "GET /v2/dedicated-inferences/x", "401 unauthorized", "request id")


async def test_wrong_id(emu: Emulator) -> None:
    """404, naming the path that was asked."""
    async with a_client(emu) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.dedicated_inferences.get("00000000-0000-4000-8000-000000000000")
    assert_clear(caught.value, "00000000-0000-4000-8000-000000000000", "404 not_found")


@pytest.mark.parametrize("id", ["a/b", "../../v2/account", "a?b", "a#b", "ä b", "%2e%2e"])
async def test_id_that_could_leave_its_segment(emu: Emulator, id: str) -> None:
    """It arrives as one segment, so that nothing else is read: 404."""
    async with a_client(emu) as client:
        with pytest.raises(NotFoundError):
            await client.dedicated_inferences.get(id)
        with pytest.raises(NotFoundError):
            _ = [token async for token in client.dedicated_inferences.list_tokens(id)]
    paths = {request[2].partition("?")[0] for request in emu.world.requests}
    assert all(path.count("/") == (4 if path.endswith("/tokens") else 3) for path in paths), paths


@pytest.mark.parametrize("id", ["", ".", "..", "sizes"])
async def test_id_that_is_none(emu: Emulator, id: str) -> None:
    """A ValueError, before anything is sent."""
    async with a_client(emu) as client:
        with pytest.raises(ValueError, match="dedicated_inference_id") as caught:
            await client.dedicated_inferences.get(id)
    assert_clear(caught.value)
    assert emu.stats.total == 0


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.digitalocean.com", "unencrypted"),
        ("http://192.168.0.1:8080", "unencrypted"),
        ("http://localhost.evil.example", "unencrypted"),
        ("ftp://127.0.0.1", "https:// URL"),
        ("127.0.0.1:80", "https:// URL"),
        ("https://user:pw@x.example", "must not contain a user"),
        ("", "https:// URL"),
        ("http://[::1", "not a URL"),
    ],
)
def test_base_url(url: str, words: str) -> None:
    """A URL that would send the token in the clear, or is none, is refused at construction."""
    with pytest.raises(ValueError, match=r"base_url") as caught:
        DigitalOcean(ACCOUNT_TOKEN, base_url=url)
    assert_clear(caught.value, words)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1"])
def test_loopback_may_be_plain(url: str) -> None:
    """This machine itself may be spoken to without TLS."""
    assert DigitalOcean(ACCOUNT_TOKEN, base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\tb", "tökên"])
def test_token_that_is_none(token: str) -> None:
    """One that cannot stand in a header is told at construction, and not repeated."""
    with pytest.raises(ValueError, match="DigitalOcean token") as caught:
        DigitalOcean(token)
    assert "tökên" not in told(caught.value)


def test_no_token_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variables in which it was looked for."""
    for name in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="DIGITALOCEAN_TOKEN or DIGITALOCEAN_ACCESS_TOKEN"):
        DigitalOcean()


def test_broken_spec_file(tmp_path: Path) -> None:
    """The file and the place in it are named; what stands in it is not repeated."""
    path = tmp_path / "spec.yaml"
    path.write_text(f"name: web\naccess_tokens: [{HF_TOKEN}\n")
    with pytest.raises(InvalidInputError) as caught:
        DedicatedInferenceSpec.from_file(path)
    assert_clear(caught.value, "spec.yaml at line")


async def test_unknown_region(emu: Emulator) -> None:
    """Regions are open strings: the API says no, and what it said is told."""
    async with a_client(emu) as client:
        with pytest.raises((BadRequestError, UnprocessableEntityError)) as caught:
            await client.dedicated_inferences.create(
                a_spec(region="moon1"), access_tokens={"hugging_face_token": HF_TOKEN}
            )
    assert_clear(caught.value, "POST /v2/dedicated-inferences", "region")


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


CALLS: dict[str, Callable[[DedicatedInferences], Any]] = {
    "get": lambda c: c.get("x"),
    "create": lambda c: c.create(a_spec(), access_tokens={"hugging_face_token": HF_TOKEN}),
    "delete": lambda c: c.delete("x"),
    "sizes": lambda c: c.sizes(),
}


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_server_down(name: str) -> None:
    """No connection: nothing was sent, and where to is told."""
    async with client_at(f"http://127.0.0.1:{closed_port()}") as instances:
        with pytest.raises(ConnectError) as caught:
            await CALLS[name](instances)
    assert_clear(caught.value, "no connection", "http://127.0.0.1:")


async def test_html_with_a_success_status() -> None:
    """A gateway's page in place of the answer is told as such."""
    async with server(http("200 OK", b"<!doctype html><p>hi")) as url, client_at(url) as instances:
        with pytest.raises(DecodeError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "HTML page", "proxy")
    assert (caught.value.status, caught.value.path) == (200, "/v2/dedicated-inferences/x")


async def test_html_with_an_error_status() -> None:
    """So it is with an error's status, which keeps its class."""
    page = http("502 Bad Gateway", b"<html>oops</html>", "Content-Type: text/html")
    async with server(page) as url, client_at(url) as instances:
        with pytest.raises(ServerError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "502", "HTML page")


async def test_json_cut_within_its_length() -> None:
    """Half a JSON text that claims to be whole is told as cut off."""
    async with server(http("200 OK", b'{"dedicated_inf')) as url, client_at(url) as instances:
        with pytest.raises(DecodeError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "cut off or garbled")


async def test_connection_cut_within_the_answer() -> None:
    """An answer that ends before its length is a broken answer."""
    cut = http("200 OK", b'{"dedicated_inf', length=500)
    async with server(cut) as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "the response ended early")


async def test_connection_closed_without_an_answer() -> None:
    """Nor does silence hang or leak a foreign error."""
    async with server(b"") as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "GET /v2/dedicated-inferences/x")


async def test_answer_that_is_no_http() -> None:
    """Another protocol altogether is an error of ours, too."""
    async with server(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "the exchange failed")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("name", sorted(CALLS))
async def test_redirect_is_not_followed(name: str, status: str) -> None:
    """A redirect could carry the token elsewhere: it is an error that says what to check."""
    async with running(**FAST) as elsewhere:
        away = http(status, b"", f"Location: {elsewhere.url}/v2/dedicated-inferences")
        async with server(away) as url, client_at(url) as instances:
            with pytest.raises(APIError) as caught:
                await CALLS[name](instances)
        assert elsewhere.stats.total == 0
    assert_clear(caught.value, "redirects are not followed", "base_url")


async def test_no_answer_in_time() -> None:
    """A server that takes the request and says nothing runs into `request_timeout`."""
    async with server(b"", close=False) as url, client_at(url, request_timeout=0.1) as instances:
        with pytest.raises(TimeoutError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "no response within the timeout")


async def test_tls_that_is_not_trusted() -> None:
    """A certificate of nobody we know: nothing is sent."""
    async with running(tls=True) as emu, client_at(emu.url) as instances:
        with pytest.raises(ConnectError) as caught:
            await instances.get("x")
        assert emu.stats.total == 0
    assert_clear(caught.value, "certificate is not trusted")


# --- secrets that came close ------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("status", ["400 Bad", "403 Forbidden", "418 Teapot"])
async def test_server_that_echoes_secrets(name: str, status: str) -> None:
    """What a server repeats of the account's and the Hugging Face token is masked."""
    async with server(http(status, ECHO)) as url, client_at(url) as instances:
        with pytest.raises(APIError) as caught:
            await CALLS[name](instances)
    assert_clear(caught.value, "**********")


async def test_access_token_is_shown_by_reveal_alone() -> None:
    """Neither the change nor its wait shows the one-time token; `reveal()` returns it."""
    slow: Options = {**FAST, "time_scale": 1.0}
    async with running(**slow) as emu, a_client(emu) as client:
        change = await client.dedicated_inferences.create(
            a_spec(), access_tokens={"hugging_face_token": HF_TOKEN}
        )
        value = change.access_token.value.reveal()
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=0)
    shown = f"{change!r} {change.initial!r} {change.access_token!r} {change.history} {client!r}"
    for secret in (value, HF_TOKEN, emu.token):
        assert secret not in f"{shown} {change.resume_token} {told(caught.value)}"


async def test_no_secret_in_any_url(emu: Emulator) -> None:
    """Tokens travel in headers and bodies; a path is logged by every proxy."""
    async with a_client(emu) as client:
        instances = client.dedicated_inferences
        change = await instances.create(a_spec(), access_tokens={"hugging_face_token": HF_TOKEN})
        token = await instances.create_token(change.id, "mine")
        await instances.revoke_token(change.id, token.id)
    assert token.value is not None
    urls = " ".join(request[2] for request in emu.world.requests)
    for secret in (change.access_token.value.reveal(), token.value.reveal(), HF_TOKEN, emu.token):
        assert secret not in urls


async def test_log_tells_requests_and_no_secrets(
    emu: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG each request is in the log, and none of the secrets that went along."""
    async with a_client(emu) as client:
        change = await client.dedicated_inferences.create(
            a_spec(), access_tokens={"hugging_face_token": HF_TOKEN}
        )
        await change.wait()
    assert "POST /v2/dedicated-inferences -> 202" in caplog.text
    for secret in (change.access_token.value.reveal(), HF_TOKEN, emu.token):
        assert secret not in caplog.text
