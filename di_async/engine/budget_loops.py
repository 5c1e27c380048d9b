"""Keep a `RequestBudget` to the clients of one event loop at a time.

A budget wakes the callers that it held back, and has no lock. From another thread, it would leave
them waiting for ever.
"""

import asyncio
import os
import threading
from collections import Counter
from weakref import WeakKeyDictionary

from di_async.core.errors import InvalidInputError
from di_async.core.rate_limit import RequestBudget

__all__ = ["begin_use", "end_use"]

_lock = threading.Lock()
_clients: "WeakKeyDictionary[RequestBudget, Counter[asyncio.AbstractEventLoop]]" = (
    WeakKeyDictionary()
)
"""The open clients of each budget, by loop."""


def begin_use(budget: RequestBudget, loop: asyncio.AbstractEventLoop) -> None:
    """Record that a client of this loop was entered.

    Raises:
        InvalidInputError: an open client of another loop, which is running, uses the budget.
    """
    with _lock:
        clients = _clients.setdefault(budget, Counter())
        for other in [one for one in clients if one is not loop]:
            if other.is_running():
                raise InvalidInputError(
                    "budget: a client of another event loop (and thread) uses this RequestBudget; "
                    "create one for each loop"
                )
            del clients[other]  # it ended, and its clients were not closed
        clients[loop] += 1


def end_use(budget: RequestBudget, loop: asyncio.AbstractEventLoop) -> None:
    """Record that a client of this loop was closed."""
    with _lock:
        clients = _clients.get(budget, Counter())
        clients[loop] -= 1
        if clients[loop] <= 0:
            del clients[loop]


def _start_over() -> None:
    """Forget the parent's loops, which seem to run in a forked child."""
    global _lock  # another thread of the parent may have held it
    _lock = threading.Lock()
    _clients.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
