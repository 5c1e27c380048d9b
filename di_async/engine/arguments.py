"""Check the clients and changes that callers pass: the commonest mistake is a forgotten await."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from di_async.core.errors import InvalidInputError
from di_async.engine.waiting.change import Change

__all__ = ["check_clients", "checked_changes", "no_client"]

R = TypeVar("R")
_BLOCKING = "di_async.blocking"
# What is expected, and how to get it.
_CLIENTS = ("clients", "pass the clients themselves")
_CHANGES = ("changes", "pass what a create, update or delete returns")
_LIST = ("a list of changes", "pass `[change]`")


def check_clients(function: str, clients: Sequence[object]) -> None:
    """Check that all are open clients, for the function of that name.

    Raises:
        InvalidInputError: one is something else.
        ClientClosedError: one is not entered, or closed.
    """
    for client in clients:
        require_open: Any = getattr(client, "require_open", None)  # only clients have it
        if not callable(require_open) or isinstance(client, type) or _is_blocking(client):
            _refuse(function, _CLIENTS, client, clients)
        require_open()


def no_client(function: str) -> InvalidInputError:
    """Return the error of a function that was called without a client."""
    return InvalidInputError(f"{function}: pass at least one client")


def checked_changes(function: str, changes: Iterable[Change[R]]) -> tuple[Change[R], ...]:
    """Return each change once, for the function of that name.

    Raises:
        InvalidInputError: one is something else, or this is not a list of them.
    """
    if not isinstance(changes, Iterable):
        _refuse(function, _LIST, changes, (changes,))
    found = tuple(changes)
    for change in found:
        if not isinstance(change, Change):
            _refuse(function, _CHANGES, change, found)
    return tuple(dict.fromkeys(found))


def _is_blocking(value: object) -> bool:
    return type(value).__module__.startswith(_BLOCKING)


def _refuse(
    function: str, wanted: tuple[str, str], wrong: object, given: Iterable[object]
) -> NoReturn:
    """Raise; coroutines are closed, or Python would warn that they were never awaited."""
    for one in given:
        if inspect.iscoroutine(one):
            one.close()
    kind: type[Any] = type(wrong)
    expected, fix = wanted
    if _is_blocking(wrong):
        fix = f"call {_BLOCKING}.{function}"
    elif inspect.isawaitable(wrong) and not isinstance(wrong, Change):
        fix = "await it first"
    raise InvalidInputError(f"{function}: expected {expected}, not {kind.__name__}; {fix}")
