"""Show attrs classes in the reference as what they are: a list of fields, and a signature.

griffe, which reads the package for the site without importing it, knows `dataclasses` only.
"""

import inspect
import re

from griffe import (
    Attribute,
    Class,
    Docstring,
    Expr,
    ExprCall,
    ExprKeyword,
    Extension,
    Function,
    Parameter,
    ParameterKind,
    Parameters,
)


def _arguments(value: object) -> dict[str, str | Expr]:
    """Return the keyword arguments of a call of attrs' `field`."""
    if not isinstance(value, ExprCall) or not value.canonical_path.endswith("field"):
        return {}
    return {a.name: a.value for a in value.arguments if isinstance(a, ExprKeyword)}


def _default(attribute: Attribute) -> str | Expr | None:
    """Return the default of a field, whether it is written with `field(...)` or not."""
    value = attribute.value
    if not isinstance(value, ExprCall) or not value.canonical_path.endswith("field"):
        return value
    arguments = _arguments(value)
    if "factory" in arguments:
        return f"{arguments['factory']}()"
    return arguments.get("default")


def _fields(cls: Class) -> list[Attribute]:
    """Return the fields that a class declares itself."""
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


def _listed(attribute: Attribute) -> str:
    """Return one line of a docstring's `Attributes:` section."""
    text = attribute.docstring.value if attribute.docstring else ""
    text = " ".join(text.split())
    return f"    {attribute.name} ({attribute.annotation}): {text or '&nbsp;'}"


def _signature(fields: list[Attribute], decorator: str) -> Function:
    """Return the `__init__` that attrs makes."""
    parameters = [
        Parameter(f.name, annotation=f.annotation, kind=_kind(f, decorator), default=_default(f))
        for f in fields
    ]
    own = Parameter("self", kind=ParameterKind.positional_or_keyword)
    return Function("__init__", parameters=Parameters(own, *parameters), returns="None")


class AttrsFields(Extension):
    """List the fields of each attrs class in its docstring, or show its signature for `Args:`.

    A class without `Args:` is made by the package; its signature is not shown. What `Attributes:`
    lists is not shown again.
    """

    def on_class(self, *, cls: Class, **_: object) -> None:
        """Rewrite a class."""
        text = inspect.cleandoc(cls.docstring.value) if cls.docstring else ""
        decorators = [str(d.value) for d in cls.decorators]
        attrs = [d for d in decorators if d.partition("(")[0] in ("frozen", "define")]
        fields = _fields(cls) if attrs and text else []
        hidden = {f.name for f in fields}
        if "Args:" in text:
            if attrs:
                cls.set_member("__init__", _signature(fields, attrs[0]))
        else:
            hidden.add("__init__")
        if "Attributes:" in text:
            hidden = {"__init__", *re.findall(r"^ +(\w+)(?: \(.*\))?: ", text, re.MULTILINE)}
        elif public := [f for f in fields if not f.name.startswith("_") and "Args:" not in text]:
            lines = "\n".join(_listed(f) for f in public)
            cls.docstring = Docstring(f"{text}\n\nAttributes:\n{lines}\n", parent=cls)
        for name in hidden & cls.members.keys():
            if isinstance(cls.members[name], Attribute) or name == "__init__":
                cls.del_member(name)
