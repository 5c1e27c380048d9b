"""Gcore Everywhere Inference, for the commands: deployments (v3), and instances (v2)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from attrs import frozen

from di_async import Change, InvalidInputError
from di_async.cli.clouds.cloud import Cloud, Goal, Order, Takes, common
from di_async.cli.output import Column, when
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.core.inventory import Prices
from di_async.gcore import (
    Container,
    Gcore,
    InferenceDeployment,
    InferenceDeployments,
    InferenceInstance,
    InferenceInstances,
    LogLine,
)
from di_async.gcore.client import PROJECT_VARIABLES
from di_async.gcore.lifecycle import is_pending
from di_async.gcore.models import Inference
from di_async.gcore.scanning import GcoreScanner
from di_async.gcore.spec import plain

__all__ = ["OnGcore", "OnGcoreV2"]

G = TypeVar("G", bound=Inference)

_STATUS: Column[Any] = Column("status", lambda i: i.status, status=True)
_SIZE: tuple[Column[Any], ...] = (
    Column("regions", lambda i: _regions(i)),
    Column("replicas", lambda i: _replicas(i)),
)
_MORE: tuple[Column[Any], ...] = (
    Column("address", lambda i: i.address, wide=True),
    Column("created", lambda i: when(i.created_at), wide=True),
)
_GOING = frozenset({"DELETING", "DELETED"})


class _EitherGcore(Cloud[Gcore, G]):
    """What the two kinds share."""

    vendor = "gcore"
    credentials = (Credential("Gcore API key", ("GCORE_API_KEY",)),)

    @staticmethod
    def connect(settings: Settings) -> Gcore:
        """A client of one API key, and of a project if one is told."""
        (key,) = read_credentials(settings, *_EitherGcore.credentials)
        return Gcore(key, settings.project, **common(settings))

    def under_way(self, found: G) -> Goal | None:
        """A deletion, or whatever else makes it serve."""
        if not is_pending(found):  # type: ignore[arg-type] # it only looks at what they share
            return None
        return Goal.DELETED if found.status in _GOING else Goal.ACTIVE

    def body(self, order: Order) -> dict[str, Any]:
        """The fields of a file with the name on top."""
        return {**(order.spec or {}), **({} if order.name is None else {"name": order.name})}

    def whole_body(self, order: Order) -> dict[str, Any]:
        """The fields of a create.

        Raises:
            InvalidInputError: there is no file.
        """
        if order.spec is None:
            raise InvalidInputError(
                "give --spec FILE: it says image, listening_port, flavour and containers"
            )
        return self.body(order)

    async def scaled(self, id: str, order: Order) -> list[dict[str, Any]]:
        """All containers, that of one region with so many replicas."""
        return _scaled((await self.get(id)).containers, order.scale or 0, order.region)

    def fields(self, found: G) -> Iterator[tuple[str, object]]:
        """One of them, field by field."""
        yield "name", found.name
        if self.id_in(found) != found.name:
            yield "id", self.id_in(found)
        yield "status", found.status
        yield "image", found.image
        yield "flavour", getattr(found, "flavor_name", "") or getattr(found, "flavor_id", "")
        yield "address", found.address
        for container in found.containers:
            yield f"region {container.region_id}", _told(container)
        yield "created", when(found.created_at)


class OnGcore(_EitherGcore[InferenceDeployment]):
    """Deployments (v3) of a project. A name is an id."""

    provider = Provider.GCORE
    kind = InferenceDeployment
    plural = "deployments"
    key = "inference_deployment"
    columns = (
        Column("name", lambda d: d.name),
        _STATUS,
        *_SIZE,
        Column("flavour", lambda d: d.flavor_name),
        *_MORE,
    )
    takes: ClassVar[Takes] = {
        "create": frozenset({"spec", "name", "open_to_world"}),
        "update": frozenset({"spec", "open_to_world"}),
        "scale": frozenset({"scale", "region"}),
    }

    @staticmethod
    def connect(settings: Settings) -> Gcore:
        """A client of one API key and project."""
        client = _EitherGcore.connect(settings)
        if client.project_id is None:
            raise InvalidInputError(
                f"deployments live in a project: name it with --project, or set "
                f"{PROJECT_VARIABLES[0]}"
            )
        return client

    @property
    def api(self) -> InferenceDeployments:
        """The deployments."""
        return self.client.inference_deployments

    @property
    def where(self) -> str:
        """The project."""
        return f"in project {self.client.project_id}"

    @property
    def scope(self) -> str | None:
        """The project."""
        return str(self.client.project_id)

    async def rows(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[InferenceDeployment]:
        """The project's deployments."""
        async for row in self.api.list():
            if name in (None, row.name) and _is_in(row, region):
                yield row

    def id_in(self, found: Any) -> str:
        """Its name."""
        return str(found.name)

    async def id_of(self, ref: str) -> str:
        """The name itself: there is nothing to look up."""
        return ref

    async def create(self, order: Order) -> Change[InferenceDeployment]:
        """Make a deployment, of a file."""
        body = self.whole_body(order)
        return await self.api.create(body, open_to_world=bool(order.open_to_world))

    async def update(self, id: str, order: Order) -> Change[InferenceDeployment]:
        """Change what the file names."""
        return await self.api.update(id, self.body(order), open_to_world=bool(order.open_to_world))

    async def scale(self, id: str, order: Order) -> Change[InferenceDeployment]:
        """So many replicas in a region; 0 lets it sleep while nobody asks."""
        return await self.api.update(id, containers=await self.scaled(id, order))

    async def start(self, ref: str) -> Change[InferenceDeployment]:
        """Start a stopped one."""
        return await self.api.start(ref)

    async def stop(self, ref: str) -> Change[InferenceDeployment]:
        """Stop it: it costs nothing until it is started."""
        return await self.api.stop(ref)

    async def logs(self, ref: str, tail: int) -> Sequence[LogLine]:
        """The last lines of all regions."""
        return (await self.api.logs(ref, limit=tail))[::-1]


class OnGcoreV2(_EitherGcore[InferenceInstance]):
    """Instances (v2) of a key, by id. The vendor calls v2 deprecated."""

    provider = Provider.GCORE_V2
    kind = InferenceInstance
    plural = "instances"
    key = "inference_instance"
    columns = (
        Column("name", lambda i: i.name),
        _STATUS,
        *_SIZE,
        Column("id", lambda i: i.id),
        *_MORE,
    )
    takes: ClassVar[Takes] = {
        "create": frozenset({"spec", "name"}),
        "update": frozenset({"spec", "name"}),
        "scale": frozenset({"scale", "region"}),
    }

    @property
    def where(self) -> str:
        """All that the key sees."""
        return "for this API key"

    @property
    def api(self) -> InferenceInstances:
        """The instances."""
        return self.client.inference_instances

    @property
    def scannable(self) -> "_Instances":
        """The client as v2 sees it, whether or not a project is told."""
        return _Instances(self.api)

    async def rows(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[InferenceInstance]:
        """The key's instances."""
        async for row in self.api.list(name=name):
            if _is_in(row, region):
                yield row

    async def create(self, order: Order) -> Change[InferenceInstance]:
        """Make an instance, of a file."""
        return await self.api.create(self.whole_body(order))

    async def update(self, id: str, order: Order) -> Change[InferenceInstance]:
        """Change what the file names; the rest is kept."""
        return await self.api.update(id, self.body(order))

    async def scale(self, id: str, order: Order) -> Change[InferenceInstance]:
        """So many replicas in a region; 0 lets it sleep while nobody asks."""
        return await self.api.update(id, containers=await self.scaled(id, order))


@frozen
class _Instances:
    """What a scan of v2 reads."""

    api: InferenceInstances
    provider: str = _EitherGcore.vendor

    def scanner(self, label: str, prices: Prices) -> GcoreScanner:
        """How."""
        return GcoreScanner(self.api, label, prices)


def _is_in(found: Inference, region: str | None) -> bool:
    return region is None or region in (str(one.region_id) for one in found.containers)


def _scaled(
    containers: Sequence[Container], replicas: int, region: str | None
) -> list[dict[str, Any]]:
    """These containers, as a request has them, with so many replicas in a region."""
    there = [str(one.region_id) for one in containers]
    chosen = region or (there[0] if len(there) == 1 else None)
    if chosen not in there:
        raise InvalidInputError(f"which region? Give --region, one of {', '.join(there)}")
    most = {"max": replicas} if replicas else {}
    return [
        {"region_id": one.region_id, "scale": {**plain(one.scale), "min": replicas, **most}}
        if str(one.region_id) == chosen
        else plain(one)
        for one in containers
    ]


def _regions(found: Inference) -> str:
    return ",".join(str(container.region_id) for container in found.containers)


def _replicas(found: Inference) -> str:
    """Ready and wanted, where it is told."""
    told = [one.deploy_status for one in found.containers if one.deploy_status]
    return f"{sum(s.ready for s in told)}/{sum(s.total for s in told)}" if told else ""


def _told(container: Container) -> str:
    scale, status = container.scale, container.deploy_status
    ready = f"{status.ready} of {status.total} replicas ready, " if status else ""
    trouble = f": {container.error_message}" if container.error_message else ""
    return f"{ready}scale {scale.min} to {scale.max}{trouble}"
