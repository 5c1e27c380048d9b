"""Decoding JSON: tolerant where APIs drift, and errors that name the path."""

import math
import os
import signal
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import orjson
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.codec import Codec, Json, json_field, loads
from di_async.core.errors import DecodeError
from di_async.core.secret import Secret
from di_async.core.timestamps import parse_time
from di_async.digitalocean.models import CODEC as DO_CODEC
from di_async.digitalocean.models import DedicatedInference


@frozen
class Part:
    """A nested object."""

    slug: str
    count: int = 0


@frozen
class Thing:
    """A resource."""

    id: str
    ok: bool = False
    price: Decimal | None = None
    made_at: datetime | None = None
    token: Secret | None = None
    parts: list[Part] = field(factory=list)


def shout(text: str) -> str:
    """Return the text in capitals."""
    return text.upper()


@frozen
class Every:
    """One field of every kind, with defaults other than zero."""

    id: str
    kind: str | None = field(default=None, metadata=json_field(aliases=("type", "sort")))
    on: bool = True
    size_gb: int = 3
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    words: tuple[str, ...] = ("a",)
    labels: dict[str, str] | None = None
    more: Json = field(factory=dict)
    at: datetime | None = None
    price: Decimal | None = None
    any: Any = None
    word: str = field(
        default="none", metadata=json_field(decode=lambda value, _: str(value).lower())
    )


@attrs.define(kw_only=True, slots=False)
class Particular:
    """A class with a converter, a validator and a post-init hook."""

    id: str = field(converter=shout)
    size: int = field(default=1, validator=attrs.validators.ge(1))
    twice: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.twice = 2 * self.size


CODEC = Codec(
    normalize={Part: lambda raw: {**raw, "slug": raw.get("slug") or raw.get("name")}},
    rename=lambda name: name.replace("_", "-"),
)
PLAIN = Codec()
EVERY = {
    "id": "x",
    "type": "t",
    "on": False,
    "size-gb": "7",
    "part": {"name": "l", "count": None},
    "parts": [{"slug": "m", "count": 4}],
    "words": ["b", 5, None],
    "labels": {"a": "b", "n": None},
    "more": {"a": 1, "n": None},
    "at": "2026-01-02T03:04:05",
    "price": 1.5,
    "any": [1],
    "word": "UP",
}


@pytest.mark.parametrize(
    ("body", "description"),
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
def test_body_that_is_not_json_is_described(body: bytes, description: str) -> None:
    """HTML, truncated, empty and plain text bodies have different messages."""
    with pytest.raises(DecodeError, match=description):
        loads(body)


@given(body=st.binary(max_size=40))
def test_any_bytes_are_json_or_a_decode_error(body: bytes) -> None:
    """Any bytes decode to a JSON value or raise a decode error."""
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
    """Times with and without zones are aware; zero times and other values are None."""
    assert parse_time(text) == time


@given(st.text() | st.integers() | st.none() | st.datetimes().map(str))
def test_any_value_is_a_time_or_none(value: Any) -> None:
    """Any value decodes to an aware datetime or None."""
    time = parse_time(value)
    assert time is None or isinstance(time.utcoffset(), timedelta)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("9999-12-31T23:59:59-05:00", datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", datetime.min.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5+00:00", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("9999-12-31T23:59:60", datetime.max.replace(tzinfo=UTC)),
        ("0000-01-01T00:00:00Z", None),
        ("2020-01-01 00:00:00 +0000 UTC", None),
        ("1711010800123", None),
        ("20200101", None),
        (1577836800000, None),
        (1577836800000000000, None),
        (1e30, None),
        (True, None),
    ],
)
def test_times_at_the_ends_of_the_calendar(text: Any, time: datetime | None) -> None:
    """Times that no calendar holds are the last one that it holds, or unreadable."""
    found = parse_time(text)
    assert found == time
    assert found is None or found.astimezone(UTC) == time


def test_every_kind_of_field() -> None:
    """Strings, numbers, flags, objects, tuples, free JSON, times and prices are decoded."""
    assert CODEC.structure(EVERY, Every) == Every(
        "x",
        "t",
        False,
        7,
        Part("l"),
        (Part("m", 4),),
        ("b", "5", ""),
        {"a": "b", "n": ""},
        {"a": 1, "n": None},
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        Decimal("1.5"),
        [1],
        "up",
    )


def test_missing_and_null_fields_take_their_defaults() -> None:
    """Null and missing fields take their defaults, and mutable defaults are not shared."""
    null = CODEC.structure({**dict.fromkeys(EVERY), "id": "x"}, Every)
    missing = CODEC.structure({"id": "x"}, Every)
    assert null == missing == Every("x")
    assert null.more is not missing.more


def test_decoding_leaves_its_input_unchanged() -> None:
    """Decoding does not change its input."""
    before = orjson.dumps(EVERY)
    CODEC.structure(EVERY, Every)
    assert orjson.dumps(EVERY) == before


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({"kind": "a", "type": "b"}, "a"),
        ({"kind": None, "type": "b", "sort": "c"}, "b"),
        ({"sort": "c"}, "c"),
        ({}, None),
    ],
)
def test_first_alias_that_is_not_null_counts(names: dict[str, Any], kind: str | None) -> None:
    """A field may have several names in JSON, tried in order."""
    assert CODEC.structure({"id": "x", **names}, Every).kind == kind


@pytest.mark.parametrize("raw", [{}, {"id": None}])
def test_required_field_missing_or_null(raw: Any) -> None:
    """A required field that is null raises the same error as a missing one."""
    with pytest.raises(DecodeError, match=r"required field missing @ \$\.id"):
        CODEC.structure(raw, Every)


def test_converters_and_validators_of_a_class_run() -> None:
    """Decoding calls the constructor, with all that it does."""
    assert CODEC.structure({"id": "x", "size": 2}, Particular).twice == 4
    assert CODEC.structure({"id": "x"}, Particular).id == "X"
    with pytest.raises(DecodeError):
        CODEC.structure({"id": "x", "size": 0}, Particular)


def test_nulls_and_unknown_fields_are_tolerated() -> None:
    """Nulls and unknown fields are accepted."""
    raw = {"id": "x", "ok": None, "price": "", "made_at": None, "token": None, "new": [1]}
    assert PLAIN.structure(raw, Thing) == Thing("x")


@pytest.mark.parametrize("price", ["3.39", 3.39, "3.390"])
def test_prices_are_exact(price: Any) -> None:
    """A price is exact as a string and as a number."""
    assert PLAIN.structure({"id": "x", "price": price}, Thing).price == Decimal("3.39")


@pytest.mark.parametrize("price", ["n/a", "NaN", "-Infinity", float("inf"), True, "-1", -0.5])
def test_unreadable_price_is_none(price: Any) -> None:
    """An unreadable or negative price is None, and the rest of the object is decoded."""
    assert PLAIN.structure({"id": "x", "price": price}, Thing).price is None


@pytest.mark.parametrize(
    ("raw", "path"),
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
def test_error_names_the_path(raw: Any, path: str) -> None:
    """The error names the fault and its path."""
    with pytest.raises(DecodeError, match=f"Unexpected response body for Thing: .*{path}"):
        PLAIN.structure(raw, Thing)


@frozen
class Described:
    """A class with fields that only inform."""

    id: str
    size: int | None = field(default=None, metadata=json_field(informs=True))
    parts: tuple[Part, ...] = field(default=(), metadata=json_field(informs=True))


@pytest.mark.parametrize("junk", ["x", {}, [[]], float("inf")])
def test_unreadable_field_that_only_informs_takes_its_default(junk: Any) -> None:
    """What is readable is decoded, and other fields are required to be readable."""
    assert CODEC.structure({"id": "x", "size": "7"}, Described) == Described("x", 7)
    found = CODEC.structure({"id": "x", "size": junk, "parts": junk or 5}, Described)
    assert found == Described("x")
    with pytest.raises(DecodeError, match=r"@ \$.id") as caught:
        CODEC.structure({"size": "x"}, Described)
    assert "size" not in str(caught.value)


def test_error_names_every_path() -> None:
    """The error lists every fault, not only the first."""
    with pytest.raises(DecodeError) as caught:
        PLAIN.structure({"parts": [{}]}, Thing)
    assert "$.id" in caught.value.message
    assert "$.parts[0].slug" in caught.value.message


def test_error_names_fields_as_json_does() -> None:
    """A path has the names of the JSON body, not those of the attributes."""
    with pytest.raises(DecodeError, match=r"@ \$\.size-gb$"):
        CODEC.structure({"id": "x", "size-gb": "many"}, Every)


@pytest.mark.parametrize(("words", "found"), [("nyc2", ("nyc2",)), ("", ()), ([], ())])
def test_text_is_one_item_of_a_list(words: Any, found: tuple[str, ...]) -> None:
    """A text in place of a list of texts is its only item, and is not taken apart into letters."""
    assert CODEC.structure({"id": "x", "words": words}, Every).words == found


@pytest.mark.parametrize("words", [{"nyc2": 1}, {}, 5, True])
def test_value_that_is_not_a_list_of_texts(words: Any) -> None:
    """An object has no items: its keys are none."""
    with pytest.raises(DecodeError, match=r"\$\.words"):
        CODEC.structure({"id": "x", "words": words}, Every)


def test_error_holds_no_value() -> None:
    """The error shows no value, since the value may be a secret."""
    with pytest.raises(DecodeError) as caught:
        PLAIN.structure({"id": "x", "parts": [{"slug": "a", "count": "hf_secret"}]}, Thing)
    assert "hf_secret" not in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    raw=_json
    | st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("id", "ok", "price", "made_at", "token", "parts"), _json),
    )
)
def test_any_value_is_a_thing_or_a_decode_error(raw: Any) -> None:
    """Any value decodes or raises `DecodeError`, never another error."""
    try:
        thing = PLAIN.structure(raw, Thing)
    except DecodeError:
        return
    assert isinstance(thing.id, str)
    assert thing.made_at is None or thing.made_at.tzinfo


@frozen
class _Numbers:
    flag: bool = False
    count: int = 0
    price: Decimal | None = None


@pytest.mark.parametrize(
    ("value", "flag"),
    [(True, True), (False, False), ("true", True), ("False", False), ("0", False), (1, True)],
)
def test_flags_may_be_text(value: Any, flag: bool) -> None:
    """The text "false" is false."""
    assert Codec().structure({"flag": value}, _Numbers).flag is flag


_NO_FLAGS: list[Any] = ["maybe", [1], {}, 2]
_NO_COUNTS: list[Any] = [2**63, "9" * 20, "9" * 5000, 1e400, math.nan, "x", []]
_OUT_OF_RANGE: list[Json] = [
    *({"flag": flag} for flag in _NO_FLAGS),
    *({"count": count} for count in _NO_COUNTS),
]


@pytest.mark.parametrize("value", _OUT_OF_RANGE)
def test_values_out_of_range_are_decode_errors(value: Any) -> None:
    """Flags that are neither, and integers that no API means, are named errors."""
    with pytest.raises(DecodeError, match=f"@ \\$.{next(iter(value))}"):
        Codec().structure(value, _Numbers)


@pytest.mark.parametrize("price", ["1e999999", "1e-999999", "NaN", "Infinity", "-1e40"])
def test_prices_that_cannot_be_added_are_unknown(price: str) -> None:
    """A price whose sum could overflow counts as unknown."""
    assert Codec().structure({"price": price}, _Numbers).price is None


def test_faults_of_a_large_body_are_explained_in_bounded_time_and_size() -> None:
    """An error explains the first faults of a body, however many there are."""
    body = {"name": "x", "spec": {"model_deployments": [{"accelerators": 5}] * 200_000}}
    started = time.process_time()
    with pytest.raises(DecodeError, match=r"and \d+ more") as caught:
        DO_CODEC.structure(body, DedicatedInference)
    assert time.process_time() - started < 2
    assert len(str(caught.value)) < 5000


def test_fault_far_inside_of_a_large_body_is_an_error() -> None:
    """A fault behind the part that is explained is an error, too."""
    rows: list[Any] = [{"accelerators": []}] * 5000 + [{"accelerators": 5}]
    with pytest.raises(DecodeError, match="far inside"):
        DO_CODEC.structure({"id": "x", "spec": {"model_deployments": rows}}, DedicatedInference)


def test_no_frame_of_a_decode_error_holds_the_body() -> None:
    """Tracebacks with local variables do not show a body that could not be decoded."""
    body = {"id": "x", "spec": {"model_deployments": 5}, "token": {"value": "planted"}}
    with pytest.raises(DecodeError) as caught:
        DO_CODEC.structure(body, DedicatedInference)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in shown.stack if "/di_async/" in frame.filename]
    assert frames
    assert not [frame for frame in frames if "planted" in str(frame.locals)]
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_fork_during_the_first_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was forked while another thread prepared to decode does not wait for it."""
    codec, begun, go_on = Codec(), threading.Event(), threading.Event()
    prepare = Codec._new_converter  # noqa: SLF001

    def slow(self: Codec, **options: Any) -> Any:
        begun.set()
        go_on.wait()
        return prepare(self, **options)

    monkeypatch.setattr(Codec, "_new_converter", slow)
    thread = threading.Thread(target=codec.structure, args=[{"slug": "a"}, Part])
    thread.start()
    begun.wait()
    monkeypatch.undo()
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # ends a child that hangs
        os._exit(codec.structure({"slug": "a"}, Part) != Part("a"))
    _, status = os.waitpid(child, 0)
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
