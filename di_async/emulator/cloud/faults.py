"""Faults: which requests they apply to, the registry of armed ones, and altered responses.

The providers implement the effects on writes and reads.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from attrs import Attribute, asdict, define, evolve, field, fields, frozen, validators

from .http import ApiError, Response

KINDS = (
    "reset", "status", "html", "slow", "cut", "redirect", "rate_limit",
    "stale", "list_lag", "not_found",
    "regress", "stuck", "error", "no_capacity", "unknown_status",
    "operation_failed", "operation_timeout", "operation_stuck", "no_reference", "many_tasks",
    "old_names",
)  # fmt: skip
# Replace or alter a response; any operation.
RESPONSE_KINDS = ("reset", "status", "html", "slow", "cut", "redirect", "rate_limit")
# Change how a write proceeds: when it is accepted, or at once for a resource named by id.
OUTCOME_KINDS = ("stuck", "error", "regress")
# Change the operation or task that a write answers with, where a vendor has one.
OPERATION_KINDS = ("operation_failed", "operation_timeout", "operation_stuck", "no_reference")
# Apply to reads. All others but those of responses begin with a write, whatever they show later.
_READ_KINDS = ("unknown_status", "old_names")
# Active until cleared unless `times` is set.
_LASTING = ("no_capacity",)

_MAX_SECONDS = 1e9
_MAX_ARMED = 1000
_SIMILAR = 3
_SET_BY_US = ("kind", "until", "hits")

_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


def _text(_: object, attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{attribute.name}: expected text")  # noqa: TRY004 - as all of these


def _flag(_: object, attribute: "Attribute[bool]", value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{attribute.name}: expected true or false")  # noqa: TRY004 - as above


def _between(
    low: float, high: float, expected: str, kinds: tuple[type, ...] = (int, float)
) -> Callable[[object, "Attribute[Any]", Any], None]:
    """Return a check that a value is a number within these bounds."""

    def check(_: object, attribute: "Attribute[Any]", value: Any) -> None:
        number = isinstance(value, kinds) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise ValueError(f"{attribute.name}: expected {expected}")

    return check


_count = _between(1, math.inf, "a whole number of 1 or more", (int,))
_probability = _between(0, 1, "a number from 0 to 1")
_seconds = _between(0, _MAX_SECONDS, f"0 to {_MAX_SECONDS:g} seconds")
_http_status = _between(200, 599, "200 to 599", (int,))


def _window(_: object, attribute: "Attribute[str]", value: object) -> None:
    if value not in ("minute", "hour"):
        raise ValueError(f"{attribute.name}: expected 'minute' or 'hour'")


def _header_text(_: object, attribute: "Attribute[str]", value: object) -> None:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{attribute.name}: expected text on one line")


@define
class Fault:
    """One armed fault.

    Args:
        kind: the effect.
        on: the operation it applies to, such as `POST /v2/dedicated-inferences`; None for all. For
            the kinds that begin with a write, such as `stale`, it is the write.
        times: how many requests it applies to; None means until cleared. Default: 1, but None for
            `no_capacity` and where `seconds` ends the fault.
        id: the resource it applies to; None for all.
        region: the region or zone it applies to; None for all.
        probability: of being applied to a request that fits, 0 to 1.
        after_commit: the request is carried out although its response is replaced. With `slow` and
            `cut` it always is.
        seconds: in world seconds. For `stale`, `list_lag` and `not_found`: how long the changed
            view lasts (default 30). For `regress`: how long after settling it fails. For the
            kinds that replace responses, `unknown_status` and `no_capacity`: how long the fault
            is armed.
        status: the HTTP status of `status` (default 500), `html` (502) and `redirect` (307).
        message: the text of the error: of `status` and, except at DigitalOcean, of what fails.
        reason: why an operation failed (Exoscale), or a task (Gcore, without `message`).
            DigitalOcean shows none.
        delay_s: world seconds before the response of `slow`.
        word: the status word of `unknown_status`.
        window: the limit that `rate_limit` reports as used up: "minute" sends `Retry-After`,
            "hour" does not.
        retry_after: world seconds in the `Retry-After` of `rate_limit`, unless `seconds` ends it.
        location: the target of `redirect`.
        until: set by the emulator: the world time at which it ends, from `seconds`.
        hits: set by the emulator: the requests it was applied to.
    """

    kind: str = field(validator=validators.in_(KINDS))
    on: str | None = field(default=None, validator=validators.optional(_text))
    times: int | None = field(default=None, validator=validators.optional(_count))
    id: str | None = field(default=None, validator=validators.optional(_text))
    region: str | None = field(default=None, validator=validators.optional(_text))
    probability: float = field(default=1.0, validator=_probability)
    after_commit: bool = field(default=False, validator=_flag)
    seconds: float | None = field(default=None, validator=validators.optional(_seconds))
    status: int | None = field(default=None, validator=validators.optional(_http_status))
    message: str | None = field(default=None, validator=validators.optional(_text))
    reason: str | None = field(default=None, validator=validators.optional(_text))
    delay_s: float = field(default=1.0, validator=_seconds)
    word: str = field(default="migrating", validator=_text)
    window: str = field(default="minute", validator=_window)
    retry_after: float = field(default=1.0, validator=_seconds)
    location: str = field(default="/v2/elsewhere", validator=_header_text)
    until: float | None = None
    hits: int = 0

    def spent(self, now: float) -> bool:
        """Return whether it no longer applies to any request."""
        used_up = self.times is not None and self.hits >= self.times
        return used_up or (self.until is not None and now >= self.until)

    def strikes(self, operation: str, id: str, region: str) -> bool:
        """Return whether it applies to such a request, apart from its probability."""
        return (
            self.on in (None, operation) and self.id in (None, id) and self.region in (None, region)
        )

    def hit(self) -> None:
        """Count a request or resource that it was applied to."""
        self.hits += 1

    def to_dict(self) -> dict[str, object]:
        """Return its settings, for the control endpoint."""
        return asdict(self)


# Of no cloud in particular; each cloud has further ones for some of its operations.
_COMMON = frozenset(KINDS) - {*OPERATION_KINDS, "many_tasks", "old_names"}


@frozen
class Operation:
    """An operation that faults may be armed on."""

    name: str
    cloud: str
    regions: tuple[str, ...]
    """Those of its cloud."""
    more_kinds: tuple[str, ...]
    """The kinds that apply to it, beside those of every operation."""
    is_in_region: bool
    """A request names the region that it is about."""

    def takes(self, kind: str) -> bool:
        """Return whether faults of this kind apply to it."""
        return kind in _COMMON or kind in self.more_kinds


class FaultRegistry:
    """The armed faults, in the order they were armed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._operations: dict[str, Operation] = {}
        self._armed: list[Fault] = []

    def register(self, operations: Iterable[Operation]) -> None:
        """Add operations that faults may be armed on."""
        self._operations.update((_normalized(one.name), one) for one in operations)

    def operations(self) -> tuple[str, ...]:
        """Return the operations of all clouds, as `on` takes them."""
        return tuple(one.name for one in self._operations.values())

    def arm(
        self, kind: str, now: float, settings: Mapping[str, object], owner: str | None = None
    ) -> Fault:
        """Create and arm a fault; raise ValueError if it is invalid, or would have no effect.

        `owner` is the cloud of the resource that the fault names, if that exists.
        """
        fault = self.create(kind, now, settings, owner)
        if len(self._armed) >= _MAX_ARMED:
            self._armed = [one for one in self._armed if not one.spent(now)]
        if len(self._armed) >= _MAX_ARMED:
            raise ValueError(f"{_MAX_ARMED} faults are armed; clear some")
        self._armed.append(fault)
        return fault

    def create(
        self, kind: str, now: float, settings: Mapping[str, object], owner: str | None = None
    ) -> Fault:
        """Create a fault without arming it."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
        _check_names(kind, settings)
        fault = Fault(kind, **settings)  # type: ignore[arg-type]
        operation = None if fault.on is None else self._operation(fault.on)
        if operation is not None:
            fault.on = operation.name
            _check_write(fault)
        self._check_effect(fault, operation, owner)
        expires = kind in (*RESPONSE_KINDS, "unknown_status", "no_capacity") and fault.seconds
        if expires:
            fault.until = now + (fault.seconds or 0)
        if "times" not in settings and kind not in _LASTING and not expires:
            fault.times = 1
        return fault

    def _operation(self, on: str) -> Operation:
        wanted = _normalized(on)
        if wanted in self._operations:
            return self._operations[wanted]
        similar = _similar_operations(wanted, list(self._operations))
        shown = "; ".join(self._operations[one].name for one in similar)
        raise ValueError(
            f"no operation {on!r}; {f'similar: {shown}; ' if shown else ''}"
            "`.world.faults.operations()` of the emulator returns all"
        )

    def _check_effect(self, fault: Fault, operation: Operation | None, owner: str | None) -> None:
        """Raise if no operation could have this fault: its settings are of several clouds."""
        found = [operation] if operation else list(self._operations.values())
        found = [one for one in found if owner in (None, one.cloud)]
        if not found:
            raise ValueError(f"{fault.id!r} is a resource of {owner}, and {fault.on!r} is not")
        region = fault.region
        if region is not None:
            known = dict.fromkeys(name for one in found for name in one.regions)
            found = [one for one in found if region in one.regions]
            if not found:
                raise ValueError(f"no region {region!r}; there are: {', '.join(known)}")
        where = fault.on or ", ".join(dict.fromkeys(one.cloud for one in found))
        found = [one for one in found if one.takes(fault.kind)]
        if not found:
            raise ValueError(f"fault {fault.kind!r} has no effect on {where}")
        if region and fault.kind in RESPONSE_KINDS and not any(one.is_in_region for one in found):
            raise ValueError(f"fault {fault.kind!r}: a request of {where} names no region")

    def take(
        self,
        kinds: tuple[str, ...],
        now: float,
        operation: str,
        *,
        id: str = "",
        regions: Sequence[str] = ("",),
    ) -> Fault | None:
        """Return the first armed fault of these kinds that applies, and count the hit.

        `regions` are those that the request or its resource is in.
        """
        for fault in self._armed:
            if (
                fault.kind in kinds
                and not fault.spent(now)
                and any(fault.strikes(operation, id, region) for region in regions)
                and (fault.probability >= 1 or self._rng.random() < fault.probability)
            ):
                fault.hit()
                return fault
        return None

    def all(self) -> list[Fault]:
        """Return the armed faults, including spent ones."""
        return list(self._armed)

    def clear(self) -> None:
        """Disarm all faults; effects that have begun stay."""
        self._armed.clear()


def faulty_response(
    fault: Fault, response: Response, render: Callable[[ApiError], Response]
) -> Response:
    """Return what this fault makes of a response."""
    match fault.kind:
        case "reset":
            return Response(0, drop=True)
        case "html":
            return Response(fault.status or 502, {"content-type": "text/html"}, _HTML)
        case "slow":
            return evolve(response, delay_s=fault.delay_s)
        case "cut":
            return evolve(response, cut=True)
        case "redirect":
            return Response(fault.status or 307, {"location": fault.location})
        case _:
            status = fault.status or 500
            default = "Unexpected server-side error" if status >= 500 else "some error message"
            return render(ApiError(status, fault.message or default))


def rate_limit_response(
    fault: Fault, now: float, scale: float, refused: Response, *, has_limits: bool
) -> Response:
    """Return the 429 of a `rate_limit` fault; only the minute window sends `retry-after`."""
    headers = dict(refused.headers)
    if has_limits:
        headers["ratelimit-remaining"] = "0"
    if fault.window == "minute":
        wait = fault.retry_after if fault.until is None else fault.until - now
        headers["retry-after"] = whole_seconds(wait / scale)
    return evolve(refused, headers=headers)


def is_executed(fault: Fault) -> bool:
    """Return whether the request is executed although its response is altered."""
    return fault.after_commit or fault.kind in ("slow", "cut")


def whole_seconds(seconds: float) -> str:
    """Return whole seconds for a header: rounded up, at least 1."""
    return str(max(1, math.ceil(seconds)))


def _check_names(kind: str, settings: Iterable[str]) -> None:
    """Raise for the first setting that no fault has."""
    known = [one.name for one in fields(Fault) if one.name not in _SET_BY_US]
    for name in settings:
        if name not in known:
            similar = get_close_matches(name, known, 1)
            hint = f" (similar: {similar[0]!r})" if similar else ""
            raise ValueError(
                f"fault {kind!r}: unknown setting {name!r}{hint}; there are: {', '.join(known)}"
            )


def _check_write(fault: Fault) -> None:
    """Raise for an operation that only reads, if faults of this kind begin with a write."""
    reads = (fault.on or "").startswith("GET ")
    if reads and fault.kind not in (*RESPONSE_KINDS, *_READ_KINDS):
        raise ValueError(
            f"fault {fault.kind!r}: `on` must be the write that it begins with, not {fault.on!r}"
        )


def _similar_operations(wanted: str, known: list[str]) -> list[str]:
    """Return operations of the same path first, then those of similar text."""
    _, _, path = wanted.partition(" ")
    same_path = [one for one in known if one.partition(" ")[2] == path]
    return list(dict.fromkeys([*same_path, *get_close_matches(wanted, known, _SIMILAR)]))


def _normalized(on: str) -> str:
    method, _, path = on.strip().partition(" ")
    parts = ("{}" if part.startswith("{") else part for part in path.strip().split("/"))
    return f"{method.upper()} {'/'.join(parts)}"
