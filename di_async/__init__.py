"""Await what dedicated-inference clouds only accept.

async with DigitalOcean() as do:
    change = await do.dedicated_inferences.create(spec)
    di = await change.wait(timeout=3600)

The names come on first use: who imports the errors alone loads no network.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from di_async.core.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        ClientClosedError,
        ConflictError,
        ConnectError,
        DecodeError,
        DeploymentFailedError,
        DIError,
        InvalidInputError,
        NotFoundError,
        OutcomeUnknownError,
        PermissionDeniedError,
        RateLimitError,
        RequestTimeoutError,
        ResourceVanishedError,
        ServerError,
        SupersededError,
        TransportError,
        UnprocessableEntityError,
        WaitError,
        WaitRefusedError,
        WaitTimeoutError,
    )
    from di_async.core.rate_limit import RequestBudget
    from di_async.core.retry import RetryPolicy
    from di_async.core.secret import Secret
    from di_async.engine.waiting.duration_model import DurationModel
    from di_async.core.waiting.events import StatusChange
    from di_async.core.waiting.poll_policy import PollPolicy
    from di_async.digitalocean import DigitalOcean
    from di_async.engine.waiting.change import Change
    from di_async.exoscale import Exoscale
    from di_async.fleet.inventory import Inventory
    from di_async.fleet.scanning import scan
    from di_async.fleet.waiting import WaitReport, as_completed, wait_all
    from di_async.gcore import Gcore

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "Change",
    "ClientClosedError",
    "ConflictError",
    "ConnectError",
    "DIError",
    "DecodeError",
    "DeploymentFailedError",
    "DigitalOcean",
    "DurationModel",
    "Exoscale",
    "Gcore",
    "InvalidInputError",
    "Inventory",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PollPolicy",
    "RateLimitError",
    "RequestBudget",
    "RequestTimeoutError",
    "ResourceVanishedError",
    "RetryPolicy",
    "Secret",
    "ServerError",
    "StatusChange",
    "SupersededError",
    "TransportError",
    "UnprocessableEntityError",
    "WaitError",
    "WaitRefusedError",
    "WaitReport",
    "WaitTimeoutError",
    "as_completed",
    "scan",
    "wait_all",
]

# Where the names live; the others are errors.
_HOMES = {
    "Change": "engine.waiting.change",
    "DigitalOcean": "digitalocean",
    "DurationModel": "engine.waiting.duration_model",
    "Exoscale": "exoscale",
    "Gcore": "gcore",
    "Inventory": "fleet.inventory",
    "PollPolicy": "core.waiting.poll_policy",
    "RequestBudget": "core.rate_limit",
    "RetryPolicy": "core.retry",
    "Secret": "core.secret",
    "StatusChange": "core.waiting.events",
    "WaitReport": "fleet.waiting",
    "as_completed": "fleet.waiting",
    "scan": "fleet.scanning",
    "wait_all": "fleet.waiting",
}

if not typing.TYPE_CHECKING:  # a checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = importlib.import_module(f"di_async.{_HOMES.get(name, 'core.errors')}")
        value = globals()[name] = getattr(home, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
