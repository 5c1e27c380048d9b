"""The tests of the async clients, on the blocking ones: the same functions, on every cloud."""

import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from di_async import blocking
from tests.blocking.door import opened
from tests.clouds import (
    test_ensure,
    test_lists,
    test_name_timeout,
    test_promises,
    test_reap,
    test_temporary,
)
from tests.clouds.support import VIRTUAL

MODULES = (test_promises, test_temporary, test_reap, test_ensure, test_lists, test_name_timeout)
# Functions of the package that these tests call, and the fixtures that they may use.
FUNCTIONS = ("reap", "wait_all")
FIXTURES = {"caplog"}
# A function of theirs replaces a method of the async client, or intercepts its network.
LEFT_OUT = {
    "test_a_replica_does_not_know_yet_what_a_rival_created",
    "test_rival_that_comes_first",
    "test_duplicate_of_a_rival",
    "test_create_that_is_cut_off_after_its_answer",
    "test_failed_create_that_may_have_made_something",
    "test_failed_create_that_made_nothing",
}


def cases() -> Iterator[Any]:
    """Yield a case for each test of these modules and each of its clouds."""
    for module in MODULES:
        for name, function in vars(module).items():
            if name in LEFT_OUT or not inspect.iscoroutinefunction(function):
                continue
            given = parameters(module, function)
            wanted = inspect.signature(function).parameters.keys()
            if name.startswith("test_") and {"cloud"} <= wanted <= {"cloud", *given, *FIXTURES}:
                clouds = given.pop("cloud")
                for cloud in clouds:
                    own = {"cloud": cloud, **given}
                    # The door is the same for all clouds.
                    marks = () if cloud is clouds[0] else pytest.mark.exhaustive
                    yield pytest.param(
                        module, function, own, id=f"{cloud.name}-{name[5:]}", marks=marks
                    )


def parameters(module: ModuleType, function: Any) -> dict[str, Any]:
    """Return a test's clouds, and the first value of its other parameters."""
    found: dict[str, Any] = {}
    of_module = getattr(module, "pytestmark", [])
    decorators = of_module if isinstance(of_module, list) else [of_module]
    for mark in (*(one.mark for one in decorators), *getattr(function, "pytestmark", ())):
        if mark.name == "parametrize":
            names, values = mark.args
            if names == "cloud":
                found[names] = values
            elif isinstance(names, str):
                found[names] = values[0]
            else:
                found |= zip(names, values[0], strict=True)
    return found


@VIRTUAL
@pytest.mark.parametrize(
    ("module", "function", "given"),
    list(cases()),
)
async def test_blocking_clients_pass_the_test_of_async_ones(
    module: ModuleType,
    function: Any,
    given: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A promise that async clients keep, blocking ones keep."""
    fixtures = {"caplog": caplog}
    wanted = FIXTURES & inspect.signature(function).parameters.keys()
    async with opened(monkeypatch) as door:
        for name in FUNCTIONS:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, door.function(getattr(blocking, name)))
        await function(**given, **{name: fixtures[name] for name in wanted})
    assert door.calls


def test_most_tests_are_among_the_cases() -> None:
    """The cases are most of what these modules test, on each cloud."""
    names = [str(case.id) for case in cases()]
    assert len(names) > 150
    assert {name.partition("-")[0] for name in names} == {"digitalocean", "gcore", "exoscale"}
