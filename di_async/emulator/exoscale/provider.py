"""Exoscale's part of a world: routes, zones, authorization, data plane."""

from types import MappingProxyType

from attrs import asdict

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.faults import OPERATION_KINDS, FaultRegistry
from di_async.emulator.cloud.http import ApiError, Json, Request, Response
from di_async.emulator.cloud.provider import Call, Provider, Routes
from di_async.emulator.cloud.simulation import Settings, Simulation

from . import shapes, signature
from .catalog import DEFAULT_ZONE, ZONES
from .operations import Operations, not_found
from .store import Deployment, Model, Store, Timeline

DEPLOYMENTS = "/v2/ai/deployment"
MODELS = "/v2/ai/model"
API_KEYS = "/v2/ai/api-key"
DEPLOYMENT, MODEL = f"{DEPLOYMENTS}/{{id}}", f"{MODELS}/{{id}}"

_WRITES = (
    *(f"POST {DEPLOYMENTS}", f"PATCH {DEPLOYMENT}", f"DELETE {DEPLOYMENT}"),
    *(f"POST {DEPLOYMENT}/scale", f"POST {MODELS}", f"DELETE {MODEL}"),
)
_LIST_ZONES = "GET /v2/zone"
_OWN_PATHS = {("v2", "ai"), ("v2", "operation"), ("v2", "zone")}
_SERVING_STATES = ("ready", "scaling", "updating")


class Exoscale(Provider[Operations, Store]):
    """Exoscale's API: every zone of one organisation. The vendor documents no rate limits."""

    regions = ZONES
    is_in_region = True
    fault_kinds = MappingProxyType(
        {
            **dict.fromkeys(OPERATION_KINDS, _WRITES),
            "old_names": tuple(f"GET {path}" for path in (DEPLOYMENTS, DEPLOYMENT, MODELS, MODEL)),
        }
    )

    def __init__(self, simulation: Simulation, faults: FaultRegistry, settings: Settings) -> None:
        ids = simulation.id_stream("exoscale")
        self.api_key, self.api_secret = "EXO" + ids.new_hex(24), ids.new_hex(43)
        # A key whose role allows reads alone.
        self.restricted_key, self.restricted_secret = "EXO" + ids.new_hex(24), ids.new_hex(43)
        api = Operations(simulation, ids, faults, settings, Store())
        self.context, self.store = api, api.store
        self.routes = Routes(
            {
                _LIST_ZONES: api.list_zones,
                "GET /v2/operation/{id}": api.get_operation,
                f"GET {DEPLOYMENTS}": api.list_deployments,
                f"POST {DEPLOYMENTS}": api.create_deployment,
                f"GET {DEPLOYMENT}": api.get_deployment,
                f"PATCH {DEPLOYMENT}": api.update_deployment,
                f"DELETE {DEPLOYMENT}": api.delete_deployment,
                f"POST {DEPLOYMENT}/scale": api.scale_deployment,
                f"GET {DEPLOYMENT}/api-key": api.reveal_api_key,
                f"GET {DEPLOYMENT}/logs": api.get_logs,
                f"GET {MODELS}": api.list_models,
                f"POST {MODELS}": api.create_model,
                f"GET {MODEL}": api.get_model,
                f"DELETE {MODEL}": api.delete_model,
                "GET /v2/ai/instance-type": api.list_instance_types,
                "GET /v2/ai/help/inference-engine-parameters": api.get_engine_help,
                "GET /v2/ai/quota": api.get_quota,
                f"GET {API_KEYS}": api.list_api_keys,
                f"POST {API_KEYS}": api.create_api_key,
                f"GET {API_KEYS}/{{id}}": api.get_api_key,
                f"DELETE {API_KEYS}/{{id}}": api.delete_api_key,
            }
        )

    def owns(self, request: Request) -> bool:
        """Return whether the path is one of a zone, or of the default zone."""
        return request.segments[:1] == ("zones",) or request.segments[:2] in _OWN_PATHS

    def locate(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """Return the zone of a request, and the path without it."""
        path = request.segments
        if path[:1] == ("zones",):
            return path[1] if len(path) > 1 else "", path[2:]
        return DEFAULT_ZONE, path

    def authorize(self, call: Call) -> str:
        """Return the key that signed the request; the list of zones needs none."""
        request, lists_zones = call.request, call.operation == _LIST_ZONES
        if lists_zones and "authorization" not in request.headers:
            return ""
        clock = self.context.simulation.real_time(call.now)
        secrets = {self.api_key: self.api_secret, self.restricted_key: self.restricted_secret}
        key = signature.verify(request, secrets, clock)
        # Signed, the list of zones needs the key's permission, and the role has none for zones.
        if key == self.restricted_key and (request.method != "GET" or lists_zones):
            raise ApiError(403, "Operation not allowed by the IAM policy of this key")
        return key

    def answer(self, call: Call) -> Response:
        """Execute a call in an existing zone."""
        if call.region not in ZONES:
            raise not_found("Zone")
        return super().answer(call)

    def unknown_path(self, call: Call) -> ApiError:
        """Return the vendor's 404."""
        return not_found("Resource")

    def error_response(self, error: ApiError, request_id: str) -> Response:
        """Render an error in one of the vendor's formats."""
        return shapes.error_response(self.context.settings, error)

    def serve(self, now: float, request: Request) -> Response | None:
        """Answer a data-plane request; return None unless the key is a deployment's."""
        id = self.store.keys.get(request.bearer)
        if id is None:
            return None
        timeline = self.store.deployments[id]
        return openai.serve(lambda: self._served(timeline, now), int(now), request)

    def _served(self, timeline: Timeline[Deployment], now: float) -> openai.ServedModels:
        deployment = timeline.at(now)
        if deployment is None:
            raise ApiError(401, "Unauthorized")
        serves = deployment.state in _SERVING_STATES and deployment.replicas
        if not deployment.reachable or not serves:
            raise ApiError(503, "The model is not ready yet")
        first = next(at for at, state in timeline.states if state and state.reachable)
        lifecycle, models = self.context.settings.lifecycle, (deployment.model_name,)
        return openai.served_since(deployment.id, models, first, now, lifecycle)

    def state_rows(self, now: float) -> list[Json]:
        """Return the existing models and deployments."""
        found: list[Model | Deployment | None] = [
            *(timeline.at(now) for timeline in self.store.models.values()),
            *(timeline.at(now) for timeline in self.store.deployments.values()),
        ]
        return [
            {"name": one.name, "region": one.zone, **asdict(self.store.truth(one.id, now))}
            for one in found
            if one is not None
        ]
