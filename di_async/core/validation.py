"""Request bodies, declared field by field, and their checks. `request_body` converts them.

    scale: int = field(default=1, metadata=in_request(whole_number(1)))

An attrs field without metadata is sent unchecked; one with `READ_ONLY` is accepted and never sent.
Validators have the signature of attrs' own; their `instance` is the mapping that holds the value.
They sit in the metadata because attrs would run them on construction, stop at the first fault, and
refuse API answers, which share these classes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeVar
from uuid import UUID

import attrs
from msgspec import Struct
from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.printable import short_repr

__all__ = [
    "MAX_WHOLE_NUMBER",
    "READ_ONLY",
    "UNSET",
    "Fault",
    "RequestField",
    "Unset",
    "canonical_uuid",
    "check_value",
    "checked",
    "each",
    "filled_text",
    "find_faults",
    "flag",
    "in_request",
    "mapping",
    "nested",
    "raise_faults",
    "read_only_keys",
    "request_fields",
    "text",
    "text_map",
    "uuid",
    "whole_number",
]

T = TypeVar("T")
Json = dict[str, Any]
Validator = Callable[[Any, Any, Any], None]
_KEY = "di_async.request"
MAX_WHOLE_NUMBER = 2**31 - 1
"""No whole number of a request is larger: some programs could not read it."""


class Unset(Enum):
    """The type of `UNSET`, the default of a field whose None means null."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET


# --- declaring fields ------------------------------------------------------------------------


class RequestField(Struct, frozen=True, kw_only=True):
    """One field of a request body."""

    validator: Validator | None = None
    name: str = ""
    """Its key in JSON; the attribute's name by default."""
    required: bool = False
    """The body must have it, although the class has a default."""
    required_unless: str | None = None
    """The body must have it or the field of this name."""
    nullable: bool | Literal["in update"] = False
    """A mapping may have null here."""
    immutable: bool = False
    """It cannot change after creation."""
    omit_empty: bool = False
    """An empty text is not sent."""
    attribute: Any = None
    """The attrs field."""

    @property
    def has_default(self) -> bool:
        """An object can be made without it."""
        return self.attribute.default is not attrs.NOTHING

    @property
    def nested(self) -> type | None:
        """The class that declares the value, or each item of it."""
        declaration = self._declaration
        return None if declaration is None else declaration.cls

    @property
    def closed(self) -> type | None:
        """The same class, if the value may have no other fields."""
        declaration = self._declaration
        return None if declaration is None or declaration.is_open else declaration.cls

    @property
    def _declaration(self) -> "_Nested | None":
        inner = self.validator.item if isinstance(self.validator, _Each) else self.validator
        return inner if isinstance(inner, _Nested) else None


def in_request(validator: Validator | None = None, **options: Any) -> dict[str, RequestField]:
    """Return the metadata of a request field; the options are those of `RequestField`."""
    return {_KEY: RequestField(validator=validator, **options)}


READ_ONLY: dict[str, None] = {_KEY: None}
"""The metadata of a field that the API shows and no request takes."""


@lru_cache(maxsize=256)
def request_fields(cls: type) -> Mapping[str, RequestField]:
    """Return the request fields of a class by their keys in JSON."""
    declared = (
        replace(rule, name=rule.name or attribute.name, attribute=attribute)
        for attribute in attrs.fields(cls)
        if (rule := attribute.metadata.get(_KEY, RequestField())) is not None
    )
    return {rule.name: rule for rule in declared}


@lru_cache(maxsize=256)
def read_only_keys(cls: type) -> frozenset[str]:
    """Return the keys to drop from a mapping: a caller may start from what the API showed."""
    shown = (a.name for a in attrs.fields(cls) if a.metadata.get(_KEY, cls) is None)
    return frozenset(shown) | getattr(cls, "read_only", frozenset())


# --- finding faults --------------------------------------------------------------------------


class Fault(Struct, frozen=True):
    """One fault of a request body."""

    path: str
    message: str
    is_structural: bool = False
    """No object can be made of the body. Other faults are of single values."""


class _FaultsError(ValueError):
    """Raised by a validator that checks several values."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


def find_faults(
    cls: type, body: Any, *, update: bool = False, is_open: bool = False
) -> Iterator[Fault]:
    """Yield all faults of a JSON body.

    Args:
        cls: declares the fields.
        body: the JSON value.
        update: fields may be missing.
        is_open: unknown fields are allowed, and only those declared `required` must be present.
    """
    if not isinstance(body, Mapping):
        yield Fault("", f"expected a mapping of fields, not {type(body).__name__}", True)
        return
    fields = request_fields(cls)
    unknown = f"no such field; known fields are {', '.join(sorted(fields))}"
    yield from (Fault(f".{k}", unknown, True) for k in body if k not in fields and not is_open)
    for name, rule in fields.items():
        value, path = body.get(name, UNSET), f".{name}"
        if value is None and (rule.nullable is True or (rule.nullable and update)):
            continue
        if value is UNSET or value is None:
            if not update and _is_needed(rule, body, is_open=is_open):
                unless = f" unless {rule.required_unless} is set" if rule.required_unless else ""
                yield Fault(path, f"required{unless}", not rule.has_default)
            elif value is None and rule.validator is not None:
                yield Fault(path, "may be omitted, but not null")
        elif rule.validator is not None:
            yield from _faults_of(rule.validator, value, path, body, rule.attribute)


def _is_needed(rule: RequestField, body: Mapping[str, Any], *, is_open: bool) -> bool:
    if rule.required_unless is not None:
        return not body.get(rule.required_unless)
    return rule.required or not (rule.has_default or is_open)


def _faults_of(
    validator: Validator, value: Any, path: str, body: Any = None, attribute: Any = None
) -> Sequence[Fault]:
    try:
        validator(body, attribute, value)
    except _FaultsError as error:
        return [replace(fault, path=path + fault.path) for fault in error.faults]
    except (ValueError, TypeError) as error:
        # attrs' own validators raise with the message first and details after it.
        return [Fault(path, str(error.args[0] if error.args else error))]
    return ()


def raise_faults(faults: Iterable[Fault], root: str = "") -> None:
    """Raise one error for all the faults, or do nothing if there are none.

    Raises:
        InvalidInputError: `.problems` lists each fault as `path: message`.
    """
    problems = tuple(f"{(root + f.path).lstrip('.') or 'spec'}: {f.message}" for f in faults)
    if problems:
        raise InvalidInputError("; ".join(problems), problems=problems)


def checked(cls: type, body: Json, *, update: bool = False) -> Json:
    """Return the body as it is; see `find_faults` and `raise_faults`."""
    raise_faults(find_faults(cls, body, update=update))
    return body


def check_value(validator: Validator, value: Any, name: str) -> None:
    """Check a single value, which messages call `name`; see `raise_faults`."""
    raise_faults(_faults_of(validator, value, name))


# --- validators ------------------------------------------------------------------------------


def _reject(expected: str, value: Any, *, secret: bool = False) -> NoReturn:
    shown = type(value).__name__ if secret else short_repr(value)
    raise ValueError(f"expected {expected}, not {shown}")


def text(expected: str = "text", pattern: str = ".*", *, secret: bool = False) -> Validator:
    """Accept text that matches the whole pattern. Messages do not show a secret one."""

    def validate(_: Any, __: Any, value: Any) -> None:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            _reject(expected, value, secret=secret)

    return validate


def filled_text(expected: str = "text that is not blank") -> Validator:
    """Accept text that is not blank."""
    return text(expected, r".*\S.*")


def whole_number(minimum: int, maximum: int | None = None) -> Validator:
    """Accept a whole number within these bounds, and not above `MAX_WHOLE_NUMBER`."""
    bounds = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"

    def validate(_: Any, __: Any, value: Any) -> None:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or value < minimum or (maximum is not None and value > maximum):
            _reject(f"a whole number {bounds}", value)
        if value > MAX_WHOLE_NUMBER:
            _reject(f"a whole number of at most {MAX_WHOLE_NUMBER}", value)

    return validate


def flag(_: Any, __: Any, value: Any) -> None:
    """Accept true or false."""
    if not isinstance(value, bool):
        _reject("true or false", value)


def uuid(_: Any, __: Any, value: Any) -> None:
    """Accept a UUID as text."""
    try:
        UUID(value)
    except (ValueError, AttributeError, TypeError):
        _reject("a UUID", value)


def canonical_uuid(value: Any) -> Any:
    """Return a UUID as APIs write it, to compare spellings; anything else as it is."""
    plain = isinstance(value, str) and len(value) == 36 and value.islower()
    if plain and value[8:24:5] == "----":  # as it is: parsing it takes several times as long
        return value
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return value


def mapping(_: Any, __: Any, value: Any) -> None:
    """Accept any mapping."""
    if not isinstance(value, Mapping):
        _reject("a mapping", value, secret=True)


def text_map(_: Any, __: Any, value: Any) -> None:
    """Accept a mapping of texts to texts. Messages do not show its values."""
    mapping(_, __, value)
    message = "expected text; put numbers, true and false in quotes"
    wrong = [k for k, v in value.items() if not isinstance(k, str) or not isinstance(v, str)]
    if wrong:
        raise _FaultsError(Fault(f"[{key!r}]", message) for key in wrong)


class _Nested(Struct, frozen=True):
    cls: type
    is_open: bool

    def __call__(self, _: Any, __: Any, value: Any) -> None:
        if faults := list(find_faults(self.cls, value, is_open=self.is_open)):
            raise _FaultsError(faults)


def nested(cls: type, *, is_open: bool = False) -> Validator:
    """Accept a mapping of the fields that `cls` declares; see `find_faults`."""
    return _Nested(cls, is_open)


class _Each(Struct, frozen=True):
    item: Validator
    non_empty: bool

    def __call__(self, body: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, list):
            raise _FaultsError([Fault("", f"expected a list, not {type(value).__name__}", True)])
        if self.non_empty and not value:
            raise ValueError("expected at least one")
        faults = [
            fault
            for i, item in enumerate(value)
            for fault in _faults_of(self.item, item, f"[{i}]", body, attribute)
        ]
        if faults:
            raise _FaultsError(faults)


def each(item: Validator, *, non_empty: bool = False) -> Validator:
    """Accept a list whose items this validator accepts."""
    return _Each(item, non_empty)
