"""Gcore's deployments, tasks and API keys of one project.

Values are frozen: a change stores a new value. All times are world time. v2 calls a deployment an
instance and identifies it by a UUID, v3 by its name. These are two separate collections,
distinguished by `generation`.
"""

import math
from typing import Any, Literal

from attrs import evolve, field, frozen

from di_async.emulator.cloud.store import EventStore, Recent, Resource, WriteRecord, count_created

Generation = Literal[2, 3]
Spec = dict[str, Any]
"""The fields of a request, validated and completed with defaults."""

# At the end of a v2 delete its status is DELETED before a GET is 404.
_DELETED_SHARE = 0.1
_MAX_TASKS = 10_000


@frozen
class Write(WriteRecord):
    """A create, update, delete, start or stop, and its stages.

    It ends `running`, `stopped`, `deleted`, `failed` or `task_failed`. Its task is NEW from
    `accepted_at`, RUNNING from `runs_at`, and over from `task_ends_at`. The containers exist from
    `containers_at`, and all are ready at `settles_at`. `message` is an error message, shown
    until `message_until` if the write recovers.
    """

    runs_at: float = 0.0
    task_ends_at: float = 0.0
    containers_at: float = 0.0
    message: str = ""
    message_until: float = 0.0
    regress_after: float | None = None
    task_ids: tuple[str, ...] = ()
    before: "Deployment | None" = field(default=None, repr=False)


@frozen(kw_only=True)
class Deployment(Resource[Write]):
    """A deployment (v3) or an instance (v2); `failed` is its error message."""

    generation: Generation
    spec: Spec = field(repr=False)
    created_at: float
    version: int = 0
    stopped: bool = False
    has_run: bool = False
    failed: str = ""
    awake_from: float = -math.inf
    awake_until: float = -math.inf

    @property
    def regions(self) -> tuple[int, ...]:
        """The regions it runs in."""
        return tuple(container["region_id"] for container in self.spec["containers"])

    @property
    def region_names(self) -> tuple[str, ...]:
        """The same, as faults name them."""
        return tuple(map(str, self.regions))

    @property
    def scales_to_zero(self) -> bool:
        """Whether it scales to zero without requests."""
        return all(container["scale"]["min"] == 0 for container in self.spec["containers"])

    @property
    def is_stopping(self) -> bool:
        """Whether a stop is pending."""
        return self.in_flight and self.last_write.action == "stop"

    def status(self, now: float) -> str:
        """Return the status word; v3 has six and none is an error, v2 documents four more."""
        return self._pending_status(now) if self.in_flight else self._idle_status(now)

    def _pending_status(self, now: float) -> str:
        write = self.last_write
        match write.action:
            case "delete":
                lasts = write.settles_at - write.accepted_at
                over = now >= write.settles_at - _DELETED_SHARE * lasts
                return "DELETED" if self.generation == 2 and over else "DELETING"
            case "stop":
                # It stops in the status that it had.
                if write.before is not None and write.before.in_flight:
                    return write.before.status(now)
                return self._idle_status(now)
            case "update" if self.stopped:
                return "DISABLED"
            case "create" if self.generation == 2 and now < write.task_ends_at:
                return "NEW"
        return "DEPLOYING" if now < write.containers_at else "PARTIALLYDEPLOYED"

    def _idle_status(self, now: float) -> str:
        if self.failed and self.generation == 3:
            return "PARTIALLYDEPLOYED"
        if self.failed:
            return "ERROR" if self.last_write.outcome == "failed" else "FAILED"
        if self.stopped:
            return "DISABLED"
        asleep = self.scales_to_zero and now >= self.awake_until
        return "PENDING" if asleep else "ACTIVE"

    def error_message(self, now: float) -> str | None:
        """Return why its containers do not start; a pending write may recover."""
        write = self.last_write
        if self.in_flight and write.message and write.containers_at <= now < write.message_until:
            return write.message
        return self.failed or None

    def replicas(self, container: Spec, now: float) -> tuple[int, int]:
        """Return how many replicas of a container are ready, and how many exist."""
        count = max(1, container["scale"]["min"])
        match self.status(now):
            case "DISABLED" | "PENDING" | "DELETED":
                return 0, 0
            case "ACTIVE":
                return count, count
            case "DELETING" if not self.failed and self.has_run and not self.stopped:
                return count, count
        return 0, count


@frozen
class Task:
    """The task of a v3 write."""

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
        """Return NEW, RUNNING, FINISHED or ERROR."""
        if now < self.runs_at:
            return "NEW"
        if now < self.ends_at:
            return "RUNNING"
        return "FINISHED" if self.error is None else "ERROR"


@frozen
class ApiKey:
    """A key for the endpoints of deployments."""

    name: str
    description: str | None
    expires_at: str | None
    created_at: float
    secret: str = field(repr=False)


@frozen
class StoredSecret:
    """Credentials for a trigger."""

    name: str
    type: str
    data: Spec = field(repr=False)


class Store(EventStore[Deployment]):
    """All of a project; v2 and v3 do not see each other's deployments."""

    deleted_status = "DELETED"

    def __init__(self, quota: dict[str, int], name_lag: float = 0.0) -> None:
        super().__init__(name_lag)
        self.quota = quota
        self.tasks: dict[str, Task] = Recent(_MAX_TASKS)
        self.keys: dict[str, ApiKey] = {}
        self.secrets: dict[str, StoredSecret] = {}

    # -- writes --------------------------------------------------------------------------------

    def put(self, deployment: Deployment) -> None:
        """Store a new deployment or a new write, which supersedes a pending one."""
        if deployment.id not in self.items:
            count_created(self.created, deployment.name)
            self.deleted.pop(deployment.id, None)
        writes = deployment.writes
        if len(writes) > 1 and writes[-2].outcome == "pending":
            last = evolve(writes[-2], outcome="superseded")
            deployment = evolve(deployment, writes=(*writes[:-2], last, writes[-1]))
        self.save(deployment)

    def reschedule(self, deployment: Deployment, write: Write) -> None:
        """Replace the latest write, and change its task accordingly."""
        self.save(deployment.with_last_write(write))
        for id in (id for id in write.task_ids[:1] if id in self.tasks):
            error = write.message if write.ends == "task_failed" else None
            self.tasks[id] = evolve(self.tasks[id], ends_at=write.task_ends_at, error=error)

    def add_tasks(self, id: str, tasks: list[Task]) -> None:
        """Add the tasks of a deployment's latest write."""
        for task in tasks:
            self.tasks[task.id] = task
        deployment = self.items[id]
        write = evolve(deployment.last_write, task_ids=tuple(task.id for task in tasks))
        self.items[id] = deployment.with_last_write(write)

    def schedule_failure_with(self, deployment: Deployment, at: float, message: str) -> None:
        """Let a settled deployment fail at that time, with a message."""
        write = evolve(deployment.last_write, message=message)
        self.items[deployment.id] = deployment.with_last_write(write)
        self.schedule_failure(deployment.id, at)

    def wake(self, deployment: Deployment, now: float, until: float) -> Deployment:
        """Let a deployment that scales to zero run until then, and return it."""
        asleep = now >= deployment.awake_until
        woken = evolve(
            deployment,
            awake_from=now if asleep else deployment.awake_from,
            awake_until=max(deployment.awake_until, until),
        )
        self.items[deployment.id] = woken
        return woken

    def _fail(self, item: Deployment, at: float) -> None:
        if not item.stopped:
            self.items[item.id] = evolve(item, failed=item.last_write.message)

    def _settle(self, item: Deployment, at: float) -> None:
        before = item.last_write.before
        write = evolve(item.last_write, outcome=item.last_write.ends, before=None)
        settled = evolve(item.with_last_write(write), version=item.version + 1)
        match write.outcome:
            case "deleted":
                self.bury(settled)
                self.hold_name(settled.name, at)
            case "task_failed":
                self._undo(item.with_last_write(write), before)
            case "failed":
                self.items[item.id] = evolve(settled, failed=write.message)
            case "stopped":
                self.items[item.id] = evolve(settled, stopped=True)
            case _:
                running = evolve(settled, has_run=True, failed="")
                self.items[item.id] = running
                if write.regress_after is not None:
                    self.schedule_failure_with(running, at + write.regress_after, write.message)

    def _undo(self, item: Deployment, before: Deployment | None) -> None:
        """Undo a write whose task failed; v2 has no visible tasks, so the status shows it."""
        if item.generation == 2 and item.last_write.action != "delete":
            self.items[item.id] = evolve(item, failed=item.last_write.message)
        elif before is None:
            self.bury(item)
        elif before.in_flight:
            # The interrupted write continues, as the latest write again.
            writes = (*before.writes[:-1], item.last_write, before.last_write)
            self.save(evolve(before, writes=writes))
        else:
            self.items[item.id] = evolve(before, writes=item.writes)

    # -- reads ---------------------------------------------------------------------------------

    def find(self, generation: Generation, name: str) -> Deployment | None:
        """Return the deployment of that name."""
        if generation == 3:
            return self.items.get(name)
        found = (one for one in self.items.values() if (one.generation, one.name) == (2, name))
        return next(found, None)

    def users_of(self, key: str) -> list[str]:
        """Return the names of the v3 deployments that use a key."""
        return [one.name for one in self.items.values() if key in (one.spec.get("api_keys") or ())]

    def status(self, item: Deployment, now: float) -> str:
        """Return the status word."""
        return item.status(now)

    def _version(self, item: Deployment) -> int:
        return item.version
