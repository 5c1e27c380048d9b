"""Several calls at once."""

import asyncio

import pytest

from di_async.engine.concurrency import both
from tests.support import VIRTUAL

pytestmark = VIRTUAL


@pytest.mark.parametrize("fails_first", [True, False])
async def test_an_error_of_one_of_two_calls_ends_the_other(fails_first: bool) -> None:
    """It is raised as itself, and nothing runs on."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("nothing there")

    async def go_on() -> None:
        await asyncio.sleep(3600)

    calls = (fail, go_on) if fails_first else (go_on, fail)
    with pytest.raises(LookupError, match="nothing there"):
        await both(*calls)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert asyncio.get_running_loop().time() == pytest.approx(1)


async def test_two_calls_return_their_results_in_order() -> None:
    """The results are in the order of the calls, not of their ends."""

    async def after(seconds: int) -> int:
        await asyncio.sleep(seconds)
        return seconds

    assert await both(lambda: after(2), lambda: after(1)) == (2, 1)
    assert asyncio.get_running_loop().time() == pytest.approx(2)
