"""Of equal parts one copy is kept, and nothing else changes."""

from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.sharing import shared


@frozen
class Part:
    """Something within."""

    word: str = ""
    more: tuple[Any, ...] = ()


@frozen
class Whole:
    """A resource."""

    id: str
    part: Part | None = None
    also: dict[str, Any] = field(factory=dict)


PARTS = st.builds(Part, st.text(max_size=1), st.lists(st.integers(0, 1), max_size=2).map(tuple))
WHOLES = st.builds(
    Whole,
    st.sampled_from("ab"),
    st.none() | PARTS | st.builds(Part, st.just("x"), st.lists(PARTS, max_size=2).map(tuple)),
)


@given(WHOLES, WHOLES)
def test_it_equals_what_it_was_and_leaves_the_known_alone(new: Whole, known: Whole) -> None:
    """Whatever the two are."""
    before, kept = evolve(new), evolve(known)
    assert shared(new, known) == before
    assert known == kept


def test_equal_ones_are_the_known_one() -> None:
    """Nothing of the new one is kept."""
    known = Whole("a", Part("b"))
    assert shared(Whole("a", Part("b")), known) is known


def test_equal_parts_are_those_of_the_known_one() -> None:
    """However deep; what differs is the new one's."""
    deep, text = Part("deep"), "".join(["te", "xt"])
    known = Whole("a", Part("was", (deep, Part(text))))
    new = shared(Whole("a", Part("is", (Part("deep"), Part("other")))), known)
    assert new.part is not None
    assert (new.part.word, new.part.more) == ("is", (Part("deep"), Part("other")))
    assert new.part.more[0] is deep


@define
class Checked:
    """Something that its `__init__` has a say in."""

    id: int = field(converter=int)
    also: list[int] = field(factory=list)


@pytest.mark.parametrize("known", [None, 1, "a", Part("a"), Checked(1)])
def test_what_is_of_another_kind_is_left_as_it_is(known: Any) -> None:
    """Also what has no slots to fill."""
    for new in (Whole("a", Part("b")), Checked(2), (1, 2), {"a": 1}):
        assert shared(new, known) is new


@pytest.mark.parametrize("one", [1, 1.0, True, [1], {"b": True}])
@pytest.mark.parametrize("other", [1, 1.0, True, [1.0], {"b": 1}])
def test_what_only_compares_equal_is_not_taken_for_the_same(one: Any, other: Any) -> None:
    """In JSON as it came, 1 is neither 1.0 nor true."""
    kept = shared(Whole("a", also={"on": one}), Whole("a", also={"on": other}))
    assert repr(kept.also) == repr({"on": one})


@frozen
class Odd:
    """It says that all of its kind are equal."""

    state: str = field(eq=False)


def test_a_class_s_own_idea_of_equality_does_not_count() -> None:
    """What it shows does."""
    assert shared(Odd("up"), Odd("booting")).state == "up"


def test_depth_does_not_matter_where_nothing_is_shared() -> None:
    """Comparing what is nested a thousand times would end every wait there is."""
    new, known = Whole("a", also=nested(5000)), Whole("a", also=nested(5000))
    assert shared(new, known) is new


def nested(depth: int) -> dict[str, Any]:
    """An object in an object in an object."""
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"in": inner}
    return inner
