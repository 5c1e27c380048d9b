"""Every error of the library, in one tree that branches on what a caller can do next.

    DIError
    |-- InvalidInputError (ValueError)     nothing was sent: mend the input
    |-- ClientClosedError                  the client is closed: enter a new one
    |-- TransportError                     no answer: ask again, or look what became of it
    |   |-- ConnectError                   surely never sent
    |   |-- RequestTimeoutError (TimeoutError)
    |   `-- OutcomeUnknownError            a write may have happened; `.candidates`
    |-- APIError                           an answer that says no
    |   |-- BadRequestError 400            |-- NotFoundError 404
    |   |-- AuthenticationError 401        |-- ConflictError 409
    |   |-- PermissionDeniedError 403      |-- UnprocessableEntityError 422
    |   |-- RateLimitError 429             `-- ServerError 5xx
    |-- DecodeError                        an answer that nobody can read
    `-- WaitError                          the call worked, the work did not (or not yet)
        |-- WaitTimeoutError (TimeoutError)
        |-- DeploymentFailedError          |-- SupersededError
        |-- ResourceVanishedError          `-- WaitRefusedError

Rules of this file: messages never hold a secret; retry asks `transient` and `never_processed`
and nothing else; all of it survives a pickle round trip.
"""

from typing import Any

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "ClientClosedError",
    "ConflictError",
    "ConnectError",
    "DIError",
    "DecodeError",
    "DeploymentFailedError",
    "InvalidInputError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RateLimitError",
    "RequestTimeoutError",
    "ResourceVanishedError",
    "ServerError",
    "SupersededError",
    "TransportError",
    "UnprocessableEntityError",
    "WaitError",
    "WaitRefusedError",
    "WaitTimeoutError",
    "api_error",
]


class DIError(Exception):
    """The root: catches everything that this library raises on its own account."""

    transient = False
    """Asking again later may well succeed."""
    never_processed = False
    """The provider surely did nothing, so even a write may be repeated."""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        self.message = message
        for name, value in details.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        cause = self.__cause__ if isinstance(self.__cause__, DIError) else None
        return _rebuild, (type(self), self.args, dict(self.__dict__), cause)


def _rebuild(
    cls: type[DIError], args: tuple[Any, ...], state: dict[str, Any], cause: DIError | None
) -> DIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class InvalidInputError(DIError, ValueError):
    """What was given cannot be sent; `.problems` lists `path: rule` for each fault found."""

    problems: tuple[str, ...] = ()


class ClientClosedError(DIError):
    """The client was closed while this call or wait was open. Nothing changed at the provider."""


# --- no answer -----------------------------------------------------------------------------


class TransportError(DIError):
    """No answer came back; whether the request arrived is not known."""

    transient = True
    method: str | None = None
    path: str | None = None


class ConnectError(TransportError):
    """No connection could be made: the request was never sent."""

    never_processed = True


class RequestTimeoutError(TransportError, TimeoutError):
    """One request took longer than `request_timeout` seconds."""


class OutcomeUnknownError(TransportError):
    """A write may or may not have happened and could not be settled by looking.

    `.candidates` holds what was found and may be it. Look before repeating: what it made bills.
    """

    transient = False
    candidates: tuple[Any, ...] = ()


# --- an answer that says no ----------------------------------------------------------------


class APIError(DIError):
    """The provider answered, and said no."""

    method: str = ""
    path: str = ""
    status: int = 0
    code: str | None = None
    """The vendor's own slug, such as `not_found`."""
    request_id: str | None = None
    """What the vendor's support asks for."""
    retry_after: float | None = None
    """Seconds until asking again makes sense, where that is known."""

    def __str__(self) -> str:
        told = f"{self.method} {self.path}: {self.status} {self.code or ''}".rstrip()
        told = f"{told}: {self.message}" if self.message else told
        return f"{told} (request id {self.request_id})" if self.request_id else told


class BadRequestError(APIError):
    """400: the request itself is wrong."""


class AuthenticationError(APIError):
    """401: the token is missing, wrong, expired or revoked."""


class PermissionDeniedError(APIError):
    """403: a missing scope, a feature not enabled, or (PATCH) not yet accepting updates."""


class NotFoundError(APIError):
    """404: not there, or not in this team or project."""


class ConflictError(APIError):
    """409: the name is taken, the spec version moved, or another operation runs."""


class UnprocessableEntityError(APIError):
    """422: understood and refused."""


class RateLimitError(APIError):
    """429, or our own pacing refusing to hold a call for longer than the policy's `max_delay`."""

    transient = True
    never_processed = True


class ServerError(APIError):
    """5xx: the provider stumbled; a write may still have happened."""

    transient = True


class DecodeError(DIError):
    """The answer is not what the vendor documents: HTML, cut JSON or a missing field."""

    method: str | None = None
    path: str | None = None
    status: int | None = None
    request_id: str | None = None


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}
_TRANSIENT = frozenset({408, 425})
_FINAL_5XX = frozenset({501, 505})


def api_error(status: int, message: str, **details: Any) -> APIError:
    """The error for a status code; unknown 4xx and 3xx stay a plain `APIError`."""
    kind = ServerError if status >= 500 else _BY_STATUS.get(status, APIError)
    error = kind(message, status=status, **details)
    if status in _TRANSIENT or status in _FINAL_5XX:
        error.transient = status in _TRANSIENT
    return error


# --- the call worked, the work did not -----------------------------------------------------


class WaitError(DIError):
    """A wait that did not end in success; the whole story is in its attributes.

    `.id`, `.resource` (last seen), `.initial` (the write's answer), `.history`, `.elapsed`
    (seconds), `.requests` (spent on this wait), `.last_error`, and `.resume_token`, from which
    any process can wait on. The resource itself was left alone, and bills as long as it exists.
    """

    id: str = ""
    resource: Any = None
    initial: Any = None
    history: tuple[Any, ...] = ()
    elapsed: float = 0.0
    requests: int = 0
    last_error: DIError | None = None
    resume_token: str | None = None
    advice: str = ""
    """What became of the resource, and what can be done."""

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class WaitTimeoutError(WaitError, TimeoutError):
    """The time given is over; the provider goes on working, and billing."""


class DeploymentFailedError(WaitError):
    """The provider reports that this very change failed."""


class ResourceVanishedError(WaitError):
    """It was there, or should have come, and two reads in a row say 404."""


class SupersededError(WaitError):
    """Somebody else deleted it or changed it again, so this change can no longer be proven."""


class WaitRefusedError(WaitError):
    """The provider refuses to be asked (401, 403, 422, ...): waiting on would not help."""
