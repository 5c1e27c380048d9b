"""Tests that each user mistake raises a clear di_async error without secrets."""

import itertools
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
    OutcomeUnknownError,
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
    all_text,
    http,
    server,
)

ONCE = RetryPolicy(attempts=1)
ECHO = f'{{"id": "bad", "message": "no {ACCOUNT_TOKEN} nor {HF_TOKEN}"}}'.encode()


@pytest.fixture(autouse=True)
def no_secret_in_the_log(caplog: pytest.LogCaptureFixture) -> Any:
    """Check that the DEBUG log of every test here holds no planted secret."""
    caplog.set_level(logging.DEBUG)
    yield
    assert ACCOUNT_TOKEN not in caplog.text
    assert HF_TOKEN not in caplog.text


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """Run a fast emulator over sockets."""
    async with running(**FAST) as emulator:
        yield emulator


@asynccontextmanager
async def client_at(url: str, **options: Any) -> AsyncIterator[DedicatedInferences]:
    """Yield a client with the planted token of this URL."""
    async with DigitalOcean(ACCOUNT_TOKEN, base_url=url, retry=ONCE, **options) as client:
        yield client.dedicated_inferences


def assert_clear(error: BaseException, *texts: str) -> None:
    """Check that the error is di_async's, has these texts and shows no planted secret."""
    assert isinstance(error, DIError)
    for text in texts:
        assert text in str(error)
    assert ACCOUNT_TOKEN not in all_text(error)
    assert HF_TOKEN not in all_text(error)


async def test_wrong_token(emu: Emulator) -> None:
    """A wrong token raises 401 with request and request id, and without the token."""
    async with client_at(emu.url) as instances:
        with pytest.raises(AuthenticationError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "GET /v2/dedicated-inferences/x", "401 unauthorized", "request id")


async def test_wrong_id(emu: Emulator) -> None:
    """A wrong id raises 404 with the path."""
    async with a_client(emu) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.dedicated_inferences.get("00000000-0000-4000-8000-000000000000")
    assert_clear(caught.value, "00000000-0000-4000-8000-000000000000", "404 not_found")


@pytest.mark.parametrize("id", ["a/b", "../../v2/account", "a?b", "a#b", "ä b", "%2e%2e"])
async def test_id_with_special_characters(emu: Emulator, id: str) -> None:
    """An id with special characters is sent as one segment: 404."""
    async with a_client(emu) as client:
        with pytest.raises(NotFoundError):
            await client.dedicated_inferences.get(id)
        with pytest.raises(NotFoundError):
            _ = [token async for token in client.dedicated_inferences.list_tokens(id)]
    paths = {request[2].partition("?")[0] for request in emu.world.requests}
    assert all(path.count("/") == (4 if path.endswith("/tokens") else 3) for path in paths), paths


@pytest.mark.parametrize("id", ["", ".", "..", "sizes"])
async def test_invalid_id(emu: Emulator, id: str) -> None:
    """An invalid id raises `ValueError` before a request is sent."""
    async with a_client(emu) as client:
        with pytest.raises(ValueError, match="dedicated_inference_id") as caught:
            await client.dedicated_inferences.get(id)
    assert_clear(caught.value)
    assert emu.stats.total == 0


@pytest.mark.parametrize(
    ("url", "texts"),
    [
        ("http://api.digitalocean.com", "unencrypted"),
        ("http://192.168.0.1:8080", "unencrypted"),
        ("http://localhost.evil.example", "unencrypted"),
        ("ftp://127.0.0.1", "https:// URL"),
        ("127.0.0.1:80", "write http://127.0.0.1:80"),
        ("https://user:pw@x.example", "must not contain a user"),
        ("", "write https://HOST"),
        ("http://[::1", "not a URL"),
    ],
)
def test_base_url(url: str, texts: str) -> None:
    """An invalid URL, or one that would send the token unencrypted, is rejected at construction."""
    with pytest.raises(ValueError, match=r"base_url") as caught:
        DigitalOcean(ACCOUNT_TOKEN, base_url=url)
    assert_clear(caught.value, texts)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:1"])
def test_http_to_loopback(url: str) -> None:
    """This machine itself may be addressed by http."""
    assert DigitalOcean(ACCOUNT_TOKEN, base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\tb", "tökên"])
def test_invalid_token(token: str) -> None:
    """A token with invalid characters is rejected at construction, and not shown."""
    with pytest.raises(ValueError, match="DigitalOcean token") as caught:
        DigitalOcean(token)
    assert "tökên" not in all_text(caught.value)


def test_no_token_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing token raises an error that names the variables."""
    for name in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="DIGITALOCEAN_TOKEN or DIGITALOCEAN_ACCESS_TOKEN"):
        DigitalOcean()


def test_broken_spec_file(tmp_path: Path) -> None:
    """An error in a spec file names file and path, and shows no value."""
    path = tmp_path / "spec.yaml"
    path.write_text(f"name: web\naccess_tokens: [{HF_TOKEN}\n")
    with pytest.raises(InvalidInputError) as caught:
        DedicatedInferenceSpec.from_file(path)
    assert_clear(caught.value, "spec.yaml at line")


async def test_unknown_region(emu: Emulator) -> None:
    """An unknown region is rejected by the API; the error has its message."""
    async with a_client(emu) as client:
        with pytest.raises((BadRequestError, UnprocessableEntityError)) as caught:
            await client.dedicated_inferences.create(
                a_spec(region="moon1"), access_tokens={"hugging_face_token": HF_TOKEN}
            )
    assert_clear(caught.value, "POST /v2/dedicated-inferences", "region")


def closed_port() -> int:
    """Return a port on which no server listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


REDIRECTS = ("301 Moved", "302 Found", "307 Temporary", "308 Permanent")
CALLS: dict[str, Callable[[DedicatedInferences], Any]] = {
    "get": lambda c: c.get("x"),
    "create": lambda c: c.create(a_spec(), access_tokens={"hugging_face_token": HF_TOKEN}),
    "delete": lambda c: c.delete("x"),
    "sizes": lambda c: c.sizes(),
}


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_server_down(name: str) -> None:
    """A connection error names the host; nothing was sent."""
    async with client_at(f"http://127.0.0.1:{closed_port()}") as instances:
        with pytest.raises(ConnectError) as caught:
            await CALLS[name](instances)
    assert_clear(caught.value, "no connection", "http://127.0.0.1:")


async def test_html_with_a_success_status() -> None:
    """An HTML page with a success status is reported as such."""
    async with server(http("200 OK", b"<!doctype html><p>hi")) as url, client_at(url) as instances:
        with pytest.raises(DecodeError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "HTML page", "proxy")
    assert (caught.value.status, caught.value.path) == (200, "/v2/dedicated-inferences/x")


async def test_html_with_an_error_status() -> None:
    """An HTML page with an error status has the class of that status."""
    page = http("502 Bad Gateway", b"<html>oops</html>", "Content-Type: text/html")
    async with server(page) as url, client_at(url) as instances:
        with pytest.raises(ServerError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "502", "HTML page")


async def test_json_cut_within_its_length() -> None:
    """A truncated JSON text with a matching length is reported as truncated."""
    async with server(http("200 OK", b'{"dedicated_inf')) as url, client_at(url) as instances:
        with pytest.raises(DecodeError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "cut off or garbled")


async def test_connection_cut_within_the_answer() -> None:
    """A body shorter than its length is reported as a broken response."""
    cut = http("200 OK", b'{"dedicated_inf', length=500)
    async with server(cut) as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "the response ended early")


async def test_connection_closed_without_an_answer() -> None:
    """A connection closed without a response raises a di_async error."""
    async with server(b"") as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "GET /v2/dedicated-inferences/x")


async def test_response_that_is_not_http() -> None:
    """A response in another protocol raises a di_async error."""
    async with server(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as url, client_at(url) as instances:
        with pytest.raises(TransportError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "the exchange failed")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *itertools.product(sorted(CALLS.keys() - {"create"}), REDIRECTS),
        ("create", REDIRECTS[0]),  # looks the name up for seconds
    ],
)
async def test_redirect_is_not_followed(name: str, status: str) -> None:
    """A redirect is not followed: it could forward the token. The error says what to check."""
    async with running(**FAST) as elsewhere:
        away = http(status, b"", f"Location: {elsewhere.url}/v2/dedicated-inferences")
        async with server(away) as url, client_at(url) as instances:
            # A gateway's answer to a create proves nothing: it may have been carried out.
            kind = OutcomeUnknownError if name == "create" else APIError
            with pytest.raises(kind) as caught:
                await CALLS[name](instances)
        assert elsewhere.stats.total == 0
    assert_clear(caught.value, "redirects are not followed", "base_url")


async def test_no_answer_in_time() -> None:
    """A server that does not respond raises an error after `request_timeout`."""
    async with server(b"", close=False) as url, client_at(url, request_timeout=0.1) as instances:
        with pytest.raises(TimeoutError) as caught:
            await instances.get("x")
    assert_clear(caught.value, "no response within the timeout")


async def test_tls_that_is_not_trusted() -> None:
    """An untrusted certificate raises an error, and nothing is sent."""
    async with running(tls=True) as emu, client_at(emu.url) as instances:
        with pytest.raises(ConnectError) as caught:
            await instances.get("x")
        assert emu.stats.total == 0
    assert_clear(caught.value, "certificate is not trusted")


# --- secrets in responses ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(CALLS))
@pytest.mark.parametrize("status", ["400 Bad", "403 Forbidden", "418 Teapot"])
async def test_server_that_echoes_secrets(name: str, status: str) -> None:
    """Secrets that a server echoes are masked."""
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
        assert secret not in f"{shown} {change.resume_token} {all_text(caught.value)}"


async def test_no_secret_in_any_url(emu: Emulator) -> None:
    """No URL holds a token: proxies log every path."""
    async with a_client(emu) as client:
        instances = client.dedicated_inferences
        change = await instances.create(a_spec(), access_tokens={"hugging_face_token": HF_TOKEN})
        token = await instances.create_token(change.id, "mine")
        await instances.revoke_token(change.id, token.id)
    assert token.value is not None
    urls = " ".join(request[2] for request in emu.world.requests)
    for secret in (change.access_token.value.reveal(), token.value.reveal(), HF_TOKEN, emu.token):
        assert secret not in urls


async def test_log_has_requests_and_no_secrets(
    emu: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The DEBUG log has each request and no secrets."""
    async with a_client(emu) as client:
        change = await client.dedicated_inferences.create(
            a_spec(), access_tokens={"hugging_face_token": HF_TOKEN}
        )
        await change.wait()
    assert "POST /v2/dedicated-inferences -> 202" in caplog.text
    for secret in (change.access_token.value.reveal(), HF_TOKEN, emu.token):
        assert secret not in caplog.text
