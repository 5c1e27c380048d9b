"""Request bodies: everything derives from fields that are declared once."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import attrs
import pytest
from attrs import field, frozen
from attrs.validators import and_, in_
from hypothesis import example, given
from hypothesis import strategies as st

from di_async import InvalidInputError, Secret
from di_async.core.request_body import attribute_values, declared, is_list, structure, to_wire
from di_async.core.validation import (
    MAX_WHOLE_NUMBER,
    READ_ONLY,
    UNSET,
    Unset,
    canonical_uuid,
    check_value,
    checked,
    each,
    filled_text,
    find_faults,
    flag,
    in_request,
    mapping,
    nested,
    request_fields,
    text,
    text_map,
    uuid,
    whole_number,
)


@frozen
class Wheel:
    """A nested part, with a field that the API only shows."""

    read_only = frozenset({"made"})

    size: int = field(metadata=in_request(whole_number(1, 9)))
    wear: int = field(default=0, metadata=READ_ONLY)


@frozen(kw_only=True)
class Cart:
    """A request body with one field of each kind."""

    name: str = field(metadata=in_request(filled_text(), name="cart-name", immutable=True))
    wheels: tuple[Wheel, ...] = field(
        default=(), metadata=in_request(each(nested(Wheel), non_empty=True), required=True)
    )
    note: str | Unset | None = field(default=UNSET, metadata=in_request(text(), nullable=True))
    tags: dict[str, str] | Unset = field(
        default=UNSET, metadata=in_request(text_map, nullable="in update")
    )
    color: str | None = field(default=None, metadata=in_request(and_(text(), in_(["red"]))))
    alias: str = field(default="", metadata=in_request(omit_empty=True, required_unless="color"))
    anything: Any = None


BODY = {"cart-name": "a", "wheels": [{"size": 3}], "color": "red"}


def problems(body: Any, **options: bool) -> list[str]:
    """Return the faults of a cart as text."""
    faults = find_faults(Cart, body, **options)
    return [f"{fault.path}: {fault.message}" for fault in faults]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"note": None},
        {"note": "", "tags": {"a": "b"}, "alias": "c", "anything": [None, {"x": object}]},
        {"anything": None},
    ],
)
def test_valid_body(more: dict[str, Any]) -> None:
    """A body without faults is returned as it is."""
    body = {**BODY, **more}
    assert checked(Cart, body) is body


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cart-name": " "}, ".cart-name: expected text that is not blank, not ' '"),
        ({"cart-name": None}, ".cart-name: required"),
        ({"cart_name": "b"}, ".cart_name: no such field; known fields are alias, anything, "),
        ({"wheels": []}, ".wheels: expected at least one"),
        ({"wheels": {}}, ".wheels: expected a list, not dict"),
        ({"wheels": [{"size": 3}, 7]}, ".wheels[1]: expected a mapping of fields, not int"),
        ({"wheels": [{}]}, ".wheels[0].size: required"),
        (
            {"wheels": [{"size": "two"}]},
            ".wheels[0].size: expected a whole number from 1 to 9, not 'two'",
        ),
        ({"wheels": [{"size": 3, "hub": 1}]}, ".wheels[0].hub: no such field; known fields are"),
        ({"tags": None}, ".tags: may be omitted, but not null"),
        ({"tags": {"a": 1}}, ".tags['a']: expected text; put numbers, true and false in quotes"),
        ({"color": "blue"}, ".color: 'color' must be in"),
    ],
)
def test_fault(change: dict[str, Any], problem: str) -> None:
    """A fault is reported once, with the path of its field."""
    (found,) = problems({**BODY, **change})
    assert found.startswith(problem)


def test_one_of_two_is_required() -> None:
    """A field may be required only if another one is not set."""
    body = {k: v for k, v in BODY.items() if k != "color"}
    assert problems(body) == [".alias: required unless color is set"]
    assert problems({**body, "alias": "b"}) == []


def test_body_is_not_a_mapping() -> None:
    """Only a mapping has fields."""
    assert problems(5) == [": expected a mapping of fields, not int"]


def test_all_faults_at_once() -> None:
    """One error lists all faults, with a path from the root."""
    with pytest.raises(InvalidInputError) as caught:
        checked(Cart, {"wheels": [{"size": 0}], "tags": {"a": 1, "b": 2}})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "cart-name", "wheels[0].size", "tags['a']", "tags['b']", "alias"
    ]  # fmt: skip
    assert str(caught.value) == "; ".join(caught.value.problems)


def test_update_requires_nothing() -> None:
    """An update may omit any field, and may send null where only an update may."""
    assert problems({}, update=True) == []
    assert problems({"tags": None}, update=True) == []
    assert problems({"cart-name": None}, update=True) == [
        ".cart-name: may be omitted, but not null"
    ]


def test_open_body() -> None:
    """An open body may have unknown fields, and needs only those declared `required`."""
    assert problems({"unknown": 1, "color": "red"}, is_open=True) == [".wheels: required"]


def test_structural_faults() -> None:
    """Faults that prevent making an object are marked; others are not."""
    body = {"wheels": [{"size": 0}], "more": 1, "color": "red"}
    faults = find_faults(Cart, body)
    assert [(f.path, f.is_structural) for f in faults] == [
        (".more", True), (".cart-name", True), (".wheels[0].size", False)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (text("a word", "[a-z]+"), "two words"),
        (whole_number(0), -1),
        (whole_number(0), True),
        (whole_number(0, 5), 6),
        (whole_number(0), MAX_WHOLE_NUMBER + 1),
        (flag, 1),
        (uuid, "x"),
        (uuid, None),
        (mapping, []),
        (text_map, None),
    ],
)
def test_invalid_value(validator: Any, value: Any) -> None:
    """A single value is checked under the name that the caller chooses."""
    with pytest.raises(InvalidInputError, match="it: expected "):
        check_value(validator, value, "it")


@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (text(), "any\ntext"),
        (whole_number(0), 0),
        (whole_number(0, 5), 5),
        (whole_number(0), MAX_WHOLE_NUMBER),
        (flag, False),
        (uuid, "997615ce-132d-4bae-9270-9ee21b395e5d"),
        (mapping, {}),
        (text_map, {"a": "b"}),
    ],
)
def test_valid_value(validator: Any, value: Any) -> None:
    """A valid value raises nothing."""
    check_value(validator, value, "it")


@pytest.mark.parametrize("validator", [text(secret=True), text_map, each(text(secret=True))])
@pytest.mark.parametrize("value", [b"hidden", [b"hidden", ["hidden"]], {"key": b"hidden"}])
def test_messages_show_no_secret(validator: Any, value: Any) -> None:
    """Only the type of a value that may hold secrets is shown."""
    with pytest.raises(InvalidInputError) as caught:
        check_value(validator, value, "it")
    assert "hidden" not in str(caught.value)


def test_long_values_are_cut() -> None:
    """A message shows at most 60 characters of a value."""
    with pytest.raises(InvalidInputError, match=r"not 'x{56}\.\.\.$"):
        check_value(whole_number(0), "x" * 1000, "it")


def test_objects_to_json() -> None:
    """Unset and read-only fields are not sent; null is sent where None is not the default."""
    cart = Cart(name="a", wheels=(Wheel(3, wear=5),), note=None)
    assert to_wire(cart) == {
        "cart-name": "a", "wheels": [{"size": 3}], "note": None
    }  # fmt: skip


def test_mappings_to_json() -> None:
    """Read-only fields are dropped at every declared depth; unknown fields are kept to report."""

    def wheels() -> Iterator[Any]:
        yield Wheel(1)
        yield {"size": 2, "wear": 5, "made": "x", "hub": Secret("revealed")}

    raw = {"wheels": wheels(), "anything": {"wear": 5}}
    assert to_wire(raw, Cart) == {
        "wheels": [{"size": 1}, {"size": 2, "hub": "revealed"}],
        "anything": {"wear": 5},
    }


def test_declared_fields_of_what_an_api_shows() -> None:
    """Read-only fields go, undeclared ones are listed; an open value keeps its own."""

    @frozen
    class Basket:
        wheel: Wheel = field(metadata=in_request(nested(Wheel, is_open=True)))
        carts: tuple[Cart, ...] = field(metadata=in_request(each(nested(Cart))))

    wheel = {"size": 3, "made": "x", "spokes": 8}
    cart = {**BODY, "wheels": [{"size": 3, "wear": 1, "rim": "a"}], "bell": None, "brake": 0}
    lost: list[str] = []
    found = declared(Basket, {"wheel": wheel, "carts": [cart, 5], "lid": 1}, lost, "basket")
    assert found == {"wheel": wheel, "carts": [BODY, 5]}
    assert lost == ["basket.carts[0].wheels[0].rim", "basket.carts[0].brake", "basket.lid"]


@pytest.mark.parametrize("value", [None, 5, "", "x", ["a"]])
def test_value_that_is_not_a_uuid_stays_as_it_is(value: Any) -> None:
    """Only the spelling of a UUID changes."""
    assert canonical_uuid(value) == value
    assert canonical_uuid("{0000000A000B400C800D00000000000E}") == (
        "0000000a-000b-400c-800d-00000000000e"
    )


@given(
    st.uuids().map(str)
    | st.uuids().map(lambda one: str(one).upper())
    | st.from_regex(r"[0-9a-fF-]{30,40}", fullmatch=True)
    | st.text("abcdef0123456789-{}u:", min_size=30, max_size=40)
)
@example("0000000a-000b-400c-800d-00000000000e")
@example("0000000a000b-400c-800d--00000000000e")
@example("0000000g-000b-400c-800d-00000000000e")
def test_uuids_are_compared_by_value(text: str) -> None:
    """`canonical_uuid` writes every spelling that Python reads in one form; others stay."""
    try:
        expected = str(UUID(text))
    except ValueError:
        expected = text
    assert canonical_uuid(text) == expected


def test_round_trip() -> None:
    """A body becomes an object with nested objects, and the same body again."""
    cart = structure(Cart, BODY)
    assert cart == Cart(name="a", wheels=(Wheel(3),), color="red")
    assert to_wire(cart) == BODY


def test_attribute_values() -> None:
    """Only the attributes that a body sets are returned; null counts as not set."""
    body = {"cart-name": "a", "wheels": [{"size": 3}], "note": None}
    assert attribute_values(Cart, body) == {"name": "a", "wheels": (Wheel(3),)}


@pytest.mark.parametrize(
    ("value", "expected"), [([], True), ((), True), (iter([]), True), ("", False), (b"", False)]
)
def test_is_list(value: Any, expected: bool) -> None:
    """Sequences and iterators are lists; texts are not."""
    assert is_list(value) is expected


def test_declarations() -> None:
    """Each request field is found by its key in JSON, with what was declared."""
    fields = request_fields(Cart)
    assert [name for name, rule in fields.items() if rule.immutable] == ["cart-name"]
    assert fields["wheels"].nested is Wheel
    assert fields["cart-name"].attribute is attrs.fields(Cart).name
    assert set(request_fields(Wheel)) == {"size"}
