"""The table of the thirteen operations, and the way from a request to its handler.

Rules of this file: routing only.
"""

from collections.abc import Callable

from di_async.emulator.world.faults import Fault, FaultBook
from di_async.emulator.world.http import Refusal, Request, Response
from di_async.emulator.world.nature import Nature
from di_async.emulator.world.settings import Settings

from . import dataplane, fate, reads, writes
from .placing import Placing, place
from .records import Instance, Truth
from .site import BASE, GET, LIST, Site, missing

Handler = Callable[[Site, float, Request, str], Response]

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
OPERATIONS = tuple(_HANDLERS)


class DigitalOcean:
    """The DigitalOcean part of a world."""

    def __init__(self, nature: Nature, faults: FaultBook, settings: Settings) -> None:
        self._site = Site.build(nature, faults, settings)
        self.estate = self._site.estate

    def operation(self, request: Request) -> str | None:
        """The operation a request asks for, as `METHOD /path/{id}`."""
        return _BY_SHAPE.get((request.method, _shape(request.segments)))

    def id_in(self, request: Request, operation: str | None) -> str | None:
        """The instance a request is about."""
        return request.segments[2] if operation and "{id}" in operation else None

    def answer(self, now: float, request: Request, operation: str | None) -> Response:
        """Do what the request asks for."""
        if operation is None:
            if any(path == _shape(request.segments) for _, path in _BY_SHAPE):
                raise Refusal(405, f"{request.method} is not allowed here.")
            raise missing()
        handler = _HANDLERS[operation]
        return handler(self._site, now, request, self.id_in(request, operation) or "")

    def serve(self, now: float, request: Request) -> Response:
        """The data plane's answer."""
        return dataplane.serve(self.estate, now, self._site.settings.lifecycle.ready_lag, request)

    def truth(self, id: str, now: float) -> Truth:
        """What really is the matter with an instance."""
        return self.estate.truth(id, lambda instance: self._site.word(instance, now))

    def strike(self, fault: Fault, now: float) -> None:
        """Let an outcome fault strike one instance at once."""
        fate.strike(self._site, fault, now)

    def place(self, now: float, **settings: object) -> Instance:
        """Place an instance; see `Placing` for the settings."""
        return place(self._site, now, Placing(**settings))  # type: ignore[arg-type]


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
