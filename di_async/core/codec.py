"""JSON to attrs classes, tolerant where APIs drift and strict where nothing could go on.

Tolerated: unknown fields, null for text, numbers, flags and lists, odd or 1970 timestamps, prices
as text or number. Not tolerated: what is no JSON, an object that is none, a required field missing.
The quick converter decodes; only when it fails does a careful one run again to name the path.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import orjson
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError

from di_async.core.errors import DecodeError
from di_async.core.secret import Secret

__all__ = ["Codec", "loads", "parse_time"]

T = TypeVar("T")
Setup = Callable[[Converter], None]


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


def parse_time(value: Any) -> datetime | None:
    """An aware datetime; naive ones are UTC; None for what is empty or no time."""
    if not isinstance(value, str) or not value:
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None


def _tolerant(setup: Setup, *, careful: bool) -> Converter:
    converter = Converter(detailed_validation=careful)
    hook = converter.register_structure_hook
    hook(str, lambda v, _: "" if v is None else str(v))
    hook(int, lambda v, _: 0 if v in (None, "") else int(v))
    hook(bool, lambda v, _: bool(v))
    hook(datetime | None, lambda v, _: parse_time(v))
    hook(Decimal | None, lambda v, _: _decimal(v))
    hook(Secret | None, lambda v, _: Secret(v) if v else None)
    converter.register_unstructure_hook(datetime, lambda v: v.isoformat())
    converter.register_unstructure_hook(Decimal, str)
    converter.register_unstructure_hook(Secret, str)
    setup(converter)
    return converter


class Codec:
    """One provider's converter; `setup` registers its hooks, once for each of the two passes."""

    def __init__(self, setup: Setup) -> None:
        self._quick = _tolerant(setup, careful=False)
        self._careful = _tolerant(setup, careful=True)

    def structure(self, value: Any, into: type[T]) -> T:
        """`value` as an `into`.

        Raises:
            DecodeError: naming each path at which the value is not what it should be.
        """
        try:
            return self._quick.structure(value, into)
        except Exception as quick:
            raise self._explain(value, into) from quick

    def _explain(self, value: Any, into: type[Any]) -> DecodeError:
        faults = ["$"]
        try:
            self._careful.structure(value, into)
        except BaseValidationError as error:
            faults = transform_error(error)
        except Exception as error:
            faults = [f"{type(error).__name__}: {error} @ $"]
        return DecodeError(f"the answer is no {into.__name__}: {'; '.join(faults)}")

    def unstructure(self, value: Any) -> Any:
        """`value` as plain JSON types; secrets come out masked."""
        return self._quick.unstructure(value)
