"""Commands that only some providers have, and errors that name the alternative."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from di_async.cli.run import Cli
from di_async.cli.settings import Provider

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud
    from di_async.cli.clouds.digitalocean import DigitalOceanCloud

__all__ = ["GCORE", "cloud_for", "digitalocean_for"]

GCORE = (Provider.GCORE, Provider.GCORE_V2)


@asynccontextmanager
async def cloud_for(
    cli: Cli, command: str, *providers: Provider, instead: Mapping[Provider, str]
) -> "AsyncIterator[Cloud[Any, Any]]":
    """Connect to the selected provider, if it is one of those that have the command.

    Raises:
        InvalidInputError: it does not; the message names what to use instead.
    """
    selected = cli.settings.provider
    if selected not in providers:
        from di_async.cli.clouds.base import unsupported_command

        raise unsupported_command(command, selected, providers, instead[selected])
    async with cli.cloud() as cloud:
        yield cloud


def digitalocean_for(
    cli: Cli, command: str, *, instead: Mapping[Provider, str]
) -> "AbstractAsyncContextManager[DigitalOceanCloud]":
    """Connect to DigitalOcean, for a command that no other provider has; see `cloud_for`."""
    found: Any = cloud_for(cli, command, Provider.DIGITALOCEAN, instead=instead)
    connecting: AbstractAsyncContextManager[DigitalOceanCloud] = found
    return connecting
