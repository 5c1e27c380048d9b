"""Types of `di_async.blocking`; written by `.ci/stubs.py`."""

from di_async.blocking.digitalocean import DigitalOcean
from di_async.blocking.engine import Change, Ensured, ServingEndpoint
from di_async.blocking.exoscale import Exoscale
from di_async.blocking.fleet import WaitReport, apply, as_completed, reap, scan, wait_all
from di_async.blocking.gcore import Gcore
from di_async.core.capacity import Attempt
from di_async.core.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    CleanupError,
    ClientClosedError,
    ConflictError,
    ConnectError,
    DIError,
    DecodeError,
    DeploymentFailedError,
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
from di_async.engine.deployments.reap import ReapReport
from di_async.engine.waiting.duration_model import DurationModel
from di_async.fleet.apply_report import ApplyReport
from di_async.fleet.fleet_file import Fleet
from di_async.fleet.inventory import Inventory

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
