"""What the specs of all clouds share: reading them from mappings, texts and files, and checking."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from di_async.core.errors import InvalidInputError
from di_async.core.request_body import structure, to_wire
from di_async.core.text_input import decode_text
from di_async.core.validation import find_faults, raise_faults
from di_async.engine.files import read_file

__all__ = ["Spec", "parse_text"]

Json = dict[str, Any]


class Spec:
    """A request body, whose fields subclasses declare (see `core/validation.py`)."""

    __slots__ = ()

    read_only: ClassVar[frozenset[str]] = frozenset()
    """Keys that the API shows and no request takes: accepted in a mapping, and dropped."""
    root: ClassVar[str] = ""
    """What the paths in messages begin with."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the spec in a mapping of the documented shape.

        Raises:
            InvalidInputError: (a `ValueError`) fields are missing, unknown or of the wrong type.
                `.problems` lists all faults; those of single values alone are left to `check`.
        """
        return structure(cls, cls.read(raw))

    @classmethod
    def read(cls, raw: Any, *, update: bool = False) -> Json:
        """Return a caller's mapping as JSON without structural faults; see `from_dict`.

        Args:
            raw: the mapping.
            update: fields may be missing.
        """
        body: Json = to_wire(cls.documented_shape(raw), cls)
        faults = list(find_faults(cls, body, update=update))
        if any(fault.is_structural for fault in faults):
            raise_faults(faults, cls.root)
        return body

    @classmethod
    def documented_shape(cls, raw: Any) -> Any:
        """Return a caller's mapping in the documented shape, where others are accepted too."""
        return raw

    @classmethod
    def from_text(cls, text: str | bytes, *, source: str = "spec") -> Self:
        """Return the spec in a JSON or YAML text, which messages call `source`."""
        return cls.from_dict(parse_text(text, source=source))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Return the spec in a JSON or YAML file. YAML needs `pip install 'di-async[cli]'`."""
        return cls.from_text(read_file(path), source=str(path))

    def to_dict(self) -> Json:
        """Return the documented request body, without what is unset or read-only."""
        body: Json = to_wire(self)
        return body

    def check(self) -> None:
        """Check the documented rules.

        Raises:
            InvalidInputError: `.problems` lists all faults, each as `path: message`.
        """
        raise_faults(find_faults(type(self), self.to_dict()), self.root)


def parse_text(raw: str | bytes, *, source: str) -> Mapping[str, Any]:
    """Return the mapping in a JSON or YAML text, which messages call `source`.

    Raises:
        InvalidInputError: it is empty, too large, invalid, not a mapping, or holds a key twice.
    """
    text = decode_text(raw, source=source)
    if not text.strip():
        raise InvalidInputError(f"{source} is empty")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_not_in_json)
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error.message}") from None
    except (ValueError, RecursionError) as not_json:
        value = _parse_yaml(text, source, not_json)
    if value is None:
        raise InvalidInputError(f"{source} is empty: it holds no fields")
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"{source} holds {_kind(value)}, not a mapping of fields")
    return value


def _kind(value: object) -> str:
    """Return what a value is, with its article."""
    names = {list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a value")


def _object(pairs: Sequence[tuple[str, Any]]) -> Json:
    """Return a JSON object; which of two values counts is not guessed."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInputError(f"the key {twice!r} appears twice; leave one of them out")
    return found


def _not_in_json(word: str) -> NoReturn:
    raise InvalidInputError(f"{word} is not a number of JSON; quote it if it is text")


def _parse_yaml(text: str, source: str, not_json: Exception) -> Any:
    try:
        from di_async.engine.yaml_text import load_yaml
    except ImportError as error:
        raise InvalidInputError(
            f"{source} is not JSON ({not_json}); reading YAML needs `pip install 'di-async[cli]'`"
        ) from error
    try:
        return load_yaml(text)
    except ValueError as error:
        raise InvalidInputError(f"{source}{error}") from None
