"""DigitalOcean's part of a world: routes, authorization, error bodies, data plane."""

import math

from attrs import asdict

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.faults import FaultRegistry
from di_async.emulator.cloud.http import ApiError, Json, Request, Response, json_response
from di_async.emulator.cloud.provider import Call, Provider, Routes
from di_async.emulator.cloud.rate_limit import HOUR, RateLimits, RateLimitStatus
from di_async.emulator.cloud.simulation import Settings, Simulation

from .catalog import REGIONS
from .custom_models import CustomModelOperations
from .operations import LIST, Operations, not_found
from .outcomes import BASE
from .shapes import ObservedShapes, Shapes
from .store import Store

# https://docs.digitalocean.com/reference/api/reference/#http-statuses: the body's `id` is a slug.
_SLUGS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    422: "unprocessable_entity",
    429: "too_many_requests",
}


class DigitalOcean(Provider[Operations, Store]):
    """DigitalOcean's API; it answers all paths that no other vendor owns."""

    regions = REGIONS
    method_not_allowed = "{method} is not allowed here."

    def __init__(
        self, simulation: Simulation, faults: FaultRegistry, settings: Settings, limits: RateLimits
    ) -> None:
        self.limits = limits
        self._per_hour = limits.per_hour
        self.token = "dop_v1_" + simulation.new_hex(64)
        self.read_only_token = "dop_v1_" + simulation.new_hex(64)
        store = Store(simulation, settings)
        shapes = (Shapes if settings.dialect == "documented" else ObservedShapes)(settings)
        vpc = simulation.new_uuid()
        # Its ids come from the world's own stream.
        api = Operations(simulation, simulation, faults, settings, store, shapes, vpc)
        self.context, self.store = api, store
        self.custom_models = CustomModelOperations(
            simulation,
            simulation.id_stream("digitalocean/custom_models"),
            faults,
            settings,
            store.catalog,
            shapes.links,
        )
        self.routes = Routes(
            {
                LIST: api.list_instances,
                f"POST {BASE}": api.create,
                f"GET {BASE}/sizes": api.get_sizes,
                f"GET {BASE}/gpu-model-config": api.get_gpu_model_config,
                f"GET {BASE}/{{id}}": api.get_instance,
                f"PATCH {BASE}/{{id}}": api.update,
                f"DELETE {BASE}/{{id}}": api.delete,
                f"GET {BASE}/{{id}}/accelerators": api.list_accelerators,
                f"GET {BASE}/{{id}}/accelerators/{{accelerator_id}}": api.get_accelerator,
                f"GET {BASE}/{{id}}/ca": api.get_ca,
                f"GET {BASE}/{{id}}/tokens": api.list_tokens,
                f"POST {BASE}/{{id}}/tokens": api.create_token,
                f"DELETE {BASE}/{{id}}/tokens/{{token_id}}": api.revoke_token,
                **self.custom_models.handlers(),
            },
            reserved=("sizes", "gpu-model-config", "import"),
        )

    def owns(self, request: Request) -> bool:
        """Return True: it answers what no other vendor owns."""
        return True

    def authorize(self, call: Call) -> str:
        """Return the token if it is valid."""
        token = call.request.bearer
        if token not in (self.token, self.read_only_token):
            raise ApiError(401, "Unable to authenticate you.")
        return token

    def answer(self, call: Call) -> Response:
        """Execute a call, if its token may write or it only reads."""
        if call.request.method != "GET" and call.request.bearer == self.read_only_token:
            raise ApiError(403, "You are not authorized to perform this operation")
        return super().answer(call)

    def unknown_path(self, call: Call) -> ApiError:
        """Return the vendor's 404."""
        return not_found()

    def error_response(self, error: ApiError, request_id: str) -> Response:
        """Render an error: `id` (a slug of the status), `message`, `request_id`."""
        status = error.status
        slug = _SLUGS.get(status, "server_error" if status >= 500 else "bad_request")
        body = {"id": slug, "message": error.message, "request_id": request_id}
        return json_response(status, body)

    def headers(
        self, now: float, status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """Return the state of the hour window, and the request id."""
        status = status or RateLimitStatus(None, self._per_hour, now + HOUR)
        reset_at = math.ceil(self.context.simulation.real_time(status.reset_at))
        return {
            "ratelimit-limit": str(self._per_hour),
            "ratelimit-remaining": str(status.remaining),
            "ratelimit-reset": str(reset_at),
            "x-request-id": request_id,
        }

    def serve(self, now: float, request: Request) -> Response:
        """Answer a data-plane request; the bearer token identifies the instance."""
        return openai.serve(lambda: self._served(now, request), int(now), request)

    def _served(self, now: float, request: Request) -> openai.ServedModels:
        id = self.store.token_owners.get(request.bearer)
        if id is None:
            raise ApiError(401, "Unauthorized")
        instance = self.store.items[id]
        first = next((write for write in instance.writes if write.outcome == "active"), None)
        if instance.current is None or instance.failed or first is None:
            raise ApiError(503, "The model is not ready yet")
        slugs = tuple(model.slug for model in instance.current.models)
        lifecycle = self.context.settings.lifecycle
        return openai.served_since(instance.id, slugs, first.settles_at, now, lifecycle)

    def state_rows(self, now: float) -> list[Json]:
        """Return the existing instances."""
        return [
            {"name": one.name, "region": one.region, **asdict(self.store.truth(one.id, now))}
            for one in self.store.items.values()
        ]
