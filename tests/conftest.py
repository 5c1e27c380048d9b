"""What every test needs, whichever runs first."""

import asyncio

import pytest


def pytest_sessionstart(session: pytest.Session) -> None:
    """Looptime asks for the thread's loop before a synchronous test and would make one for it."""
    asyncio.set_event_loop(None)
