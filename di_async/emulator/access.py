"""Who may use the control endpoint over sockets: who knows its key, from no foreign web page.

A web page in a browser on this machine can send requests to loopback ports, and DNS rebinding lets
it read the answers under a name of its own.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from .cloud.http import Response, json_response

KEY_HEADER = "X-Emulator-Key"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ControlAccess:
    """The key of one emulator, and the names that it may be addressed by."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        # Not drawn from the seed: equal seeds would have equal keys.
        self.key = secrets.token_urlsafe(24)
        self._names = _LOOPBACK | {name.lower() for name in names}

    def refuse(self, headers: Mapping[str, str]) -> Response | None:
        """Return the refusal of a control request; None if it is allowed."""
        sent = {name.lower(): value for name, value in headers.items()}
        if not self._is_ours(sent.get("host", "")):
            return _refusal(403, "unknown Host; name it with `emulate --host`")
        if (origin := sent.get("origin")) is not None and not self._is_ours(_authority(origin)):
            return _refusal(403, "requests of web pages are refused")
        key = sent.get(KEY_HEADER.lower(), "")
        if not hmac.compare_digest(key.encode(errors="replace"), self.key.encode()):
            return _refusal(401, f"send the emulator's control key in the header {KEY_HEADER}")
        return None

    def _is_ours(self, authority: str) -> bool:
        try:
            parts = urlsplit(f"//{authority}")
            name, port = (parts.hostname or "").lower(), parts.port
        except ValueError:  # the port is not a number
            return False
        shown = f"[{name}]" if ":" in name else name
        if authority.lower() not in (shown, f"{shown}:{port}", f"{shown}:"):
            return False  # more than a name and a port
        return name in self._names or (not self._names.isdisjoint(_WILDCARDS) and _is_ip(name))


_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


def _authority(origin: str) -> str:
    scheme, separator, authority = origin.partition("://")
    return authority if separator and scheme in ("http", "https") else ""


def _is_ip(name: str) -> bool:
    """Return whether this is an address, which DNS rebinding cannot use."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(status: int, message: str) -> Response:
    return json_response(status, {"message": message})
