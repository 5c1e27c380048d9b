"""Blocking classes, derived from the async ones: each method makes its call on the loop.

Nothing is implemented twice. A derived class has the public methods, properties and attributes of
its async class; `aclose` is `close`, `async with` is `with` and `async for` is `for`.
"""

import functools
import inspect
import os
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    ValuesView,
)
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Self
from weakref import WeakSet

import anyio.to_thread
from attrs import evolve, fields, has

from di_async.blocking.portal import Call, portals
from di_async.core.errors import ClientClosedError
from di_async.engine.client_bound import ClientBound

__all__ = [
    "CARRIERS",
    "DERIVED",
    "HIDDEN",
    "RENAMED",
    "Blocking",
    "BlockingContext",
    "carry",
    "derive",
    "derive_function",
    "is_async",
    "mirror",
    "module_of",
    "open_blocks",
    "wrap",
]

RENAMED = {"aclose": "close", "sync_openai": "openai"}
"""Public names of async classes, and what the blocking ones call them."""
HIDDEN = {"deployable", "deployables", "scanner", "next_ready", "openai", "probe_until"}
"""Names of async classes that blocking ones lack: for code of this package, or replaced."""

DERIVED: dict[type, "type[Blocking]"] = {}
"""The blocking class of each async class."""
CARRIERS: set[type] = set()
"""Value classes whose fields may hold views."""
_lazy = (Iterator, KeysView, ValuesView, ItemsView)


class Blocking:
    """A view of an async object, for code without async. Equal views show the same object."""

    __slots__ = ("__weakref__", "_target")
    async_class: ClassVar[type] = object
    """What this class was derived from."""
    _target: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"a {type(self).__name__} is made by a client")

    @classmethod
    def of(cls, target: Any) -> Self:
        """Return the view of an object."""
        view = cls.__new__(cls)
        view._target = target  # noqa: SLF001 - a view of this class
        return view

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (name in HIDDEN or name in RENAMED):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return wrap(getattr(self._target, name))

    def __dir__(self) -> list[str]:
        own = {n for n in getattr(self._target, "__dict__", ()) if not n.startswith("_")}
        return sorted({*super().__dir__(), *own})

    def __repr__(self) -> str:
        target: Any = getattr(self, "_target", None)  # None while it is constructed
        shown: Any = type(target).__repr__
        if shown is object.__repr__:
            return f"<{type(self).__name__} of {type(target).__module__}>"
        return str(_read(Call(lambda: repr(target))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocking) and self._target is other._target

    def __hash__(self) -> int:
        return hash(id(self._target))

    def __reduce__(self) -> Any:
        if isinstance(self._target, ClientBound):
            self._target.__reduce__()  # refuses: a dropped copy of a stream would end the stream
        return type(self).of, (self._target,)


class BlockingIterator(Blocking):
    """A view of an async iterator. Dropping it ends what it has started."""

    __slots__ = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        ready = getattr(self._target, "next_ready", None)
        if ready is not None and (row := ready()) is not None:
            return wrap(row)
        try:
            return _call(Call(self._target.__anext__))
        except StopAsyncIteration:
            raise StopIteration from None

    def __del__(self) -> None:
        # In its own thread, the target could not cancel what runs on the loop.
        close = getattr(getattr(self, "_target", None), "aclose", None)
        if close is not None:
            portals.start_soon(close)


# An interrupt before the call began must not skip it; other errors happen each time.
_EXIT_ATTEMPTS = 5


class BlockingContext(Blocking):
    """A view of an async context manager.

    Left without having been entered, or by a forked child of the process that entered it, it does
    nothing: what the block made belongs to that process.
    """

    __slots__ = ()

    @property
    def _is_entered(self) -> bool:
        """Whether this process is in the block."""
        return self in open_blocks

    def _before(self) -> None:
        """Do what precedes the block."""

    def _after(self) -> None:
        """Undo what `_before` did."""

    def __enter__(self) -> Any:
        target, found, entered = self._target, None, False

        async def enter() -> None:
            nonlocal found, entered
            found = await target.__aenter__()
            entered = True
            open_blocks.add(self)

        self._before()
        try:
            _call(Call(enter))
            view = wrap(found)
            view = self if view == self else view
        except BaseException as error:
            if entered:  # and interrupted before the block began
                self.__exit__(type(error), error, error.__traceback__)
            else:
                self._after()
            raise
        return view

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        target, was_entered = self._target, False
        # A generator that is closed cannot await, but it can block.
        ended = (None, None, None) if kind is GeneratorExit else (kind, error, trace)
        interrupt: BaseException | None = None

        async def leave() -> None:
            open_blocks.discard(self)
            await target.__aexit__(*ended)

        try:
            for _ in range(_EXIT_ATTEMPTS):
                try:
                    if not self._is_entered:
                        break
                    was_entered = True
                    _call(Call(leave))
                except BaseException as raised:
                    if not self._is_entered or isinstance(raised, ClientClosedError):
                        raise
                    interrupt = raised  # before the call began, which must not be skipped
            if interrupt is not None:
                raise interrupt
        finally:
            if was_entered and not self._is_entered:
                self._after()


open_blocks: "WeakSet[BlockingContext]" = WeakSet()
"""The blocks that this process is in."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=open_blocks.clear)


# -- derived classes ------------------------------------------------------------------------------


def derive(kind: type, *, base: type[Blocking] = Blocking) -> Any:
    """Return the blocking class of an async class, and of its bases; made once.

    Args:
        kind: the async class.
        base: a class with what is written by hand; its methods replace derived ones.
    """
    if kind in DERIVED:
        return DERIVED[kind]
    bases = [derive(parent) for parent in kind.__bases__ if parent in DERIVED or is_async(parent)]
    if not bases or base is not Blocking:
        bases.append(base)
    if hasattr(kind, "__anext__"):
        bases.append(BlockingIterator)
    is_context = any(hasattr(one, "__enter__") for one in bases)
    if hasattr(kind, "__aenter__") and base is Blocking and not is_context:
        bases.append(BlockingContext)
    body: dict[str, Any] = {
        "__slots__": (),
        "__doc__": kind.__doc__,
        "__module__": module_of(kind.__module__),
        "async_class": kind,
    }
    for name, member in vars(kind).items():
        ours = RENAMED.get(name, name)
        if name.startswith("_") or (name in HIDDEN and ours == name) or hasattr(base, ours):
            continue
        body |= _member(name, ours, member)
    bases = [one for one in bases if not any(one is not b and issubclass(b, one) for b in bases)]
    found: Any = type(kind.__name__, tuple(dict.fromkeys(bases)), body)
    found.__class_getitem__ = classmethod(lambda cls, _: cls)  # Change[Model] in annotations
    DERIVED[kind] = found
    return found


def is_async(kind: type) -> bool:
    """Return whether a class of this package has public methods that are coroutine functions."""
    return kind.__module__.startswith("di_async.") and any(
        inspect.iscoroutinefunction(member)
        for name, member in vars(kind).items()
        if not name.startswith("_")
    )


def module_of(name: str) -> str:
    """Return the blocking module of an async one."""
    return f"di_async.blocking.{name.split('.')[1]}"


def _member(name: str, ours: str, member: Any) -> dict[str, Any]:
    if isinstance(member, property):
        return {ours: _property(name, member)}
    return {ours: _method(name, ours, member)} if inspect.isfunction(member) else {}


def _property(name: str, member: property) -> property:
    def read(self: Blocking) -> Any:
        target = self._target
        return _read(Call(lambda: getattr(target, name)))

    return property(read, doc=member.__doc__)


def _method(name: str, ours: str, function: Callable[..., Any]) -> Callable[..., Any]:
    invoke = _call if inspect.iscoroutinefunction(function) else _read
    if name == "aclose":
        invoke = _close

    @functools.wraps(function)
    def method(self: Blocking, *args: Any, **kwargs: Any) -> Any:
        call = _bound(getattr(self._target, name), args, kwargs)
        del args, kwargs  # tracebacks may show local variables
        return invoke(call)

    method.__name__ = ours
    return method


def derive_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the blocking function of an async one, or of one that returns async objects."""
    invoke = _call if inspect.iscoroutinefunction(function) else _read

    @functools.wraps(function)
    def blocking(*args: Any, **kwargs: Any) -> Any:
        call = _bound(function, args, kwargs)
        del args, kwargs
        return invoke(call)

    blocking.__module__ = module_of(function.__module__)
    return blocking


def carry(kind: type) -> type:
    """Return a value class, whose fields may hold views instead of async objects."""
    CARRIERS.add(kind)
    return kind


def mirror(module: ModuleType) -> dict[str, Any]:
    """Return the public names of a provider's package, with its async classes derived."""
    found: dict[str, Any] = {"__all__": list(module.__all__)}
    for name in module.__all__:
        value = getattr(module, name)
        found[name] = derive(value) if inspect.isclass(value) and is_async(value) else value
    return found


# -- arguments and results ------------------------------------------------------------------------


def _call(call: Call) -> Any:
    try:
        return wrap(portals.call(call))
    except BaseException as error:
        call.add_outcome(error)
        result = getattr(error, "write_result", None)  # of a write that was cut off
        if result is not None:
            error.write_result = wrap(result)  # type: ignore[attr-defined]
        raise


def _close(call: Call) -> Any:
    return None if sys.is_finalizing() else _call(call)  # the end of the program closed it


def _read(call: Call) -> Any:
    return wrap(portals.read(call))


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Return a call with async objects in place of their views."""
    named = {name: _argument(name, value) for name, value in kwargs.items()}
    return Call(functools.partial(function, *map(unwrap, args), **named))


def _argument(name: str, value: Any) -> Any:
    if name == "connect_options" and isinstance(value, Mapping):
        return {key: _argument(key, inner) for key, inner in value.items()}
    if name == "probe" and callable(value) and not inspect.iscoroutinefunction(value):
        return _probe(value)
    if name.startswith("on_") and callable(value):
        return _callback(value)
    return unwrap(value)


def _callback(own: Callable[..., object]) -> Callable[..., object]:
    """Return a function that passes views of async objects on."""

    @functools.wraps(own)
    def call(*args: Any) -> object:
        return own(*map(wrap, args))

    return call


def _probe(own: Callable[[Any], object]) -> Callable[[Any], Awaitable[object]]:
    """Return a probe that calls a plain function in a thread of its own."""

    async def probe(endpoint: Any) -> object:
        view = wrap(endpoint)
        return await anyio.to_thread.run_sync(own, view, abandon_on_cancel=True)

    return probe


def unwrap(value: Any) -> Any:
    """Return an argument with async objects in place of their views.

    Iterators and views of dictionaries are read here: they may make blocking calls themselves.
    """
    if isinstance(value, Blocking):
        return value._target  # noqa: SLF001 - the only place that looks into one
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(unwrap, value))
    return list(map(unwrap, value)) if isinstance(value, _lazy) else value


def wrap(value: Any) -> Any:
    """Return a result with views in place of async objects."""
    kind = type(value)
    view = DERIVED.get(kind)
    if view is not None:
        return view.of(value)
    if kind in (list, tuple):
        return kind(map(wrap, value))
    if kind in CARRIERS:
        return _carried(value)
    if isinstance(value, AsyncIterator):
        return BlockingIterator.of(value)
    return value


def _carried(value: Any) -> Any:
    if not has(type(value)):
        return type(value)(*map(wrap, value))
    names = [field.name for field in fields(type(value))]
    return evolve(value, **{name: wrap(getattr(value, name)) for name in names})
