"""What an update is to reach, as text that a wait can carry, and whether a read shows it. Pure.

Gcore shows neither versions nor a time of change, but it shows the fields that were sent: those
that differed before the write tell an old read from a new one. What our models do not know they
drop, so it cannot be compared, which is no difference: the vendor adds fields. The text goes into
resume tokens, so what may hold secrets (environment, headers, commands) stands in it as a digest.
"""

import hashlib
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import attrs
import orjson
from attrs import field, frozen

from di_async.core.stored_keys import from_keys, to_keys
from di_async.gcore.models import Inference

__all__ = ["Goal", "agreement", "goal_of", "hidden", "read_goal"]

Json = dict[str, Any]
# What stands under these names is compared whole, and never written down.
_HIDDEN = frozenset({"envs", "headers", "command"})
_DIGEST = "#"
# None there may mean that it is not shown.
_MAY_BE_UNSHOWN = frozenset({"api_keys", "api_key_ids"})
# Shown in one way of the several in which they may be written.
_UUIDS = frozenset({"flavor_id", "image_registry_id", "api_key_ids"})
# Stored key -> attribute. Attributes may be renamed; resume tokens keep these keys.
_GOAL = {"kind": "kind", "fields": "fields", "at_rest": "at_rest"}


@frozen
class Goal:
    """Where a write leads: new fields, or being started or stopped."""

    kind: Literal["update", "start", "stop"] = "update"
    fields: Json = field(factory=dict)
    """What the write changes, secrets digested."""
    at_rest: bool = False
    """It was stopped before an update, so that it may stay so."""

    def encode(self) -> str:
        """The goal as text without a secret."""
        return orjson.dumps(to_keys(self, _GOAL), option=orjson.OPT_SORT_KEYS).decode()


@lru_cache(maxsize=1024)
def read_goal(text: str | None) -> Goal:
    """The goal in a case; a damaged one says nothing."""
    try:
        return Goal(**from_keys(orjson.loads(text), _GOAL)) if text else Goal()
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return Goal()


def goal_of(sent: Mapping[str, Any], before: Inference) -> Goal:
    """The goal of a write that sends these fields to what was `before`: those that change."""
    told = hidden(sent)
    changing = {name: value for name, value in told.items() if _shows(before, name, value) is False}
    return Goal("update", changing, at_rest=before.status == "DISABLED")


def agreement(fields: Mapping[str, Any], found: Inference) -> bool | None:
    """It shows all of these (hidden) fields as sent; None where nothing can be compared."""
    return _all([_shows(found, name, value) for name, value in fields.items()])


def _shows(found: Inference, name: str, sent: Any) -> bool | None:
    there = {a.name for a in attrs.fields(type(found))}
    shown = _as_json(getattr(found, name)) if name in there else None
    if name not in there or (shown is None and name in _MAY_BE_UNSHOWN):
        return None  # never shown
    return _agrees(_uniform(sent), _uniform(shown)) if name in _UUIDS else _agrees(sent, shown)


def _as_json(value: Any) -> Any:
    """A model as a mapping of all fields that it knows, shown or not."""
    if attrs.has(type(value)):
        return {a.name: _as_json(getattr(value, a.name)) for a in attrs.fields(type(value))}
    return [_as_json(inner) for inner in value] if isinstance(value, tuple) else value


def _uniform(value: Any) -> Any:
    """UUIDs as the API writes them, whoever wrote them."""
    if isinstance(value, list):
        return [_uniform(one) for one in value]
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return value


def _all(verdicts: list[bool | None]) -> bool | None:
    """False beats True beats not knowing."""
    if False in verdicts:
        return False
    return True if True in verdicts else None


def _agrees(sent: Any, shown: Any) -> bool | None:
    if sent is None or sent == {}:
        # Left to the API, which may fill in a default of its own.
        return None if shown else True
    if isinstance(sent, Mapping) and _DIGEST in sent:
        return _same_digest(sent, shown)
    if isinstance(sent, Mapping):
        return _agrees_within(sent, shown)
    if isinstance(sent, list) and _by_region(sent) is not None:
        return _agrees_by_region(sent, shown)
    if isinstance(sent, list):
        return sorted(map(str, sent)) == sorted(map(str, shown or []))
    if isinstance(shown, Mapping):
        return None  # another shape of the same, perhaps
    return bool(sent == shown) or (sent == "" and shown is None)


def _agrees_within(sent: Mapping[str, Any], shown: Any) -> bool | None:
    """What was sent is there; what the API adds of its own, or we do not know, does not count."""
    if not isinstance(shown, Mapping):
        return False
    return _all([_agrees(sent[name], shown[name]) for name in sent if name in shown])


def _by_region(containers: Any) -> dict[int, Any] | None:
    if not isinstance(containers, list) or not containers:
        return None
    if not all(isinstance(one, Mapping) and "region_id" in one for one in containers):
        return None
    return {one["region_id"]: one for one in containers}


def _agrees_by_region(sent: Any, shown: Any) -> bool | None:
    wanted, there = _by_region(sent) or {}, _by_region(shown) or {}
    if wanted.keys() != there.keys():
        return False
    return _all([_agrees_within(one, there[region]) for region, one in wanted.items()])


# --- secrets ---------------------------------------------------------------------------------


def hidden(fields: Mapping[str, Any]) -> Json:
    """Request fields with everything that may hold a secret digested."""
    return {name: _hidden(value, name) for name, value in fields.items()}


def _hidden(value: Any, name: str = "") -> Any:
    if name in _HIDDEN:
        return value if value is None else _digests(value)
    if isinstance(value, Mapping):
        return hidden(value)
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    return value


def _digests(value: Any) -> Json:
    told = {_DIGEST: _digest(value)}
    if isinstance(value, list):
        told["text"] = _digest(" ".join(map(str, value)))
    return told


def _digest(value: Any) -> str:
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    return hashlib.sha256(text).hexdigest()[:24]


def _same_digest(told: Mapping[str, Any], shown: Any) -> bool | None:
    """A command is shown as a list or as one text, whose quoting nobody documents."""
    if isinstance(shown, str) and "text" in told:
        return True if told["text"] in {_digest(text) for text in _unquoted(shown)} else None
    empty: Any = [] if "text" in told else {}
    return bool(told[_DIGEST] == _digest(empty if shown is None else shown))


def _unquoted(text: str) -> tuple[str, ...]:
    try:
        return text, " ".join(shlex.split(text))
    except ValueError:
        return (text,)
