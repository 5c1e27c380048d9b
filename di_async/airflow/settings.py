"""From the fields of an Airflow connection to a client. Pure, but for making the client."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from di_async.core.errors import InvalidInputError
from di_async.core.rate_limit import RequestBudget
from di_async.core.retry import RetryPolicy
from di_async.core.secret import Secret
from di_async.core.waiting.poll_policy import PollPolicy
from di_async.digitalocean import DigitalOcean
from di_async.engine.client import Client
from di_async.engine.client_options import UNDOCUMENTED_LIMITS
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore

__all__ = ["CONNECTION_TYPES", "ConnectionSettings"]

CONNECTION_TYPES = {
    "digitalocean_inference": "digitalocean",
    "gcore_inference": "gcore",
    "exoscale_inference": "exoscale",
}
"""Connection type -> provider."""
_COMMON = ("retry", "polling", "budget", "request_timeout", "proxy", "allow_insecure")
_OWN = {"digitalocean": ("secrets_key",), "gcore": ("project_id",), "exoscale": ("zone",)}
_POLICIES: dict[str, Any] = {"retry": RetryPolicy, "polling": PollPolicy}
_FLAGS = {"true": True, "false": False}


@frozen(kw_only=True)
class ConnectionSettings:
    """What a connection says about a client."""

    provider: str
    base_url: str | None = None
    login: str | None = None
    password: Secret | None = None
    extra: dict[str, Any] = field(factory=dict)

    @classmethod
    def from_fields(
        cls,
        conn_type: str | None,
        *,
        host: str | None = None,
        port: int | None = None,
        schema: str | None = None,
        login: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> "ConnectionSettings":
        """Return the settings in the fields of a connection.

        Raises:
            InvalidInputError: another type of connection, an unknown extra, or a bad value.
        """
        provider = CONNECTION_TYPES.get(conn_type or "")
        if provider is None:
            expected = ", ".join(CONNECTION_TYPES)
            raise InvalidInputError(f"connection type {conn_type!r}: expected one of {expected}")
        given = {key: value for key, value in (extra or {}).items() if value not in (None, "")}
        known = (*_COMMON, *_OWN[provider])
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise InvalidInputError(
                f"extras of the connection: unknown {', '.join(unknown)} (known: "
                f"{', '.join(known)})"
            )
        if not password:
            raise InvalidInputError("the connection has no password; put the API token there")
        if provider == "exoscale" and not login:
            raise InvalidInputError(
                "the connection has no login; put the API key there, and its secret into the "
                "password"
            )
        return cls(
            provider=provider,
            base_url=_base_url(host, port, schema),
            login=login,
            password=Secret(password),
            extra=given,
        )

    @property
    def fingerprint(self) -> str:
        """A digest: connections of equal settings share a client."""
        secret = self.password.reveal() if self.password else ""
        whole = [self.provider, self.base_url, self.login, secret, self.extra]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()

    def budget(self) -> RequestBudget | None:
        """Return a new budget; None if the extras switch it off with `"budget": false`."""
        given = self.extra.get("budget", {})
        if given is False or (isinstance(given, str) and given.strip().lower() == "false"):
            return None
        if not isinstance(given, Mapping):
            raise InvalidInputError(
                'budget: expected {"per_minute": ..., "per_hour": ...} or false'
            )
        usual = {} if self.provider == "digitalocean" else UNDOCUMENTED_LIMITS
        limits = {**usual, **given}
        budget: RequestBudget = _made(RequestBudget, limits, "budget")
        return budget

    def client(self, budget: RequestBudget | None) -> Client:
        """Return a client that is not entered yet.

        Raises:
            InvalidInputError: a value is out of range.
        """
        options: dict[str, Any] = {"budget": budget}
        if self.base_url is not None:
            options["base_url"] = self.base_url
        for name in ("proxy", *_OWN[self.provider]):
            if name in self.extra:
                options[name] = self.extra[name]
        if "request_timeout" in self.extra:
            options["request_timeout"] = _number(self.extra["request_timeout"], "request_timeout")
        if "allow_insecure" in self.extra:
            options["allow_insecure"] = _flag(self.extra["allow_insecure"], "allow_insecure")
        for name, policy in _POLICIES.items():
            if name in self.extra:
                options[name] = _made(policy, self.extra[name], name)
        if self.provider == "digitalocean":
            return DigitalOcean(self.password, **options)
        if self.provider == "gcore":
            return Gcore(self.password, **options)
        return Exoscale(self.login, self.password, **options)


def _made(policy: Any, given: Any, name: str) -> Any:
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"{name}: expected an object, such as {{...}}, not {given!r}")
    try:
        return policy(**{key: _number(value, key) for key, value in given.items()})
    except TypeError as error:
        raise InvalidInputError(f"{name}: {error}") from None


def _flag(given: Any, name: str) -> bool:
    """Return a switch; a connection that is given as a URI holds it as text.

    Raises:
        InvalidInputError: neither true nor false.
    """
    found = _FLAGS.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(found, bool):
        raise InvalidInputError(f"{name}: expected true or false, not {given!r}")
    return found


def _number(given: Any, name: str) -> Any:
    """Return the number in a text; what holds none is left for the client to judge.

    Raises:
        InvalidInputError: true or false, which Python would take for 1 or 0.
    """
    if isinstance(given, bool):
        raise InvalidInputError(f"{name}: expected a number, not {given!r}")
    if not isinstance(given, str):
        return given
    for read in (int, float):
        try:
            return read(given)
        except ValueError:
            continue
    return given


def _base_url(host: str | None, port: int | None, schema: str | None) -> str | None:
    if not host:
        return None
    if "://" not in host:
        host = f"{schema if schema in ('http', 'https') else 'https'}://{host}"
    return f"{host.rstrip('/')}:{port}" if port else host
