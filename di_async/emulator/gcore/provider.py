"""The table of Gcore's operations, and the way from a request to its handler.

Rules of this file: routing, authority and error bodies only.
"""

from collections.abc import Mapping

from attrs import asdict

from di_async.emulator.cloud.faults import Fault, FaultBook
from di_async.emulator.cloud.http import Refusal, Request, Response, json_response
from di_async.emulator.cloud.provider import Target, Truth
from di_async.emulator.cloud.rate_limit import Limits, RateLimitStatus
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Simulation

from . import account, dataplane, outcomes, reads, v2, v3
from .account import KEY, KEYS, new_key
from .context import ProviderContext, missing
from .reads import Handler
from .records import ApiKey, Deployment, Write
from .routes import Routes
from .seeding import Placing, place
from .status import word

_HANDLERS: dict[str, Handler] = {
    v2.LIST: reads.lister(2, v2.LIST),
    v2.CREATE: v2.create,
    v2.GET: reads.getter(2, v2.GET, "instance_id"),
    v2.UPDATE: v2.replace,
    v2.DELETE: v2.delete,
    "GET /cloud/v3/inference/flavors": account.list_flavors,
    "GET /cloud/v3/inference/flavors/{flavor_name}": account.get_flavor,
    "GET /cloud/v3/inference/capacity": account.get_capacity,
    v3.LIST: reads.lister(3, v3.LIST),
    v3.CREATE: v3.create,
    v3.LIMITS: v3.check_limits,
    v3.GET: reads.getter(3, v3.GET, "deployment_name"),
    v3.UPDATE: v3.update,
    v3.DELETE: v3.delete,
    v3.START: v3.start,
    v3.STOP: v3.stop,
    v3.LOGS: v3.logs,
    f"GET {KEYS}": account.list_keys,
    f"POST {KEYS}": account.create_key,
    f"GET {KEY}": account.get_key,
    f"PATCH {KEY}": account.update_key,
    f"DELETE {KEY}": account.delete_key,
    "GET /cloud/v1/tasks": account.list_tasks,
    "GET /cloud/v1/tasks/{task_id}": account.get_task,
    "POST /cloud/v1/tasks/{task_id}/acknowledge": account.acknowledge,
}
_ROUTES = Routes(_HANDLERS)

# https://gcore.com/docs/developer-tools/rest-api/error-handling tells the classes of errors, but
# not the status of each; names not told there are ours.
_CLASSES = {
    400: "ValidationError",
    401: "Unauthorized",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "HTTPError",
    409: "ConflictError",
    429: "TooManyRequests",
}


class Gcore:
    """The Gcore part of a world: one key, one project."""

    operations = tuple(_HANDLERS)
    limits: Limits | None = None  # the vendor documents none

    def __init__(self, simulation: Simulation, faults: FaultBook, settings: Settings) -> None:
        ids = simulation.ids_of("gcore")
        # Permanent tokens look like that; the dollar sign is what shells eat.
        self.api_key = f"{ids.new_hex(4)}${ids.new_hex(64)}"
        self.project_id = 1000 + int(ids.new_hex(4), 16)
        self._context = ProviderContext.build(simulation, faults, settings, self.project_id)
        self.store = self._context.store
        self.quota = self._context.quota

    @property
    def created(self) -> Mapping[str, int]:
        """How many were ever created under each name."""
        return self.store.created

    def advance(self, now: float) -> None:
        """Apply what has become due by now."""
        self.store.advance(now)

    def owns(self, request: Request) -> bool:
        """The paths that are this vendor's."""
        return request.segments[:1] == ("cloud",)

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for, as `METHOD /path/{part}`."""
        return _ROUTES.find(request.method, request.segments)

    def authorize(self, now: float, request: Request, operation: str | None) -> str:
        """The key, if it is the account's; the scheme may be in any case."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "apikey" or key != self.api_key:
            raise Refusal(401, f"Bad permanent token: {key[:4]}")
        return key

    def target(self, request: Request, operation: str | None) -> Target:
        """The deployment or instance that a request is about."""
        values = self._values(request, operation)
        return Target(values.get("deployment_name") or values.get("instance_id"))

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what is asked."""
        if operation is None:
            if _ROUTES.known(request.segments):
                raise Refusal(405, f"The method {request.method} is not allowed for this URL")
            raise Refusal(404, f"No route for {request.path}")
        values = self._values(request, operation)
        # Another project is not forbidden: it is not there.
        if values.get("project_id", str(self.project_id)) != str(self.project_id):
            raise missing(f"project {values['project_id']}")
        return _HANDLERS[operation](self._context, now, request, values)

    def error(self, refusal: Refusal, request_id: str) -> Response:
        """The vendor's error body."""
        status = refusal.status
        usual = "InternalServerError" if status >= 500 else "HTTPError"
        body = {
            "exception_class": _CLASSES.get(status, usual),
            "message": refusal.message,
            "request_id": request_id.replace("-", ""),
        }
        return json_response(status, body | refusal.details)

    def headers(
        self, now: float, rate_limit_status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """What every answer carries: nothing that matters."""
        return {}

    def serve(self, now: float, request: Request) -> Response | None:
        """The answer of a deployment's own endpoint."""
        return dataplane.serve(self._context, now, request)

    def knows(self, id: str) -> bool:
        """Whether there is, or was, such a deployment or instance."""
        return id in self.store.deployments or id in self.store.gone

    def truth(self, id: str, now: float) -> Truth[Write]:
        """What really is the matter with a deployment or instance."""
        return self.store.truth(id, now)

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike one deployment at once."""
        outcomes.inject_outcome_fault(self._context, fault, now)

    def rows(self, now: float) -> list[dict[str, object]]:
        """All deployments and instances that exist."""
        return [
            {
                "id": it.id,
                "name": it.name,
                "status": word(it, now),
                "settled": not it.in_flight,
                "version": it.version,
                "writes": [asdict(write, filter=_is_short) for write in it.writes],
            }
            for it in self.store.deployments.values()
        ]

    def place(self, now: float, **settings: object) -> Deployment:
        """Place a deployment; see `Placing` for the settings."""
        return place(self._context, now, Placing(**settings))  # type: ignore[arg-type]

    def add_key(self, now: float, name: str) -> ApiKey:
        """A key for deployments' endpoints, without a request."""
        return new_key(self._context, now, name)

    def _values(self, request: Request, operation: str | None) -> dict[str, str]:
        return _ROUTES.values(operation, request.segments) if operation else {}


def _is_short(attribute: object, value: object) -> bool:
    return not isinstance(value, Deployment)
