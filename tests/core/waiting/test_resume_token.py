"""Tests of resume tokens: round trips, and errors for damaged ones."""

import base64
from typing import Any

import orjson
import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.observation import Action, Expectation, Phase, ResourceVersion
from di_async.core.waiting.resume_token import (
    ResourceRef,
    ResumeToken,
    pack_expectation,
    unpack_expectation,
)
from tests.core.waiting.evidence_model import time

_texts = st.text(max_size=12)
_marks = st.builds(
    ResourceVersion,
    updated_at=st.none() | st.integers(-(10**6), 10**6).map(time),
    spec_version=st.none() | st.integers(0, 99),
    spec_id=st.none() | _texts,
    pending_spec_version=st.none() | st.integers(0, 99),
    pending_spec_id=st.none() | _texts,
)
_cases = st.builds(
    Expectation,
    action=st.sampled_from(Action),
    accepted_at=st.floats(0, 1e6),
    before=_marks,
    before_phase=st.none() | st.sampled_from(Phase),
    baseline=st.none() | st.integers(-(10**6), 10**6).map(time),
    target_spec_version=st.none() | st.integers(0, 99),
    target_spec_id=st.none() | _texts,
    sent=st.none() | _texts,
)


def token(expectation: Expectation | None = None, **fields: Any) -> ResumeToken:
    """Return a token of some wait."""
    expectation = expectation or Expectation(action=Action.CREATE, accepted_at=1.0)
    payload = {
        "provider": "p",
        "base_url": "https://api.test",
        "resource": ResourceRef("thing", "id-1"),
        "action": expectation.action.value,
        "baseline": pack_expectation(expectation),
        "started_at": 1.5e9,
        **fields,
    }
    return ResumeToken(**payload)


@given(expectation=_cases, id=_texts, scope=st.none() | _texts, until=st.none() | st.floats(0, 4e9))
def test_round_trip_keeps_everything(
    expectation: Expectation, id: str, scope: str | None, until: float | None
) -> None:
    """A token keeps the whole expectation except the time from which reads count."""
    sent = token(expectation, resource=ResourceRef("thing", id), scope=scope, deadline_at=until)
    back = ResumeToken.decode(sent.encode())
    assert replace(back, baseline={}) == replace(sent, baseline={})
    assert unpack_expectation(back, accepted_at=7.0) == evolve(expectation, accepted_at=7.0)


def test_token_is_text_for_urls_variables_and_logs() -> None:
    """A token is one line without padding or quoting; surrounding white space is ignored."""
    text = token(resource=ResourceRef("thing", "ä/?&=")).encode()
    assert text.isascii()
    assert not set(text) & set("=+/ \n&?")
    assert ResumeToken.decode(f" {text}\n").resource.id == "ä/?&="


@given(text=st.text(max_size=60))
def test_any_text_is_a_token_or_an_input_error(text: str) -> None:
    """Any text is a token or raises `ValueError`."""
    with pytest.raises(InvalidInputError, match="resume token"):
        ResumeToken.decode(text)


@given(at=st.integers(0, 10_000), letter=st.sampled_from("Aa0_-.é"), cut=st.booleans())
def test_damaged_token_is_read_or_rejected(at: int, letter: str, cut: bool) -> None:
    """A token with one letter changed, or cut off, is read or rejected."""
    text = token(
        Expectation(action=Action.UPDATE, accepted_at=0.0, before=ResourceVersion(spec_version=3))
    ).encode()
    at %= len(text)
    broken = text[:at] if cut else text[:at] + letter + text[at + 1 :]
    try:
        unpack_expectation(ResumeToken.decode(broken), accepted_at=0.0)
    except InvalidInputError:
        return
    assert not cut


def encoded(value: Any) -> str:
    """Return a JSON value encoded like a token."""
    return base64.urlsafe_b64encode(orjson.dumps(value, default=to_builtins)).decode()


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_unknown_version_is_named(version: Any) -> None:
    """The error for an unknown version names it."""
    payload = {**to_builtins(token()), "v": version}
    with pytest.raises(InvalidInputError, match=rf"version {version!r}"):
        ResumeToken.decode(encoded(payload))


@pytest.mark.parametrize(
    "damage",
    [
        {"stage": None},
        {"stage": "x"},
        {"stage": {"kind": "k"}},
        {"started_at": "then"},
        {"started_at": None},
        {"deadline_at": "later"},
        {"more": 1},
    ],
)
def test_invalid_fields_are_rejected(damage: dict[str, Any]) -> None:
    """Invalid fields are rejected when the token is decoded."""
    payload = {**to_builtins(token()), "v": 1, **damage}
    with pytest.raises(InvalidInputError, match="damaged"):
        ResumeToken.decode(encoded(payload))


@pytest.mark.parametrize("value", [None, 5, [1], "x", {}, {"v": {}}])
def test_json_that_is_not_a_token_is_rejected(value: Any) -> None:
    """Base64 of other JSON is rejected."""
    with pytest.raises(InvalidInputError, match="resume token"):
        ResumeToken.decode(encoded(value))


@pytest.mark.parametrize(
    "fields",
    [
        {"baseline": 5},
        {"baseline": [1]},
        {"baseline": {"before": 5}},
        {"baseline": {"before": {"color": "red"}}},
        {"baseline": {"before_phase": "odd"}},
        {"baseline": {"accepted_at": 1}},
        {"baseline": {"surprise": 1}},
        {"action": "explode"},
    ],
)
def test_invalid_expectation_is_rejected(fields: dict[str, Any]) -> None:
    """An invalid expectation is rejected when it is rebuilt."""
    with pytest.raises(InvalidInputError, match="damaged"):
        unpack_expectation(token(**fields), accepted_at=0.0)


def test_token_holds_no_loop_time() -> None:
    """A token holds no loop time, which another process could not use."""
    expectation = Expectation(action=Action.UPDATE, accepted_at=123.0, sent="digest")
    assert "accepted_at" not in pack_expectation(expectation)
    assert pack_expectation(expectation)["sent"] == "digest"


@pytest.mark.parametrize("width", [1, 60, 64, 72, 76, 80, 100, 200])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", " ", "\u00a0", "\n> "[:1] + "\t"])
def test_broken_lines_do_no_harm(width: int, line_end: str) -> None:
    """A token that a log or a mail broke into lines, or put in quotes, is read."""
    text = token().encode()
    broken = line_end.join(text[at : at + width] for at in range(0, len(text), width))
    for copied in (broken, f'"{broken}"', f"'{broken}'", f"\ufeff{broken}==\n"):
        assert ResumeToken.decode(copied) == ResumeToken.decode(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
paths = st.sampled_from(
    [
        ("provider",), ("base_url",), ("scope",), ("action",), ("endless",), ("steps",), ("v",),
        ("stage",), ("stage", "id"), ("stage", "kind"),
        ("started_at",), ("deadline_at",), ("grace_until",),
        ("baseline",), ("baseline", "before"), ("baseline", "before", "version"),
        ("baseline", "before", "updated_at"), ("baseline", "target_version"),
        ("baseline", "sent"), ("baseline", "unlike"), ("baseline", "baseline"),
    ]
)  # fmt: skip


@settings(deadline=None)
@given(path=paths, value=json_values)
@example(path=("started_at",), value=None)
def test_any_value_in_any_place_is_read_or_rejected(path: tuple[str, ...], value: Any) -> None:
    """A token with any JSON value in any place has the declared types, or is an input error."""
    expectation = Expectation(
        action=Action.UPDATE, accepted_at=0.0, before=ResourceVersion(spec_version=3)
    )
    text = token(expectation).encode()
    stored = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    place = stored
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        back = ResumeToken.decode(encoded(stored))
        found = unpack_expectation(back, accepted_at=0.0)
    except InvalidInputError:
        return
    assert 0 <= back.started_at <= 253_402_300_799
    assert isinstance(back.resource.id, str)
    for version in (found.before.spec_version, found.target_spec_version):
        assert version is None or type(version) is int
    assert found.sent is None or isinstance(found.sent, str)


@pytest.mark.parametrize("text", ["A" * 5_000_000, "W" * 999_999, b"bytes", 7, None])
def test_huge_or_foreign_input_is_rejected_at_once(text: Any) -> None:
    """What is too long for a token, or not text, is an input error."""
    with pytest.raises(InvalidInputError, match="resume token"):
        ResumeToken.decode(text)
