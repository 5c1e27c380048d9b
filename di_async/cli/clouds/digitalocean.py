"""DigitalOcean Dedicated Inference, for the commands."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from di_async import Change, DigitalOcean, InvalidInputError
from di_async.cli.clouds.cloud import Cloud, Goal, Order, Takes, common
from di_async.cli.output import Column, when
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.digitalocean import DedicatedInference, DeploymentSpec, GPUModelConfig
from di_async.digitalocean.client import DedicatedInferences
from di_async.digitalocean.lifecycle import is_pending

__all__ = ["INSTANCES", "OnDigitalOcean"]

INSTANCES: tuple[Column[DedicatedInference], ...] = (
    Column("name", lambda di: di.name),
    Column("status", lambda di: di.status, status=True),
    Column("region", lambda di: di.region),
    Column("id", lambda di: di.id),
    Column("endpoint", lambda di: _endpoint(di), wide=True),
    Column("created", lambda di: when(di.created_at), wide=True),
)
MODELS: tuple[Column[GPUModelConfig], ...] = (
    Column("model", lambda m: m.model_slug),
    Column("gated", lambda m: "yes" if m.is_gated_model else "no"),
    Column("gpus", lambda m: ",".join(m.gpu_slugs)),
)
_EASY = frozenset({"model", "gpu", "scale"})


class OnDigitalOcean(Cloud[DigitalOcean, DedicatedInference]):
    """Instances of a team, keyed by id; their names are unique."""

    provider = Provider.DIGITALOCEAN
    vendor = "digitalocean"
    kind = DedicatedInference
    plural = "instances"
    key = "dedicated_inference"
    columns = INSTANCES
    credentials = (
        Credential("DigitalOcean token", ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")),
    )
    takes: ClassVar[Takes] = {
        "create": _EASY | {"spec", "name", "region", "vpc", "public", "hf_token"},
        "update": frozenset({"spec", "name", "hf_token", "ready_timeout"}),
        "scale": frozenset({"scale", "model", "gpu", "type", "ready_timeout"}),
    }

    @staticmethod
    def connect(settings: Settings) -> DigitalOcean:
        """A client of one API token."""
        (token,) = read_credentials(settings, *OnDigitalOcean.credentials)
        return DigitalOcean(token, **common(settings))

    @property
    def where(self) -> str:
        """The team of the token."""
        return "in this team"

    @property
    def api(self) -> DedicatedInferences:
        """The instances."""
        return self.client.dedicated_inferences

    def rows(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[DedicatedInference]:
        """The team's instances."""
        return self.api.list(name=name, region=region)

    async def named(self, name: str) -> Sequence[DedicatedInference]:
        """The instance of that name: names are unique."""
        found = await self.api.find(name)
        return [] if found is None else [found]

    def under_way(self, found: DedicatedInference) -> Goal | None:
        """A deletion, or whatever else makes it active."""
        if not is_pending(found.status, found.pending_deployment_spec is not None):
            return None
        return Goal.DELETED if found.status == "deleting" else Goal.ACTIVE

    async def create(self, order: Order) -> Change[DedicatedInference]:
        """Make an instance, of a file or of a few options."""
        changes = _fields(
            name=order.name,
            region=order.region,
            vpc=order.vpc,
            enable_public_endpoint=order.public,
        )
        if order.spec is None:
            spec = _easy_spec(changes, order)
        elif _EASY & order.given:
            told = ", ".join(f"--{name}" for name in ("model", "gpu", "scale"))
            raise InvalidInputError(f"{told} make a spec of their own: not with --spec")
        else:
            spec = _changed(order.spec, changes)
        return await self.api.create(spec, access_tokens=order.hf_token)

    async def update(self, id: str, order: Order) -> Change[DedicatedInference]:
        """Change an instance."""
        changes = _fields(name=order.name)
        spec = _changed(order.spec, changes) if order.spec is not None else changes or None
        return await self.api.update(
            id,
            spec=spec,
            access_tokens=order.hf_token,
            ready_timeout=order.ready_timeout or 0,
        )

    def check(self, verb: str, order: Order) -> None:
        """The same for all, and there is no scaling to nothing."""
        super().check(verb, order)
        if order.scale == 0:
            raise InvalidInputError("an instance has one GPU or more; `di-async delete` ends it")

    async def scale(self, id: str, order: Order) -> Change[DedicatedInference]:
        """So many GPUs."""
        return await self.api.scale(
            id,
            order.scale or 1,
            model=order.model,
            accelerator_slug=order.gpu,
            type=order.type,
            ready_timeout=order.ready_timeout or 0,
        )

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """Which run on which GPUs."""
        return await self.client.dedicated_inferences.gpu_model_configs(), MODELS

    def fields(self, found: DedicatedInference) -> Iterator[tuple[str, object]]:
        """One instance, field by field."""
        yield "name", found.name
        yield "id", found.id
        yield "status", found.status
        yield "region", found.region
        yield "vpc", found.vpc_uuid
        if found.endpoints:
            yield "public endpoint", found.endpoints.public_endpoint_fqdn
            yield "private endpoint", found.endpoints.private_endpoint_fqdn
        yield from _spec_fields("", found.spec)
        yield from _spec_fields("pending ", found.pending_deployment_spec)
        yield "created", when(found.created_at)
        yield "updated", when(found.updated_at)


def _spec_fields(prefix: str, spec: DeploymentSpec | None) -> Iterator[tuple[str, object]]:
    if spec is None:
        return
    yield f"{prefix}version", spec.version
    for deployment in spec.model_deployments:
        gpus = ", ".join(f"{a.scale} x {a.accelerator_slug}" for a in deployment.accelerators)
        yield f"{prefix}model", f"{deployment.model_slug} on {gpus}"


def _endpoint(di: DedicatedInference) -> str | None:
    at = di.endpoints
    return (at.public_endpoint_fqdn or at.private_endpoint_fqdn) if at else None


def _fields(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _changed(spec: Mapping[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A spec, plain or wrapped as in a request, with these fields on top."""
    inner = spec.get("spec")
    if isinstance(inner, Mapping):
        return {**spec, "spec": {**inner, **changes}}
    return {**spec, **changes}


def _easy_spec(fields: dict[str, Any], order: Order) -> dict[str, Any]:
    needed = {
        "--name": order.name,
        "--region": order.region,
        "--model": order.model,
        "--gpu": order.gpu,
    }
    lacking = [option for option, value in needed.items() if not value]
    if lacking:
        raise InvalidInputError(
            f"give --spec FILE, or {', '.join(needed)} (missing: {', '.join(lacking)})"
        )
    accelerators = [{"accelerator_slug": order.gpu, "scale": order.scale or 1}]
    deployments = [{"model_slug": order.model, "accelerators": accelerators}]
    return {**fields, "model_deployments": deployments}
