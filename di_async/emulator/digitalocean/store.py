"""The instances, their names, tokens and endings.

Rules of this file: every change of state goes through here and is due at a moment in world
time; `advance` applies what has become due. Views (stale, lagging) never touch the state.
"""

import math
from collections import Counter
from collections.abc import Callable

from attrs import evolve

from di_async.emulator.cloud.provider import Truth
from di_async.emulator.cloud.simulation import Simulation
from di_async.emulator.cloud.store import EventQueue, StaleViews

from .records import Deployment, Instance, Model, Token, Write


class Store:
    """All instances of the account, past ones included."""

    def __init__(self, simulation: Simulation) -> None:
        self.instances: dict[str, Instance] = {}
        self.gone: dict[str, Instance] = {}
        self.names: dict[str, str] = {}
        self.created: Counter[str] = Counter()
        self.tokens: dict[str, dict[str, Token]] = {}
        self.owners: dict[str, str] = {}
        self.stale_views: StaleViews[Instance] = StaleViews()
        self._events = EventQueue()
        self._simulation = simulation

    # -- writes --------------------------------------------------------------------------------

    def add(self, instance: Instance) -> None:
        """A new instance; its name is taken from now until its deletion has finished."""
        self.names[instance.name] = instance.id
        self.created[instance.name] += 1
        self.tokens[instance.id] = {}
        self._put(instance)

    def change(self, instance: Instance, write: Write, **changes: object) -> Instance:
        """The instance with one more write under way; a write before it is superseded."""
        last = instance.change
        if last.outcome == "pending":
            last = evolve(last, outcome="superseded")
        updated = self._simulation.stamp(write.accepted_at, instance.updated)
        changed = evolve(
            instance,
            updated=updated,
            failed=False,
            writes=(*instance.writes[:-1], last, write),
            **changes,  # type: ignore[arg-type]
        )
        if changed.name != instance.name:
            del self.names[instance.name]
            self.names[changed.name] = changed.id
        self._put(changed)
        return changed

    def reschedule(self, instance: Instance, write: Write) -> None:
        """Make the latest write go on differently."""
        self._put(evolve(instance, writes=(*instance.writes[:-1], write)))

    def regress(self, instance: Instance, at: float) -> None:
        """Let a settled instance fail at that moment."""
        self._events.add(at, instance.id, "regress")

    def _put(self, instance: Instance) -> None:
        self.instances[instance.id] = instance
        if instance.in_flight:
            self._events.add(instance.change.settles_at, instance.id, "settle")

    # -- time ----------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Apply all that has become due by now, in order."""
        for at, id, step in self._events.due(now):
            instance = self.instances.get(id)
            if instance is None:
                continue
            if step == "regress":
                self._fail(instance, at)
            elif instance.in_flight and instance.change.settles_at == at:
                self._settle(instance, at)

    def _fail(self, instance: Instance, at: float) -> None:
        if not instance.in_flight:
            updated = self._simulation.stamp(at, instance.updated)
            self.instances[instance.id] = evolve(instance, failed=True, updated=updated)

    def _settle(self, instance: Instance, at: float) -> None:
        write = evolve(instance.change, outcome=instance.change.ends)
        settled = evolve(
            instance,
            updated=self._simulation.stamp(at, instance.updated),
            writes=(*instance.writes[:-1], write),
        )
        if write.outcome == "deleted":
            self._bury(settled)
        elif write.outcome == "error":
            self.instances[instance.id] = evolve(settled, failed=True)
        else:
            self._activate(settled, at)

    def _activate(self, instance: Instance, at: float) -> None:
        deployed = self.deployed(instance.pending, instance.updated) if instance.pending else None
        self.instances[instance.id] = evolve(instance, current=deployed, pending=None)
        if instance.change.regress_after is not None:
            self.regress(instance, at + instance.change.regress_after)

    def _bury(self, instance: Instance) -> None:
        del self.instances[instance.id]
        del self.names[instance.name]
        for token in self.tokens.pop(instance.id).values():
            del self.owners[token.value]
        self.gone[instance.id] = instance

    def deployed(self, pending: Deployment, updated: int) -> Deployment:
        """A deployment once it runs: its models have ids."""
        return evolve(pending, models=tuple(map(self._named, pending.models)), updated=updated)

    def _named(self, model: Model) -> Model:
        return model if model.model_id else evolve(model, model_id=self._simulation.new_uuid())

    # -- reads ---------------------------------------------------------------------------------

    def seen(self, id: str, now: float) -> Instance | None:
        """The instance as a GET sees it; None is 404."""
        return self.stale_views.seen(id, self.instances, now)

    def seen_all(self, now: float) -> list[Instance]:
        """The instances as a list sees them, oldest first."""
        return self.stale_views.seen_all(self.instances, now)

    # -- tokens --------------------------------------------------------------------------------

    def add_token(self, id: str, name: str, created: int, *, managed: bool = False) -> Token:
        """A new access token of an instance."""
        value = "di_" + self._simulation.new_hex(40)
        token = Token(self._simulation.new_uuid(), name, created, managed, value)
        self.tokens[id][token.id] = token
        self.owners[value] = id
        return token

    def revoke(self, id: str, token_id: str) -> bool:
        """Take a token away; False if there is none."""
        token = self.tokens[id].pop(token_id, None)
        if token is None:
            return False
        del self.owners[token.value]
        return True

    # -- truth ---------------------------------------------------------------------------------

    def truth(self, id: str, status: Callable[[Instance], str]) -> Truth[Write]:
        """What really is the matter with an instance that exists, or once did."""
        instance = self.instances.get(id) or self.gone.get(id)
        if instance is None:
            return Truth(id, False, "unknown", False, math.inf, 0, ())
        exists = id in self.instances
        version = instance.current.version if instance.current else 0
        write = instance.change
        word = status(instance) if exists else "deleted"
        settled = write.outcome != "pending"
        return Truth(id, exists, word, settled, write.settles_at, version, instance.writes)
