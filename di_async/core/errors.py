"""Every error of the library, in one tree that branches on what a caller can do next.

    DIError
    |-- InvalidInputError (ValueError)     invalid input; no request was sent
    |   `-- PriceLimitError                more expensive than `max_hourly`, or of unknown price
    |-- ClientClosedError (RuntimeError)   the client is not open here: closed, or not entered
    |-- TransportError                     no response; retry, or read what happened
    |   |-- ConnectError                   the request was never sent
    |   |-- RequestTimeoutError (TimeoutError)
    |   `-- OutcomeUnknownError            a write may have happened; `.candidates`
    |-- APIError                           the API refused the request
    |   |-- BadRequestError 400            |-- NotFoundError 404, 410
    |   |-- AuthenticationError 401        |-- ConflictError 409
    |   |-- PermissionDeniedError 403      |-- UnprocessableEntityError 422
    |   |-- RateLimitError 429
    |   `-- ServerError 5xx
    |       `-- GatewayError               another system answered in the API's place
    |-- DecodeError                        unexpected response body
    |-- CleanupError                       a deletion is not proven: .id may bill
    |-- NoCapacityError                    no place could run it; `.attempts`
    `-- WaitError                          the call succeeded, the change did not (yet)
        |-- WaitTimeoutError (TimeoutError)
        |-- DeploymentFailedError          |-- SupersededError
        |-- ResourceVanishedError          `-- WaitRefusedError

Rules of this module: messages never contain a secret; `str(error)` is one line without control
characters, whatever a server sent, while `.message` is exact; retries depend only on `transient`
and `never_processed`; messages are of bounded size; every error survives copying, and a pickle
round trip, which drops secrets.
"""

import copy
from typing import TYPE_CHECKING, Any, Self, cast

from di_async.core.picklable import deep_copy, picklable
from di_async.core.printable import printable

if TYPE_CHECKING:
    from di_async.core.waiting.events import StatusChange

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequestError",
    "CleanupError",
    "ClientClosedError",
    "ConflictError",
    "ConnectError",
    "DIError",
    "DecodeError",
    "DeploymentFailedError",
    "GatewayError",
    "InvalidInputError",
    "NoCapacityError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "PriceLimitError",
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
    "defect",
    "is_refusal",
    "own_copy",
    "with_message",
]

_MAX_DEFECT = 300
_MAX_MESSAGE = 4000


def _bounded(message: str) -> str:
    """Return the beginning of a message, which may quote what a server or a caller sent."""
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}..."


class DIError(Exception):
    """Base class of every error that this library raises."""

    transient = False
    """Trying again later may succeed."""
    never_processed = False
    """The provider did not process the request, so even a write may be sent again."""

    def __init__(self, message: str = "", **details: Any) -> None:
        message = _bounded(message)
        super().__init__(message)
        self.message = message
        """The exact text; `str(error)` is one line without control characters."""
        for name, value in details.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return printable(self._text())

    def _text(self) -> str:
        return super().__str__()

    def __reduce__(self) -> tuple[Any, ...]:
        cause = self.__cause__ if isinstance(self.__cause__, DIError) else None
        state = {name: picklable(value) for name, value in self.__dict__.items()}
        return _rebuild, (type(self), self.args, state, cause)

    def __copy__(self) -> Self:
        return self._with(dict(self.__dict__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with({name: deep_copy(value, memo) for name, value in self.__dict__.items()})

    def _with(self, state: dict[str, Any]) -> Self:
        cause = self.__cause__ if isinstance(self.__cause__, DIError) else None
        return cast("Self", _rebuild(type(self), self.args, state, cause))


def _rebuild(
    cls: type[DIError], args: tuple[Any, ...], state: dict[str, Any], cause: DIError | None
) -> DIError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    error.__cause__ = cause
    return error


class InvalidInputError(DIError, ValueError):
    """The input is invalid; `.problems` lists `path: message` for each fault found."""

    problems: tuple[str, ...] = ()
    """One `path: message` for each fault."""


class PriceLimitError(InvalidInputError):
    """The hourly price is above `max_hourly`, or not known; nothing was created or changed."""

    price: Any = None
    """The `HourlyPrice`; None if it is not known."""
    on_offer: bool = True
    """False if the provider does not list the accelerator in that region."""


class ClientClosedError(DIError, RuntimeError):
    """The client is not open here: closed, not entered yet, or of another event loop or thread.

    Open calls and waits end with it when the client is closed. Accepted changes continue at the
    provider, and bill. If a write was in flight, the message says what it may have done, and how
    to look for it. A wait adds `.id` and `.resume_token`.
    """

    id: str = ""
    """The id of the resource, if a wait was open; else empty."""
    resume_token: str | None = None
    """Continues the wait in any process; None if no wait was open, or it cannot be resumed."""


# --- no response ---------------------------------------------------------------------------


class TransportError(DIError):
    """There is no response; it is not known whether the request arrived."""

    transient = True
    method: str | None = None
    path: str | None = None


class ConnectError(TransportError):
    """No connection could be made; the request was never sent."""

    never_processed = True


class RequestTimeoutError(TransportError, TimeoutError):
    """One request took longer than `request_timeout` seconds."""


class OutcomeUnknownError(TransportError):
    """A write may have been carried out; reads did not show whether it was.

    `.candidates` holds resources that may be its result. Check before you repeat the write: what it
    created bills.
    """

    transient = False
    candidates: tuple[Any, ...] = ()


# --- the API refused the request ----------------------------------------------------------------


class APIError(DIError):
    """The API refused the request."""

    method: str = ""
    path: str = ""
    status: int = 0
    code: str | None = None
    """The vendor's error code, such as `not_found`."""
    request_id: str | None = None
    """The id that the vendor's support asks for."""
    retry_after: float | None = None
    """Seconds until a retry makes sense, if known."""

    def _text(self) -> str:
        text = f"{self.method} {self.path}: {self.status} {self.code or ''}".rstrip()
        text = f"{text}: {self.message}" if self.message else text
        return f"{text} (request id {self.request_id})" if self.request_id else text


class BadRequestError(APIError):
    """400: the request itself is wrong."""


class AuthenticationError(APIError):
    """401: the token is missing, wrong, expired or revoked."""


class PermissionDeniedError(APIError):
    """403: a missing scope, a feature not enabled, or (PATCH) not yet accepting updates."""


class NotFoundError(APIError):
    """404 or 410, by the API itself: it does not exist, or not in this team or project."""


class ConflictError(APIError):
    """409: the name is taken, the spec version changed, or another operation runs."""


class UnprocessableEntityError(APIError):
    """422: the request was understood and refused."""


PACED_BY_CLIENT = "paced_by_client"
"""The code of a `RateLimitError` for a request that the budget did not allow to be sent."""


class RateLimitError(APIError):
    """429, or the request budget would delay the call by more than the policy's `max_delay`."""

    transient = True
    never_processed = True


class ServerError(APIError):
    """5xx, 408 or 425, or a success with an error as its body; a write may have happened."""

    transient = True


class GatewayError(ServerError):
    """The answer is not the API's: a gateway, proxy, firewall or login page sent it.

    Whatever its status says, it proves nothing about the resource, the token or the request.
    """


class DecodeError(DIError):
    """The answer is not what the vendor documents: HTML, cut JSON or a missing field.

    `.transient` is true where the body is not of the API's form at all, so that another system may
    have sent it.
    """

    method: str | None = None
    path: str | None = None
    status: int | None = None
    request_id: str | None = None

    def _text(self) -> str:
        text = f"{self.method} {self.path}: {self.message}" if self.path else self.message
        return f"{text} (request id {self.request_id})" if self.request_id else text


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    410: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}
_TRANSIENT = frozenset({408, 425})
_FINAL_5XX = frozenset({501, 505})


def api_error(status: int, message: str, **details: Any) -> APIError:
    """Return the error for a status code; a plain `APIError` for unknown 3xx and 4xx codes."""
    failed = status >= 500 or status < 300 or status in _TRANSIENT
    kind = ServerError if failed else _BY_STATUS.get(status, APIError)
    error = kind(message, status=status, **details)
    if status in _TRANSIENT or status in _FINAL_5XX:
        error.transient = status in _TRANSIENT
    return error


# --- the call succeeded, the change did not ------------------------------------------------


class WaitError(DIError):
    """A wait that did not end in success.

    It changed nothing at the provider: what exists bills until it is deleted. `.advice` says what
    is known.

    Attributes:
        id: of the resource.
        resource: as read last.
        initial: the write's answer.
        history: each step of the wait, a `StatusChange`.
        elapsed: seconds since the wait's start.
        requests: the requests that this wait sent.
        last_error: the error of the last read, if it failed.
        resume_token: continues the wait in any process.
        advice: the state of the resource, and what to do.
        access_token: the key that `connect(mint_token=)` has created, a `Secret`; else None. A
            pickle does not hold it.
    """

    id: str = ""
    resource: Any = None
    initial: Any = None
    history: "tuple[StatusChange, ...]" = ()
    elapsed: float = 0.0
    requests: int = 0
    last_error: DIError | None = None
    resume_token: str | None = None
    advice: str = ""
    access_token: Any = None

    def _text(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class WaitTimeoutError(WaitError, TimeoutError):
    """The change did not settle in time. It continues at the provider, and the resource bills."""


class DeploymentFailedError(WaitError):
    """The provider reports that this change failed."""

    logs: tuple[str, ...] = ()
    """The last lines of its log, the oldest first, with secrets masked: at most 50, each shortened
    and printable. Empty where the cloud has no logs (DigitalOcean, Gcore v2), and where they could
    not be read."""


class ResourceVanishedError(WaitError):
    """GET answers 404 for a resource that existed, or should have appeared.

    Two in a row are needed, or one after this client has deleted it. `.advice` says whether
    anything can be left that bills.
    """


class SupersededError(WaitError):
    """The resource was deleted or changed later, so this change can no longer be proven.

    This client or somebody else did that. A resource that is being deleted bills until it is gone.
    """


class WaitRefusedError(WaitError):
    """The provider refuses the reads (401, 403, 422, ...); waiting longer would not help."""


# --- temporary deployments, and tries in several places ---------------------------------------


class CleanupError(DIError):
    """A temporary deployment, or a failed try, could not be proven deleted. It may bill.

    `__cause__` is the error that ended the block, or the one of the last try to delete.
    """

    id: str = ""
    """Empty if only the name is known: the create was cut off, and its outcome is not known."""
    name: str = ""
    hourly_price: Any = None
    """An `HourlyPrice`; None if it is not known."""
    last_error: BaseException | None = None
    """The error of the last try to delete it."""


class NoCapacityError(DIError):
    """No place could run the spec; `.attempts` lists each try with its reason.

    `__cause__` is the error of the last try. What the tries created was deleted.
    """

    attempts: tuple[Any, ...] = ()


# --- whose error it is -------------------------------------------------------------------------


def is_refusal(error: BaseException) -> bool:
    """Return whether the API refuses for good, so that trying again would not help."""
    if isinstance(error, ServerError) or not isinstance(error, APIError):
        return False
    return not error.transient


def own_copy(error: BaseException) -> BaseException:
    """Return a copy of an error of ours, so that each caller gets one of its own.

    A shared one would collect the tracebacks and notes of all callers.
    """
    if not isinstance(error, DIError):
        return error
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own


def with_message(error: DIError, message: str) -> DIError:
    """Return a copy of an error with another message."""
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    own.message = _bounded(message)
    own.args = (own.message,)
    return own


def defect(error: BaseException) -> DIError:
    """Return the error for a defect of this library, or `error` itself if it is one of ours."""
    if isinstance(error, DIError):
        return error
    text = str(error)[:_MAX_DEFECT]
    found = DIError(f"a defect in di_async: {type(error).__name__}: {text}; please report it")
    found.__cause__ = error
    return found
