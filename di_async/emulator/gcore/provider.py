"""Gcore's part of a world: routes, authorization, error bodies, data plane."""

import math
from functools import partial
from types import MappingProxyType

from attrs import asdict, evolve

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.faults import OPERATION_KINDS, FaultRegistry
from di_async.emulator.cloud.http import ApiError, Json, Request, Response, json_response
from di_async.emulator.cloud.provider import Call, Provider, Routes
from di_async.emulator.cloud.simulation import Settings, Simulation

from .account import AccountOperations
from .catalog import QUOTA, REGIONS
from .deployments import DeploymentOperations
from .shapes import Shapes
from .store import Deployment, Store
from .validation import not_found

V2 = "/cloud/v2/inference/deployments"
V2_ONE = f"{V2}/{{instance_id}}"
V3 = "/cloud/v3/inference/{project_id}/deployments"
V3_ONE = f"{V3}/{{deployment_name}}"
KEYS = "/cloud/v3/inference/{project_id}/api_keys"
KEY = f"{KEYS}/{{api_key_name}}"
SECRETS = "/cloud/v3/inference/{project_id}/secrets"
SECRET = f"{SECRETS}/{{secret_name}}"
TASKS = "/cloud/v1/tasks"
DATAPLANE_PREFIX = "gcore"

# https://gcore.com/docs/developer-tools/rest-api/error-handling lists the classes of errors, but
# not the status of each; names not listed there are ours.
_ERROR_CLASSES = {
    400: "ValidationError",
    401: "Unauthorized",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "HTTPError",
    409: "ConflictError",
    429: "TooManyRequests",
}


class Gcore(Provider[DeploymentOperations, Store]):
    """Gcore's API: one key, one project. The vendor documents no rate limits."""

    regions = tuple(map(str, REGIONS))
    # v2 has no tasks; nor have starts and stops.
    fault_kinds = MappingProxyType(
        dict.fromkeys(
            (*OPERATION_KINDS, "many_tasks"), (f"POST {V3}", f"PATCH {V3_ONE}", f"DELETE {V3_ONE}")
        )
    )
    id_params = ("deployment_name", "instance_id")
    method_not_allowed = "The method {method} is not allowed for this URL"

    def __init__(self, simulation: Simulation, faults: FaultRegistry, settings: Settings) -> None:
        ids = simulation.id_stream("gcore")
        # Permanent tokens look like this; the dollar sign tests the quoting in shells.
        self.api_key = f"{ids.new_hex(4)}${ids.new_hex(64)}"
        self.project_id = 1000 + int(ids.new_hex(4), 16)
        shapes = Shapes(settings, simulation, self.project_id)
        ids = simulation.id_stream("gcore/things")
        store = Store(dict(QUOTA), settings.lifecycle.name_lag)
        shared = simulation, ids, faults, settings, store, shapes, self.project_id
        api, account = DeploymentOperations(*shared), AccountOperations(*shared)
        self.context, self.account, self.store = api, account, store
        self.quota = store.quota
        self.routes = Routes(
            {
                f"GET {V2}": partial(api.list_generation, 2),
                f"POST {V2}": api.create_instance,
                f"GET {V2_ONE}": partial(api.get, 2),
                f"PUT {V2_ONE}": api.replace_instance,
                f"DELETE {V2_ONE}": api.delete_instance,
                "GET /cloud/v3/inference/flavors": account.list_flavors,
                "GET /cloud/v3/inference/flavors/{flavor_name}": account.get_flavor,
                "GET /cloud/v3/inference/capacity": account.get_capacity,
                f"GET {V3}": partial(api.list_generation, 3),
                f"POST {V3}": api.create_deployment,
                f"POST {V3}/check_limits": api.check_limits,
                f"GET {V3_ONE}": partial(api.get, 3),
                f"PATCH {V3_ONE}": api.update_deployment,
                f"DELETE {V3_ONE}": api.delete_deployment,
                f"POST {V3_ONE}/start": api.start_deployment,
                f"POST {V3_ONE}/stop": api.stop_deployment,
                f"GET {V3_ONE}/logs": api.get_logs,
                f"GET {KEYS}": account.list_keys,
                f"POST {KEYS}": account.create_key,
                f"GET {KEY}": account.get_key,
                f"PATCH {KEY}": account.update_key,
                f"DELETE {KEY}": account.delete_key,
                f"GET {SECRETS}": account.list_secrets,
                f"POST {SECRETS}": account.create_secret,
                f"GET {SECRET}": account.get_secret,
                f"PUT {SECRET}": account.replace_secret,
                f"DELETE {SECRET}": account.delete_secret,
                "POST /cloud/v2/pricing/inference/deployments": account.get_price,
                "GET /cloud/v1/projects": account.list_projects,
                "GET /cloud/v1/projects/{project_id}": account.get_project,
                "GET /cloud/v1/regions": account.list_regions,
                "GET /cloud/v1/regions/{region_id}": account.get_region,
                f"GET {TASKS}": account.list_tasks,
                f"POST {TASKS}/acknowledge_all": account.acknowledge_all_tasks,
                f"GET {TASKS}/{{task_id}}": account.get_task,
                f"POST {TASKS}/{{task_id}}/acknowledge": account.acknowledge_task,
            }
        )

    def owns(self, request: Request) -> bool:
        """Return whether the path belongs to this vendor."""
        return request.segments[:1] == ("cloud",)

    def authorize(self, call: Call) -> str:
        """Return the key if it is valid; the scheme may be in any case."""
        scheme, _, key = call.request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "apikey" or key != self.api_key:
            raise ApiError(401, f"Bad permanent token: {key[:4]}")
        return key

    def answer(self, call: Call) -> Response:
        """Execute a call; another project is not found, rather than forbidden."""
        project = call.params.get("project_id", str(self.project_id))
        if project != str(self.project_id):
            raise not_found(f"project {project}")
        return super().answer(call)

    def unknown_path(self, call: Call) -> ApiError:
        """Return the vendor's 404."""
        return ApiError(404, f"No route for {call.request.path}")

    def error_response(self, error: ApiError, request_id: str) -> Response:
        """Render an error."""
        default = "InternalServerError" if error.status >= 500 else "HTTPError"
        body = {
            "exception_class": _ERROR_CLASSES.get(error.status, default),
            "message": error.message,
            "request_id": request_id.replace("-", ""),
        }
        return json_response(error.status, body | error.details)

    def serve(self, now: float, request: Request) -> Response | None:
        """Answer `/gcore/{deployment}/...`; return None for any other path."""
        if request.segments[:1] != (DATAPLANE_PREFIX,) or len(request.segments) < 2:
            return None
        id, *rest = request.segments[1:]
        inner = evolve(request, segments=tuple(rest))
        return openai.serve(lambda: self._served(now, id, request), int(now), inner)

    def _served(self, now: float, id: str, request: Request) -> openai.ServedModels:
        deployment = self.store.items.get(id)
        if deployment is None:
            raise ApiError(404, "Not Found")
        if deployment.spec["auth_enabled"] and not self._has_access(deployment, request):
            raise ApiError(401, "Unauthorized")
        if deployment.status(now) not in ("ACTIVE", "PENDING"):
            raise ApiError(503, "The deployment is not ready")
        lifecycle, since = self.context.settings.lifecycle, _first_run(deployment)
        if deployment.scales_to_zero:
            deployment = self.store.wake(deployment, now, now + deployment.spec["timeout"])
            if now < deployment.awake_from + lifecycle.wake_lag:
                raise ApiError(503, "The deployment is waking up")
        models = (deployment.spec["image"].partition(":")[0],)
        return openai.served_since(id, models, since, now, lifecycle)

    def _has_access(self, deployment: Deployment, request: Request) -> bool:
        secret = request.headers.get("x-api-key") or request.bearer
        keys = (self.store.keys.get(name) for name in deployment.spec.get("api_keys", ()))
        return any(key is not None and key.secret == secret for key in keys)

    def state_rows(self, now: float) -> list[Json]:
        """Return all existing deployments and instances."""
        return [
            {
                "id": one.id,
                "name": one.name,
                "status": one.status(now),
                "settled": not one.in_flight,
                "version": one.version,
                "writes": [asdict(write, filter=_is_short) for write in one.writes],
            }
            for one in self.store.items.values()
        ]


def _first_run(deployment: Deployment) -> float:
    running = (write for write in deployment.writes if write.outcome == "running")
    return min((write.settles_at for write in running), default=-math.inf)


def _is_short(attribute: object, value: object) -> bool:
    return not isinstance(value, Deployment)
