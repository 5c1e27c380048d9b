"""Exoscale Dedicated Inference, for the commands."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from di_async import Change, InvalidInputError
from di_async.cli.clouds.cloud import Cloud, Goal, Order, Takes, common
from di_async.cli.output import Column, when
from di_async.cli.settings import Credential, Provider, Settings, read_credentials
from di_async.exoscale import Deployment, Deployments, Exoscale, LogEntry, Model
from di_async.exoscale.client import BASE_URL
from di_async.exoscale.deployments import is_public
from di_async.exoscale.lifecycle import is_pending

__all__ = ["OnExoscale"]

DEPLOYMENTS: tuple[Column[Deployment], ...] = (
    Column("name", lambda d: d.name),
    Column("state", lambda d: d.state, status=True),
    Column("replicas", lambda d: d.replicas, right=True),
    Column("of", lambda d: _gpus(d)),
    Column("id", lambda d: d.id),
    Column("model", lambda d: _model(d), wide=True),
    Column("created", lambda d: when(d.created_at), wide=True),
)
MODELS: tuple[Column[Model], ...] = (
    Column("model", lambda m: m.name),
    Column("state", lambda m: m.state, status=True),
    Column("GB", lambda m: f"{m.model_size / 1e9:.1f}" if m.model_size else None, right=True),
    Column("id", lambda m: m.id),
    Column("created", lambda m: when(m.created_at), wide=True),
)
DEFAULT_ZONE = "ch-gva-2"
# What a PATCH can change, by the names that a file may use.
_CHANGEABLE = frozenset({"name", "inference_engine_version", "inference_engine_parameters"})


class OnExoscale(Cloud[Exoscale, Deployment]):
    """Deployments of one zone, keyed by id. Names are not unique."""

    provider = Provider.EXOSCALE
    vendor = "exoscale"
    kind = Deployment
    plural = "deployments"
    key = "deployment"
    columns = DEPLOYMENTS
    credentials = (
        Credential("Exoscale API key", ("EXOSCALE_API_KEY",)),
        Credential("Exoscale API secret", ("EXOSCALE_API_SECRET",)),
    )
    takes: ClassVar[Takes] = {
        "create": frozenset({"spec", "name", "model", "gpu", "scale"}),
        "update": frozenset({"spec", "name", "ready_timeout"}),
        "scale": frozenset({"scale", "ready_timeout"}),
    }

    @staticmethod
    def connect(settings: Settings) -> Exoscale:
        """A client of one API key and zone."""
        key, secret = read_credentials(settings, *OnExoscale.credentials)
        zone = settings.zone or DEFAULT_ZONE
        return Exoscale(key, secret, zone, **common(settings, _base_url(settings)))

    @property
    def api(self) -> Deployments:
        """The deployments."""
        return self.client.deployments

    @property
    def where(self) -> str:
        """The zone."""
        return f"in {self.client.zone}"

    @property
    def scope(self) -> str | None:
        """The zone."""
        return self.client.zone

    async def rows(
        self, *, name: str | None = None, region: str | None = None
    ) -> AsyncIterator[Deployment]:
        """The organisation's own deployments in the zone."""
        if region is not None:
            raise InvalidInputError("--region: everything is in one zone here, see --zone")
        async for row in self.api.list():
            if not is_public(row) and name in (None, row.name):
                yield row

    def under_way(self, found: Deployment) -> Goal | None:
        """No state tells a deletion: what works, works at becoming ready."""
        return Goal.ACTIVE if is_pending(found.state) else None

    async def create(self, order: Order) -> Change[Deployment]:
        """Make a deployment, of a file with these options on top."""
        told = {
            "name": order.name,
            "model": order.model,
            "gpu-type": order.gpu,
            "replicas": order.scale,
        }
        given = {key: value for key, value in told.items() if value is not None}
        lacking = [option for option in ("name", "model", "gpu") if getattr(order, option) is None]
        if order.spec is None and lacking:
            raise InvalidInputError(
                "give --spec FILE, or --name, --model, --gpu "
                f"(missing: {', '.join(f'--{option}' for option in lacking)})"
            )
        kept = {str(k).replace("_", "-"): v for k, v in (order.spec or {}).items()}
        return await self.api.create({**kept, **given})

    async def update(self, id: str, order: Order) -> Change[Deployment]:
        """Another name or engine."""
        told = {str(k).replace("-", "_"): v for k, v in (order.spec or {}).items()}
        if order.name is not None:
            told["name"] = order.name
        fixed = sorted(told.keys() - _CHANGEABLE)
        if fixed:
            raise InvalidInputError(
                f"{', '.join(fixed)}: cannot change ({', '.join(sorted(_CHANGEABLE))} can; "
                "replicas: `di-async scale`)"
            )
        return await self.api.update(id, **told, ready_timeout=order.ready_timeout or 0)

    async def scale(self, id: str, order: Order) -> Change[Deployment]:
        """So many replicas; 0 frees the GPUs."""
        return await self.api.scale(id, order.scale or 0, ready_timeout=order.ready_timeout or 0)

    async def logs(self, ref: str, tail: int) -> Sequence[LogEntry]:
        """What the inference engine logged."""
        return await self.api.logs(await self.id_of(ref), tail=tail)

    async def models(self) -> tuple[Sequence[Any], tuple[Column[Any], ...]]:
        """What was fetched into the zone; a deployment needs one that is ready."""
        return [model async for model in self.client.models.list()], MODELS

    def fields(self, found: Deployment) -> Iterator[tuple[str, object]]:
        """One deployment, field by field."""
        yield "name", found.name
        yield "id", found.id
        yield "state", found.state
        yield "details", found.state_details
        yield "zone", self.client.zone
        yield "model", _model(found)
        yield "replicas", found.replicas
        yield "of", _gpus(found)
        yield "endpoint", found.deployment_url
        yield "engine", found.inference_engine_version
        yield "parameters", " ".join(found.inference_engine_parameters or ())
        yield "created", when(found.created_at)
        yield "updated", when(found.updated_at)


def _base_url(settings: Settings) -> str:
    """The URL of all zones. An emulator's, which other clouds share, need not name them.

    Raises:
        InvalidInputError: it is that of one zone, so that `--zone` would mean nothing.
    """
    url = settings.base_url or BASE_URL
    if "{zone}" in url:
        return url
    told = urlsplit(url)
    if told.hostname in {"127.0.0.1", "localhost", "::1"} and told.path in {"", "/"}:
        return f"{url.rstrip('/')}/zones/{{zone}}"
    raise InvalidInputError(
        f"the base URL {url} is that of one zone: write {{zone}} where the zone's name goes"
    )


def _gpus(found: Deployment) -> str | None:
    """What one replica runs on."""
    return f"{found.gpu_count} x {found.gpu_type}" if found.gpu_count else found.gpu_type


def _model(found: Deployment) -> str | None:
    return (found.model.name or found.model.id) if found.model else None
