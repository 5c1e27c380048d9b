"""Names of temporary deployments: they hold when the deployment may be deleted. Pure.

`tmp-web-t3x0q8-k2m9zw1ab`: prefix, part of the spec's name, expiry (epoch seconds in base 36), five
random characters and four of a checksum over all before. So a name that somebody chose by hand,
such as `tmp-my-server-backups01`, is never taken for a temporary one.
"""

import hashlib
import re
from collections.abc import Iterable

from msgspec import Struct

from di_async.core.errors import InvalidInputError

__all__ = [
    "CHECK_LENGTH",
    "DEFAULT_PREFIX",
    "LIFETIME_S",
    "TemporaryName",
    "check_lifetime",
    "check_prefix",
    "checksum",
    "format_name",
    "parse_name",
]

DEFAULT_PREFIX = "tmp"
LIFETIME_S = 4 * 3600.0
"""After this time `reap` may delete a temporary deployment, by default."""
RANDOM_LENGTH = 5

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_EXPIRY_LENGTH = 6
CHECK_LENGTH = 4
_LATEST = 36**_EXPIRY_LENGTH - 1  # in 2038
_TAIL = _EXPIRY_LENGTH + RANDOM_LENGTH + CHECK_LENGTH + 1
_PREFIX = r"[a-z](?:[a-z0-9-]{0,8}[a-z0-9])?"
_LONGEST = 63
_NAME = (
    rf"(?P<stem>[a-z][a-z0-9-]*)-(?P<expiry>[0-9a-z]{{{_EXPIRY_LENGTH}}})"
    rf"-(?P<random>[0-9a-z]{{{RANDOM_LENGTH}}})(?P<check>[0-9a-z]{{{CHECK_LENGTH}}})"
)


class TemporaryName(Struct, frozen=True):
    """What the name of a temporary deployment shows."""

    base: str
    """The beginning of the spec's name; may be empty."""
    expires_at: int
    """Epoch seconds, by the provider's clock."""


def check_prefix(prefix: str) -> str:
    """Return a valid prefix.

    Raises:
        InvalidInputError: it is not 1 to 10 lower-case letters, digits and inner dashes.
    """
    if not (isinstance(prefix, str) and re.fullmatch(_PREFIX, prefix)):
        raise InvalidInputError(
            f"prefix: expected 1 to 10 lower-case letters, digits or inner dashes, not {prefix!r}"
        )
    return prefix


def check_lifetime(lifetime: float, timeout: float | None) -> None:
    """Check that a deployment does not expire while it is still being waited for.

    Args:
        lifetime: seconds after which `reap` may delete it.
        timeout: seconds that the wait may take; None if that is not known.

    Raises:
        InvalidInputError: the lifetime is shorter.
    """
    if timeout is not None and lifetime < timeout:
        raise InvalidInputError(
            f"lifetime: {lifetime:g} s are shorter than the timeout of {timeout:g} s, so reap may "
            "delete the deployment while it is created; raise lifetime or lower timeout"
        )


def format_name(base: str, expires_at: float, random: Iterable[int], prefix: str, most: int) -> str:
    """Return a name of at most `most` characters.

    Args:
        base: the spec's name, of which a part is kept.
        expires_at: epoch seconds; a fraction is rounded up.
        random: five random numbers.
        prefix: see `check_prefix`.
        most: the longest name that the provider accepts, 30 or more.

    Raises:
        InvalidInputError: the prefix is not valid, or the expiry lies after the year 2037.
    """
    seconds = -int(-expires_at // 1)
    if not 0 < seconds <= _LATEST:
        raise InvalidInputError("lifetime: the expiry cannot lie after 2038-12-23")
    room = min(most, _LONGEST) - len(check_prefix(prefix)) - _TAIL - 2
    kept = re.sub(r"[^a-z0-9]+", "-", base.lower()).strip("-")[: max(room, 0)].strip("-")
    stem = f"{prefix}-{kept}" if kept else prefix
    tail = "".join(_DIGITS[number % 36] for number in random)
    unchecked = f"{stem}-{_base36(seconds, _EXPIRY_LENGTH)}-{tail}"
    return unchecked + checksum(f"temporary {unchecked}")


def parse_name(name: object, prefix: str = DEFAULT_PREFIX) -> TemporaryName | None:
    """Return what a name of this prefix shows; None if `format_name` did not write it."""
    check_prefix(prefix)
    found = re.fullmatch(_NAME, name) if isinstance(name, str) and len(name) <= _LONGEST else None
    if found is None or checksum(f"temporary {found.string[:-CHECK_LENGTH]}") != found["check"]:
        return None
    first, _, base = found["stem"].partition(f"{prefix}-")
    if found["stem"] == prefix:
        base = ""
    elif first or not base:
        return None
    return TemporaryName(base, int(found["expiry"], 36))


def checksum(text: str) -> str:
    """Return `CHECK_LENGTH` lower-case letters and digits that depend on the text."""
    digest = hashlib.sha256(f"di-async {text}".encode()).digest()
    return _base36(int.from_bytes(digest[:8], "big") % 36**CHECK_LENGTH, CHECK_LENGTH)


def _base36(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
