"""Names of the deployments of a fleet, from which the fleet can be recognised. Pure.

`chat-web-k3f9`: the fleet, the deployment's own name, and four characters of a checksum over both.
So a name that somebody chose by hand, such as `chat-web-test`, is never taken for one of the fleet
`chat`, and `chat-eu-web-...` belongs either to the fleet `chat` or to the fleet `chat-eu`.
"""

import re

from di_async.core.temporary_names import CHECK_LENGTH, checksum

__all__ = ["FLEET_NAME", "OWN_NAME", "is_of_fleet", "name_in_fleet"]

FLEET_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?")
"""1 to 16 lower-case letters, digits and inner dashes."""
OWN_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
"""Lower-case letters, digits and inner dashes."""


def name_in_fleet(fleet: str, own: str) -> str:
    """Return the name that a deployment of a fleet has at its provider."""
    return f"{fleet}-{own}-{checksum(f'fleet {fleet} {own}')}"


def is_of_fleet(fleet: str, name: str) -> bool:
    """Return whether `name_in_fleet` made this name for this fleet."""
    own = name.removeprefix(f"{fleet}-")[: -CHECK_LENGTH - 1]
    return bool(OWN_NAME.fullmatch(own)) and name == name_in_fleet(fleet, own)
