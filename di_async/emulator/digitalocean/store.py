"""DigitalOcean's instances, their deployments and tokens.

Values are frozen: a change stores a new value. `created` and `updated` are whole-second
timestamps in real time; names ending in `_at` are world time.
"""

import uuid

from attrs import evolve, field, frozen

from di_async.emulator.cloud.simulation import Settings, Simulation
from di_async.emulator.cloud.store import EventStore, Resource, WriteRecord, count_created

from .catalog import ModelCatalog


@frozen
class Accelerator:
    """One accelerator entry of a model deployment."""

    slug: str
    type: str
    scale: int


@frozen
class Model:
    """One model deployment; `model_id` is empty until it has been deployed once."""

    slug: str
    provider: str
    accelerators: tuple[Accelerator, ...]
    model_id: str = ""
    provider_model_id: str = ""


@frozen
class Deployment:
    """One version of what an instance runs, or will run."""

    id: str
    version: int
    name: str
    models: tuple[Model, ...]
    created: int
    updated: int


@frozen
class Write(WriteRecord):
    """A create, update or delete; it ends `active`, `error` or `deleted`."""

    provisions_at: float = 0.0
    regress_after: float | None = None


@frozen(kw_only=True)
class Instance(Resource[Write]):
    """A Dedicated Inference: its current and pending deployment, and its writes."""

    region: str
    vpc_uuid: str
    public: bool
    created: int
    updated: int
    current: Deployment | None = None
    pending: Deployment | None = None
    failed: bool = False
    has_secret: bool = field(default=False, repr=False)


@frozen
class Token:
    """An access token of an instance's data plane."""

    id: str
    name: str
    created: int
    managed: bool
    value: str = field(repr=False)


def accelerator_id(model: Model, entry: Accelerator, number: int) -> str:
    """Return the id of one GPU; a change of scale keeps it, since the model keeps its id."""
    return _derived_id(model.model_id, f"{entry.slug}/{entry.type}/{number}")


def _derived_id(id: str, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(id), name))


class Store(EventStore[Instance]):
    """All instances of the account, their names and tokens."""

    def __init__(self, simulation: Simulation, settings: Settings) -> None:
        super().__init__(settings.lifecycle.name_lag)
        self.names: dict[str, str] = {}
        self.tokens: dict[str, dict[str, Token]] = {}
        self.token_owners: dict[str, str] = {}
        self.catalog = ModelCatalog()
        self._simulation = simulation
        self._active_early = settings.lifecycle.active_early

    # -- writes --------------------------------------------------------------------------------

    def add(self, instance: Instance) -> None:
        """Add an instance; its name is taken until its deletion has settled."""
        self.names[instance.name] = instance.id
        count_created(self.created, instance.name)
        self.tokens[instance.id] = {}
        self.save(instance)

    def add_write(self, instance: Instance, write: Write, **changes: object) -> Instance:
        """Store a new write of an instance; it supersedes a pending one."""
        last = instance.last_write
        if last.outcome == "pending":
            last = evolve(last, outcome="superseded")
        changed = evolve(
            instance,
            updated=self._simulation.timestamp(write.accepted_at, instance.updated),
            failed=False,
            writes=(*instance.writes[:-1], last, write),
            **changes,  # type: ignore[arg-type]
        )
        if changed.name != instance.name:
            del self.names[instance.name]
            self.names[changed.name] = changed.id
        self.save(changed)
        return changed

    def _fail(self, item: Instance, at: float) -> None:
        updated = self._simulation.timestamp(at, item.updated)
        self.items[item.id] = evolve(item, failed=True, updated=updated)

    def _settle(self, item: Instance, at: float) -> None:
        write = evolve(item.last_write, outcome=item.last_write.ends)
        updated = self._simulation.timestamp(at, item.updated)
        settled = evolve(item.with_last_write(write), updated=updated)
        if write.outcome == "deleted":
            self._delete(settled, at)
        elif write.outcome == "error":
            self.items[item.id] = evolve(settled, failed=True)
        else:
            self.items[item.id] = self.deployed(settled)
            if write.regress_after is not None:
                self.schedule_failure(item.id, at + write.regress_after)

    def _delete(self, instance: Instance, at: float) -> None:
        self.hold_name(instance.name, at)
        self.bury(instance)
        del self.names[instance.name]
        for token in self.tokens.pop(instance.id).values():
            del self.token_owners[token.value]

    def deployed(self, instance: Instance) -> Instance:
        """Return the instance running its pending deployment, whose models now have ids."""
        pending = instance.pending
        if pending is None:
            return evolve(instance, current=None)
        models = tuple(
            # Not drawn: when it settles must not change the ids of what is created meanwhile.
            model
            if model.model_id
            else evolve(model, model_id=_derived_id(pending.id, str(number)))
            for number, model in enumerate(pending.models)
        )
        current = evolve(pending, models=models, updated=instance.updated)
        return evolve(instance, current=current, pending=None)

    # -- reads ---------------------------------------------------------------------------------

    def status(self, item: Instance, now: float) -> str:
        """Return the status word."""
        write = item.last_write
        if not item.in_flight:
            return "error" if item.failed else "active"
        if write.action == "delete":
            return "deleting"
        if now >= write.settles_at - self._active_early:
            return "active"
        if write.action == "update":
            return "updating"
        return "new" if now < write.provisions_at else "provisioning"

    def _version(self, item: Instance) -> int:
        return item.current.version if item.current else 0

    # -- tokens --------------------------------------------------------------------------------

    def add_token(self, id: str, name: str, created: int, *, managed: bool = False) -> Token:
        """Add an access token of an instance."""
        value = "di_" + self._simulation.new_hex(40)
        token = Token(self._simulation.new_uuid(), name, created, managed, value)
        self.tokens[id][token.id] = token
        self.token_owners[value] = id
        return token

    def revoke_token(self, id: str, token_id: str) -> bool:
        """Remove a token; return False if it does not exist."""
        token = self.tokens[id].pop(token_id, None)
        if token is None:
            return False
        del self.token_owners[token.value]
        return True
