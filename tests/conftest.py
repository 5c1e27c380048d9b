"""Options and settings of the whole test suite."""

import asyncio
import gc
import importlib
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from contextvars import Context
from functools import partial
from operator import is_
from typing import Any, TypeVarTuple, cast

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.settle import virtual

# The time that an example takes shows how busy the machine is, and nothing about the code.
# `.ci/run` also runs the thorough profile.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unhurried", _UNHURRIED, max_examples=50)
settings.register_profile("thorough", _UNHURRIED, max_examples=200)
settings.load_profile("unhurried")

Ts = TypeVarTuple("Ts")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--loop`."""
    parser.addoption(
        "--loop",
        choices=["asyncio", "eager", "uvloop"],
        default="asyncio",
        help="event loop of async tests: asyncio's, the same with its eager task factory "
        "(Python 3.12+), or uvloop; with uvloop, tests with a virtual clock are left out",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Fail at once if the event loop of `--loop` is not available."""
    loop_factory(config.getoption("--loop"))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Report an event loop other than the default."""
    name = config.getoption("--loop")
    return None if name == "asyncio" else f"event loop: {name}"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, LoopFactory]:
    """Return the only event loop factory of an async test."""
    name = config.getoption("--loop")
    factory = VirtualLoop if has_virtual_clock(item) else loop_factory(name)
    return {name: partial(eager, factory) if name == "eager" else factory}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start slow tests first, and leave every second case of a `half` table to CI.

    With uvloop, tests with a virtual clock are left out.
    """
    if config.getoption("--loop") == "uvloop":
        config.hook.pytest_deselected(items=[item for item in items if has_virtual_clock(item)])
        items[:] = [item for item in items if not has_virtual_clock(item)]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    axes: dict[Any, list[tuple[Any, ...]]] = {}
    for item in items:
        if item.get_closest_marker("half") and position(item, axes) % 2:
            item.add_marker(pytest.mark.exhaustive)


def position(item: pytest.Item, axes: dict[Any, list[tuple[Any, ...]]]) -> int:
    """Return the sum of the indices of a test's parameters: odd and even alternate on each axis.

    Args:
        item: a test with parameters.
        axes: the values of each parameter of earlier tests, which this one's are added to.
    """
    assert isinstance(item, pytest.Function)
    total = 0
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0]
        value = tuple(item.callspec.params[name.strip()] for name in names)
        axis = axes.setdefault((item.function, *names), [])
        known = (n for n, other in enumerate(axis) if all(map(is_, value, other)))
        index = next(known, len(axis))
        if index == len(axis):
            axis.append(value)
        total += index
    return total


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without garbage collection: all that is made here lives to the end."""
    gc.disable()
    try:
        if worker := getattr(session.config, "workerinput", None):
            import_in_own_order(session.config, worker)
        return (yield)
    finally:
        gc.enable()


def import_in_own_order(config: pytest.Config, worker: Mapping[str, Any]) -> None:
    """Import the test modules, each worker beginning with others, so that they share compiling.

    In a fresh clone, workers that collect in the same order all compile each module at once.
    """
    folders = [config.invocation_params.dir / arg for arg in config.args]
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        name = ".".join(file.relative_to(config.rootpath).with_suffix("").parts)
        with suppress(Exception, pytest.skip.Exception):  # collecting it reports what is wrong
            importlib.import_module(name)


def pytest_collection_finish() -> None:
    """Exclude the collected tests and modules from garbage collection: they live to the end."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_runtest_setup() -> None:
    """Forget what `ensure` created in earlier tests, whose accounts had the same name."""
    ensure = sys.modules.get("di_async.engine.writes.ensure")
    if ensure is not None:
        ensure._created.clear()  # noqa: SLF001 - the memory of the process


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return the number of workers for `-n auto`.

    Tests over sockets wait for half of their time: six workers keep two cores busy. A single file
    runs in this process, since starting workers would take longer.
    """
    files = {arg.partition("::")[0] for arg in config.args}
    if len(files) == 1 and files.pop().endswith(".py"):
        return 0
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return 3 * cores


class VirtualLoop(virtual.VirtualLoop):
    """A loop in virtual time, with timers at whole microseconds: tests compare times exactly."""

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return super().call_at(round(when, 6), callback, *args, context=context)


def loop_factory(name: str) -> LoopFactory:
    """Return what makes the real event loop of this name."""
    if name == "uvloop":
        try:
            import uvloop
        except ImportError as error:
            raise pytest.UsageError("--loop uvloop needs uvloop: pip install uvloop") from error
        return cast("LoopFactory", uvloop.new_event_loop)
    if name == "eager" and sys.version_info < (3, 12):
        raise pytest.UsageError("--loop eager needs Python 3.12 or newer")
    return asyncio.new_event_loop


def eager(factory: LoopFactory) -> asyncio.AbstractEventLoop:
    """Return a loop with asyncio's eager task factory."""
    loop = factory()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def has_virtual_clock(item: pytest.Item) -> bool:
    """Return whether the test's loop is to have a virtual clock."""
    marker = item.get_closest_marker("virtual")
    return marker is not None and marker.args != (False,)
