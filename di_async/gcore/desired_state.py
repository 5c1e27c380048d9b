"""What an update is meant to reach, as text that a wait can carry, and whether a read shows it.

Gcore shows neither versions nor a time of change, but it shows the fields that were sent. Those
that differed before the write distinguish a new read from an old one. Fields unknown to our models
are ignored, since the vendor adds some. The text goes into resume tokens, so it holds digests of
values that may be secret (environment, headers, commands). Pure.
"""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import attrs
import orjson
from attrs import field, frozen

from di_async.core.differences import Difference
from di_async.core.redaction import masked
from di_async.core.stored_keys import StoredKeys, from_keys, to_keys
from di_async.core.validation import canonical_uuid
from di_async.gcore.models import Inference

__all__ = [
    "DesiredState",
    "desired_state",
    "differences",
    "digest_secrets",
    "matches",
    "read_desired_state",
    "shown_fields",
    "stored_state",
]

Json = dict[str, Any]
# Values under these names are compared as a whole, and never stored.
_SECRET = frozenset({"envs", "headers", "command"})
_DIGEST = "#"
# None here may mean that the API does not show the field.
_MAY_BE_UNSHOWN = frozenset({"api_keys", "api_key_ids"})
# The API shows one of the several ways of writing a UUID.
_UUIDS = frozenset({"flavor_id", "image_registry_id", "api_key_ids"})
# Attributes may be renamed; resume tokens keep these keys.
_STORED: StoredKeys = {
    "kind": ("kind", (str,)),
    "fields": ("fields", (dict,)),
    "at_rest": ("was_stopped", (bool,)),
}


@frozen
class DesiredState:
    """What a write is meant to reach: new fields, or being started or stopped."""

    kind: Literal["update", "start", "stop"] = "update"
    fields: Json = field(factory=dict, repr=masked)
    """What the write changes, with digests of secrets."""
    was_stopped: bool = False
    """It was stopped before an update, so it may stay stopped."""

    def encode(self) -> str:
        """Return it as text without secrets."""
        return orjson.dumps(to_keys(self, _STORED), option=orjson.OPT_SORT_KEYS).decode()


def read_desired_state(text: str | None) -> DesiredState:
    """Return the state that `encode` wrote; an empty one if the text is missing or damaged."""
    return (stored_state(text) if text else None) or DesiredState()


def stored_state(text: str) -> DesiredState | None:
    """Return the state that `encode` wrote; None if the text is damaged."""
    try:
        state = DesiredState(**from_keys(orjson.loads(text), _STORED))
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None
    return state if state.kind in ("update", "start", "stop") else None


def desired_state(sent: Mapping[str, Any], before: Inference) -> DesiredState:
    """Return what an update is meant to reach: the fields sent that `before` does not show."""
    changing = {
        name: value
        for name, value in digest_secrets(sent).items()
        if _shows(before, name, value) is False
    }
    return DesiredState("update", changing, was_stopped=before.status == "DISABLED")


def matches(fields: Mapping[str, Any], found: Inference) -> bool | None:
    """Return whether all of these digested fields are shown; None if nothing can be compared."""
    try:
        return _all([_shows(found, name, value) for name, value in fields.items()])
    except TypeError:  # fields of a damaged resume token
        return None


def differences(sent: Mapping[str, Any], live: Inference) -> list[Difference]:
    """Return how a live resource differs from request fields, as `desired_state` compares."""
    found: list[Difference] = []
    for name, wanted in desired_state(sent, live).fields.items():
        found += _differing(name, name, wanted, _as_json(getattr(live, name, None)))
    return found


def _differing(path: str, name: str, wanted: Any, shown: Any) -> Iterator[Difference]:
    """Yield the innermost differences; values that may be secret stay digests."""
    if name in _SECRET:
        yield Difference(path, None, None, secret=True)
    elif isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        for inner in wanted.keys() & shown.keys():
            if _equals(wanted[inner], shown[inner]) is False:
                yield from _differing(f"{path}.{inner}", inner, wanted[inner], shown[inner])
    elif (by_region := _by_region(wanted)) is not None:
        yield from _differing_regions(path, by_region, _by_region(shown) or {})
    elif _has_secret(wanted):
        yield Difference(path, None, None, secret=True)
    else:
        yield Difference(path, shown, wanted)


def _differing_regions(
    path: str, wanted: dict[int, Any], shown: dict[int, Any]
) -> Iterator[Difference]:
    for index, (region, container) in enumerate(wanted.items()):
        if region not in shown:
            yield Difference(f"{path}[{index}]", None, f"region {region}")
        elif _equals_within(container, shown[region]) is False:
            yield from _differing(f"{path}[{index}]", "", container, shown[region])
    for region in shown.keys() - wanted.keys():
        yield Difference(path, f"region {region}", None)


def _has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _DIGEST in value or any(map(_has_secret, value.values()))
    return isinstance(value, list) and any(map(_has_secret, value))


def shown_fields(fields: Mapping[str, Any], row: Mapping[str, Any]) -> Json:
    """Return those of the digested fields that a list row shows in full."""
    return {name: value for name, value in fields.items() if _in_full(value, row, name)}


def _in_full(sent: Any, row: Any, name: str) -> bool:
    if not isinstance(row, Mapping) or name not in row:
        return False
    shown = row[name]
    if isinstance(sent, Mapping) and _DIGEST not in sent:
        return shown is None or all(_in_full(sent[inner], shown, inner) for inner in sent)
    if _by_region(sent) is not None and isinstance(shown, list):
        names = {inner for one in sent for inner in one}
        return all(isinstance(one, Mapping) and names <= one.keys() for one in shown)
    return True


def _shows(found: Inference, name: str, sent: Any) -> bool | None:
    there = {a.name for a in attrs.fields(type(found))}
    shown = _as_json(getattr(found, name)) if name in there else None
    if name not in there or (shown is None and name in _MAY_BE_UNSHOWN):
        return None  # never shown
    if name in _UUIDS:
        sent, shown = _normalized_uuids(sent), _normalized_uuids(shown)
    return _equals(sent, shown)


def _as_json(value: Any) -> Any:
    """Return a model as a mapping of all its fields, shown or not."""
    if attrs.has(type(value)):
        return {a.name: _as_json(getattr(value, a.name)) for a in attrs.fields(type(value))}
    return [_as_json(inner) for inner in value] if isinstance(value, tuple) else value


def _normalized_uuids(value: Any) -> Any:
    """Return UUIDs as the API writes them."""
    if isinstance(value, list):
        return list(map(canonical_uuid, value))
    return canonical_uuid(value)


def _all(results: list[bool | None]) -> bool | None:
    """Return False if any is, else True if any is, else None."""
    if False in results:
        return False
    return True if True in results else None


def _equals(sent: Any, shown: Any) -> bool | None:
    if sent is None or sent == {}:
        # The API may fill in a default of its own.
        return None if shown else True
    if isinstance(sent, Mapping) and _DIGEST in sent:
        return _same_digest(sent, shown)
    if isinstance(sent, Mapping):
        return _equals_within(sent, shown)
    if isinstance(sent, list) and _by_region(sent) is not None:
        return _equals_by_region(sent, shown)
    if isinstance(sent, list):
        return sorted(map(str, sent)) == sorted(map(str, shown or []))
    if isinstance(shown, Mapping):
        return None  # perhaps the same in another shape
    return bool(sent == shown) or (sent == "" and shown is None)


def _equals_within(sent: Mapping[str, Any], shown: Any) -> bool | None:
    """Compare the keys that were sent; ignore what the API adds and what our models lack."""
    if not isinstance(shown, Mapping):
        return False
    return _all([_equals(sent[name], shown[name]) for name in sent if name in shown])


def _by_region(containers: Any) -> dict[int, Any] | None:
    if not isinstance(containers, list) or not containers:
        return None
    if not all(isinstance(one, Mapping) and "region_id" in one for one in containers):
        return None
    return {one["region_id"]: one for one in containers}


def _equals_by_region(sent: Any, shown: Any) -> bool | None:
    wanted, there = _by_region(sent) or {}, _by_region(shown) or {}
    if wanted.keys() != there.keys():
        return False
    return _all([_equals_within(one, there[region]) for region, one in wanted.items()])


# --- secrets ---------------------------------------------------------------------------------


def digest_secrets(fields: Mapping[str, Any]) -> Json:
    """Return request fields with digests in place of everything that may hold a secret."""
    return {name: _digested(value, name) for name, value in fields.items()}


def _digested(value: Any, name: str = "") -> Any:
    if name in _SECRET:
        return value if value is None else _digests(value)
    if isinstance(value, Mapping):
        return digest_secrets(value)
    if isinstance(value, list):
        return [_digested(one) for one in value]
    return value


def _digests(value: Any) -> Json:
    digests = {_DIGEST: _digest(value)}
    if isinstance(value, list):
        digests["text"] = _digest(" ".join(map(str, value)))
    return digests


def _digest(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).hexdigest()[:24]


def _same_digest(sent: Mapping[str, Any], shown: Any) -> bool | None:
    """A command is shown as a list or as one text, whose quoting is not documented."""
    if isinstance(shown, str) and "text" in sent:
        return True if sent["text"] in {_digest(text) for text in _unquoted(shown)} else None
    empty: Any = [] if "text" in sent else {}
    return bool(sent[_DIGEST] == _digest(empty if shown is None else shown))


def _unquoted(text: str) -> tuple[str, ...]:
    try:
        return text, " ".join(shlex.split(text))
    except ValueError:
        return (text,)
