"""What the world remembers of a deployment, a task and a key, as values.

Rules of this file: no wire shapes but for `spec` (the request's own fields, checked and filled
up) and no decisions. All times are world time. v2 calls a deployment an instance and knows it by
a UUID, v3 by its name: two collections, kept apart by `generation`.
"""

import math
from typing import Any, Literal

from attrs import evolve, field, frozen

from di_async.emulator.cloud.store import Written

Action = Literal["create", "update", "delete", "start", "stop"]
Ending = Literal["running", "stopped", "deleted", "failed", "task_failed"]
Outcome = Literal["pending", "running", "stopped", "deleted", "failed", "task_failed", "superseded"]
Generation = Literal[2, 3]
Spec = dict[str, Any]


@frozen
class Write:
    """An accepted write, and when what comes of it.

    From `accepted_at` its task is NEW, from `runs_at` RUNNING, and from `task_ends_at` over. The
    containers are there from `containers_at`, and all ready at `settles_at`.
    """

    action: Action
    accepted_at: float
    settles_at: float
    ends: Ending
    outcome: Outcome = "pending"
    runs_at: float = 0.0
    task_ends_at: float = 0.0
    containers_at: float = 0.0
    story: str = ""
    story_until: float = 0.0
    regress_after: float | None = None
    task_ids: tuple[str, ...] = ()
    before: "Deployment | None" = field(default=None, repr=False)


@frozen
class Deployment(Written[Write]):
    """A deployment (v3) or an instance (v2), and the writes it has taken."""

    id: str
    generation: Generation
    name: str
    spec: Spec = field(repr=False)
    created_at: float
    writes: tuple[Write, ...] = ()
    version: int = 0
    stopped: bool = False
    has_run: bool = False
    failed: str = ""
    awake_until: float = -math.inf

    @property
    def regions(self) -> tuple[int, ...]:
        """The regions it runs in."""
        return tuple(container["region_id"] for container in self.spec["containers"])

    @property
    def may_sleep(self) -> bool:
        """Whether it is scaled to zero when nobody asks."""
        return all(container["scale"]["min"] == 0 for container in self.spec["containers"])

    def with_write(self, write: Write) -> "Deployment":
        """The same with its latest write in another state."""
        return evolve(self, writes=(*self.writes[:-1], write))


@frozen
class Task:
    """What a v3 write answers with."""

    id: str
    number: int
    type: str
    deployment: str
    created_at: float
    runs_at: float
    ends_at: float
    request: Spec = field(repr=False)
    error: str | None = None
    acknowledged_at: float | None = None

    def state(self, now: float) -> str:
        """NEW, RUNNING, FINISHED or ERROR."""
        if now < self.runs_at:
            return "NEW"
        if now < self.ends_at:
            return "RUNNING"
        return "FINISHED" if self.error is None else "ERROR"


@frozen
class ApiKey:
    """A key for deployments' own endpoints."""

    name: str
    description: str | None
    expires_at: str | None
    created_at: float
    secret: str = field(repr=False)
