"""The providers behind `--provider`, one file per vendor, all with the same interface.

To add a provider, write a subclass of `Cloud` in its own file and add a row to `_CLASSES`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from di_async.cli.settings import Provider

if TYPE_CHECKING:
    from di_async.cli.clouds.base import Cloud

__all__ = ["cloud_class", "vendor_classes"]

_CLASSES = {
    Provider.DIGITALOCEAN: ("digitalocean", "DigitalOceanCloud"),
    Provider.EXOSCALE: ("exoscale", "ExoscaleCloud"),
    Provider.GCORE: ("gcore", "GcoreCloud"),
    Provider.GCORE_V2: ("gcore", "GcoreV2Cloud"),
}


def cloud_class(provider: Provider) -> "type[Cloud[Any, Any]]":
    """Import and return the class of a provider."""
    module, name = _CLASSES[provider]
    found: type[Cloud[Any, Any]] = getattr(import_module(f"{__name__}.{module}"), name)
    return found


def vendor_classes() -> "list[type[Cloud[Any, Any]]]":
    """Return one class per vendor: the one that needs credentials only."""
    providers = (Provider.DIGITALOCEAN, Provider.EXOSCALE, Provider.GCORE_V2)
    return [cloud_class(provider) for provider in providers]
