"""The table of the operations, and the way from a request to its handler.

Rules of this file: routing, and who may ask.
"""

from collections.abc import Callable, Mapping

from attrs import asdict

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.faults import Fault, FaultBook
from di_async.emulator.cloud.http import Refusal, Request, Response
from di_async.emulator.cloud.provider import Target, Truth
from di_async.emulator.cloud.rate_limit import Limits, RateLimitStatus
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Simulation

from . import outcomes, reads, signature, writes
from .catalog import DEFAULT_ZONE, ZONES
from .context import DEPLOYMENTS, MODELS, Ask, ProviderContext, missing
from .dataplane import find
from .problems import problem
from .records import Deployment, Model, WriteRecord
from .seeding import PlacedDeployment, PlacedModel, place_deployment, place_model
from .store import Store

Handler = Callable[[ProviderContext, Ask], Response]

_ZONES = "GET /v2/zone"
_HANDLERS: dict[str, Handler] = {
    _ZONES: reads.list_zones,
    "GET /v2/operation/{id}": reads.get_operation,
    f"GET {DEPLOYMENTS}": reads.list_deployments,
    writes.CREATE: writes.create_deployment,
    f"GET {DEPLOYMENTS}/{{id}}": reads.get_deployment,
    writes.UPDATE: writes.update_deployment,
    writes.DELETE: writes.delete_deployment,
    writes.SCALE: writes.scale_deployment,
    f"GET {DEPLOYMENTS}/{{id}}/api-key": reads.reveal_api_key,
    f"GET {DEPLOYMENTS}/{{id}}/logs": reads.get_logs,
    f"GET {MODELS}": reads.list_models,
    writes.CREATE_MODEL: writes.create_model,
    f"GET {MODELS}/{{id}}": reads.get_model,
    writes.DELETE_MODEL: writes.delete_model,
    "GET /v2/ai/instance-type": reads.list_instance_types,
    "GET /v2/ai/help/inference-engine-parameters": reads.get_engine_help,
    "GET /v2/ai/quota": reads.get_quota,
}
_OWN = {("v2", "ai"), ("v2", "operation"), ("v2", "zone")}


class Exoscale:
    """The Exoscale part of a world: every zone of one organisation."""

    operations = tuple(_HANDLERS)
    limits: Limits | None = None  # the vendor documents none

    def __init__(self, simulation: Simulation, faults: FaultBook, settings: Settings) -> None:
        ids = simulation.ids_of("exoscale")
        self.api_key, self.api_secret = "EXO" + ids.new_hex(24), ids.new_hex(43)
        # A key whose role allows reads alone.
        self.restricted_key, self.restricted_secret = "EXO" + ids.new_hex(24), ids.new_hex(43)
        self.store = Store()
        self._context = ProviderContext(simulation, ids, faults, settings, self.store)

    @property
    def created(self) -> Mapping[str, int]:
        """How many models and deployments were ever created under each name."""
        return self.store.created

    def advance(self, now: float) -> None:
        """Nothing: what will be is planned when it is asked for."""

    def owns(self, request: Request) -> bool:
        """Zones' paths, and those that stand for the default zone."""
        return request.segments[:1] == ("zones",) or request.segments[:2] in _OWN

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for, whatever its zone."""
        _, path = _located(request)
        return _BY_SHAPE.get((request.method, _shape(path)))

    def authorize(self, now: float, request: Request, operation: str | None) -> str:
        """The key that signed; the list of zones needs none."""
        if operation == _ZONES and "authorization" not in request.headers:
            return ""
        clock = self._context.simulation.told(now)
        secrets = {
            self.api_key: self.api_secret,
            self.restricted_key: self.restricted_secret,
        }
        key = signature.verify(request, secrets, clock)
        # Signed, the list of zones is subject to the key's role, which has no word about zones.
        if key == self.restricted_key and (request.method != "GET" or operation == _ZONES):
            raise Refusal(403, "Operation not allowed by the IAM policy of this key")
        return key

    def target(self, request: Request, operation: str | None) -> Target:
        """The id and zone a request is about."""
        zone, path = _located(request)
        has_id = operation is not None and "{id}" in operation
        return Target(path[_place_of_id(path)] if has_id else None, zone)

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what the request asks for."""
        zone, path = _located(request)
        if zone not in ZONES:
            raise missing("Zone")
        if operation is None:
            if any(shape == _shape(path) for _, shape in _BY_SHAPE):
                raise Refusal(405, f"{request.method} is not allowed here")
            raise missing("Resource")
        id = self.target(request, operation).id or ""
        return _HANDLERS[operation](self._context, Ask(now, zone, id, operation, request))

    def error(self, refusal: Refusal, request_id: str) -> Response:
        """A refusal in one of the vendor's shapes."""
        return problem(refusal)

    def headers(
        self, now: float, rate_limit_status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """None."""
        return {}

    def serve(self, now: float, request: Request) -> Response | None:
        """The answer of a deployment's own endpoint."""
        id = self.store.keys.get(request.bearer)
        if id is None:
            return None
        story, lag = self.store.deployments[id], self._context.settings.lifecycle.ready_lag
        return openai.serve(lambda: find(story, now, lag), int(now), request)

    def knows(self, id: str) -> bool:
        """Whether there is, or was, such a model or deployment."""
        return self.store.knows(id)

    def truth(self, id: str, now: float) -> Truth[WriteRecord]:
        """What really is the matter with a model or deployment."""
        return self.store.truth(id, now)

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike a model or deployment at once."""
        if story := self.store.deployments.get(fault.id or ""):
            outcomes.inject_outcome_fault(self._context, story, fault, now)
        else:
            outcomes.inject_outcome_fault(
                self._context, self.store.models[fault.id or ""], fault, now
            )

    def rows(self, now: float) -> list[dict[str, object]]:
        """The models and deployments that exist."""
        things: list[Model | Deployment | None] = [
            *(story.at(now) for story in self.store.models.values()),
            *(story.at(now) for story in self.store.deployments.values()),
        ]
        return [
            {"name": thing.name, "region": thing.zone, **asdict(self.truth(thing.id, now))}
            for thing in things
            if thing is not None
        ]

    def place_deployment(self, now: float, **settings: object) -> Deployment:
        """Place a deployment; see `PlacedDeployment` for the settings."""
        return place_deployment(self._context, now, PlacedDeployment(**settings))  # type: ignore[arg-type]

    def place_model(self, now: float, **settings: object) -> Model:
        """Place a model; see `PlacedModel` for the settings."""
        return place_model(self._context, now, PlacedModel(**settings))  # type: ignore[arg-type]


def _located(request: Request) -> tuple[str, tuple[str, ...]]:
    """The zone, and the path without it."""
    if request.segments[:1] == ("zones",):
        return request.segments[1] if len(request.segments) > 1 else "", request.segments[2:]
    return DEFAULT_ZONE, request.segments


def _place_of_id(path: tuple[str, ...]) -> int:
    """In /v2/operation/{id} or /v2/ai/deployment/{id}."""
    return 2 if path[:2] == ("v2", "operation") else 3


def _shape(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path with its id left out."""
    if path[:3] == ("v2", "ai", "help"):
        return path
    return tuple("{}" if at == _place_of_id(path) else part for at, part in enumerate(path))


_BY_SHAPE = {
    (method, _shape(tuple(path.strip("/").split("/")))): f"{method} {path}"
    for method, _, path in (name.partition(" ") for name in _HANDLERS)
}
