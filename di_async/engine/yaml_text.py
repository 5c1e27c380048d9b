"""Read YAML as YAML 1.2 does (its core schema), in bounded time and memory.

PyYAML implements YAML 1.1, where `010` is 8, `1:30` is 90, `no` is false and `2026-13-45` is an
invalid date. Here a value is a number, true or false only where both versions agree; anything else
is text, which the checks of a number refuse. Octal numbers are refused at once: a spec must not
mean another number of GPUs than its author.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

import math
import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError
from yaml.events import AliasEvent
from yaml.parser import ParserError
from yaml.scanner import ScannerError

__all__ = ["load_yaml"]

_MAX_NODES = 20_000
"""Values in a text, with each alias counted as what it stands for."""
_MAX_DEPTH = 50
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_KEY_TAGS = {f"{_TAG}str", _MERGE}
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?([0-7]+|0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"([-+]?[0-9]+)?\.[0-9]+([eE][-+][0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
)
_OCTAL = re.compile(r"[-+]?0[0-7]+")


class _Loader(yaml.SafeLoader):
    """A loader of the core schema that counts what it composes."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, as PyYAML expects
    yaml_constructors = {  # noqa: RUF012
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in {"null", "bool", "str", "seq", "map"}
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node; refuse texts that grow beyond the bounds."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before, anchor, mark = self._nodes, event.anchor, event.start_mark
        if self.check_event(AliasEvent):
            if anchor in self.anchors and anchor not in self._sizes:
                raise ConstructorError(None, None, f"the alias {anchor!r} contains itself", mark)
            self._nodes += self._sizes.get(anchor, 0)
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise ConstructorError(None, None, f"more than {_MAX_NODES} values", mark)
        if self._depth >= _MAX_DEPTH:
            raise ConstructorError(None, None, f"nested deeper than {_MAX_DEPTH} levels", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor is not None and not isinstance(event, AliasEvent):
            self._sizes[anchor] = self._nodes - before
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Compose a mapping; refuse keys that are not text, or appear twice.

        Here, because `<<` later adds the keys of other mappings to the node.
        """
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if key.tag not in _KEY_TAGS:
                raise ConstructorError(None, None, "a key must be text; quote it", key.start_mark)
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value!r} appears twice; leave one of them out"
                if key.tag == _MERGE:
                    problem = "the key '<<' appears twice; use it once, with a list: [*a, *b]"
                raise ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Construct a value; an invalid one is reported with its place."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            kind = str(node.tag).removeprefix(_TAG)
            raise ConstructorError(None, None, f"not a valid {kind}", node.start_mark) from None

    def construct_integer(self, node: Any) -> int:
        """Construct an integer; refuse those that YAML 1.1 reads as octal."""
        text = str(self.construct_scalar(node))
        if _OCTAL.fullmatch(text):
            problem = (
                "some programs read a leading zero as octal; write the number without it, "
                "or in quotes if it is text"
            )
            raise ConstructorError(None, None, problem, node.start_mark)
        return int(text, 0)

    def construct_number(self, node: Any) -> float:
        """Construct a float; refuse those that JSON does not have."""
        text = str(self.construct_scalar(node)).lower()
        value = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(value):
            raise ConstructorError(None, None, "JSON has no such number", node.start_mark)
        return value


for _name, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}int", _Loader.construct_integer)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_number)


def load_yaml(text: str) -> Any:
    """Return the value of the one document in a YAML text.

    Raises:
        ValueError: the text is invalid; the message states where and why, and quotes no values that
            may be secret.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character[:1])
        raise ValueError(f": the character U+{code:04X} is not allowed") from None
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not valid YAML or JSON"
        if isinstance(error, ScannerError | ParserError):
            reason = f"invalid YAML: {reason}"
        # Not chained: the parser's own error quotes the line, which may hold a token.
        raise ValueError(f"{place}: {reason}") from None
