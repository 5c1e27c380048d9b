"""The clouds behind `--provider`. Rules of this folder: a file for each, and all alike to commands.

A fourth cloud is a `Cloud` in a file of its own and a row in this table.
"""

from typing import Any

from di_async.cli.clouds.cloud import AnyClient, Cloud, Goal, Order
from di_async.cli.clouds.digitalocean import OnDigitalOcean
from di_async.cli.clouds.exoscale import OnExoscale
from di_async.cli.clouds.gcore import OnGcore, OnGcoreV2
from di_async.cli.settings import Provider

__all__ = ["ACCOUNTS", "CLOUDS", "AnyClient", "Cloud", "Goal", "OnDigitalOcean", "Order"]

CLOUDS: dict[Provider, type[Cloud[Any, Any]]] = {
    Provider.DIGITALOCEAN: OnDigitalOcean,
    Provider.EXOSCALE: OnExoscale,
    Provider.GCORE: OnGcore,
    Provider.GCORE_V2: OnGcoreV2,
}
ACCOUNTS: tuple[type[Cloud[Any, Any]], ...] = (OnDigitalOcean, OnExoscale, OnGcoreV2)
"""One for each vendor, asking for no more than its credentials."""
