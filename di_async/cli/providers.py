"""Commands that only some providers have, and what to use instead with the others."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from di_async import InvalidInputError
from di_async.cli.settings import Provider

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud
    from di_async.cli.clouds.digitalocean import DigitalOceanCloud
    from di_async.cli.run import Cli

__all__ = ["cloud_for", "digitalocean_for", "unsupported_command"]

_NO_LOG = "its API shows no log; `di-async get NAME` shows the status"
_KEYS = "`di-async keys` manages the API keys of endpoints"
_PUBLIC = "its endpoints have public certificates; `di-async connect NAME` prints how to call one"
_IMAGE = "the image in the spec file has the model"
_IN_THE_IMAGE = f"{_IMAGE}, see `di-async create --help`"
_DOWNLOAD = "`di-async models create NAME` downloads"
_MODELS = {
    Provider.DIGITALOCEAN: "`di-async custom-models` manages imported models",
    Provider.GCORE: _IN_THE_IMAGE,
    Provider.GCORE_V2: _IN_THE_IMAGE,
}
# The providers that lack a command, and what to use there.
_INSTEAD: Mapping[str, Mapping[Provider, str]] = {
    "logs": {Provider.DIGITALOCEAN: _NO_LOG, Provider.GCORE_V2: _NO_LOG},
    "accelerators": {
        Provider.EXOSCALE: "`di-async get NAME` shows the GPUs of a deployment",
        Provider.GCORE: "`di-async get NAME` shows the flavor and the replicas",
        Provider.GCORE_V2: "`di-async get NAME` shows the flavor and the replicas",
    },
    "ca": {Provider.EXOSCALE: _PUBLIC, Provider.GCORE: _PUBLIC, Provider.GCORE_V2: _PUBLIC},
    "sizes": {
        Provider.EXOSCALE: "`di-async hardware` lists the GPU families",
        Provider.GCORE: "`di-async hardware` lists the flavors with prices",
        Provider.GCORE_V2: "`di-async flavors` lists the flavors",
    },
    "hardware": {Provider.GCORE_V2: "`di-async flavors` lists the flavors"},
    "models": {Provider.GCORE: _IN_THE_IMAGE, Provider.GCORE_V2: _IN_THE_IMAGE},
    **dict.fromkeys((f"models {word}" for word in ("create", "get", "wait", "delete")), _MODELS),
    "catalog": {
        Provider.EXOSCALE: f"{_DOWNLOAD} any model of Hugging Face",
        Provider.GCORE: _IMAGE,
        Provider.GCORE_V2: _IMAGE,
    },
    "custom-models": {
        Provider.EXOSCALE: f"{_DOWNLOAD} a model, `di-async models` lists them",
        Provider.GCORE: _IMAGE,
        Provider.GCORE_V2: _IMAGE,
    },
    "start": {
        Provider.DIGITALOCEAN: "an instance cannot be stopped; `di-async create` makes another",
        Provider.EXOSCALE: "`di-async scale NAME REPLICAS` starts one that has 0 replicas",
        Provider.GCORE_V2: "`di-async scale NAME REPLICAS` keeps replicas running",
    },
    "stop": {
        Provider.DIGITALOCEAN: "`di-async delete NAME` ends its cost",
        Provider.EXOSCALE: "`di-async scale NAME 0` releases the GPUs",
        Provider.GCORE_V2: "`di-async scale NAME 0` lets it scale to zero when it is idle",
    },
    "ensure": {Provider.GCORE_V2: "`di-async create` and `di-async update` do it in two steps"},
    "run": {Provider.GCORE_V2: "`di-async create` and `di-async delete` do it in two steps"},
    "tokens": {Provider.EXOSCALE: _KEYS, Provider.GCORE: _KEYS, Provider.GCORE_V2: _KEYS},
    "keys": {
        Provider.DIGITALOCEAN: "an endpoint has its own tokens, see `di-async tokens --help`",
    },
    "secrets": {
        Provider.DIGITALOCEAN: "it stores a Hugging Face token with `create --hf-token`",
        Provider.EXOSCALE: "it uses a Hugging Face token once, with `models create --hf-token`",
    },
    "tasks": {
        Provider.DIGITALOCEAN: "`di-async wait` follows a change by the instance itself",
        Provider.EXOSCALE: "`di-async wait` follows the operations of a change",
    },
    "flavors": {
        Provider.DIGITALOCEAN: "`di-async sizes` lists its GPU sizes",
        Provider.EXOSCALE: "`di-async hardware` lists its GPU families",
    },
    "quota": {
        Provider.DIGITALOCEAN: "its API shows no quota; `di-async hardware` lists what it offers",
        Provider.GCORE_V2: "only deployments of API v3 can be checked",
    },
}


def unsupported_command(command: str, selected: Provider) -> InvalidInputError:
    """Return the error for a command that the selected provider lacks, with what to use instead."""
    instead = _INSTEAD[command]
    names = (one for one in Provider if one not in instead and one is not Provider.GCORE_V2)
    return InvalidInputError(
        f"`di-async {command}` is only for --provider {' or '.join(names)}, not {selected}: "
        f"{instead[selected]}"
    )


@asynccontextmanager
async def cloud_for(cli: "Cli", command: str) -> "AsyncIterator[Cloud[Any, Any]]":
    """Connect to the selected provider, if it has the command.

    Raises:
        InvalidInputError: it does not; the message names what to use instead.
    """
    selected = cli.settings.provider
    if selected in _INSTEAD[command]:
        raise unsupported_command(command, selected)
    async with cli.cloud() as cloud:
        yield cloud


def digitalocean_for(cli: "Cli", command: str) -> "AbstractAsyncContextManager[DigitalOceanCloud]":
    """Connect to DigitalOcean, for a command that no other provider has; see `cloud_for`."""
    return cast("AbstractAsyncContextManager[DigitalOceanCloud]", cloud_for(cli, command))
