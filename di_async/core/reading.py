"""Makes the function that reads an attrs class from a JSON object, as quick as a call by hand.

The idea is that of attrs' own `__init__`: its source is written when the class is first read, and
knows the fields by heart. What is plainly as declared is taken as it is; anything else goes to the
hook for that type, which knows what is tolerated. Null counts as not there. Errors are not
explained here: the codec's careful pass does that.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, MemberDescriptorType, NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import attrs

__all__ = [
    "Few",
    "Fill",
    "Hook",
    "Json",
    "Names",
    "Shape",
    "Word",
    "an_object",
    "one_name",
    "reader",
    "slots_of",
]

T = TypeVar("T")

Json = dict[str, Any]
Shape = Callable[[Json], Json]
Hook = Callable[[Any, Any], Any]
Names = Callable[[str], Sequence[str]]
Fill = Callable[[Any, Any], None]

_WORD = "one of few: equal ones are kept once"
Word = Annotated[str, _WORD]
_FEW = "most are as the one before: then it is that one"
Few = Annotated[T, _FEW]
"""Of what cannot be changed: it is shared. Equal is what Python calls so: 1 and true are."""


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
    shapes: Mapping[type, Shape] = MappingProxyType({}),
    names: Names = one_name,
) -> Hook:
    """The function from a JSON object to a `cls`. It raises whatever comes to pass.

    Args:
        cls: an attrs class, its annotations types and not text.
        hook_of: how any other type is read.
        shapes: for a class, what brings an object into the shape that its fields name, without
            changing what it is given.
        names: what a field is called there; of several the first that is not null counts.
    """
    writer = _Writer(hook_of, shapes, names)
    writer.object(cls, " ")
    source = "\n".join(["def read(v, _):", *writer.lines, " return v"])
    exec(source, writer.known)  # noqa: S102 - of nothing but the class's own names
    made: Hook = writer.known["read"]
    made.source = source  # type: ignore[attr-defined] # says whose it is, and can be looked at
    return made


class _Writer:
    """Writes the source: what is at hand is always `v`, and becomes what was read of it."""

    def __init__(
        self, hook_of: Callable[[Any], Hook], shapes: Mapping[type, Shape], names: Names
    ) -> None:
        self._hook_of = hook_of
        self._shapes = shapes
        self._names = names
        self.known: dict[str, Any] = {"new": object.__new__, "intern": sys.intern}
        self.lines: list[str] = []

    def object(self, cls: type, pad: str) -> None:
        """Lines that make `v`, a JSON object, a `cls`."""
        fields = attrs.fields(cls)
        if shape := self._shapes.get(cls):
            self.lines.append(f"{pad}v = {self._name(shape)}(v)")
        made, raw = f"made{len(self.known)}", f"raw{len(self.known)}"
        self.lines.append(f"{pad}{raw} = v")
        slots = slots_of(cls)
        if slots is not None:
            self.lines.append(f"{pad}{made} = new({self._name(cls)})")
            for field in fields:
                self._field(field, raw, pad)
                self.lines.append(f"{pad}{self._name(slots[field.name])}({made}, v)")
        else:
            self.lines.append(f"{pad}{made} = {{}}")
            for field in (field for field in fields if field.init):
                self._field(field, raw, pad)
                self.lines.append(f"{pad}{made}[{field.alias!r}] = v")
            self.lines.append(f"{pad}{made} = {self._name(cls)}(**{made})")
        self.lines.append(f"{pad}v = {made}")

    def _field(self, field: Any, raw: str, pad: str) -> None:
        """Lines that make `v` a field's value: what is there, or its default."""
        names = self._names(field.name)
        absent = " and ".join(f"(v := {raw}.get({name!r})) is None" for name in names)
        self.lines.append(f"{pad}if {absent}:")
        if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
            self.lines.append(f"{pad} v = {self._name(field.default.factory)}()")
        elif field.default is attrs.NOTHING:
            self.lines.append(f"{pad} raise KeyError({field.name!r})")
        elif field.default is None:
            self.lines[-1] = f"{pad}if not ({absent}):"  # v is None already
        else:
            self.lines.append(f"{pad} v = {self._name(field.default)}")
        if field.default is not None:
            self.lines.append(f"{pad}else:")
        self._value(field.type, pad + " ")

    def _value(self, of: Any, pad: str) -> None:
        """Lines that make `v`, which is not None, what its type says."""
        if _FEW in get_args(inner := _not_none(of))[1:]:
            self._one_of_few(get_args(inner)[0], pad)
            return
        if attrs.has(inner := _not_none(of)) and hasattr(self._hook_of(inner), "source"):
            self.object(inner, pad)
            return
        hook = f"{self._name(self._hook_of(of))}(v, {self._name(of)})"
        of = inner
        if get_origin(of) is Annotated and _WORD in get_args(of):
            self.lines.append(f"{pad}v = intern(v) if v.__class__ is str else {hook}")
        elif of in (str, int, bool):
            self.lines.append(f"{pad}if v.__class__ is not {of.__name__}: v = {hook}")
        elif of == Json:
            self.lines.append(f"{pad}if v.__class__ is not dict: v = {hook}")
        elif get_origin(of) is tuple and get_args(of)[1:] == (...,):
            items = f"items{len(self.known)}"
            self.lines += [
                f"{pad}if v.__class__ is list:",
                f"{pad} {items} = []",
                f"{pad} for v in v:",
            ]
            self._value(get_args(of)[0], pad + "  ")
            self.lines += [f"{pad}  {items}.append(v)", f"{pad} v = tuple({items})"]
            self.lines += [f"{pad}else: v = {hook}"]
        else:
            self.lines.append(f"{pad}v = {hook}")

    def _one_of_few(self, of: Any, pad: str) -> None:
        """Lines that look at the last one first. The pair is replaced at once: threads share it."""
        last = self._name([(None, None)])
        pair, raw = f"pair{len(self.known)}", f"few{len(self.known)}"
        self.lines += [
            f"{pad}{pair} = {last}[0]",
            f"{pad}if v == {pair}[0]: v = {pair}[1]",
            f"{pad}else:",
            f"{pad} {raw} = v",
        ]
        self._value(of, f"{pad} ")
        self.lines.append(f"{pad} {last}[0] = {raw}, v")

    def _name(self, value: Any) -> str:
        """A name by which the source knows this value."""
        name = f"k{len(self.known)}"
        self.known[name] = value
        return name


def _not_none(of: Any) -> Any:
    """What may be None, without that."""
    inner = [each for each in get_args(of) if each is not NoneType]
    return inner[0] if NoneType in get_args(of) and len(inner) == 1 else of


def slots_of(cls: type) -> dict[str, Fill] | None:
    """What fills each field, if an `__init__` would fill slots and do no more."""
    if not attrs.has(cls) or hasattr(cls, "__attrs_post_init__"):
        return None
    slots = {}
    for field in attrs.fields(cls):
        slot = getattr(cls, field.name, None)
        if not isinstance(slot, MemberDescriptorType):
            return None
        if not field.init or field.converter is not None or field.validator is not None:
            return None
        slots[field.name] = slot.__set__
    return slots
