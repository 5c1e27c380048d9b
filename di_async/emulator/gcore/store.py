"""The deployments, tasks and keys of one project, and the endings of writes.

Rules of this file: every change of state goes through here and is due at a moment in world
time; `advance` applies what has become due. Veils bend what reads see, never the state.
"""

from collections import Counter

from attrs import evolve

from di_async.emulator.cloud.provider import Truth
from di_async.emulator.cloud.store import EventQueue, StaleViews

from .records import ApiKey, Deployment, Generation, Task, Write
from .status import word


class Store:
    """All of a project, past deployments included; v2 and v3 do not see each other's."""

    def __init__(self) -> None:
        self.deployments: dict[str, Deployment] = {}
        self.gone: dict[str, Deployment] = {}
        self.created: Counter[str] = Counter()
        self.tasks: dict[str, Task] = {}
        self.keys: dict[str, ApiKey] = {}
        self.stale_views: StaleViews[Deployment] = StaleViews()
        self._events = EventQueue()

    # -- writes --------------------------------------------------------------------------------

    def put(self, it: Deployment) -> None:
        """A new deployment, or one with a new write; a write before it is superseded."""
        if it.id not in self.deployments:
            self.created[it.name] += 1
            self.gone.pop(it.id, None)
        if len(it.writes) > 1 and it.writes[-2].outcome == "pending":
            last = evolve(it.writes[-2], outcome="superseded")
            it = evolve(it, writes=(*it.writes[:-2], last, it.writes[-1]))
        self._keep(it)

    def reschedule(self, it: Deployment, write: Write) -> None:
        """Make the latest write go on differently, and its tasks with it."""
        self._keep(it.with_write(write))
        for id in write.task_ids[:1]:
            error = write.story if write.ends == "task_failed" else None
            self.tasks[id] = evolve(self.tasks[id], ends_at=write.task_ends_at, error=error)

    def add_tasks(self, id: str, tasks: list[Task]) -> None:
        """Tasks of a deployment's latest write."""
        self.tasks |= {task.id: task for task in tasks}
        it = self.deployments[id]
        write = evolve(it.change, task_ids=tuple(task.id for task in tasks))
        self.deployments[id] = it.with_write(write)

    def regress(self, it: Deployment, at: float, story: str) -> None:
        """Let a deployment that has settled fail at that moment."""
        self.deployments[it.id] = it.with_write(evolve(it.change, story=story))
        self._events.add(at, it.id, "regress")

    def wake(self, it: Deployment, until: float) -> None:
        """Let a deployment that is scaled to zero run until then."""
        self.deployments[it.id] = evolve(it, awake_until=max(it.awake_until, until))

    def _keep(self, it: Deployment) -> None:
        self.deployments[it.id] = it
        if it.in_flight:
            self._events.add(it.change.settles_at, it.id, "settle")

    # -- time ----------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Apply all that has become due by now, in order."""
        for at, id, step in self._events.due(now):
            it = self.deployments.get(id)
            if it is None:
                continue
            if step == "regress" and not it.in_flight and not it.stopped:
                self.deployments[it.id] = evolve(it, failed=it.change.story)
            elif step == "settle" and it.in_flight and it.change.settles_at == at:
                self._settle(it, at)

    def _settle(self, it: Deployment, at: float) -> None:
        before = it.change.before
        write = evolve(it.change, outcome=it.change.ends, before=None)
        settled = evolve(it.with_write(write), version=it.version + 1)
        match write.outcome:
            case "deleted":
                self._bury(settled)
            case "task_failed":
                self._undo(it.with_write(write), before)
            case "failed":
                self.deployments[it.id] = evolve(settled, failed=write.story)
            case "stopped":
                self.deployments[it.id] = evolve(settled, stopped=True)
            case _:
                running = evolve(settled, has_run=True, failed="")
                self.deployments[it.id] = running
                if write.regress_after is not None:
                    self.regress(running, at + write.regress_after, write.story)

    def _undo(self, it: Deployment, before: Deployment | None) -> None:
        """A task that failed has changed nothing; in v2, where none is seen, the word tells."""
        if it.generation == 2 and it.change.action != "delete":
            self.deployments[it.id] = evolve(it, failed=it.change.story)
        elif before is None:
            self._bury(it)
        elif before.in_flight:
            # What it interrupted goes on, as the latest write again.
            self._keep(evolve(before, writes=(*before.writes[:-1], it.change, before.change)))
        else:
            self.deployments[it.id] = evolve(before, writes=it.writes)

    def _bury(self, it: Deployment) -> None:
        del self.deployments[it.id]
        self.gone[it.id] = it

    # -- reads ---------------------------------------------------------------------------------

    def named(self, generation: Generation, name: str) -> Deployment | None:
        """The deployment of that name as it is."""
        if generation == 3:
            return self.deployments.get(name)
        found = (it for it in self.deployments.values() if (it.generation, it.name) == (2, name))
        return next(found, None)

    def seen(self, id: str, now: float) -> Deployment | None:
        """The deployment as a GET sees it; None is 404."""
        return self.stale_views.seen(id, self.deployments, now)

    def seen_all(self, generation: Generation, now: float) -> list[Deployment]:
        """The deployments as a list sees them, oldest first."""
        rows = self.stale_views.seen_all(self.deployments, now)
        return [it for it in rows if it.generation == generation]

    def users_of(self, key: str) -> list[str]:
        """The names of the v3 deployments that a key opens."""
        return [
            it.name for it in self.deployments.values() if key in (it.spec.get("api_keys") or ())
        ]

    def truth(self, id: str, now: float) -> Truth[Write]:
        """What really is the matter with a deployment that exists, or once did."""
        it = self.deployments.get(id) or self.gone[id]
        exists = id in self.deployments
        told = word(it, now) if exists else "DELETED"
        write = it.change
        return Truth(id, exists, told, not it.in_flight, write.settles_at, it.version, it.writes)
