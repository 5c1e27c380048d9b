"""Tests of the derived classes: they are as complete as the async ones."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import di_async
from di_async import blocking
from di_async.blocking.derive import DERIVED, HIDDEN, RENAMED, is_async

PROVIDERS = ("digitalocean", "gcore", "exoscale")
for _name in (*PROVIDERS, "fleet"):
    importlib.import_module(f"di_async.blocking.{_name}")


def test_names_are_those_of_the_package() -> None:
    """`di_async.blocking` has the names of `di_async`, and all can be imported."""
    assert blocking.__all__ == di_async.__all__
    for name in blocking.__all__:
        ours, theirs = getattr(blocking, name), getattr(di_async, name)
        assert ours is theirs or ours.__doc__ == theirs.__doc__
    with pytest.raises(AttributeError):
        blocking.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("provider", PROVIDERS)
def test_names_of_providers(provider: str) -> None:
    """The blocking module of a provider has the names of its package."""
    ours = importlib.import_module(f"di_async.blocking.{provider}")
    theirs = importlib.import_module(f"di_async.{provider}")
    assert set(ours.__all__) == set(theirs.__all__)
    assert all(hasattr(ours, name) for name in ours.__all__)


def public(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and properties of a class of this package."""
    for base in kind.__mro__:
        if base.__module__.startswith("di_async."):
            for name, member in vars(base).items():
                function = inspect.isfunction(member) or isinstance(member, property)
                if function and not name.startswith("_"):
                    yield name, member


@pytest.mark.parametrize("kind", list(DERIVED), ids=lambda kind: kind.__name__)
def test_derived_classes_are_complete(kind: type) -> None:
    """A blocking class has every public method and property, and no coroutine function."""
    view = DERIVED[kind]
    wanted = {RENAMED.get(name, name) for name, _ in public(kind) if name not in HIDDEN}
    found = dict(public(view))
    assert wanted <= found.keys()
    assert not [name for name, member in found.items() if inspect.iscoroutinefunction(member)]


def test_every_result_has_a_blocking_class() -> None:
    """No public method returns an async class that has no blocking one."""
    known = {kind.__name__ for kind in DERIVED}
    for kind in DERIVED:
        for name, member in public(kind):
            function = inspect.unwrap(getattr(member, "fget", member))
            text = str(function.__annotations__.get("return", ""))
            words = set(re.findall(r"\w+", text))
            hidden = name in HIDDEN and name not in RENAMED
            missing = words & {one.__name__ for one in _async_classes()} - known
            assert hidden or not missing, f"{kind.__name__}.{name}"


def _async_classes() -> list[type]:
    """Return the classes of this package that have public coroutine functions."""
    modules = [m for n, m in list(sys.modules.items()) if n.startswith("di_async.")]
    found = {v for module in modules for v in vars(module).values() if inspect.isclass(v)}
    return [kind for kind in found if is_async(kind)]
