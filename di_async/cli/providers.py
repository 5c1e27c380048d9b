"""Commands that only some providers have, and errors that name the alternative."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from di_async import InvalidInputError
from di_async.cli.run import Cli
from di_async.cli.settings import Provider

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud

__all__ = ["GCORE", "cloud_for"]

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
        names = " and ".join(provider for provider in providers if provider != Provider.GCORE_V2)
        raise InvalidInputError(
            f"`di-async {command}` is only for --provider {names}, not {selected}: "
            f"{instead[selected]}"
        )
    async with cli.cloud() as cloud:
        yield cloud
