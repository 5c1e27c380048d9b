"""Resume tokens: what another process needs to go on with a wait.

A token is JSON in URL-safe base64 and holds no secret. It names the base URL it belongs to so that
a client can compare it with its own; a client never contacts a URL from a token.
"""

import base64
import binascii
from types import NoneType
from typing import Any

import orjson
from msgspec import Struct

from di_async.core.errors import InvalidInputError
from di_async.core.stored_keys import ANY, StoredKeys, from_keys, to_keys
from di_async.core.timestamps import parse_time
from di_async.core.waiting.observation import Action, Expectation, Phase, ResourceVersion

__all__ = ["ResourceRef", "ResumeToken", "pack_expectation", "unpack_expectation"]

_VERSION = 1
_TEXT, _WHOLE = (str, NoneType), (int, NoneType)
# Attributes may be renamed; tokens of version 1 keep these keys.
_REF_KEYS: StoredKeys = {"kind": ("kind", (str,)), "id": ("id", (str,))}
_TOKEN_KEYS: StoredKeys = {
    "provider": ("provider", (str,)),
    "base_url": ("base_url", (str,)),
    "scope": ("scope", _TEXT),
    "stage": ("resource", ANY),
    "steps": ("operations", ANY),
    "action": ("action", (str,)),
    "baseline": ("baseline", (dict,)),
    "started_at": ("started_at", ANY),
    "deadline_at": ("deadline_at", ANY),
    "endless": ("endless", (bool,)),
    "grace_until": ("grace_until", ANY),
}
_VERSION_KEYS: StoredKeys = {
    "updated_at": ("updated_at", _TEXT),
    "version": ("spec_version", _WHOLE),
    "spec_id": ("spec_id", _TEXT),
    "pending_version": ("pending_spec_version", _WHOLE),
    "pending_id": ("pending_spec_id", _TEXT),
}
# Without the action, which the token holds, and `accepted_at`, which is this process's loop time.
_EXPECTATION_KEYS: StoredKeys = {
    "before": ("before", (dict,)),
    "before_phase": ("before_phase", _TEXT),
    "baseline": ("baseline", _TEXT),
    "target_version": ("target_spec_version", _WHOLE),
    "target_id": ("target_spec_id", _TEXT),
    "sent": ("sent", _TEXT),
    "unlike": ("differed_before", (bool, NoneType)),
    "deleted_at": ("deleted_at", _TEXT),
}
# A token has some hundred characters; decoding a huge one would take long.
_MAX_LENGTH = 1_000_000
_MAX_OPERATIONS = 1000
_LAST_TIME = 253_402_300_799  # the end of the year 9999
# White space of logs and mails that break lines, and what surrounds a quoted text.
_PUNCTUATION = str.maketrans("", "", " \t\r\n\v\f\u00a0\u200b\ufeff\"'`=")


class ResourceRef(Struct, frozen=True):
    """Something that can be read: `kind` names the endpoint, `id` the object."""

    kind: str
    id: str


class ResumeToken(Struct, frozen=True, kw_only=True):
    """A wait, as another process can go on with it. Times are wall-clock epoch seconds."""

    provider: str
    base_url: str
    scope: str | None = None
    resource: ResourceRef
    operations: tuple[ResourceRef, ...] = ()
    """Operations that must finish before the resource is judged, without those that did."""
    action: str
    baseline: dict[str, Any] = {}
    started_at: float
    deadline_at: float | None = None
    endless: bool = False
    """The wait has no deadline. If neither this nor `deadline_at` is set, no wait was started."""
    grace_until: float | None = None
    """Until then a 404 proves nothing, as the resource is new and no read showed it."""

    def encode(self) -> str:
        """Return the token as text that is safe in environment variables, URLs and log lines."""
        stored = {
            "v": _VERSION,
            **to_keys(self, _TOKEN_KEYS),
            "stage": to_keys(self.resource, _REF_KEYS),
            "steps": [to_keys(operation, _REF_KEYS) for operation in self.operations],
        }
        if self.grace_until is None:  # then versions that do not know the key read the token, too
            del stored["grace_until"]
        text = orjson.dumps(stored)
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "ResumeToken":
        """Return the token that `encode` wrote.

        Raises:
            InvalidInputError: (a `ValueError`) not a token, damaged, or of an unknown version.
        """
        try:
            if len(text) > _MAX_LENGTH:
                raise ValueError
            bare = text.translate(_PUNCTUATION)
            stored = orjson.loads(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)))
            version = stored.pop("v")
        except (binascii.Error, ValueError, AttributeError, KeyError, TypeError) as error:
            raise InvalidInputError("this is not a di_async resume token") from error
        if version != _VERSION or isinstance(version, bool):
            raise InvalidInputError(
                f"resume token of version {repr(version)[:20]}: this di_async reads {_VERSION}"
            )
        try:
            fields = from_keys(stored, _TOKEN_KEYS)
            operations = tuple(map(_ref, fields.pop("operations", ())[:_MAX_OPERATIONS]))
            token = cls(resource=_ref(fields.pop("resource")), operations=operations, **fields)
        except (TypeError, KeyError) as error:
            raise InvalidInputError("this resume token is damaged; copy it again") from error
        optional = [time for time in (token.deadline_at, token.grace_until) if time is not None]
        if not all(map(_is_time, [token.started_at, *optional])):
            raise InvalidInputError("this resume token is damaged: its times are not times")
        return token


def _ref(stored: Any) -> ResourceRef:
    return ResourceRef(**from_keys(stored, _REF_KEYS))


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _LAST_TIME


def pack_expectation(expectation: Expectation) -> dict[str, Any]:
    """Return the part of an expectation that means the same in another process."""
    kept = to_keys(expectation, _EXPECTATION_KEYS)
    kept["before"] = _without_none(to_keys(expectation.before, _VERSION_KEYS))
    return _without_none(kept)


def _without_none(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def unpack_expectation(token: ResumeToken, accepted_at: float) -> Expectation:
    """Return the expectation in a token; `accepted_at` is this process's loop time."""
    try:
        fields = from_keys(token.baseline, _EXPECTATION_KEYS)
        before = from_keys(fields.get("before", {}), _VERSION_KEYS)
        before["updated_at"] = parse_time(before.get("updated_at"))
        phase = fields.get("before_phase")
        fields["before"] = ResourceVersion(**before)
        fields["before_phase"] = Phase(phase) if phase else None
        fields["baseline"] = parse_time(fields.get("baseline"))
        fields["deleted_at"] = parse_time(fields.get("deleted_at"))
        return Expectation(action=Action(token.action), accepted_at=accepted_at, **fields)
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInputError("this resume token is damaged; copy it again") from error
