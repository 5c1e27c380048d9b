"""Errors in the words of somebody at a shell: what happened, and what to do about it."""

import errno
from collections.abc import Iterator

from di_async import (
    AuthenticationError,
    BadRequestError,
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
    ServerError,
    UnprocessableEntityError,
    WaitError,
)

__all__ = ["explain", "resume_line"]

_HINTS: tuple[tuple[type[BaseException], str], ...] = (
    (
        AuthenticationError,
        "The token is wrong, expired or revoked: look at DIGITALOCEAN_TOKEN or --token-file.",
    ),
    (
        PermissionDeniedError,
        "The token lacks a scope, or the team the feature, or an earlier change is under way.",
    ),
    (NotFoundError, "It is gone, or in another team: `di-async list` shows what there is."),
    (
        ConflictError,
        "The name is taken or the spec has moved on: `di-async list` and `di-async get` show it.",
    ),
    (
        UnprocessableEntityError,
        "`di-async sizes` and `di-async models` show what can be chosen.",
    ),
    (BadRequestError, "`di-async sizes` and `di-async models` show what can be chosen."),
    (RateLimitError, "The token's quota is used up for now; other programs share it."),
    (ConnectError, "Nobody answers there: look at --base-url (DI_ASYNC_BASE_URL) and the network."),
    (
        OutcomeUnknownError,
        "Look before you repeat it, since it may exist and bill: `di-async list`",
    ),
    (RequestTimeoutError, "The API did not answer in time: try again."),
    (ServerError, "The API stumbled: try again; its status page may know more."),
    (DecodeError, "That is no answer of the API: look at --base-url and at proxies on the way."),
)


def explain(error: BaseException, *, debug: bool = False) -> Iterator[str]:
    """Lines that say what went wrong and what to do now. No secrets, no Python."""
    if isinstance(error, WaitError):
        yield from _explain_wait(error)
    elif isinstance(error, InvalidInputError) and error.problems:
        yield "error: the input breaks these rules (nothing was sent):"
        yield from (f"  {problem}" for problem in error.problems)
    elif isinstance(error, DIError | ModuleNotFoundError):
        yield f"error: {error}"
        yield from filter(None, [_hint(error)])
    elif isinstance(error, OSError):
        yield f"error: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            yield "Another program has that port: choose one with --port, or 0 for any free one."
    else:
        yield f"error: {type(error).__name__}: {error}"
        if not debug:
            yield "This is a defect of di-async; --debug shows where."


def _explain_wait(error: WaitError) -> Iterator[str]:
    yield f"error: {error.message}"
    cause = error.last_error if isinstance(error.__cause__, DIError) else None
    hint = _hint(cause) if cause is not None else None
    if hint:
        yield hint
    if isinstance(error, DeploymentFailedError):
        yield "A gated model (see `di-async models`) fails so without --hf-token."
        yield f"It still exists and may bill. Delete it: di-async delete {error.id}"
        return
    yield "It was left alone, and bills for as long as it exists."
    if error.resume_token:
        yield resume_line(error.resume_token)


def resume_line(token: str) -> str:
    """How to go on waiting."""
    return f"Go on waiting with: di-async wait --resume {token}"


def _hint(error: BaseException) -> str | None:
    return next((hint for kind, hint in _HINTS if isinstance(error, kind)), None)
