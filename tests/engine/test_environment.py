"""Tests of the base URL: from the caller, from the environment, or the vendor's own."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from di_async import DigitalOcean, Exoscale, Gcore, InvalidInputError
from di_async.engine.client import Client
from di_async.engine.environment import checked_base_url

MAKERS: dict[str, Callable[..., Client]] = {
    "digitalocean": lambda **more: DigitalOcean("token", **more),
    "gcore": lambda **more: Gcore("1$token", 42, **more),
    "exoscale": lambda **more: Exoscale("EXOkey", "secret", **more),
}
LOCAL = "http://127.0.0.1:8080"
REMOTE = "http://emulator:8080/zones/{zone}"


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    """Return the constructor of each provider's client, with credentials."""
    monkeypatch.delenv("DI_ASYNC_BASE_URL", raising=False)
    monkeypatch.delenv("DI_ASYNC_ALLOW_HTTP", raising=False)
    return MAKERS[request.param]


def test_vendors_own(make: Callable[..., Client]) -> None:
    """Without a variable, a client uses the vendor's URL."""
    client = make()
    assert client.base_url.startswith("https://api")
    assert "from" not in repr(client)


@pytest.mark.parametrize("value", [LOCAL, f'"{LOCAL}/"', f" {LOCAL}\n"])
def test_variable_aims_every_client(
    make: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    value: str,
) -> None:
    """DI_ASYNC_BASE_URL aims each provider's client; repr and log show where the URL came from."""
    caplog.set_level(logging.INFO, "di_async")
    monkeypatch.setenv("DI_ASYNC_BASE_URL", value)
    client = make()
    assert client.base_url.startswith(LOCAL)
    assert repr(client).endswith(f"{client.base_url} (from DI_ASYNC_BASE_URL)>")
    assert [r.levelname for r in caplog.records] == ["INFO"]
    assert f"{client.base_url} from DI_ASYNC_BASE_URL" in caplog.text


def test_argument_overrides_the_variable(
    make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An explicit `base_url` is used, and nothing is logged."""
    caplog.set_level(logging.INFO, "di_async")
    monkeypatch.setenv("DI_ASYNC_BASE_URL", "nonsense")
    client = make(base_url="https://own.test")
    assert client.base_url == "https://own.test"
    assert "from" not in repr(client)
    assert not caplog.records


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("http://emulator:8080", "would send the token unencrypted.*DI_ASYNC_ALLOW_HTTP=1"),
        ("127.0.0.1:8080", "no scheme; write http://127.0.0.1:8080$"),
        ("localhost:8080/x", "no scheme; write http://localhost:8080/x$"),
        ("api.test", "no scheme; write https://api.test$"),
        ("//api.test", "no scheme; write https://api.test$"),
        ("u:planted@api.test", "no scheme; write https://HOST$"),
        ("https://xn--a", "is not a URL"),
        ("ftp://api.test", "must be an https:// URL"),
    ],
)
def test_errors_name_the_variable(
    make: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    """An invalid variable is an error that names it and the fix."""
    monkeypatch.setenv("DI_ASYNC_BASE_URL", value)
    with pytest.raises(InvalidInputError, match=f"^DI_ASYNC_BASE_URL.*{message}"):
        make()


@pytest.mark.parametrize(
    ("provider", "path"),
    [("digitalocean", "/v2"), ("gcore", "/cloud/v3"), ("gcore", "/cloud"),
     ("exoscale", "/v2")],
)  # fmt: skip
def test_path_of_the_api(provider: str, path: str) -> None:
    """A base URL must not end in the path that every request adds."""
    with pytest.raises(InvalidInputError, match=f"^base_url ends in {path}, .*: https://a.test$"):
        MAKERS[provider](base_url=f"https://a.test{path}/")


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_http_to_other_machines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, by: str
) -> None:
    """Http to another machine is allowed on request only, and logged as a warning."""
    more: dict[str, Any] = {"allow_insecure": True}
    if by == "variable":
        monkeypatch.setenv("DI_ASYNC_ALLOW_HTTP", "1")
        more = {}
    for provider, make in MAKERS.items():
        url = REMOTE if provider == "exoscale" else "http://emulator:8080"
        assert make(base_url=url, **more).base_url.startswith("http://emulator:8080")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    monkeypatch.setenv("DI_ASYNC_ALLOW_HTTP", "0")
    with pytest.raises(InvalidInputError, match="unencrypted"):
        MAKERS["digitalocean"](base_url="http://emulator:8080")


def test_exoscale_needs_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the variable, Exoscale takes no URL without {zone}, which may be another provider's."""
    monkeypatch.setenv("DI_ASYNC_BASE_URL", "https://gateway.test")
    with pytest.raises(
        InvalidInputError, match=r"^DI_ASYNC_BASE_URL https://gateway.test .*{zone}"
    ):
        MAKERS["exoscale"]()
    assert MAKERS["gcore"]().base_url == "https://gateway.test"
    monkeypatch.setenv("DI_ASYNC_BASE_URL", "https://{zone}.gateway.test/")
    exoscale = Exoscale("EXOkey", "secret", "at-vie-2")
    assert exoscale.base_url == "https://at-vie-2.gateway.test"
    with pytest.raises(InvalidInputError, match="this provider has no zones"):
        MAKERS["gcore"]()


def test_exoscale_reaches_all_zones_of_an_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the URL of an emulator, the path of the zone is added."""
    monkeypatch.setenv("DI_ASYNC_BASE_URL", LOCAL)
    exoscale = Exoscale("EXOkey", "secret")
    assert exoscale.base_url == f"{LOCAL}/zones/ch-gva-2"
    assert "/zones/at-vie-2>" in repr(exoscale.in_zone("at-vie-2"))


def test_blanks_around_an_argument(make: Callable[..., Client]) -> None:
    """Blanks and line breaks around a URL that was read from a file are left out."""
    assert make(base_url=f" {LOCAL}\r\n").base_url.startswith(LOCAL)


@pytest.mark.parametrize(
    "url",
    [
        *(5, b"https://a.test", "https://a.test:99999", "https://a b.test"),
        *("https://a.te\nst", "https://a\t.test", "https://a.test\r"),
    ],
)
def test_what_is_not_a_url(url: Any) -> None:
    """Whatever is passed, the error is an `InvalidInputError`."""
    with pytest.raises(InvalidInputError, match=r"^base_url"):
        checked_base_url(url)


@pytest.mark.parametrize("token", [5, b"x", ["x"]])
def test_what_is_not_a_token(token: Any) -> None:
    """A token that is not text is refused, and not shown."""
    with pytest.raises(InvalidInputError, match="must be text, not"):
        DigitalOcean(token)


@pytest.mark.parametrize("user_agent", ["a\r\nX-Evil: 1", "ü", 5])
def test_user_agent(make: Callable[..., Client], user_agent: Any) -> None:
    """A user agent that cannot be sent in a header is refused at construction."""
    with pytest.raises(InvalidInputError, match=r"^user_agent"):
        make(user_agent=user_agent)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET /evil", "/v2/x"), ("", "/v2/x"), ("GET", "/v2/x\r\nX-Evil: 1"), ("GET", "/ü"),
     ("GET", "/a b"), ("GET", 5), (None, "/v2/x")],
)  # fmt: skip
async def test_request_line(make: Callable[..., Client], method: Any, path: Any) -> None:
    """A method or path that would break the request line is refused before anything is sent."""
    with pytest.raises(InvalidInputError, match=r"^(method|path)"):
        await make().request(method, path)
