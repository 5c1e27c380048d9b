"""Tests of `one_at_a_time`: work that one task of the process does at a time."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from di_async.engine.writes.one_at_a_time import one_at_a_time
from tests.support import VIRTUAL


@VIRTUAL
async def test_one_after_the_other() -> None:
    """Tasks with one key run one after the other; another key does not wait."""
    running: list[str] = []

    async def work(key: str) -> None:
        async with one_at_a_time(key):
            assert key not in running
            running.append(key)
            await asyncio.sleep(1)
            running.remove(key)

    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(work("a") for _ in range(3)), work("b"))
    assert 3 <= asyncio.get_running_loop().time() - began <= 5


@VIRTUAL
async def test_key_is_free_after_errors_and_cancellation() -> None:
    """An error, or a cancellation of who holds it or waits for it, leaves the key free."""

    async def hold() -> None:
        async with one_at_a_time("key"):
            await asyncio.sleep(60)

    holder = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    waiter = asyncio.ensure_future(hold())
    await asyncio.sleep(1)
    for task in (waiter, holder):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    with pytest.raises(ZeroDivisionError):
        async with one_at_a_time("key"):
            raise ZeroDivisionError
    async with one_at_a_time("key"):
        pass


def test_threads() -> None:
    """Tasks of several threads, each with its own loop, run one after the other too."""
    most, held = 0, 0

    async def work() -> None:
        nonlocal most, held
        async with one_at_a_time("shared"):
            held += 1
            most = max(most, held)
            await asyncio.sleep(0.02)
            held -= 1

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_forked_child_waits_for_no_task_of_its_parent() -> None:
    """A key that the parent process holds is free in the child."""

    async def take() -> None:
        async with asyncio.timeout(5), one_at_a_time("key"):
            pass

    async def hold() -> int:
        async with one_at_a_time("key"):
            return await asyncio.to_thread(in_child, take)

    assert asyncio.run(hold()) == 0


def in_child(work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run a coroutine function in a forked process; return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(work())
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
