"""What every test needs, whichever runs first."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Looptime asks for the thread's loop before a synchronous test and would make one for it."""
    asyncio.set_event_loop(None)
