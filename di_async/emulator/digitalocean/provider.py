"""The table of the thirteen operations, and the way from a request to its handler.

Rules of this file: routing only.
"""

import math
from collections.abc import Callable, Mapping

from attrs import asdict

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.faults import Fault, FaultBook
from di_async.emulator.cloud.http import Refusal, Request, Response, json_response
from di_async.emulator.cloud.provider import Target, Truth
from di_async.emulator.cloud.rate_limit import Limits, RateLimitStatus
from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Simulation

from . import dataplane, outcomes, reads, writes
from .context import BASE, GET, LIST, ProviderContext, missing
from .records import Instance, Write
from .seeding import Placing, place

Handler = Callable[[ProviderContext, float, Request, str], Response]

_LITERALS = ("sizes", "gpu-model-config")
_HANDLERS: dict[str, Handler] = {
    LIST: reads.list_instances,
    writes.CREATE: writes.create,
    f"GET {BASE}/sizes": reads.get_sizes,
    f"GET {BASE}/gpu-model-config": reads.get_gpu_model_config,
    GET: reads.get_instance,
    writes.UPDATE: writes.update,
    writes.DELETE: writes.delete,
    f"GET {BASE}/{{id}}/accelerators": reads.list_accelerators,
    f"GET {BASE}/{{id}}/accelerators/{{accelerator_id}}": reads.get_accelerator,
    f"GET {BASE}/{{id}}/ca": reads.get_ca,
    f"GET {BASE}/{{id}}/tokens": reads.list_tokens,
    f"POST {BASE}/{{id}}/tokens": writes.create_token,
    f"DELETE {BASE}/{{id}}/tokens/{{token_id}}": writes.revoke_token,
}
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


class DigitalOcean:
    """The DigitalOcean part of a world; it answers for all paths that are nobody else's."""

    operations = tuple(_HANDLERS)

    def __init__(
        self, simulation: Simulation, faults: FaultBook, settings: Settings, limits: Limits
    ) -> None:
        self.limits = limits
        self.token = "dop_v1_" + simulation.new_hex(64)
        self.read_only_token = "dop_v1_" + simulation.new_hex(64)
        self._simulation = simulation
        self._context = ProviderContext.build(simulation, faults, settings)
        self.store = self._context.store

    @property
    def created(self) -> Mapping[str, int]:
        """How many instances were ever created under each name."""
        return self.store.created

    def advance(self, now: float) -> None:
        """Apply what has become due by now."""
        self.store.advance(now)

    def owns(self, request: Request) -> bool:
        """Whatever nobody else owns."""
        return True

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for, as `METHOD /path/{id}`."""
        return _BY_SHAPE.get((request.method, _shape(request.segments)))

    def authorize(self, now: float, request: Request, operation: str | None) -> str:
        """The token, if it is one of the account's."""
        if request.bearer not in (self.token, self.read_only_token):
            raise Refusal(401, "Unable to authenticate you.")
        return request.bearer

    def target(self, request: Request, operation: str | None) -> Target:
        """The instance a request is about."""
        return Target(request.segments[2] if operation and "{id}" in operation else None)

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what the request asks for."""
        if request.bearer == self.read_only_token and request.method != "GET":
            raise Refusal(403, "You are not authorized to perform this operation")
        if operation is None:
            if any(path == _shape(request.segments) for _, path in _BY_SHAPE):
                raise Refusal(405, f"{request.method} is not allowed here.")
            raise missing()
        handler = _HANDLERS[operation]
        return handler(self._context, now, request, self.target(request, operation).id or "")

    def error(self, refusal: Refusal, request_id: str) -> Response:
        """The vendor's error body: `id` (a slug of the status), `message`, `request_id`."""
        status = refusal.status
        slug = _SLUGS.get(status, "server_error" if status >= 500 else "bad_request")
        body = {"id": slug, "message": refusal.message, "request_id": request_id}
        return json_response(status, body)

    def headers(
        self, now: float, rate_limit_status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """Where the token stands in the hour's window, and the request's id."""
        rate_limit_status = rate_limit_status or RateLimitStatus.untouched(self.limits, now)
        return {
            "ratelimit-limit": str(self.limits.per_hour),
            "ratelimit-remaining": str(rate_limit_status.remaining),
            "ratelimit-reset": str(math.ceil(self._simulation.told(rate_limit_status.reset_at))),
            "x-request-id": request_id,
        }

    def serve(self, now: float, request: Request) -> Response:
        """The data plane's answer."""
        lag = self._context.settings.lifecycle.ready_lag
        return openai.serve(
            lambda: dataplane.find(self.store, now, lag, request), int(now), request
        )

    def knows(self, id: str) -> bool:
        """Whether there is, or was, such an instance."""
        return id in self.store.instances or id in self.store.gone

    def truth(self, id: str, now: float) -> Truth[Write]:
        """What really is the matter with an instance."""
        return self.store.truth(id, lambda instance: self._context.word(instance, now))

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike one instance at once."""
        outcomes.inject_outcome_fault(self._context, fault, now)

    def rows(self, now: float) -> list[dict[str, object]]:
        """The instances that exist."""
        return [
            {"name": instance.name, "region": instance.region, **asdict(self.truth(id, now))}
            for id, instance in self.store.instances.items()
        ]

    def place(self, now: float, **settings: object) -> Instance:
        """Place an instance; see `Placing` for the settings."""
        return place(self._context, now, Placing(**settings))  # type: ignore[arg-type]


def _shape(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The path with ids left out: they stand third and fifth."""
    return tuple(
        "{}" if place in (2, 4) and part not in _LITERALS else part
        for place, part in enumerate(segments)
    )


_BY_SHAPE = {
    (method, _shape(tuple(path.strip("/").split("/")))): f"{method} {path}"
    for method, _, path in (name.partition(" ") for name in _HANDLERS)
}
