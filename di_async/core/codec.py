"""JSON to attrs classes, tolerant where APIs drift and strict where nothing could go on.

Tolerated: unknown fields, null for what may be left out, odd or 1970 timestamps, prices as text or
number. Not tolerated: what is no JSON, an object that is none, a required field missing or null.
The quick pass (core/reading.py) decodes; only where it fails does a careful one run, which decides
and names the path.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import attrs
import orjson

from di_async.core.errors import DecodeError
from di_async.core.reading import Hook, Names, Shape, an_object, one_name, reader
from di_async.core.secret import Secret

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Codec", "loads", "parse_time"]

T = TypeVar("T")
Setup = Callable[["Converter"], None]


def loads(body: bytes) -> Any:
    """The value in a JSON text.

    Raises:
        DecodeError: it is not JSON; the message says what it looks like instead.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"the answer is {_looks_like(body)}, not JSON ({error})") from error


def _looks_like(body: bytes) -> str:
    head = body.lstrip()[:64].lower()
    if not head:
        return "empty"
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "an HTML page (a proxy or a gateway may have answered)"
    return "cut off or garbled" if head[:1] in b'{["' else "plain text"


def parse_time(value: Any, _: object = None) -> datetime | None:
    """An aware datetime; naive ones are UTC; None for what is empty or no time."""
    try:
        return _parsed(value)
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=1024)
def _parsed(value: Any) -> datetime:
    """What was made or changed together shows the same stamps: one copy is kept of each."""
    time = datetime.fromisoformat(value)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _decimal(value: Any) -> Decimal | None:
    """None for what is empty or no number: NaN and infinity are no prices."""
    try:
        told = Decimal(str(value))
    except InvalidOperation:
        return None
    return told if told.is_finite() else None


def _fault(error: BaseException, of: Any) -> str:
    """What cattrs says of it, about the type that was meant."""
    from cattrs.v import format_exception

    return format_exception(error, get_args(of)[0] if get_origin(of) is Annotated else of)


class Codec:
    """One provider's reading and writing of attrs classes.

    Args:
        setup: registers hooks of its own; called once for each of the two passes.
        shapes: for a class, what brings an object into the shape that its fields name; it may give
            back what it got, but not change it.
        names: what a field is called in JSON; of several names the first that is not null counts.
    """

    def __init__(
        self,
        setup: Setup = lambda _: None,
        *,
        shapes: Mapping[type, Shape] = MappingProxyType({}),
        names: Names = one_name,
    ) -> None:
        self._setup = setup
        self._shapes = shapes
        self._names = names
        self._readers: dict[type, Hook] = {}

    @cached_property
    def _quick(self) -> "Converter":
        return self._tolerant(careful=False)

    @cached_property
    def _careful(self) -> "Converter":
        return self._tolerant(careful=True)

    def _tolerant(self, *, careful: bool) -> "Converter":
        from cattrs import Converter  # here: whoever never reads an answer need not load it

        converter = Converter(detailed_validation=careful)
        hook = converter.register_structure_hook
        hook(str, lambda v, _: "" if v is None else str(v))
        hook(int, lambda v, _: 0 if v in (None, "") else int(v))
        hook(bool, lambda v, _: bool(v))
        hook(datetime | None, parse_time)
        hook(Decimal | None, lambda v, _: _decimal(v))
        hook(Secret | None, lambda v, _: Secret(str(v)) if v else None)
        converter.register_unstructure_hook(datetime, lambda v: v.isoformat())
        converter.register_unstructure_hook(Decimal, str)
        converter.register_unstructure_hook(Secret, str)
        of_class = self._explaining_reader if careful else self._quick_reader
        converter.register_structure_hook_factory(attrs.has, partial(of_class, converter))
        self._setup(converter)
        return converter

    def _quick_reader(self, converter: "Converter", cls: type) -> Hook:
        attrs.resolve_types(cls, include_extras=True)
        hook_of = converter.get_structure_hook
        return reader(cls, hook_of, self._shapes, self._names)

    def _explaining_reader(self, converter: "Converter", cls: type) -> Hook:
        from cattrs.gen import make_dict_structure_fn

        names = {field.name: self._names(field.name) for field in attrs.fields(cls)}
        build: Hook = make_dict_structure_fn(cls, converter)
        shape = self._shapes.get(cls, dict)

        def read(raw: Any, _: Any) -> Any:
            told = shape(an_object(raw))
            found = {
                field: next((told[name] for name in of if told.get(name) is not None), None)
                for field, of in names.items()
            }
            return build({field: v for field, v in found.items() if v is not None}, cls)

        return read

    def structure(self, value: Any, into: type[T]) -> T:
        """`value` as an `into`.

        Raises:
            DecodeError: naming each path at which the value is not what it should be.
        """
        found: T
        try:
            found = (self._readers.get(into) or self._reader_of(into))(value, into)
        except Exception as quick:
            found = self._carefully(value, into, quick)
        return found

    def _reader_of(self, into: type[Any]) -> Hook:
        hook: Hook = self._readers.setdefault(into, self._quick.get_structure_hook(into))
        return hook

    def _carefully(self, value: Any, into: type[T], quick: Exception) -> T:
        from cattrs import transform_error
        from cattrs.errors import BaseValidationError

        try:
            return self._careful.structure(value, into)
        except BaseValidationError as error:
            faults = transform_error(error, format_exception=_fault)
        except Exception as error:
            faults = [f"{type(error).__name__}: {error} @ $"]
        raise DecodeError(f"the answer is no {into.__name__}: {'; '.join(faults)}") from quick

    def unstructure(self, value: Any) -> Any:
        """`value` as plain JSON types; secrets come out masked."""
        return self._quick.unstructure(value)
