"""JSON in: tolerant where APIs drift, and errors that name the path."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.codec import Codec, loads, parse_time
from di_async.core.errors import DecodeError
from di_async.core.secret import Secret


@frozen
class Part:
    """Something inside."""

    slug: str
    count: int = 0


@frozen
class Thing:
    """A resource of no provider."""

    id: str
    ok: bool = False
    price: Decimal | None = None
    made_at: datetime | None = None
    token: Secret | None = None
    parts: list[Part] = field(factory=list)


CODEC = Codec()
CODEC.structure({"id": "x"}, Thing)


@pytest.mark.parametrize(
    ("body", "story"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<!DOCTYPE html><p>502</p>", "HTML page"),
        (b"\n <html><body>", "HTML page"),
        (b"<?xml version='1.0'?>", "HTML page"),
        (b'{"id": "a", ', "cut off"),
        (b'["a"', "cut off"),
        (b'"a', "cut off"),
        (b"upstream connect error", "plain text"),
        (b"\xff\xfe", "plain text"),
        (b"[" * 5000, "cut off"),
    ],
)
def test_what_is_no_json_is_told_by_its_looks(body: bytes, story: str) -> None:
    """HTML, cut, empty and plain answers read differently."""
    with pytest.raises(DecodeError, match=story):
        loads(body)


@given(body=st.binary(max_size=40))
def test_any_bytes_are_json_or_a_decode_error(body: bytes) -> None:
    """Nothing else comes out of it."""
    try:
        assert orjson.dumps(loads(body))
    except DecodeError:
        return


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-01-02T05:04:05+02:00", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("", None),
        ("soon", None),
        (None, None),
        (17, None),
    ],
)
def test_times_are_aware_or_none(text: Any, time: datetime | None) -> None:
    """Zones, no zones, nanoseconds, the zero times, and what is no time."""
    assert parse_time(text) == time


@given(st.text() | st.integers() | st.none() | st.datetimes().map(str))
def test_no_value_breaks_the_reading_of_times(value: Any) -> None:
    """An aware datetime or None."""
    time = parse_time(value)
    assert time is None or isinstance(time.utcoffset(), timedelta)


def test_nulls_and_unknown_fields_are_tolerated() -> None:
    """Go writes null for nothing, and new fields come every month."""
    told = {"id": "x", "ok": None, "price": "", "made_at": None, "token": None, "new": [1]}
    assert CODEC.structure(told, Thing) == Thing("x")


@pytest.mark.parametrize("price", ["3.39", 3.39, "3.390"])
def test_prices_are_exact_however_they_come(price: Any) -> None:
    """As text or as a number."""
    assert CODEC.structure({"id": "x", "price": price}, Thing).price == Decimal("3.39")


@pytest.mark.parametrize("price", ["n/a", "NaN", "-Infinity", float("inf"), True])
def test_price_that_is_none_is_none(price: Any) -> None:
    """What is no number costs nothing but the price."""
    assert CODEC.structure({"id": "x", "price": price}, Thing).price is None


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ({}, r"required field missing @ \$\.id"),
        ({"id": "x", "parts": [{"slug": "a"}, {}]}, r"\$\.parts\[1\]\.slug"),
        ({"id": "x", "parts": [{"slug": "a", "count": "many"}]}, r"\$\.parts\[0\]\.count"),
        ({"id": "x", "parts": 5}, r"\$\.parts"),
        ("text", r"\$"),
        (None, r"\$"),
        ([1], r"\$"),
    ],
)
def test_error_names_the_path(told: Any, path: str) -> None:
    """What is wrong, and where."""
    with pytest.raises(DecodeError, match=f"the answer is no Thing: .*{path}"):
        CODEC.structure(told, Thing)


def test_every_fault_is_named() -> None:
    """Not only the first."""
    with pytest.raises(DecodeError) as caught:
        CODEC.structure({"parts": [{}]}, Thing)
    assert "$.id" in caught.value.message
    assert "$.parts[0].slug" in caught.value.message


def test_error_holds_no_value() -> None:
    """What could not be read may be a secret that moved to another field."""
    with pytest.raises(DecodeError) as caught:
        CODEC.structure({"id": "x", "parts": [{"slug": "a", "count": "hf_secret"}]}, Thing)
    assert "hf_secret" not in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    told=_json
    | st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("id", "ok", "price", "made_at", "token", "parts"), _json),
    )
)
def test_any_value_is_a_thing_or_a_decode_error(told: Any) -> None:
    """No raw TypeError, OverflowError or AttributeError reaches a caller."""
    try:
        thing = CODEC.structure(told, Thing)
    except DecodeError:
        return
    assert isinstance(thing.id, str)
    assert thing.made_at is None or thing.made_at.tzinfo


@given(
    told=_json
    | st.fixed_dictionaries(
        {"id": st.text(max_size=3)},
        optional=dict.fromkeys(("ok", "price", "made_at", "token", "parts"), _json),
    )
)
def test_quick_pass_reads_what_the_careful_one_reads(told: Any) -> None:
    """They are two ways to the same thing: what one of them makes of a value the other does."""
    try:
        quick = CODEC._readers[Thing](told, Thing)  # noqa: SLF001
    except Exception:  # its own kind of trouble: the careful pass decides then
        return
    assert quick == CODEC._careful.structure(told, Thing)  # noqa: SLF001


def test_what_the_quick_pass_cannot_read_the_careful_one_may(monkeypatch: Any) -> None:
    """A failure of the first is no verdict."""

    def broken(_value: Any, _into: Any) -> Any:
        raise RuntimeError

    codec = Codec()
    monkeypatch.setitem(codec._readers, Thing, broken)  # noqa: SLF001
    assert codec.structure({"id": "x", "parts": [{"slug": "a"}]}, Thing) == Thing(
        "x", parts=[Part("a")]
    )


def test_unstructured_secrets_are_masked() -> None:
    """What is printed as JSON shows no token, exact prices, and times with a zone."""
    thing = Thing(
        "x", price=Decimal("1.10"), token=Secret("hf_abc"), made_at=parse_time("2026-01-02")
    )
    told = CODEC.unstructure(thing)
    assert told["price"] == "1.10"
    assert told["made_at"] == "2026-01-02T00:00:00+00:00"
    assert "hf_abc" not in repr(told)
