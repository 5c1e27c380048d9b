"""A proxy's URL, apart from the user and password in it.

The HTTP library shows a proxy's URL in its errors, so it gets one without credentials
and a header.
"""

import base64
import os
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct
from yarl import URL

from di_async.core.errors import InvalidInputError
from di_async.core.secret import Secret

__all__ = ["NO_PROXY", "Proxy", "environment_proxy", "parse_proxy"]

_HEADER = "Proxy-Authorization"


class Proxy(Struct, frozen=True):
    """A proxy: its URL without credentials, and what authenticates to it."""

    url: str | None = None
    authorization: Secret | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers for the proxy itself."""
        return {_HEADER: self.authorization.reveal()} if self.authorization else {}


NO_PROXY = Proxy()


def parse_proxy(proxy: str | Secret | None, source: str = "proxy") -> Proxy:
    """Return a proxy from its URL, which may contain a user and a password; http by default.

    Raises:
        InvalidInputError: (a `ValueError`) it is not the URL of an http proxy. `source` says where
            it is set; the message shows no part of it but the scheme.
    """
    proxy = Secret(proxy) if isinstance(proxy, str) else proxy  # tracebacks may show variables
    found = _read(proxy.reveal().strip()) if proxy else NO_PROXY
    if isinstance(found, str):
        raise InvalidInputError(f"{source}: {found}")
    return found


def _read(text: str) -> Proxy | str:
    """Return the proxy of a URL, or what is wrong with it."""
    if not text:
        return NO_PROXY
    scheme = netloc = ""
    rest: list[str] = []
    try:
        scheme, netloc, *rest = urlsplit(text if "://" in text else f"http://{text}")
        user_info, at, address = netloc.rpartition("@")
        is_address = bool(URL(f"http://{address}").host) and urlsplit(f"//{address}").port != 0
    except ValueError:
        user_info = at = address = ""
        is_address = False
    if not is_address:
        return (
            "expected the URL of a proxy, such as http://127.0.0.1:3128 (special characters in "
            "its password must be percent-encoded)"
        )
    if scheme not in {"http", "https"}:
        kind = scheme if scheme.isalnum() and len(scheme) <= 10 else "such"
        return (
            f"{kind} proxies are not supported; use an http:// proxy, or pass an aiohttp session "
            "that connects through it"
        )
    url = urlunsplit((scheme, address, *rest))
    if not at:
        return Proxy(url)
    encoded = base64.b64encode(unquote(user_info).encode()).decode()
    return Proxy(url, Secret(f"Basic {encoded}"))


def environment_proxy(scheme: str, host: str) -> Proxy:
    """Return the environment's proxy for a host.

    Raises:
        InvalidInputError: (a `ValueError`) it is not the URL of an http proxy.
    """
    if proxy_bypass(host):
        return NO_PROXY
    kind = scheme if _configured(scheme) else "all"
    return parse_proxy(_configured(kind), _source(kind))


def _configured(kind: str) -> Secret | None:
    url = getproxies().get(kind)
    return Secret(url) if url else None


def _source(kind: str) -> str:
    """Return the name of the environment variable that sets the proxy."""
    names = f"{kind}_proxy", f"{kind}_proxy".upper()
    return next((name for name in names if os.environ.get(name)), "the system's proxy settings")
