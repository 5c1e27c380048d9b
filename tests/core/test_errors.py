"""Tests of the error tree: complete, picklable, and mapped from every status."""

import inspect
import pickle
import re

import pytest

from di_async.core import errors
from di_async.core.errors import (
    APIError,
    DIError,
    NotFoundError,
    ServerError,
    TransportError,
    WaitError,
    WaitTimeoutError,
    api_error,
)

CLASSES = sorted(
    (c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, DIError)),
    key=lambda c: c.__name__,
)


def drawn() -> dict[str, str]:
    """Return each class in the module's drawing, with its parent."""
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        for match in re.finditer(r"([A-Z]\w*Error|DIError)(?! *\))", line):
            depth = line.index(match[1]) if not parents else _column(line)
            while stack and stack[-1][0] >= depth:
                stack.pop()
            parents[match[1]] = stack[-1][1] if stack else ""
            if match.start() == depth:
                stack.append((depth, match[1]))
    return parents


def _column(line: str) -> int:
    return next(i for i, letter in enumerate(line) if letter not in " |`-")


def test_drawing_matches_the_tree() -> None:
    """The drawing holds every class under its real parent, and nothing else."""
    real = {c.__name__: "" if c is DIError else c.__mro__[1].__name__ for c in CLASSES}
    assert drawn() == real


def test_every_class_is_exported() -> None:
    """`__all__` holds all classes of the tree and the functions that make or judge errors."""
    functions = ["api_error", "defect", "is_refusal", "own_copy", "with_message"]
    assert sorted(errors.__all__) == sorted([*(c.__name__ for c in CLASSES), *functions])


def test_copy_of_an_error_is_its_caller_s_own() -> None:
    """A copy has everything of the error but its traceback and notes added later."""
    error = errors.ServerError("down", status=503)
    error.__cause__ = OSError("reset")
    own = errors.own_copy(error)
    own.add_note("mine")
    assert own is not error
    assert (str(own), own.__cause__) == (str(error), error.__cause__)
    assert not hasattr(error, "__notes__")
    foreign = ValueError("the caller's")
    assert errors.own_copy(foreign) is foreign


def test_defect_is_an_error_of_ours() -> None:
    """Another library's error becomes a short `DIError` with that error as its cause."""
    error = TypeError("x" * 100_000)
    found = errors.defect(error)
    assert type(found) is errors.DIError
    assert found.__cause__ is error
    assert len(str(found)) < 500
    assert errors.defect(found) is found


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_survives_a_pickle_round_trip(kind: type[DIError]) -> None:
    """Pickling keeps message, attributes, notes and cause."""
    error = kind("what happened", status=404, id="x", extra=[1, 2])
    error.add_note("a note")
    error.__cause__ = NotFoundError("gone", status=404, request_id="r")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert type(back) is kind
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))
    assert isinstance(back.__cause__, NotFoundError)
    assert back.__cause__.request_id == "r"


def test_pickle_drops_foreign_causes() -> None:
    """Pickling drops causes of other packages, which may hold sockets."""
    error = TransportError("broke off")
    error.__cause__ = OSError("a socket")
    assert pickle.loads(pickle.dumps(error)).__cause__ is None  # noqa: S301 - made here


def test_nested_last_error_survives_pickle() -> None:
    """Pickling keeps the nested `last_error`."""
    error = WaitTimeoutError("late", last_error=ServerError("down", status=503), elapsed=3.5)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (back.last_error.status, back.elapsed) == (503, 3.5)


@pytest.mark.parametrize(
    ("status", "name", "transient"),
    [
        (300, "APIError", False),
        (307, "APIError", False),
        (400, "BadRequestError", False),
        (401, "AuthenticationError", False),
        (402, "APIError", False),
        (403, "PermissionDeniedError", False),
        (404, "NotFoundError", False),
        (408, "ServerError", True),
        (409, "ConflictError", False),
        (418, "APIError", False),
        (422, "UnprocessableEntityError", False),
        (425, "ServerError", True),
        (429, "RateLimitError", True),
        (500, "ServerError", True),
        (501, "ServerError", False),
        (503, "ServerError", True),
        (505, "ServerError", False),
        (599, "ServerError", True),
    ],
)
def test_status_picks_the_class(status: int, name: str, transient: bool) -> None:
    """The status selects the class; unknown ones make an `APIError` with the right `transient`."""
    error = api_error(status, "why", method="GET", path="/x")
    assert (type(error).__name__, error.status, error.transient) == (name, status, transient)
    assert isinstance(error, APIError)


def test_which_errors_are_never_processed() -> None:
    """Only errors before the provider processed the request allow a POST to be retried."""
    assert {c.__name__ for c in CLASSES if c.never_processed} == {"ConnectError", "RateLimitError"}


def test_timeouts_are_timeout_errors() -> None:
    """Timeouts are `TimeoutError`s, and input errors are `ValueError`s."""
    also = {c.__name__ for c in CLASSES if issubclass(c, TimeoutError)}
    assert also == {"WaitTimeoutError", "RequestTimeoutError"}
    values = {c.__name__ for c in CLASSES if issubclass(c, ValueError)}
    assert values == {"InvalidInputError", "PriceLimitError"}


def test_message_of_an_api_error() -> None:
    """The message has method, path, status, code, message and request id."""
    full = api_error(409, "taken", method="POST", path="/v2/x", code="conflict", request_id="r1")
    assert str(full) == "POST /v2/x: 409 conflict: taken (request id r1)"
    assert str(api_error(500, "", method="GET", path="/")) == "GET /: 500"


@pytest.mark.parametrize(
    "name", ["method", "path", "status", "code", "message", "request_id", "retry_after"]
)
def test_every_api_error_has_its_documented_attributes(name: str) -> None:
    """Every API error has all documented attributes, even if they were not set."""
    assert hasattr(APIError("m"), name)


@pytest.mark.parametrize(
    "name",
    ["id", "resource", "initial", "history", "elapsed", "requests", "last_error", "resume_token"],
)
def test_every_wait_error_has_its_documented_attributes(name: str) -> None:
    """Every wait error has all documented attributes, even if they were not set."""
    assert hasattr(WaitError("m"), name)
