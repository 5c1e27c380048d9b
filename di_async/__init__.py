"""Await what dedicated-inference clouds only accept.

async with DigitalOcean() as do:
    change = await do.dedicated_inferences.create(spec)
    di = await change.wait(timeout=3600)
"""

from di_async.core.budget import RequestBudget
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
from di_async.core.events import StatusChange
from di_async.core.retry import RetryPolicy
from di_async.core.schedule import PollPolicy
from di_async.core.secret import Secret
from di_async.digitalocean import DigitalOcean
from di_async.engine.change import Change

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
    "InvalidInputError",
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
    "WaitTimeoutError",
]
