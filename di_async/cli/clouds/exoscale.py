"""Exoscale Dedicated Inference for the commands."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from attrs import evolve

from di_async import Change, Exoscale, InvalidInputError, Secret
from di_async.cli.clouds.base import Cloud, SupportedOptions, client_options
from di_async.cli.clouds.offers import Offer
from di_async.cli.inputs import WaitTarget, WriteOptions
from di_async.cli.output import Column, format_time
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.core.request_body import respelled
from di_async.exoscale import Deployment, Deployments, LogEntry, Model
from di_async.exoscale.lifecycle import is_pending, is_public
from di_async.exoscale.placement import not_authorized, read_zones
from di_async.exoscale.zone_requests import zone_template

__all__ = ["ExoscaleCloud"]

DEPLOYMENTS: tuple[Column[Deployment], ...] = (
    Column("name", lambda d: d.name),
    Column("state", lambda d: d.state, status=True),
    Column("replicas", lambda d: d.replicas, right=True),
    Column("of", lambda d: _gpus(d)),
    Column("id", lambda d: d.id),
    Column("model", lambda d: _model(d), wide=True),
    Column("created", lambda d: format_time(d.created_at), wide=True),
)
MODELS: tuple[Column[Model], ...] = (
    Column("model", lambda m: m.name),
    Column("state", lambda m: m.state, status=True),
    Column("GB", lambda m: f"{m.model_size / 1e9:.1f}" if m.model_size else None, right=True),
    Column("id", lambda m: m.id),
    Column("created", lambda m: format_time(m.created_at), wide=True),
)
DEFAULT_ZONE = "ch-gva-2"
_UPDATABLE = ("inference_engine_parameters", "inference_engine_version", "name")


class ExoscaleCloud(Cloud[Exoscale, Deployment]):
    """The deployments of one zone. Names are not unique."""

    provider = Provider.EXOSCALE
    vendor = "exoscale"
    resource_type = Deployment
    noun = "deployments"
    document_key = "deployment"
    columns = DEPLOYMENTS
    credentials = (
        Credential("Exoscale API key", ("EXOSCALE_API_KEY",)),
        Credential("Exoscale API secret", ("EXOSCALE_API_SECRET",)),
    )
    supported_options: ClassVar[SupportedOptions] = {
        "create": frozenset({"spec", "name", "model", "gpu", "scale"}),
        "update": frozenset({"spec", "name", "ready_timeout"}),
        "scale": frozenset({"scale", "ready_timeout"}),
    }

    @staticmethod
    def connect(settings: Settings) -> Exoscale:
        """Return a client of the API key and the zone."""
        key, secret = read_credentials(settings, *ExoscaleCloud.credentials)
        zone = settings.zone or DEFAULT_ZONE
        url = settings.base_url and zone_template(settings.base_url, "base_url")
        return Exoscale(key, secret, zone, **client_options(settings, url))

    @property
    def api(self) -> Deployments:
        """The calls for deployments."""
        return self.client.deployments

    @property
    def location(self) -> str:
        """The zone."""
        return f"in {self.client.zone}"

    @property
    def scope(self) -> str | None:
        """The zone."""
        return self.client.zone

    async def resources(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[Deployment]:
        """List the organisation's deployments in the zone, without Exoscale's public ones."""
        if region is not None:
            raise InvalidInputError(
                "--region is not supported with --provider exoscale; use --zone"
            )
        async for deployment in self.api.list():
            if not is_public(deployment) and name in (None, deployment.name):
                yield deployment

    def pending_target(self, resource: Deployment) -> WaitTarget | None:
        """Return "active" while pending: no state stands for a deletion."""
        return WaitTarget.ACTIVE if is_pending(resource.state) else None

    def create_spec(self, options: WriteOptions) -> Mapping[str, Any]:
        """Return the spec in a spec file and options, which override the file."""
        required = {"--name": options.name, "--model": options.model, "--gpu": options.gpu}
        missing = [option for option, value in required.items() if value is None]
        if options.spec is None and missing:
            raise InvalidInputError(
                f"use --spec FILE, or {', '.join(required)} (missing: {', '.join(missing)})"
            )
        changes = {
            "name": options.name,
            "model": options.model,
            "gpu-type": options.gpu,
            "replicas": options.scale,
        }
        spec = respelled(options.spec or {}, "_", "-")
        return spec | {key: value for key, value in changes.items() if value is not None}

    async def update(self, id: str, options: WriteOptions) -> Change[Deployment]:
        """Update the name or the engine."""
        changes = respelled(options.spec or {}, "-", "_")
        if options.name is not None:
            changes["name"] = options.name
        fixed = sorted(changes.keys() - set(_UPDATABLE))
        if fixed:
            raise InvalidInputError(
                f"{', '.join(fixed)}: cannot be updated (only {', '.join(_UPDATABLE)}; "
                "`di-async scale` changes the replicas)"
            )
        return await self.api.update(
            id,
            name=changes.get("name"),
            inference_engine_version=changes.get("inference_engine_version"),
            inference_engine_parameters=changes.get("inference_engine_parameters"),
            ready_timeout=options.ready_timeout or 0,
        )

    async def scale(self, id: str, options: WriteOptions) -> Change[Deployment]:
        """Set the number of replicas; 0 releases the GPUs."""
        return await self.api.scale(
            id, options.scale or 0, ready_timeout=options.ready_timeout or 0
        )

    async def is_scaled(self, id: str, options: WriteOptions) -> bool:
        """Return whether it is ready with so many replicas."""
        live = await self.api.get(id)
        return live.state == "ready" and live.replicas == options.scale

    async def logs(self, ref: str, tail: int) -> Sequence[LogEntry]:
        """Fetch the log of the inference engine."""
        return await self.api.logs(await self.resolve_id(ref), tail=tail)

    async def create_model(self, name: str, token: Secret | None) -> Change[Any]:
        """Download a model from Hugging Face into the zone."""
        return await self.client.models.create(name, token)

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """Fetch the models of the zone; a deployment needs one that is ready."""
        return [model async for model in self.client.models.list()], MODELS

    async def offers(self, model: str | None, region: str | None) -> list[Offer]:
        """Return every GPU family in every zone; a model must be ready in the zone."""
        # A base URL of one zone, and --zone, leave the others out.
        all_zones = not region and "zone" not in self.settings.explicit_options
        names = [zone.name for zone in await self.client.zones()] if all_zones else []
        zones = names or [region or self.client.zone]
        found, failures = await read_zones(zones, lambda zone: self._offers_in(zone, model))
        unread = [
            Offer(region=zone, accelerator="", reason=f"the zone could not be read: {error}")
            for zone, error in failures.items()
        ]
        return [offer for offers in found.values() for offer in offers] + unread

    async def _offers_in(self, name: str, model: str | None) -> list[Offer]:
        zone, settings = self.client.in_zone(name), evolve(self.settings, zone=name)
        types = await zone.instance_types()
        models = await zone.models.find_all(model) if model else ()
        ready = model is None or any(one.state == "ready" for one in models)
        offers = []
        for one in types:
            reason = None
            if not one.authorized:
                reason = not_authorized(one.family)
            elif not ready:
                download = settings.command_line("models", "create", model or "MODEL")
                reason = f"the model is not ready in the zone: {download}"
            what = ("--name", "NAME", "--gpu", one.family, "--model", model or "MODEL")
            command = None if reason else settings.command_line("create", *what)
            offers.append(
                Offer(region=name, accelerator=one.family, reason=reason, command=command)
            )
        return offers

    def fields(self, resource: Deployment) -> Iterator[tuple[str, object]]:
        """Return the fields of a deployment."""
        yield "name", resource.name
        yield "id", resource.id
        yield "state", resource.state
        yield "details", resource.state_details
        yield "zone", self.client.zone
        yield "model", _model(resource)
        yield "replicas", resource.replicas
        yield "of", _gpus(resource)
        yield "endpoint", resource.deployment_url
        yield "engine", resource.inference_engine_version
        yield "parameters", " ".join(resource.inference_engine_parameters or ())
        yield "created", format_time(resource.created_at)
        yield "updated", format_time(resource.updated_at)


def _gpus(deployment: Deployment) -> str | None:
    """Format the GPUs of one replica."""
    if deployment.gpu_count:
        return f"{deployment.gpu_count} x {deployment.gpu_type}"
    return deployment.gpu_type


def _model(deployment: Deployment) -> str | None:
    model = deployment.model
    return (model.name or model.id) if model else None
