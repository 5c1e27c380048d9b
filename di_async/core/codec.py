"""Decode JSON into attrs classes with cattrs: tolerant of drift, strict about required fields.

Tolerated: unknown fields, null for an optional field, unreadable timestamps and prices, and what is
unreadable of a field that only informs. An error names the JSON path of every field that cannot be
decoded. See https://catt.rs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import count, repeat, takewhile
from operator import eq
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import attrs
import orjson

from di_async.core.errors import DecodeError
from di_async.core.json_repair import loads_repaired
from di_async.core.secret import Secret
from di_async.core.timestamps import parse_time

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Codec", "Json", "json_field", "loads", "status_word", "texts"]

T = TypeVar("T")
Json = dict[str, Any]
Hook = Callable[[Any, Any], Any]
Normalize = Callable[[Json], Json]

_INTEGER_LIMIT = 2**63
_MAX_PRICE_DIGITS = 18
_MAX_WORD = 100
# An error explains this much of a body.
_MAX_FAULTS, _MAX_ITEMS, _MAX_SAMPLE = 10, 100, 2_000
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_ALIASES = "di_async.json_aliases"
_DECODE = "di_async.json_decode"
_INFORMS = "di_async.json_informs"


def json_field(
    *, aliases: tuple[str, ...] = (), decode: Hook | None = None, informs: bool = False
) -> dict[str, Any]:
    """Return attrs metadata for a field that JSON has in more than one form.

    Args:
        aliases: Other names of the field; the first name whose value is not null counts.
        decode: A cattrs structure hook, called with the JSON value and the type of the field.
        informs: Nothing depends on it, so an unreadable value counts as missing.
    """
    return {_ALIASES: aliases, _DECODE: decode, _INFORMS: informs}


def loads(body: bytes) -> Any:
    """Return the value in a JSON text; small faults are repaired, see `core.json_repair`.

    Raises:
        DecodeError: The text is not JSON; the message says what it looks like.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        fault = str(error)  # the error itself holds the body, which may hold secrets
    with suppress(ValueError):
        return loads_repaired(body)
    raise DecodeError(f"The response body is {_looks_like(body)}, not JSON ({fault})")


def _looks_like(body: bytes) -> str:
    head = body.lstrip()[:64].lower()
    if not head:
        return "empty"
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "an HTML page (a proxy or a gateway may have answered)"
    return "cut off or garbled" if head[:1] in b'{["' else "plain text"


def status_word(value: Any) -> str:
    """Return a status word as text without blanks around it. Histories and errors keep it."""
    return str(value).strip()[:_MAX_WORD]


def _price(value: Any, _: object) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    if not price.is_finite() or price < 0:
        return None
    # Sums of larger or smaller numbers would overflow, and are not prices.
    return price if abs(price.adjusted()) <= _MAX_PRICE_DIGITS else None


def _integer(value: Any, _: object) -> int:
    number = 0 if value == "" else int(value)
    if not -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        raise ValueError("expected an integer of at most 64 bits")
    return number


def _flag(value: Any, _: object) -> bool:
    """Return a flag, which some APIs write as text; other text is not true by accident."""
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ValueError("expected true or false")
    return flag


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def texts(values: Any, _: object = None) -> tuple[str, ...]:
    """Return a list of texts; one text is a list of one, and null within a list is empty text.

    Raises:
        TypeError: it is neither a list nor text.
    """
    if isinstance(values, str):  # one item, not one for each letter
        return (values,) if values else ()
    if not isinstance(values, list):
        raise TypeError
    return tuple(map(_text, values))


def _text_map(value: Any, _: object) -> dict[str, str]:
    return {str(key): _text(each) for key, each in value.items()}


def _json_object(value: Any, _: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError
    return value


class Codec:
    """Decodes the attrs classes of one provider.

    Args:
        normalize: For a class, brings a JSON object into the form that its fields describe. It
            may return its argument, but must not change it.
        rename: Returns the JSON name of a field.
    """

    def __init__(
        self,
        *,
        normalize: Mapping[type, Normalize] = MappingProxyType({}),
        rename: Callable[[str], str] = lambda name: name,
    ) -> None:
        self._normalize = normalize
        self._rename = rename
        self._converters: dict[bool, Converter] = {}
        self._decoders: dict[type, Hook] = {}

    def structure(self, value: Any, into: type[T]) -> T:
        """Return `value` as an `into`.

        Raises:
            DecodeError: The message lists each path that could not be decoded.
        """
        try:
            return self._decoder(into)(value, into)
        except Exception:
            fault = self._fault(value, into)
        del value  # tracebacks may show local variables, and this may hold secrets
        raise fault

    def _fault(self, value: Any, into: type) -> DecodeError:
        """Return why a value cannot be decoded, from a sample of it: bodies may be very large."""
        from cattrs import transform_error

        name = getattr(into, "__name__", into)
        try:
            self._converter(detailed_validation=True).structure(_sample(value, count()), into)
        except Exception as error:
            found = list(map(self._with_json_names, transform_error(error)))
            more = f"; and {len(found) - _MAX_FAULTS} more" if len(found) > _MAX_FAULTS else ""
            return DecodeError(
                f"Unexpected response body for {name}: {'; '.join(found[:_MAX_FAULTS])}{more}"
            )
        return DecodeError(f"Unexpected response body for {name}, far inside of a large body")

    def _with_json_names(self, fault: str) -> str:
        """Return a fault with the fields of its path named as in JSON, not as attributes."""
        message, at, path = fault.rpartition(" @ ")
        return f"{message}{at}{self._rename(path)}"

    def _decoder(self, into: type[T]) -> Callable[[Any, Any], T]:
        """Return the structure hook of a class, without detailed errors."""
        found = self._decoders.get(into)
        if found is None:
            found = self._converter(detailed_validation=False).get_structure_hook(into)
            self._decoders[into] = found
        return found

    def _converter(self, *, detailed_validation: bool) -> "Converter":
        # Not a cached_property: Python 3.11 makes it with a lock held, which another thread of the
        # parent process may hold for ever in a forked child.
        found = self._converters.get(detailed_validation)
        if found is None:
            found = self._new_converter(detailed_validation=detailed_validation)
            found = self._converters.setdefault(detailed_validation, found)
        return found

    def _new_converter(self, *, detailed_validation: bool) -> "Converter":
        from cattrs import Converter  # slow to import, and many commands decode nothing

        converter = Converter(detailed_validation=detailed_validation)
        converter.register_structure_hook(int, _integer)
        converter.register_structure_hook(bool, _flag)
        converter.register_structure_hook(datetime, parse_time)
        converter.register_structure_hook(Decimal, _price)
        converter.register_structure_hook(Secret, lambda v, _: Secret(str(v)) if v else None)
        generics: dict[Any, Hook] = {
            Json: _json_object,
            dict[str, str]: _text_map,
            tuple[str, ...]: texts,
        }
        for generic, hook in generics.items():
            converter.register_structure_hook_func(partial(eq, generic), hook)
        if not detailed_validation:
            converter.register_structure_hook_factory(_is_list, partial(_list_hook, converter))
        converter.register_structure_hook_factory(attrs.has, partial(self._class_hook, converter))
        return converter

    def _class_hook(self, converter: "Converter", cls: type) -> Hook:
        """Return the decoder of an attrs class. Nulls are removed first, so defaults apply."""
        from cattrs.gen import make_dict_structure_fn_from_attrs, override

        attrs.resolve_types(cls)
        fields, aliases = [], []
        overrides: dict[str, Any] = {}
        for field in attrs.fields(cls):
            name, decode = self._rename(field.name), field.metadata.get(_DECODE)
            of = _not_none(field.type)
            if field.metadata.get(_INFORMS):
                decode = _or_default(decode or converter.get_structure_hook(of), field.default)
            fields.append(field.evolve(type=of))
            overrides[field.name] = override(rename=name, struct_hook=decode)
            aliases += [(name, alias) for alias in field.metadata.get(_ALIASES, ())]
        build: Hook = make_dict_structure_fn_from_attrs(fields, cls, converter, **overrides)
        normalize = self._normalize.get(cls)

        def decode_object(raw: Any, _: object) -> Any:
            if not isinstance(raw, dict):
                raise TypeError(f"expected an object, got {type(raw).__name__}")
            present = raw if normalize is None else normalize(raw)
            if None in present.values():
                present = {key: value for key, value in present.items() if value is not None}
            for name, alias in aliases:
                if alias in present and name not in present:
                    present = {**present, name: present[alias]}
            return build(present, cls)

        return decode_object


def _or_default(decode: Hook, default: Any) -> Hook:
    """Return a hook that returns the default for what `decode` cannot read."""

    def decode_readable(value: Any, of: Any) -> Any:
        try:
            return decode(value, of)
        except Exception:
            return default

    return decode_readable


def _sample(value: Any, counter: Iterator[int]) -> Any:
    """Return a copy of a JSON value with the first items of its lists, and bounded in all."""
    if isinstance(value, list):
        taken = takewhile(lambda _: next(counter) < _MAX_SAMPLE, value[:_MAX_ITEMS])
        return [_sample(item, counter) for item in taken]
    if isinstance(value, dict):
        next(counter)
        return {key: _sample(item, counter) for key, item in value.items()}
    return value


def _is_list(of: Any) -> bool:
    """Return whether a type is a tuple of any length with objects of one class."""
    args = get_args(of)
    return get_origin(of) is tuple and args[1:] == (...,) and attrs.has(args[0])


def _list_hook(converter: "Converter", of: Any) -> Hook:
    """Return the decoder of a tuple of objects. cattrs' own looks up that of each item."""
    item_type = get_args(of)[0]
    decode_item = converter.get_structure_hook(item_type)

    def decode_list(items: Any, _: object) -> tuple[Any, ...]:
        return tuple(map(decode_item, items, repeat(item_type)))

    return decode_list


def _not_none(of: Any) -> Any:
    """Return the type without None."""
    inner = [each for each in get_args(of) if each is not NoneType]
    return inner[0] if NoneType in get_args(of) and len(inner) == 1 else of
