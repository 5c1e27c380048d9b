"""Blocking clients of a running emulator, for each cloud."""

from typing import Any

from di_async import PollPolicy
from di_async.blocking import DigitalOcean, Exoscale, Gcore
from di_async.emulator import Emulator, Lifecycle
from tests.concurrent_ensure.worker import access

LIFECYCLE = Lifecycle(create=10, update=8, delete=5)
NAMES = {"digitalocean": DigitalOcean, "gcore-v3": Gcore, "exoscale": Exoscale}


def connect(cloud: str, *rest: Any, **options: Any) -> Any:
    """Return a blocking client of an emulator."""
    *credentials, url = rest
    polling = PollPolicy(target_lag=0.05)
    given = {"base_url": url, "polling": polling, "budget": None, **options}
    return NAMES[cloud](*credentials, **given)


def client_of(cloud: str, emu: Emulator, **options: Any) -> Any:
    """Return a blocking client of a running emulator, prepared for creates."""
    emu.world.add_exoscale_model(name="openai/gpt-oss-20b")
    return connect(*access(cloud, emu), **options)
