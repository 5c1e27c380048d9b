"""Async client for dedicated LLM inference at DigitalOcean, Gcore and Exoscale.

Every write returns a change that you can await until it is verified:

async with DigitalOcean() as do:
    change = await do.dedicated_inferences.create(spec)
    di = await change.wait(timeout=3600)

Each name is imported on first use, so importing an error class does not import aiohttp.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from di_async.core.capacity import Attempt
    from di_async.core.errors import (
        APIError,
        AuthenticationError,
        BadRequestError,
        CleanupError,
        ClientClosedError,
        ConflictError,
        ConnectError,
        DecodeError,
        DeploymentFailedError,
        DIError,
        GatewayError,
        InvalidInputError,
        NoCapacityError,
        NotFoundError,
        OutcomeUnknownError,
        PermissionDeniedError,
        PriceLimitError,
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
    from di_async.core.pricing import HourlyPrice, Placement
    from di_async.core.rate_limit import RequestBudget
    from di_async.core.retry import RetryPolicy
    from di_async.core.secret import Secret
    from di_async.core.waiting.events import StatusChange
    from di_async.core.waiting.poll_policy import PollPolicy
    from di_async.digitalocean import DigitalOcean
    from di_async.engine.deployments.reap import ReapReport, reap
    from di_async.engine.endpoints.serving import ServingEndpoint
    from di_async.engine.waiting.change import Change
    from di_async.engine.waiting.duration_model import DurationModel
    from di_async.engine.writes.ensure import Ensured
    from di_async.exoscale import Exoscale
    from di_async.fleet.apply_report import ApplyReport
    from di_async.fleet.applying import apply
    from di_async.fleet.fleet_file import Fleet
    from di_async.fleet.inventory import Inventory
    from di_async.fleet.scanning import scan
    from di_async.fleet.waiting import WaitReport, as_completed, wait_all
    from di_async.gcore import Gcore

from di_async.core.version import __version__ as __version__

__all__ = [
    "APIError",
    "ApplyReport",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "Change",
    "CleanupError",
    "ClientClosedError",
    "ConflictError",
    "ConnectError",
    "DIError",
    "DecodeError",
    "DeploymentFailedError",
    "DigitalOcean",
    "DurationModel",
    "Ensured",
    "Exoscale",
    "Fleet",
    "GatewayError",
    "Gcore",
    "HourlyPrice",
    "InvalidInputError",
    "Inventory",
    "NoCapacityError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "Placement",
    "PollPolicy",
    "PriceLimitError",
    "RateLimitError",
    "ReapReport",
    "RequestBudget",
    "RequestTimeoutError",
    "ResourceVanishedError",
    "RetryPolicy",
    "Secret",
    "ServerError",
    "ServingEndpoint",
    "StatusChange",
    "SupersededError",
    "TransportError",
    "UnprocessableEntityError",
    "WaitError",
    "WaitRefusedError",
    "WaitReport",
    "WaitTimeoutError",
    "apply",
    "as_completed",
    "reap",
    "scan",
    "wait_all",
]

# The module of each name that is not in core.errors.
_MODULES = {
    "ApplyReport": "fleet.apply_report",
    "Attempt": "core.capacity",
    "Change": "engine.waiting.change",
    "DigitalOcean": "digitalocean",
    "DurationModel": "engine.waiting.duration_model",
    "Ensured": "engine.writes.ensure",
    "Exoscale": "exoscale",
    "Fleet": "fleet.fleet_file",
    "Gcore": "gcore",
    "HourlyPrice": "core.pricing",
    "Inventory": "fleet.inventory",
    "Placement": "core.pricing",
    "PollPolicy": "core.waiting.poll_policy",
    "ReapReport": "engine.deployments.reap",
    "RequestBudget": "core.rate_limit",
    "RetryPolicy": "core.retry",
    "Secret": "core.secret",
    "ServingEndpoint": "engine.endpoints.serving",
    "StatusChange": "core.waiting.events",
    "WaitReport": "fleet.waiting",
    "apply": "fleet.applying",
    "as_completed": "fleet.waiting",
    "reap": "engine.deployments.reap",
    "scan": "fleet.scanning",
    "wait_all": "fleet.waiting",
}

if not typing.TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"di_async.{_MODULES.get(name, 'core.errors')}")
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
