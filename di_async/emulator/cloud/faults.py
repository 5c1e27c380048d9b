"""What can be made to go wrong, and when.

Rules of this file: a fault says *which* requests it strikes and carries its settings; what a
struck request then looks like is said in answers.py and by the providers.
"""

import random
from typing import Literal, get_args

from attrs import asdict, define, field, validators

Kind = Literal[
    "reset", "status", "html", "slow", "cut", "redirect", "rate_limit",
    "stale", "list_lag", "not_found",
    "regress", "stuck", "error", "no_capacity", "unknown_status",
    "operation_failed", "operation_timeout", "operation_stuck", "no_reference", "many_tasks",
    "old_names",
]  # fmt: skip

KINDS: tuple[str, ...] = get_args(Kind)
# Replace or spoil an answer; any operation.
ANSWER_KINDS = ("reset", "status", "html", "slow", "cut", "redirect", "rate_limit")
# Bend how a write goes on; strike when a write is accepted, or at once an instance named by id.
OUTCOME_KINDS = ("stuck", "error", "regress")
# Bend the operation or task that a write answers with, where a vendor has such a thing.
OPERATION_KINDS = ("operation_failed", "operation_timeout", "operation_stuck", "no_reference")
# A state of the world rather than an accident: on until cleared unless `times` says otherwise.
_LASTING = ("no_capacity",)


@define
class Fault:
    """One armed fault. `hits` counts the requests it has struck.

    `times=None` means until cleared. `seconds` is how long the bent view lasts (stale, list_lag,
    not_found), how long after settling an instance fails (regress), or how long the fault itself
    lasts (all others), in world seconds.
    """

    kind: str = field(validator=validators.in_(KINDS))
    on: str | None = None
    times: int | None = None
    id: str | None = None
    region: str | None = None
    probability: float = field(default=1.0, validator=[validators.ge(0), validators.le(1)])
    after_commit: bool = False
    seconds: float | None = None
    status: int | None = None
    message: str | None = None
    reason: str | None = None
    delay_s: float = 1.0
    word: str = "migrating"
    window: str = field(default="minute", validator=validators.in_(("minute", "hour")))
    retry_after: float = 1.0
    location: str = "/v2/elsewhere"
    until: float | None = None
    hits: int = 0

    def spent(self, now: float) -> bool:
        """Whether it will strike no more."""
        used_up = self.times is not None and self.hits >= self.times
        return used_up or (self.until is not None and now >= self.until)

    def strikes(self, operation: str, id: str | None, region: str | None) -> bool:
        """Whether a request is among those it is meant for, chance aside."""
        return (
            self.on in (None, operation) and self.id in (None, id) and self.region in (None, region)
        )

    def to_dict(self) -> dict[str, object]:
        """Its settings, for the control endpoint."""
        return asdict(self)


class FaultBook:
    """The armed faults, in the order they were armed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._operations: dict[str, str] = {}
        self._armed: list[Fault] = []

    def learn(self, operations: tuple[str, ...]) -> None:
        """Take note of operations that faults may be armed on."""
        self._operations |= {_normal(name): name for name in operations}

    def arm(self, kind: str, now: float, **settings: object) -> Fault:
        """A new fault, armed; ValueError for an unknown kind, setting or operation."""
        fault = self.make(kind, now, **settings)
        self._armed.append(fault)
        return fault

    def make(self, kind: str, now: float, **settings: object) -> Fault:
        """A new fault that is not armed yet."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; there are: {', '.join(KINDS)}")
        try:
            fault = Fault(kind, **settings)  # type: ignore[arg-type]
        except TypeError as error:
            raise ValueError(f"fault {kind!r}: {error}") from error
        fault.on = self._operation(fault.on)
        lasts = kind in (*ANSWER_KINDS, "unknown_status", "no_capacity") and fault.seconds
        if lasts:
            fault.until = now + (fault.seconds or 0)
        if "times" not in settings and kind not in _LASTING and not lasts:
            fault.times = 1
        return fault

    def _operation(self, on: str | None) -> str | None:
        if on is None:
            return None
        try:
            return self._operations[_normal(on)]
        except KeyError:
            known = "; ".join(self._operations.values())
            raise ValueError(f"no operation {on!r}; there are: {known}") from None

    def take(
        self,
        kinds: tuple[str, ...],
        now: float,
        operation: str,
        *,
        id: str | None = None,
        region: str | None = None,
    ) -> Fault | None:
        """The first armed fault of these kinds that strikes this request, counted as a hit."""
        for fault in self._armed:
            if (
                fault.kind in kinds
                and not fault.spent(now)
                and fault.strikes(operation, id, region)
                and (fault.probability >= 1 or self._rng.random() < fault.probability)
            ):
                fault.hits += 1
                return fault
        return None

    def all(self) -> list[Fault]:
        """The armed faults, spent ones included."""
        return list(self._armed)

    def clear(self) -> None:
        """Disarm all of them; what already struck stays as it is."""
        self._armed.clear()


def _normal(on: str) -> str:
    method, _, path = on.strip().partition(" ")
    parts = ("{}" if part.startswith("{") else part for part in path.strip().split("/"))
    return f"{method.upper()} {'/'.join(parts)}"
