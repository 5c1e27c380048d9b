"""Fixtures of the functional tests."""

from collections.abc import AsyncIterator

import pytest

from di_async.emulator import Emulator, running
from tests.concurrent_ensure.runs import LIFECYCLE


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """Run an emulator in which changes take fractions of a second."""
    async with running(seed=0, time_scale=100.0, lifecycle=LIFECYCLE) as emu:
        emu.world.add_exoscale_model(name="openai/gpt-oss-20b")
        yield emu
