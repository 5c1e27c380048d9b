"""What a client takes from its arguments or from the environment: credentials and the base URL."""

import ipaddress
import os
import re

from msgspec import Struct
from yarl import URL

from di_async.core.errors import InvalidInputError
from di_async.core.secret import Secret
from di_async.core.text_input import stripped
from di_async.engine.log import Log

__all__ = [
    "ALLOW_HTTP",
    "BASE_URL",
    "ZONE",
    "BaseUrl",
    "DefaultUrl",
    "checked_base_url",
    "checked_secret",
    "credential",
    "is_loopback",
    "log_base_url",
    "read_variable",
    "resolve_base_url",
]

logger = Log("di_async")

BASE_URL = "DI_ASYNC_BASE_URL"
"""The variable with the base URL of every client that is given none."""
ZONE = "{zone}"
ALLOW_HTTP = "DI_ASYNC_ALLOW_HTTP"
"""The variable that allows http to other machines, where it is 1."""


def read_variable(*names: str) -> str | None:
    """Return the first of these environment variables that is set, without quotes around it."""
    values = (stripped(os.environ.get(name, "")) for name in names)
    return next(filter(None, values), None)


def credential(given: str | Secret | None, what: str, *variables: str) -> Secret:
    """Return a secret that was given or is set in one of these environment variables.

    Raises:
        InvalidInputError: (a `ValueError`) there is none, or it cannot be sent in a header.
    """
    if isinstance(given, Secret):
        given = given.reveal()
    if given is not None and not isinstance(given, str):
        raise InvalidInputError(f"The {what} must be text, not {type(given).__name__}.")
    value = stripped(given) if given is not None else read_variable(*variables)
    if not value:
        raise InvalidInputError(f"no {what}: pass it, or set {' or '.join(variables)}")
    found = next(filter(read_variable, variables), what) if given is None else f"the {what}"
    return checked_secret(value, found)


def checked_secret(value: str, source: str) -> Secret:
    """Return a secret that can be sent in a header; messages call it `source`.

    Raises:
        InvalidInputError: (a `ValueError`) it cannot.
    """
    if not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidInputError(
            f"{source} holds blanks, line breaks or other characters that no key has; "
            "copy it again, in one line"
        )
    return Secret(value)


# --- the base URL ----------------------------------------------------------------------------


class DefaultUrl(str):
    """A vendor's own base URL: the default of `base_url=`, which the environment overrides."""

    __slots__ = ()


class BaseUrl(Struct, frozen=True):
    """A checked base URL, and the environment variable that it came from."""

    url: str
    variable: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.variable or "base_url"


def resolve_base_url(
    given: str | None,
    default: DefaultUrl,
    *,
    own_paths: tuple[str, ...],
    allow_insecure: bool = False,
    zoned: bool = False,
) -> BaseUrl:
    """Return the base URL to use: the caller's, else DI_ASYNC_BASE_URL, else the vendor's own.

    Args:
        given: what the caller passed.
        default: the vendor's.
        own_paths: what the paths of the API begin with; a base URL must not end in it.
        allow_insecure: http is allowed to any machine, as with DI_ASYNC_ALLOW_HTTP=1.
        zoned: `{zone}` may stand for a zone's name.

    Raises:
        InvalidInputError: (a `ValueError`) the URL is invalid, or would send the token unencrypted.
    """
    if given is None or isinstance(given, DefaultUrl):
        from_environment = read_variable(BASE_URL)
        if from_environment is None:
            return BaseUrl(str(default))
        url, variable, name = from_environment, BASE_URL, BASE_URL
    else:
        url, variable, name = given, None, "base_url"
    url = url.strip() if isinstance(url, str) else url
    insecure = allow_insecure or read_variable(ALLOW_HTTP) == "1"
    if isinstance(url, str) and ZONE in url:
        if not zoned:
            raise InvalidInputError(f"{name} holds {ZONE}, but this provider has no zones")
        checked_base_url(url.replace(ZONE, "zone"), name, allow_insecure=insecure)
        url = url.rstrip("/")
    else:
        url = checked_base_url(url, name, allow_insecure=insecure)
    for path in own_paths:
        if url.endswith(path):
            raise InvalidInputError(
                f"{name} ends in {path}, which every request adds; leave it out: "
                f"{url.removesuffix(path)}"
            )
    return BaseUrl(url, variable)


def log_base_url(client: str, base_url: str, variable: str | None) -> None:
    """Log a base URL that the environment chose, and a token that is sent unencrypted."""
    if variable is not None:
        logger.info("%s uses the base URL %s from %s", client, base_url, variable)
    url = URL(base_url)
    if url.scheme == "http" and not is_loopback(url.host or ""):
        logger.warning("%s sends requests unencrypted to %s", client, base_url)


def checked_base_url(base_url: str, name: str = "base_url", *, allow_insecure: bool = False) -> str:
    """Return `base_url` without a trailing slash: https, or http on the loopback interface.

    Raises:
        InvalidInputError: (a `ValueError`) it would send the token unencrypted, or is not a URL.
    """
    if isinstance(base_url, str) and "://" not in base_url:
        raise InvalidInputError(f"{name} has no scheme; write {_with_scheme(base_url)}")
    if isinstance(base_url, str) and not base_url.isprintable():  # URL() leaves tabs and \n out
        raise InvalidInputError(f"{name} holds a line break or another control character")
    try:
        url = URL(base_url)
        host, _ = url.host or "", url.port
        is_host = not host or re.fullmatch(rb"[A-Za-z0-9._:-]+", host.encode("idna"))
    except (TypeError, ValueError) as error:  # UnicodeError is a ValueError
        raise InvalidInputError(f"{name} is not a URL") from error
    if not is_host:
        raise InvalidInputError(f"{name} has an invalid host name")
    if url.scheme not in {"http", "https"} or not host:
        raise InvalidInputError(f"{name} must be an https:// URL with a host")
    if url.user or url.password or url.query_string or url.fragment:
        raise InvalidInputError(f"{name} must not contain a user, password, query or fragment")
    if url.scheme == "http" and not is_loopback(host) and not allow_insecure:
        raise InvalidInputError(
            f"{name} http://{host} would send the token unencrypted; use https (http is allowed "
            "on the loopback interface only). In a network that you trust, pass "
            f"allow_insecure=True or set {ALLOW_HTTP}=1"
        )
    return str(url).rstrip("/")


def _with_scheme(text: str) -> str:
    """Return what the author of a URL without a scheme probably meant."""
    text = text.lstrip("/")
    host = text.partition("/")[0].rpartition(":")[0] or text.partition("/")[0]
    is_plain = text.isascii() and text.isprintable() and text and not set(text) & set("@?# ")
    if not is_plain:
        return "https://HOST"
    return f"{'http' if is_loopback(host.strip('[]')) else 'https'}://{text}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
