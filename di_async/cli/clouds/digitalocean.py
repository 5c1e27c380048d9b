"""DigitalOcean Dedicated Inference for the commands."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from attrs import evolve

from di_async import Change, DIError, DigitalOcean, InvalidInputError
from di_async.cli.clouds.base import Cloud, ScalePrices, SupportedOptions, client_options
from di_async.cli.clouds.offers import Offer
from di_async.cli.inputs import WaitTarget, WriteOptions
from di_async.cli.output import Column, format_time
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.core.pricing import Placement
from di_async.digitalocean import (
    DedicatedInference,
    DedicatedInferenceSpec,
    DeploymentSpec,
    GPUModelConfig,
)
from di_async.digitalocean.dedicated_inferences import DedicatedInferences
from di_async.digitalocean.lifecycle import is_pending
from di_async.digitalocean.placement import find_places, price_of
from di_async.digitalocean.spec import latest_spec, scaled_spec, spec_digest

__all__ = ["DigitalOceanCloud"]

INSTANCES: tuple[Column[DedicatedInference], ...] = (
    Column("name", lambda di: di.name),
    Column("status", lambda di: di.status, status=True),
    Column("region", lambda di: di.region),
    Column("id", lambda di: di.id),
    Column("endpoint", lambda di: _endpoint(di), wide=True),
    Column("created", lambda di: format_time(di.created_at), wide=True),
)
MODELS: tuple[Column[GPUModelConfig], ...] = (
    Column("model", lambda m: m.model_slug),
    Column("gated", lambda m: "yes" if m.is_gated_model else "no"),
    Column("gpus", lambda m: ",".join(m.gpu_slugs)),
)
# Options of `create` that describe one deployment, instead of a spec file.
_DEPLOYMENT_OPTIONS = frozenset({"model", "gpu", "scale"})


class DigitalOceanCloud(Cloud[DigitalOcean, DedicatedInference]):
    """The instances of a team; their names are unique."""

    provider = Provider.DIGITALOCEAN
    vendor = "digitalocean"
    resource_type = DedicatedInference
    noun = "instances"
    document_key = "dedicated_inference"
    columns = INSTANCES
    credentials = (
        Credential("DigitalOcean token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),
    )
    supported_options: ClassVar[SupportedOptions] = {
        "create": _DEPLOYMENT_OPTIONS | {"spec", "name", "region", "vpc", "public", "hf_token"},
        "update": frozenset({"spec", "name", "hf_token", "ready_timeout"}),
        "scale": frozenset({"scale", "model", "gpu", "type", "ready_timeout"}),
    }

    @staticmethod
    def connect(settings: Settings) -> DigitalOcean:
        """Return a client of the API token."""
        (token,) = read_credentials(settings, *DigitalOceanCloud.credentials)
        return DigitalOcean(token, **client_options(settings))

    @property
    def location(self) -> str:
        """The team of the token."""
        return "in this team"

    @property
    def api(self) -> DedicatedInferences:
        """The calls for instances."""
        return self.client.dedicated_inferences

    def resources(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[DedicatedInference]:
        """List the team's instances."""
        return self.api.list(name=name, region=region)

    async def find_by_name(self, name: str) -> Sequence[DedicatedInference]:
        """Return the instance of that name, if there is one."""
        found = await self.api.find(name)
        return [] if found is None else [found]

    def pending_target(self, resource: DedicatedInference) -> WaitTarget | None:
        """Return "deleted" during a deletion, "active" during any other change."""
        if not is_pending(resource.status, resource.pending_deployment_spec is not None):
            return None
        return WaitTarget.DELETED if resource.status == "deleting" else WaitTarget.ACTIVE

    def create_spec(self, options: WriteOptions) -> Mapping[str, Any]:
        """Return the spec in a spec file or in options."""
        changes = {
            "name": options.name,
            "region": options.region,
            "vpc": options.vpc,
            "enable_public_endpoint": options.public,
        }
        changes = {field: value for field, value in changes.items() if value is not None}
        if options.spec is None:
            return _spec_from_options(changes, options)
        if _DEPLOYMENT_OPTIONS & options.given:
            raise InvalidInputError(
                "--model, --gpu and --scale cannot be combined with --spec; set them in the file"
            )
        return _merge(options.spec, changes)

    def create_arguments(self, options: WriteOptions) -> dict[str, Any]:
        """Return the tokens of model providers."""
        token = options.hf_token
        return {"access_tokens": {"hugging_face_token": token}} if token else {}

    async def update(self, id: str, options: WriteOptions) -> Change[DedicatedInference]:
        """Update an instance."""
        changes = {} if options.name is None else {"name": options.name}
        spec = _merge(options.spec, changes) if options.spec is not None else changes or None
        return await self.api.update(
            id,
            spec=spec,
            ready_timeout=options.ready_timeout or 0,
            **self.create_arguments(options),
        )

    def check_options(self, command: str, options: WriteOptions) -> None:
        """Refuse a scale to 0, too."""
        super().check_options(command, options)
        if options.scale == 0:
            raise InvalidInputError("the minimum is 1 GPU; use `di-async delete` to stop the cost")

    async def scale(self, id: str, options: WriteOptions) -> Change[DedicatedInference]:
        """Set the number of GPUs."""
        return await self.api.scale(
            id,
            options.scale or 1,
            model=options.model,
            accelerator_slug=options.gpu,
            type=options.type,
            ready_timeout=options.ready_timeout or 0,
        )

    async def scale_prices(self, id: str, options: WriteOptions) -> ScalePrices:
        """Return the hourly price before and after a scale, by the latest spec."""
        live, sizes = await self.api.get(id), await self.api.sizes()
        after = _scaled(live, options)
        latest = latest_spec(live)
        deployments = latest.model_deployments if latest else ()
        before = evolve(after, model_deployments=deployments)
        return price_of(before, sizes), price_of(after, sizes)

    async def is_scaled(self, id: str, options: WriteOptions) -> bool:
        """Return whether the latest spec has that many GPUs: a PATCH would roll it out again."""
        live = await self.api.get(id)
        wanted = _scaled(live, options)
        latest = latest_spec(live)
        return latest is not None and spec_digest(latest) == spec_digest(wanted)

    async def failure_advice(self, resource: Any) -> str | None:
        """Return that one of its models is gated."""
        spec = latest_spec(resource) if isinstance(resource, DedicatedInference) else None
        used = {deployment.model_slug for deployment in spec.model_deployments} if spec else set()
        try:
            configs = await self.api.gpu_model_configs() if used else ()
        except DIError:
            return None
        gated = [one.model_slug for one in configs if one.is_gated_model and one.model_slug in used]
        return f"{gated[0]} is a gated model: it needs --hf-token." if gated else None

    async def regions(self) -> Sequence[str]:
        """Return the regions that the team may use."""
        return (await self.api.sizes()).enabled_regions

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """Fetch the models and the GPUs that each runs on."""
        return await self.api.gpu_model_configs(), MODELS

    async def offers(self, model: str | None, region: str | None) -> list[Offer]:
        """Return every GPU size in every region; one GPU each."""
        sizes, configs = await self.api.sizes(), await self.api.gpu_model_configs()
        regions, slugs = sizes.enabled_regions, [size.gpu_slug for size in sizes.sizes]
        if not regions or not slugs:
            return []
        fields = {"name": "NAME", "region": regions[0]}
        wanted = WriteOptions(name="NAME", region=regions[0], model=model or "MODEL", gpu=slugs[0])
        spec = DedicatedInferenceSpec.from_dict(_spec_from_options(fields, wanted))
        return [
            Offer(
                region=place.region,
                accelerator=place.accelerator,
                price=place.price,
                reason=place.reason,
                command=None if place.reason else self._create_command(place, model or "MODEL"),
            )
            for place in find_places(spec, sizes, configs)
            if region in (None, place.region)
        ]

    async def model_warning(self, model: str) -> str | None:
        """Return that the catalog has no such model."""
        known = {config.model_slug for config in await self.api.gpu_model_configs()}
        if not known or model in known:
            return None
        listing = self.settings.command_line("models")
        return f"the model {model!r} is not in the catalog; `{listing}` lists those that are"

    def _create_command(self, place: Placement[Any], model: str) -> str:
        where = ("--region", place.region, "--gpu", place.accelerator)
        return self.settings.command_line("create", "--name", "NAME", *where, "--model", model)

    def fields(self, resource: DedicatedInference) -> Iterator[tuple[str, object]]:
        """Return the fields of an instance."""
        yield "name", resource.name
        yield "id", resource.id
        yield "status", resource.status
        yield "region", resource.region
        yield "vpc", resource.vpc_uuid
        if resource.endpoints:
            yield "public endpoint", resource.endpoints.public_endpoint_fqdn
            yield "private endpoint", resource.endpoints.private_endpoint_fqdn
        yield from _spec_fields("", resource.spec)
        yield from _spec_fields("pending ", resource.pending_deployment_spec)
        yield "created", format_time(resource.created_at)
        yield "updated", format_time(resource.updated_at)


def _spec_fields(prefix: str, spec: DeploymentSpec | None) -> Iterator[tuple[str, object]]:
    if spec is None:
        return
    yield f"{prefix}version", spec.version
    for deployment in spec.model_deployments:
        gpus = ", ".join(f"{a.scale} x {a.accelerator_slug}" for a in deployment.accelerators)
        yield f"{prefix}model", f"{deployment.model_slug} on {gpus}"


def _endpoint(di: DedicatedInference) -> str | None:
    endpoints = di.endpoints
    if endpoints is None:
        return None
    return endpoints.public_endpoint_fqdn or endpoints.private_endpoint_fqdn


def _merge(spec: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a spec, plain or wrapped as in a request, with the changes applied."""
    inner = spec.get("spec")
    if isinstance(inner, Mapping):
        return {**spec, "spec": {**inner, **changes}}
    return {**spec, **changes}


def _spec_from_options(fields: dict[str, Any], options: WriteOptions) -> dict[str, Any]:
    required = {
        "--name": options.name,
        "--region": options.region,
        "--model": options.model,
        "--gpu": options.gpu,
    }
    missing = [option for option, value in required.items() if not value]
    if missing:
        raise InvalidInputError(
            f"use --spec FILE, or {', '.join(required)} (missing: {', '.join(missing)})"
        )
    accelerators = [{"accelerator_slug": options.gpu, "scale": options.scale or 1}]
    deployments = [{"model_slug": options.model, "accelerators": accelerators}]
    return {**fields, "model_deployments": deployments}


def _scaled(live: DedicatedInference, options: WriteOptions) -> DedicatedInferenceSpec:
    """Return the spec of an instance after the scale that the options ask for."""
    return scaled_spec(
        live,
        options.scale or 1,
        model=options.model,
        accelerator_slug=options.gpu,
        type=options.type,
    )
