"""Makes the function that reads an attrs class from a JSON object, as quick as a call by hand.

The idea is that of attrs' own `__init__`: its source is written when the class is first read, and
knows the fields by heart. What is plainly as declared is taken as it is; anything else goes to the
hook for that type, which knows what is tolerated. Null counts as not there. Errors are not
explained here: the codec's careful pass does that.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MemberDescriptorType, NoneType
from typing import Annotated, Any, get_args, get_origin

import attrs

__all__ = ["Hook", "Json", "Names", "Shape", "Word", "an_object", "one_name", "reader"]

Json = dict[str, Any]
Shape = Callable[[Json], Json]
Hook = Callable[[Any, Any], Any]
Names = Callable[[str], Sequence[str]]

_WORD = "one of few: equal ones are kept once"
Word = Annotated[str, _WORD]


def an_object(raw: Any) -> Json:
    """A JSON object as a dict of one's own.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(raw, Mapping):
        raise TypeError(f"expected an object, got {type(raw).__name__}")
    return dict(raw)


def one_name(field: str) -> Sequence[str]:
    """A field is called in JSON what it is called here."""
    return (field,)


def reader(
    cls: type,
    hook_of: Callable[[Any], Hook],
    shape: Shape | None = None,
    names: Names = one_name,
) -> Hook:
    """The function from a JSON object to a `cls`. It raises whatever comes to pass.

    Args:
        cls: an attrs class, its annotations types and not text.
        hook_of: how any other type is read.
        shape: brings an object into the shape that the fields name, without changing what it is
            given.
        names: what a field is called there; of several the first that is not null counts.
    """
    known: dict[str, Any] = {
        "cls": cls,
        "new": object.__new__,
        "shape": shape,
        "intern": sys.intern,
    }
    fields = attrs.fields(cls)
    lines = ["def read(raw, _):", *([" raw = shape(raw)"] if shape else [])]
    values = [
        _or_default(field, f"_{at}", names, known, hook_of) for at, field in enumerate(fields)
    ]
    if _is_plain(cls):
        known |= {f"set_{at}": getattr(cls, field.name).__set__ for at, field in enumerate(fields)}
        lines.append(" made = new(cls)")
        lines += [f" set_{at}(made, {value})" for at, value in enumerate(values)]
        lines.append(" return made")
    else:
        given = zip(fields, values, strict=True)
        lines.append(f" return cls({', '.join(f'{f.alias}={v}' for f, v in given if f.init)})")
    exec("\n".join(lines), known)  # noqa: S102 - of nothing but the class's own names
    made: Hook = known["read"]
    return made


def _is_plain(cls: type) -> bool:
    """Its `__init__` would fill slots and do no more: then they can be filled without it."""
    return not hasattr(cls, "__attrs_post_init__") and all(
        isinstance(getattr(cls, field.name, None), MemberDescriptorType)
        and field.init
        and field.converter is None
        and field.validator is None
        for field in attrs.fields(cls)
    )


def _or_default(
    field: Any, at: str, names: Names, known: dict[str, Any], hook_of: Callable[[Any], Hook]
) -> str:
    """The expression for a field: its value, or its default where there is none."""
    absent = " and ".join(f"(v := raw.get({name!r})) is None" for name in names(field.name))
    value = _value(field.type, at, known, hook_of)
    if field.default is None:
        return f"None if {absent} else {value}"
    made = f"default{at}"
    if field.default is attrs.NOTHING:
        known[made], made = _missing(field.name), f"{made}()"
    elif isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        known[made], made = field.default.factory, f"{made}()"
    else:
        known[made] = field.default
    return f"{made} if {absent} else {value}"


def _value(of: Any, at: str, known: dict[str, Any], hook_of: Callable[[Any], Hook]) -> str:
    """The expression for a `v` that is not None; what it needs to know is added."""
    known[f"type{at}"] = of
    known[f"hook{at}"] = hook_of(of)
    otherwise = f"hook{at}(v, type{at})"
    inner = [each for each in get_args(of) if each is not NoneType]
    if NoneType in get_args(of) and len(inner) == 1:
        of = inner[0]
    if get_origin(of) is Annotated and _WORD in get_args(of):
        return f"(intern(v) if v.__class__ is str else {otherwise})"
    if of in (str, int, bool):
        return f"(v if v.__class__ is {of.__name__} else {otherwise})"
    if of == Json:
        return f"(v if v.__class__ is dict else {otherwise})"
    if get_origin(of) is tuple and get_args(of)[1:] == (...,):
        each = _value(get_args(of)[0], at + "i", known, hook_of)
        return f"(tuple([{each} for v in v]) if v.__class__ is list else {otherwise})"
    if attrs.has(of):
        known[f"hook{at}"] = hook_of(of)  # not that of "or None": it is not None
        return f"hook{at}(v, None)"
    return otherwise


def _missing(name: str) -> Callable[[], Any]:
    def missing() -> Any:
        raise KeyError(name)

    return missing
