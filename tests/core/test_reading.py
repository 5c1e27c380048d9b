"""The functions that read attrs classes: all that a class may declare, read as declared."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs import field, frozen

from di_async.core.codec import Codec
from di_async.core.errors import DecodeError
from di_async.core.reading import Few, Json, Word, an_object

SECOND = {"kind": ("kind", "type-of-thing")}


@frozen
class Leaf:
    """Something inside."""

    slug: Word
    count: int = 3


@frozen
class Plain:
    """One field of every sort."""

    id: str
    kind: Word | None = None
    on: bool = True
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    words: tuple[str, ...] = ("a",)
    more: Json = field(factory=dict)
    lists: list[Leaf] = field(factory=list)
    at: datetime | None = None
    price: Decimal | None = None
    any: Any = None


def shout(text: str) -> str:
    """In capitals."""
    return text.upper()


@attrs.define(kw_only=True, slots=False)
class Particular:
    """A class whose `__init__` does more than filling slots."""

    id: str = field(converter=shout)
    size: int = field(default=1, validator=attrs.validators.ge(1))
    twice: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.twice = 2 * self.size


CODEC = Codec(
    shapes={Leaf: lambda raw: {**raw, "slug": raw.get("slug") or raw.get("name")}},
    names=lambda name: SECOND.get(name, (name.replace("_", "-"),)),
)
FULL = {
    "id": "x",
    "type-of-thing": "t",
    "on": False,
    "leaf": {"name": "l", "count": None},
    "leaves": [{"slug": "m", "count": 4}],
    "words": ["b", 5],
    "more": {"a": 1},
    "lists": [{"slug": "n"}],
    "at": "2026-01-02T03:04:05",
    "price": 1.5,
    "any": [1],
}


def test_every_sort_of_field() -> None:
    """Text, words, flags, objects, tuples, lists, free JSON, times and prices."""
    assert CODEC.structure(FULL, Plain) == Plain(
        "x",
        "t",
        False,
        Leaf("l"),
        (Leaf("m", 4),),
        ("b", "5"),
        {"a": 1},
        [Leaf("n")],
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        Decimal("1.5"),
        [1],
    )


def test_both_passes_read_it_alike() -> None:
    """Shapes and names hold in the careful one, too."""
    quick, careful = CODEC.structure(FULL, Plain), CODEC._careful.structure(FULL, Plain)  # noqa: SLF001
    assert quick == careful


def test_what_is_not_there_or_null_is_the_default() -> None:
    """And a mutable default is nobody else's."""
    empty = CODEC.structure({"id": "x", **dict.fromkeys(("kind", "leaves", "more"))}, Plain)
    other = CODEC.structure({"id": "x"}, Plain)
    assert empty == other == Plain("x")
    assert empty.more is not other.more


def test_the_first_name_that_is_not_null_counts() -> None:
    """A field may have more than one name."""
    told = {"id": "x", "kind": None, "type-of-thing": "b"}
    assert CODEC.structure(told, Plain).kind == "b"
    assert CODEC.structure({**told, "kind": "a"}, Plain).kind == "a"


def test_equal_words_are_one_object() -> None:
    """A page of rows holds each of its few words once."""
    first, second = (CODEC.structure({"slug": f"gpu-{'h' * 3}"}, Leaf) for _ in range(2))
    assert first.slug is second.slug


@pytest.mark.parametrize("raw", [{}, {"id": None}])
def test_what_must_be_there(raw: Any) -> None:
    """Missing and null are one: nothing could go on without it."""
    with pytest.raises(DecodeError, match=r"required field missing @ \$\.id"):
        CODEC.structure(raw, Plain)


def test_a_class_that_does_more_is_called() -> None:
    """Converters, validators and what comes after them are not passed over."""
    assert CODEC.structure({"id": "x", "size": 2}, Particular).twice == 4
    assert CODEC.structure({"id": "x"}, Particular).id == "X"
    with pytest.raises(DecodeError):
        CODEC.structure({"id": "x", "size": 0}, Particular)


def test_a_hook_of_the_provider_s_own_is_asked() -> None:
    """Also deep inside: it may know better."""
    own = Codec(lambda c: c.register_structure_hook(Leaf, lambda raw, _: Leaf(f"own {raw}")))
    read = own.structure({"id": "x", "leaf": "a", "leaves": ["b"]}, Plain)
    assert (read.leaf, read.leaves) == (Leaf("own a"), (Leaf("own b"),))


def test_what_was_read_is_a_whole_instance() -> None:
    """It can be compared, hashed, evolved and is as frozen as any other."""
    leaf = CODEC.structure({"slug": "a"}, Leaf)
    assert hash(leaf) == hash(Leaf("a"))
    assert attrs.evolve(leaf, count=5) == Leaf("a", 5)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        leaf.count = 6  # type: ignore[misc]


def test_an_object_is_a_copy() -> None:
    """And what is no object is told by its type."""
    raw = {"a": 1}
    assert an_object(raw) == raw
    assert an_object(raw) is not raw
    with pytest.raises(TypeError, match="expected an object, got list"):
        an_object([])


@frozen
class Crowd:
    """Of what most of its kind share."""

    leaf: Few[Leaf] | None = None
    leaves: Few[tuple[Leaf, ...]] = ()


def test_few_are_kept_once_while_they_are_equal() -> None:
    """The last one is taken again, across objects; another one is read."""
    told = [("a", ["b"]), ("a", ["b"]), ("c", ["b", "d"]), ("a", []), (None, ["e"])]
    read = [
        CODEC.structure(
            {"leaf": one and {"slug": one}, "leaves": [{"slug": slug} for slug in more]}, Crowd
        )
        for one, more in told
    ]
    first, second, *_ = read
    assert first.leaf is second.leaf
    assert first.leaves is second.leaves
    seen = [(it.leaf and it.leaf.slug, [leaf.slug for leaf in it.leaves]) for it in read]
    assert seen == told


def test_one_that_cannot_be_read_is_not_kept() -> None:
    """Nor is it told of the one before."""
    fine, wrong = {"leaf": {"slug": "a"}}, {"leaf": {"slug": None}}
    for raw, ok in [(fine, True), (wrong, False), (wrong, False), (fine, True)]:
        if ok:
            assert CODEC.structure(raw, Crowd) == Crowd(leaf=Leaf("a"))
        else:
            with pytest.raises(DecodeError):
                CODEC.structure(raw, Crowd)


def test_fault_of_one_of_few_names_the_type_that_was_meant() -> None:
    """Not how it is declared."""
    with pytest.raises(DecodeError, match=r"expected tuple @ \$.leaves"):
        CODEC.structure({"leaves": 7}, Crowd)
