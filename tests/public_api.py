"""List the public API, and compare it with the snapshot in tests/data/public_api.txt.

Usage:
    python -m tests.public_api            print what was added, and what may break users
    python -m tests.public_api --write    write the snapshot

griffe reads the source; nothing is imported. A line stands for one name, one parameter, one base
class or one return type, so that an optional parameter or a method more only adds lines. Lines
that are gone or different, and new parameters without a default, may break programs of users.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe
from attrs import frozen

__all__ = ["SNAPSHOT", "Comparison", "compare", "list_api", "load"]

ROOT = Path(__file__).parent.parent
SNAPSHOT = Path(__file__).parent / "data" / "public_api.txt"
# Packages whose names are public only where `di_async` or another package exports them.
INTERNAL = {"core", "engine", "fleet", "cli", "__main__"}
ALSO_PUBLIC = {"__init__", "__aenter__", "__aiter__", "__await__", "__call__", "__enter__"}
WHAT_TO_DO = """\
The public API differs from tests/data/public_api.txt in a way that may break users:

{breaking}

Keep the old name or parameter beside the new one, and deprecate it for two minor releases (see
docs/contributing.md). If users cannot notice (a wider type of a parameter, say), or the name was
never released, write the snapshot and commit it:

    .venv/bin/python -m tests.public_api --write
"""

POSITIONAL = {"positional-only", "positional or keyword"}


@frozen
class Comparison:
    """The difference between the snapshot and the source."""

    added: tuple[str, ...]
    breaking: tuple[str, ...]
    """Lines with `-` for what is gone, and `+` for a parameter that callers now have to pass."""

    def __str__(self) -> str:
        return WHAT_TO_DO.format(breaking="\n".join(self.breaking))


def compare(before: Iterable[str], now: Iterable[str]) -> Comparison:
    """Return what was added, and what may break users."""
    old, new = dict.fromkeys(before), dict.fromkeys(now)
    gone = [line for line in old if line not in new]
    added = [line for line in new if line not in old]
    owners = {_owner(line) for line in old}
    required = [line for line in added if line.endswith(" required") and _owner(line) in owners]
    # A change of a line is a line that is gone and one that is new, of the same name.
    changed = {_name(line) for line in gone}
    beside = [line for line in added if _name(line) in changed]
    breaking = [f"- {line}" for line in gone]
    breaking += [f"+ {line}" for line in dict.fromkeys([*beside, *required])]
    return Comparison(tuple(added), tuple(sorted(breaking, key=lambda line: line[2:])))


def _name(line: str) -> str:
    """Return the dotted name of a line, with the parameter."""
    return line.split(": ", 1)[0]


def _owner(line: str) -> str:
    """Return the function that a line is about."""
    return _name(line).split("(", 1)[0]


def load() -> griffe.Module:
    """Return the package as griffe reads it."""
    package = griffe.load("di_async", search_paths=[ROOT], resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    return package


def list_api(package: griffe.Module) -> list[str]:
    """Return the lines of the public API, by module and name."""
    modules = [module for name, module in package.modules.items() if name not in INTERNAL]
    lines: list[str] = []
    for module in sorted([package, *modules], key=lambda module: module.path):
        for name in sorted(map(str, module.exports or ())):
            lines += _about(f"{module.path}.{name}", module[name])
    return lines


def _about(path: str, found: Any) -> Iterator[str]:
    if isinstance(found, griffe.Alias):
        found = found.final_target
    labels = "".join(f" {label}" for label in sorted(found.labels & {"async", "property"}))
    match found:
        case griffe.Class():
            yield f"{path}: class"
            for base in found.bases:
                yield f"{path}(base {base}): base"
            for name, member in sorted(_members(found)):
                yield from _about(f"{path}.{name}", member)
        case griffe.Function():
            yield f"{path}: function{labels} -> {found.returns}"
            for position, parameter in enumerate(found.parameters):
                if parameter.name not in {"self", "cls"}:
                    yield f"{path}{_parameter(position, parameter)}"
        case griffe.Attribute():
            yield f"{path}: attribute{labels} {found.annotation}{_default(found)}"
        case griffe.Module():
            yield f"{path}: module"
        case _:
            yield f"{path}: {found.kind.value}"


def _members(cls: griffe.Class) -> Iterator[tuple[str, Any]]:
    for name, member in cls.all_members.items():
        if name in ALSO_PUBLIC or not name.startswith("_"):
            yield name, member


def _parameter(position: int, parameter: griffe.Parameter) -> str:
    kind = parameter.kind.value if parameter.kind else ""
    place = f" {position}" if kind in POSITIONAL else ""
    need = f" = {parameter.default}" if parameter.default is not None else " required"
    if kind.startswith("variadic"):
        need = ""
    return f"({parameter.name}): {kind}{place} {parameter.annotation}{need}"


def _default(found: griffe.Attribute) -> str:
    """Return the default of a field or the value of an enum's member, without attrs' `field`."""
    if "class-attribute" not in found.labels or found.value is None:
        return ""
    value = found.value
    if not isinstance(value, griffe.ExprCall) or str(value.function) not in {"field", "attr.ib"}:
        return f" = {value}"
    options = {
        argument.name: argument.value
        for argument in value.arguments
        if isinstance(argument, griffe.ExprKeyword)
    }
    if "factory" in options:
        return f" = {options['factory']}()"
    return f" = {options['default']}" if "default" in options else ""


def main() -> int:
    """Compare, or write the snapshot; return the exit code."""
    lines = list_api(load())
    if sys.argv[1:] == ["--write"]:
        SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{SNAPSHOT.relative_to(ROOT)}: {len(lines)} lines")  # noqa: T201
        return 0
    found = compare(SNAPSHOT.read_text(encoding="utf-8").splitlines(), lines)
    print(f"{len(found.added)} lines added")  # noqa: T201
    for line in found.added:
        print(f"+ {line}")  # noqa: T201
    if found.breaking:
        print(f"\n{found}")  # noqa: T201
    return 1 if found.breaking else 0


if __name__ == "__main__":
    sys.exit(main())
