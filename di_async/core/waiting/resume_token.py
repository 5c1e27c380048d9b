"""What a wait is made of: stages, each with its own read; and the token to resume one elsewhere.

A token is plain JSON in URL-safe base64, without a secret in it. It names the base URL it belongs
to so that a client can compare; nobody ever contacts a URL out of a token.
"""

import base64
import binascii
import math
from typing import Any

import orjson
from msgspec import Struct, field

from di_async.core.codec import parse_time
from di_async.core.errors import InvalidInputError
from di_async.core.stored_keys import from_keys, to_keys
from di_async.core.waiting.evidence import Action, Expectation, Phase, ResourceVersion

__all__ = ["ResourceRef", "ResumeToken", "pack_expectation", "unpack_expectation"]

_VERSION = 1

# Stored key -> attribute. Attributes may be renamed; tokens of version 1 keep these keys.
_REF_KEYS = {"kind": "kind", "id": "id"}
_TOKEN_KEYS = {
    "provider": "provider",
    "base_url": "base_url",
    "scope": "scope",
    "stage": "resource",
    "steps": "steps",
    "action": "action",
    "baseline": "baseline",
    "started_at": "started_at",
    "deadline_at": "deadline_at",
    "endless": "endless",
}
_VERSION_KEYS = {
    "updated_at": "updated_at",
    "version": "spec_version",
    "spec_id": "spec_id",
    "pending_version": "pending_spec_version",
    "pending_id": "pending_spec_id",
}
# Without the action, which the token holds, and `accepted_at`, which is this process's loop time.
_EXPECTATION_KEYS = {
    "before": "before",
    "before_phase": "before_phase",
    "baseline": "baseline",
    "target_version": "target_spec_version",
    "target_id": "target_spec_id",
    "sent": "sent",
    "unlike": "differed_before",
}


class ResourceRef(Struct, frozen=True, gc=False):
    """One thing to be read until it is judged done: `kind` names the endpoint, `id` the object."""

    kind: str
    id: str


class ResumeToken(Struct, frozen=True, kw_only=True):
    """All that another process needs to go on with a wait. Times are wall-clock epoch seconds."""

    provider: str
    base_url: str
    scope: str | None = None
    resource: ResourceRef
    steps: tuple[ResourceRef, ...] = ()
    """What has to end before it and, as far as was seen, has not yet."""
    action: str
    baseline: dict[str, Any] = field(default_factory=dict)
    started_at: float
    deadline_at: float | None = None
    endless: bool = False
    """Its wait was to go on for ever; without a deadline and this, none was given yet."""

    def encode(self) -> str:
        """The token as text that survives an environment variable, a URL and a log line."""
        stored = {
            "v": _VERSION,
            **to_keys(self, _TOKEN_KEYS),
            "stage": to_keys(self.resource, _REF_KEYS),
            "steps": [to_keys(step, _REF_KEYS) for step in self.steps],
        }
        text = orjson.dumps(stored)
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "ResumeToken":
        """The token that `encode` wrote.

        Raises:
            InvalidInputError: (a `ValueError`) not a token, or of a version not known here.

        """
        try:
            padded = text.strip() + "=" * (-len(text.strip()) % 4)
            told = orjson.loads(base64.urlsafe_b64decode(padded))
            version = told.pop("v")
        except (binascii.Error, ValueError, AttributeError, KeyError, TypeError) as error:
            raise InvalidInputError("this is not a di_async resume token") from error
        if version != _VERSION:
            raise InvalidInputError(
                f"resume token of version {version!r}: this di_async reads {_VERSION}"
            )
        try:
            told["stage"] = _stage(told["stage"])
            told["steps"] = tuple(map(_stage, told.get("steps", ())))
            token = cls(**from_keys(told, _TOKEN_KEYS))
        except (TypeError, KeyError) as error:
            raise InvalidInputError("this resume token is damaged") from error
        if not (_is_time(token.started_at) and _is_time(token.deadline_at or 0.0)):
            raise InvalidInputError("this resume token is damaged: its times are no numbers")
        return token


def _stage(stored: Any) -> ResourceRef:
    return ResourceRef(**from_keys(stored, _REF_KEYS))


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def pack_expectation(expectation: Expectation) -> dict[str, Any]:
    """The part of a case that means the same in another process."""
    kept = to_keys(expectation, _EXPECTATION_KEYS)
    kept["before"] = _without_none(to_keys(expectation.before, _VERSION_KEYS))
    return _without_none(kept)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def unpack_expectation(token: ResumeToken, accepted_at: float) -> Expectation:
    """The case in a token, with `accepted_at` in this process's loop time."""
    try:
        told = dict(token.baseline)
        before = dict(told.get("before", {}))
        before["updated_at"] = parse_time(before.get("updated_at"))
        phase = told.get("before_phase")
        told["before"] = ResourceVersion(**from_keys(before, _VERSION_KEYS))
        told["before_phase"] = Phase(phase) if phase else None
        told["baseline"] = parse_time(told.get("baseline"))
        return Expectation(
            action=Action(token.action),
            accepted_at=accepted_at,
            **from_keys(told, _EXPECTATION_KEYS),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInputError("this resume token is damaged") from error
