"""Show the fields of a class in the reference as one list, and attrs classes with their signature.

griffe, which reads the package for the site without importing it, knows `dataclasses` only, and
gives each attribute a heading of its own.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from griffe import (
    Attribute,
    Class,
    Docstring,
    DocstringAttribute,
    DocstringSection,
    DocstringSectionAttributes,
    Expr,
    ExprCall,
    ExprKeyword,
    ExprName,
    ExprSubscript,
    Extension,
    Function,
    Module,
    Object,
    Parameter,
    ParameterKind,
    Parameters,
)

LITERAL = re.compile(r"[\d.]+( \* [\d.]+)*|['\"].{,40}['\"]")
MANAGERS = {
    "contextlib.asynccontextmanager": "AbstractAsyncContextManager",
    "contextlib.contextmanager": "AbstractContextManager",
}
VARIADIC = (ParameterKind.var_positional, ParameterKind.var_keyword)


INTERNAL = {"read_only", "root"}  # of specs


class Fields(Docstring):
    """A docstring with a list of attributes, each with its type."""

    def __init__(
        self,
        text: str,
        parent: Class,
        listed: list[DocstringAttribute],
        types: Mapping[str, str | Expr | None],
    ) -> None:
        super().__init__(text, parent=parent)
        self._listed, self._types = listed, types

    def parse(self, *arguments: Any, **options: Any) -> list[DocstringSection]:
        """Return the sections; griffe does not know the type of what was taken from the class."""
        sections = super().parse(*arguments, **options)
        for section in sections:
            if isinstance(section, DocstringSectionAttributes):
                for attribute in section.value:
                    attribute.annotation = self._types.get(attribute.name)
        return [*sections, DocstringSectionAttributes(self._listed)] if self._listed else sections


@frozen
class Shown:
    """What the reference shows of a class: its text, its constructor, and no member of `hidden`."""

    cls: Class
    docstring: Fields
    constructor: Function | None
    hidden: set[str]


def _members(parent: Object) -> Iterator[Object]:
    """Yield what a module or class defines, at any depth."""
    for member in parent.members.values():
        if isinstance(member, Object):
            yield member
            yield from _members(member)


def _has(cls: Class, title: str) -> bool:
    """Return whether a class's docstring has a section."""
    lines = cls.docstring.value.splitlines() if cls.docstring else []
    return title in (line.strip() for line in lines)


def _is_attrs(cls: Class) -> bool:
    """Return whether attrs makes the constructor of a class."""
    return any(str(d.value).partition("(")[0] in ("frozen", "define") for d in cls.decorators)


def _arguments(value: object) -> dict[str, str | Expr]:
    """Return the keyword arguments of a call of attrs' `field`."""
    if not isinstance(value, ExprCall) or not value.canonical_path.endswith("field"):
        return {}
    return {a.name: a.value for a in value.arguments if isinstance(a, ExprKeyword)}


def _default(attribute: Attribute) -> str | Expr | None:
    """Return the default of a field, whether it is written with `field(...)` or not."""
    value = attribute.value
    if not isinstance(value, ExprCall):
        return value
    if value.canonical_path.endswith("Factory"):
        return f"{value.arguments[0]}()"
    if not value.canonical_path.endswith("field"):
        return value
    arguments = _arguments(value)
    if "factory" in arguments:
        return f"{arguments['factory']}()"
    return arguments.get("default")


def _attributes(cls: Class) -> dict[str, Attribute]:
    """Return the attributes to list for a class: its own and its bases', but for errors its own."""
    found: dict[str, Attribute] = {}
    for base in [cls] if cls.name.endswith("Error") else [cls, *cls.mro()]:
        for name, member in base.members.items():
            if not isinstance(member, Attribute) or "property" in member.labels:
                continue
            if name not in found or (not found[name].docstring and member.docstring):
                found[name] = member
    return {n: a for n, a in found.items() if not n.startswith("_") and n not in INTERNAL}


def _constructor(cls: Class) -> Parameters:
    """Return the parameters of a class's own or inherited `__init__`."""
    for base in [cls, *cls.mro()]:
        made = base.members.get("__init__")
        if isinstance(made, Function):
            return made.parameters
    return Parameters()


def _fields(cls: Class) -> list[Attribute]:
    """Return the fields that an attrs class declares itself."""
    return [
        member
        for member in cls.members.values()
        if isinstance(member, Attribute)
        and member.annotation is not None
        and "property" not in member.labels
        and "instance-attribute" in member.labels
    ]


def _kind(attribute: Attribute, decorator: str) -> ParameterKind:
    """Return whether a field is set by position or by keyword only."""
    keyword = (
        "kw_only=True" in decorator or str(_arguments(attribute.value).get("kw_only")) == "True"
    )
    return ParameterKind.keyword_only if keyword else ParameterKind.positional_or_keyword


def _signature(cls: Class) -> Function:
    """Return the `__init__` that attrs makes."""
    decorator = " ".join(str(d.value) for d in cls.decorators)
    parameters = [
        Parameter(f.name, annotation=f.annotation, kind=_kind(f, decorator), default=_default(f))
        for f in _fields(cls)
    ]
    own = Parameter("self", kind=ParameterKind.positional_or_keyword)
    return Function("__init__", parameters=Parameters(own, *parameters), returns="None")


def _annotation(cls: Class, attribute: Attribute) -> str | Expr | None:
    """Return the type of an attribute: as annotated, of its argument, or of its value."""
    value, arguments = str(attribute.value), _constructor(cls)
    if attribute.annotation is not None:
        return attribute.annotation
    if value in arguments:
        return arguments[value].annotation
    if value in ("True", "False"):
        return "bool"
    called = attribute.value.function if isinstance(attribute.value, ExprCall) else None
    return called if str(called)[:1].isupper() and called is not None else None


def _is_listed(cls: Class, attribute: Attribute) -> bool:
    """Return whether an attribute without a text has to be listed.

    Not if the constructor's `Args:` describe it, or a base class does. Airflow's own settings of an
    operator are not for users.
    """
    described = _has(cls, "Args:") and attribute.name in _constructor(cls)
    inherited = any(attribute.name in base.members for base in cls.mro() if base is not cls)
    return not (described or inherited or ".airflow." in cls.path)


def _described(attribute: Attribute, constants: Mapping[str, str], *, default: bool) -> str:
    """Return the text of an attribute, with its default if that is a short value."""
    text = " ".join(attribute.docstring.value.split()) if attribute.docstring else ""
    value = _default(attribute) if default else None
    shown = constants.get(getattr(value, "canonical_path", ""), str(value))
    known = shown in ("True", "False", "()") or LITERAL.fullmatch(shown)
    return f"{text} Default: `{shown}`.".strip() if known else text


def _shown(cls: Class, constants: Mapping[str, str]) -> Shown:
    """Return what to show of a class.

    A class without `Args:` is made by the package: its signature is not shown. One whose fields
    are all optional holds settings: their defaults are shown.
    """
    text = inspect.cleandoc(cls.docstring.value) if cls.docstring else ""
    attributes = _attributes(cls)
    own = {n: m for n, m in cls.members.items() if isinstance(m, Attribute)}
    types = {n: _annotation(cls, a) for n, a in {**own, **attributes}.items()}
    hidden = {n for n, a in own.items() if "property" not in a.labels or f"    {n}: " in text}
    constructor, listed = None, list(attributes.values())
    if _has(cls, "Args:"):
        if _is_attrs(cls):
            constructor = _signature(cls)
            listed = [a for a in listed if a.name not in constructor.parameters]
    else:
        hidden.add("__init__")
    if not _is_attrs(cls):
        listed = [a for a in listed if a.docstring or _is_listed(cls, a)]
    if _has(cls, "Attributes:"):
        listed = []
    settings = _is_attrs(cls) and all(_default(field) is not None for field in _fields(cls))
    entries = [
        DocstringAttribute(
            name=a.name,
            annotation=types.get(a.name),
            description=_described(a, constants, default=settings),
        )
        for a in listed
    ]
    return Shown(cls, Fields(text, cls, entries, types), constructor, hidden)


def _name_manager(function: Function) -> None:
    """Show what a function with `contextmanager` returns: not an iterator."""
    for decorator in function.decorators:
        manager = MANAGERS.get(decorator.callable_path)
        if manager is not None and isinstance(function.returns, ExprSubscript):
            function.returns.left = manager
            function.labels.discard("async")


def _show_defaults(function: Function, constants: Mapping[str, str]) -> None:
    """Show the values of constants that are defaults, and no default of `*args`."""
    for parameter in function.parameters:
        default = parameter.default
        if parameter.kind in VARIADIC:
            parameter.default = None
        elif isinstance(default, ExprName):
            value = constants.get(default.canonical_path, "")
            parameter.default = value if LITERAL.fullmatch(value) else default


class AttrsFields(Extension):
    """List the fields of each class in its docstring, and show what attrs makes of them."""

    def on_package(self, *, pkg: Module, **_: object) -> None:
        """Rewrite the classes of a package."""
        members = list(_members(pkg))
        constants = {m.path: str(m.value) for m in members if isinstance(m, Attribute)}
        shown = [_shown(m, constants) for m in members if isinstance(m, Class)]
        for each in shown:  # all of them were read: a class may be the base of another
            each.cls.docstring = each.docstring
            for name in each.hidden & each.cls.members.keys():
                each.cls.del_member(name)
            if each.constructor is not None:
                each.cls.set_member("__init__", each.constructor)
        for member in members:
            if isinstance(member, Function):
                _name_manager(member)
                _show_defaults(member, constants)
