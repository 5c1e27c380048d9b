"""A proxy's URL, apart from the user and password in it.

The HTTP library shows a proxy's URL in its errors, so it gets one without credentials
and a header.
"""

import base64
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

from di_async.core.secret import Secret

__all__ = ["NO_PROXY", "Proxy", "environment_proxy", "parse_proxy"]

_HEADER = "Proxy-Authorization"


@frozen
class Proxy:
    """A proxy: its URL without credentials, and what authenticates to it."""

    url: str | None = None
    authorization: Secret | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers for the proxy itself."""
        return {_HEADER: self.authorization.reveal()} if self.authorization else {}


NO_PROXY = Proxy()


def parse_proxy(proxy: str | Secret | None) -> Proxy:
    """Return a proxy from its URL, which may contain a user and a password."""
    text = proxy.reveal() if isinstance(proxy, Secret) else proxy
    if not text:
        return NO_PROXY
    scheme, netloc, *rest = urlsplit(text)
    user_info, at, address = netloc.rpartition("@")
    if not at:
        return Proxy(text)
    encoded = base64.b64encode(unquote(user_info).encode()).decode()
    return Proxy(urlunsplit((scheme, address, *rest)), Secret(f"Basic {encoded}"))


def environment_proxy(scheme: str, host: str) -> Secret | None:
    """Return the URL of the environment's proxy for a host; None if it is not to be used."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    return Secret(url) if url else None
