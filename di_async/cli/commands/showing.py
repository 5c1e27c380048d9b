"""How the models look to people: the columns of lists, the fields of one."""

from collections.abc import Iterator

from di_async.cli.output import Column, when
from di_async.digitalocean import (
    Accelerator,
    AccessToken,
    DedicatedInference,
    DeploymentSpec,
    GPUModelConfig,
    Size,
)

__all__ = ["ACCELERATORS", "INSTANCES", "MODELS", "SIZES", "TOKENS", "instance_fields"]

INSTANCES: tuple[Column[DedicatedInference], ...] = (
    Column("name", lambda di: di.name),
    Column("status", lambda di: di.status, status=True),
    Column("region", lambda di: di.region),
    Column("id", lambda di: di.id),
    Column("endpoint", lambda di: _endpoint(di), wide=True),
    Column("created", lambda di: when(di.created_at), wide=True),
)
ACCELERATORS: tuple[Column[Accelerator], ...] = (
    Column("name", lambda a: a.name),
    Column("gpu", lambda a: a.slug),
    Column("status", lambda a: a.status, status=True),
    Column("id", lambda a: a.id),
    Column("role", lambda a: a.role, wide=True),
    Column("created", lambda a: when(a.created_at), wide=True),
)
TOKENS: tuple[Column[AccessToken], ...] = (
    Column("name", lambda t: t.name),
    Column("id", lambda t: t.id),
    Column("created", lambda t: when(t.created_at), wide=True),
    Column("managed", lambda t: "yes" if t.is_managed else "no", wide=True),
)
SIZES: tuple[Column[Size], ...] = (
    Column("gpu", lambda s: s.gpu_slug),
    Column("per hour", lambda s: s.price_per_hour, right=True),
    Column("currency", lambda s: s.currency),
    Column("regions", lambda s: ",".join(s.regions)),
)
MODELS: tuple[Column[GPUModelConfig], ...] = (
    Column("model", lambda m: m.model_slug),
    Column("gated", lambda m: "yes" if m.is_gated_model else "no"),
    Column("gpus", lambda m: ",".join(m.gpu_slugs)),
)


def instance_fields(di: DedicatedInference) -> Iterator[tuple[str, object]]:
    """One instance, field by field."""
    yield "name", di.name
    yield "id", di.id
    yield "status", di.status
    yield "region", di.region
    yield "vpc", di.vpc_uuid
    if di.endpoints:
        yield "public endpoint", di.endpoints.public_endpoint_fqdn
        yield "private endpoint", di.endpoints.private_endpoint_fqdn
    yield from _spec_fields("", di.spec)
    yield from _spec_fields("pending ", di.pending_deployment_spec)
    yield "created", when(di.created_at)
    yield "updated", when(di.updated_at)


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
