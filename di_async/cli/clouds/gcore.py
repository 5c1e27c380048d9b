"""Gcore Everywhere Inference for the commands: deployments (API v3) and instances (API v2)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from attrs import frozen

from di_async import Change, Ensured, Gcore, HourlyPrice, InvalidInputError
from di_async.cli.clouds.base import Cloud, ScalePrices, SupportedOptions, client_options
from di_async.cli.clouds.offers import Offer
from di_async.cli.inputs import WaitTarget, WriteOptions
from di_async.cli.output import Column, format_time
from di_async.cli.references import checked_ref
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.core.inventory import Prices
from di_async.core.request_body import to_wire
from di_async.core.text_input import is_id_number
from di_async.engine.deployments.temporary import Temporary
from di_async.gcore import (
    Container,
    InferenceDeployment,
    InferenceDeployments,
    InferenceInstance,
    InferenceInstances,
    LogLine,
)
from di_async.gcore.client import PROJECT_VARIABLES
from di_async.gcore.lifecycle import is_pending
from di_async.gcore.models import Inference
from di_async.gcore.placement import known_price
from di_async.gcore.scanning import GcoreScanner

__all__ = ["GcoreCloud", "GcoreV2Cloud"]

G = TypeVar("G", bound=Inference)

_STATUS: Column[Any] = Column("status", lambda i: i.status, status=True)
_SIZE: tuple[Column[Any], ...] = (
    Column("regions", lambda i: _regions(i)),
    Column("replicas", lambda i: _replicas(i)),
)
_DETAILS: tuple[Column[Any], ...] = (
    Column("address", lambda i: i.address, wide=True),
    Column("created", lambda i: format_time(i.created_at), wide=True),
)
_DELETION = frozenset({"DELETING", "DELETED"})


class _GcoreBase(Cloud[Gcore, G]):
    """What both APIs share."""

    vendor = "gcore"
    price_word = "at most"  # prices are those of the maximum scale
    credentials = (Credential("Gcore API key", ("GCORE_API_KEY",)),)

    @staticmethod
    def connect(settings: Settings) -> Gcore:
        """Return a client of the API key, and of the project if one is set."""
        (key,) = read_credentials(settings, *_GcoreBase.credentials)
        return Gcore(key, settings.project, **client_options(settings))

    @staticmethod
    def unread_part(client: Gcore) -> InvalidInputError | None:
        """Return that deployments of v3 need a project, if the client has none."""
        if client.project_id is not None:
            return None
        return InvalidInputError(
            f"deployments belong to a project: use --project, or set {PROJECT_VARIABLES[0]}"
        )

    def pending_target(self, resource: G) -> WaitTarget | None:
        """Return "deleted" during a deletion, "active" during any other change."""
        if not is_pending(resource):
            return None
        return WaitTarget.DELETED if resource.status in _DELETION else WaitTarget.ACTIVE

    def fields(self, resource: G) -> Iterator[tuple[str, object]]:
        """Return the fields of a deployment or instance."""
        yield "name", resource.name
        if self.id_of(resource) != resource.name:
            yield "id", self.id_of(resource)
        yield "status", resource.status
        yield "image", resource.image
        yield "flavor", getattr(resource, "flavor_name", "") or getattr(resource, "flavor_id", "")
        yield "address", resource.address
        for container in resource.containers:
            yield f"region {container.region_id}", _container_status(container)
        yield "created", format_time(resource.created_at)

    def _update_body(self, options: WriteOptions) -> dict[str, Any]:
        """Return the fields of the spec file, with the name that was given as an option."""
        name = {} if options.name is None else {"name": options.name}
        return {**(options.spec or {}), **name}

    def create_spec(self, options: WriteOptions) -> dict[str, Any]:
        """Return the fields of a create.

        Raises:
            InvalidInputError: there is no spec file.
        """
        if options.spec is None:
            raise InvalidInputError(
                "use --spec FILE with image, listening_port, flavor_name and containers"
            )
        return self._update_body(options)

    async def _scaled_containers(self, id: str, options: WriteOptions) -> list[dict[str, Any]]:
        """Return all containers of a resource, with the replicas of one region changed."""
        resource: Inference = await self.api.get(id)
        return _scale(resource.containers, options.scale or 0, options.region)

    async def is_scaled(self, id: str, options: WriteOptions) -> bool:
        """Return whether it is ready with such replicas: an update would roll it out again."""
        live: Inference = await self.api.get(id)
        scaled = _scale(live.containers, options.scale or 0, options.region)
        same = [one["scale"] for one in scaled] == [to_wire(one.scale) for one in live.containers]
        return same and (live.status or "").upper() == "ACTIVE"

    async def regions(self) -> Sequence[str]:
        """Return the ids of the regions with GPUs."""
        return [str(region.region_id) for region in await self.client.capacity()]


class GcoreCloud(_GcoreBase[InferenceDeployment]):
    """The deployments (v3) of a project. The name of a deployment is its id."""

    provider = Provider.GCORE
    resource_type = InferenceDeployment
    noun = "deployments"
    document_key = "inference_deployment"
    columns = (
        Column("name", lambda d: d.name),
        _STATUS,
        *_SIZE,
        Column("flavor", lambda d: d.flavor_name),
        *_DETAILS,
    )
    supported_options: ClassVar[SupportedOptions] = {
        "create": frozenset({"spec", "name", "open_to_world", "region", "gpu"}),
        "update": frozenset({"spec", "open_to_world"}),
        "scale": frozenset({"scale", "region"}),
    }

    @staticmethod
    def connect(settings: Settings) -> Gcore:
        """Return a client of the API key and the project."""
        client = _GcoreBase.connect(settings)
        if (missing := _GcoreBase.unread_part(client)) is not None:
            raise missing
        return client

    @property
    def api(self) -> InferenceDeployments:
        """The calls for deployments."""
        return self.client.inference_deployments

    @property
    def location(self) -> str:
        """The project."""
        return f"in project {self.client.project_id}"

    @property
    def scope(self) -> str | None:
        """The project."""
        return str(self.client.project_id)

    async def resources(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[InferenceDeployment]:
        """List the project's deployments."""
        async for deployment in self.api.list():
            if name in (None, deployment.name) and _is_in(deployment, region):
                yield deployment

    def id_of(self, resource: Any) -> str:
        """Return the name."""
        return str(resource.name)

    async def resolve_id(self, ref: str) -> str:
        """Return the name itself; no request is needed."""
        return checked_ref(ref)

    def create_spec(self, options: WriteOptions) -> dict[str, Any]:
        """Return the spec file with the options' name, flavor and region."""
        body = super().create_spec(options)
        if options.gpu is not None:
            body["flavor_name"] = options.gpu
        if options.region is not None:
            if not is_id_number(options.region):
                raise InvalidInputError(f"--region: expected its number, not {options.region!r}")
            given = body.get("containers") or [{"scale": {"min": 1, "max": 1}}]
            body["containers"] = [{**given[0], "region_id": int(options.region)}]
        return body

    async def offers(self, model: str | None, region: str | None) -> list[Offer]:
        """Return every GPU flavor in every region, with the price of one replica."""
        if model is not None:
            raise InvalidInputError(
                "--model is not supported with --provider gcore: the image in the spec file has "
                "the model"
            )
        flavors = {one.name for one in await self.client.flavors() if one.gpu}
        places = [
            (str(place.region_id), row.flavor_name, row.capacity)
            for place in await self.client.capacity()
            for row in place.capacity
            if row.flavor_name in flavors and region in (None, str(place.region_id))
        ]
        return list(await asyncio.gather(*(self._offer(*place) for place in places)))

    async def _offer(self, region: str, flavor: str, free: int) -> Offer:
        reason = None if free else f"no room for {flavor}"
        price = command = None
        if free:
            container = {"region_id": int(region), "scale": {"min": 1, "max": 1}}
            fields = {"flavor_name": flavor, "containers": [container]}
            price = await known_price(self.api.deployable().engine, fields)
            what = ("--spec", "FILE", "--name", "NAME", "--region", region, "--gpu", flavor)
            command = self.settings.command_line("create", *what)
        return Offer(
            region=region,
            accelerator=flavor,
            price=price,
            free=free,
            reason=reason,
            command=command,
        )

    def create_arguments(self, options: WriteOptions) -> dict[str, Any]:
        """Return whether the endpoint may be open to everyone."""
        return {"open_to_world": bool(options.open_to_world)}

    async def update(self, id: str, options: WriteOptions) -> Change[InferenceDeployment]:
        """Update the fields in the spec file."""
        body = self._update_body(options)
        return await self.api.update(id, body, open_to_world=bool(options.open_to_world))

    async def scale(self, id: str, options: WriteOptions) -> Change[InferenceDeployment]:
        """Set the replicas of one region; with 0 it scales to zero when idle."""
        return await self.api.update(id, containers=await self._scaled_containers(id, options))

    async def scale_prices(self, id: str, options: WriteOptions) -> ScalePrices:
        """Return the hourly price before and after a scale, at maximum scale."""
        now = await self.api.get(id)
        fields = {
            "name": now.name,
            "image": now.image,
            "listening_port": now.listening_port,
            "flavor_name": now.flavor_name,
        }
        scaled = _scale(now.containers, options.scale or 0, options.region)
        current = [to_wire(one) for one in now.containers]
        return (
            await self.api.hourly_price({**fields, "containers": current}),
            await self.api.hourly_price({**fields, "containers": scaled}),
        )

    async def start(self, ref: str) -> Change[InferenceDeployment]:
        """Start a stopped deployment."""
        return await self.api.start(ref)

    async def stop(self, ref: str) -> Change[InferenceDeployment]:
        """Stop a deployment; it costs nothing until it is started."""
        return await self.api.stop(ref)

    async def logs(self, ref: str, tail: int) -> Sequence[LogLine]:
        """Fetch the last log lines of all regions."""
        return (await self.api.logs(ref, limit=tail))[::-1]


class GcoreV2Cloud(_GcoreBase[InferenceInstance]):
    """The instances (v2) of an API key. The vendor calls this API deprecated."""

    provider = Provider.GCORE_V2
    resource_type = InferenceInstance
    noun = "instances"
    document_key = "inference_instance"
    columns = (
        Column("name", lambda i: i.name),
        _STATUS,
        *_SIZE,
        Column("id", lambda i: i.id),
        *_DETAILS,
    )
    supported_options: ClassVar[SupportedOptions] = {
        "create": frozenset({"spec", "name"}),
        "update": frozenset({"spec", "name"}),
        "scale": frozenset({"scale", "region"}),
    }

    async def hourly_price(self, options: WriteOptions) -> HourlyPrice | None:
        """Return None: Gcore's price preview is for flavors of API v3."""
        return None

    async def offer_problem(self, options: WriteOptions) -> str | None:
        """Return None: Gcore lists no flavors by region for API v2."""
        return None

    @property
    def location(self) -> str:
        """The API key."""
        return "for this API key"

    @property
    def api(self) -> InferenceInstances:
        """The calls for instances."""
        return self.client.inference_instances

    @property
    def scan_client(self) -> "_InstanceScanClient":
        """A scan client for v2; the client's own scans v3 if a project is set."""
        return _InstanceScanClient(self.client)

    async def resources(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[InferenceInstance]:
        """List the key's instances."""
        async for instance in self.api.list(name=name):
            if _is_in(instance, region):
                yield instance

    async def ensure(self, options: WriteOptions, **more: Any) -> Ensured[InferenceInstance]:
        """Raise: API v2 has no unique names."""
        raise self.unsupported("ensure")

    def temporary(self, options: WriteOptions, **more: Any) -> Temporary[Any]:
        """Raise: only deployments of API v3 can be temporary."""
        raise self.unsupported("run")

    async def update(self, id: str, options: WriteOptions) -> Change[InferenceInstance]:
        """Update the fields in the spec file; the others keep their values."""
        return await self.api.update(id, self._update_body(options))

    async def scale(self, id: str, options: WriteOptions) -> Change[InferenceInstance]:
        """Set the replicas of one region; with 0 it scales to zero when idle."""
        return await self.api.update(id, containers=await self._scaled_containers(id, options))


@frozen
class _InstanceScanClient:
    """Scans the instances of v2."""

    client: Gcore
    provider: str = _GcoreBase.vendor

    def require_open(self) -> None:
        """Check that requests can be sent."""
        self.client.require_open()

    def scanner(self, label: str, prices: Prices) -> GcoreScanner:
        """Return the scanner."""
        return GcoreScanner(self.client.inference_instances, label, prices)


def _is_in(resource: Inference, region: str | None) -> bool:
    return region is None or region in (str(one.region_id) for one in resource.containers)


def _scale(
    containers: Sequence[Container], replicas: int, region: str | None
) -> list[dict[str, Any]]:
    """Return the containers as in a request, with the replicas of one region changed."""
    regions = [str(one.region_id) for one in containers]
    chosen = region or (regions[0] if len(regions) == 1 else None)
    if chosen not in regions:
        raise InvalidInputError(f"select the region with --region, one of {', '.join(regions)}")
    maximum = {"max": replicas} if replicas else {}
    return [
        {"region_id": one.region_id, "scale": {**to_wire(one.scale), "min": replicas, **maximum}}
        if str(one.region_id) == chosen
        else to_wire(one)
        for one in containers
    ]


def _regions(resource: Inference) -> str:
    return ",".join(str(container.region_id) for container in resource.containers)


def _replicas(resource: Inference) -> str:
    """Format ready and wanted replicas, where the API shows them."""
    found = [one.deploy_status for one in resource.containers if one.deploy_status]
    return f"{sum(s.ready for s in found)}/{sum(s.total for s in found)}" if found else ""


def _container_status(container: Container) -> str:
    scale, status = container.scale, container.deploy_status
    ready = f"{status.ready} of {status.total} replicas ready, " if status else ""
    error = f": {container.error_message}" if container.error_message else ""
    return f"{ready}scale {scale.min} to {scale.max}{error}"
