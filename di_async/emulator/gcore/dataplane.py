"""A deployment's own endpoint: found by its path, opened by its keys.

Rules of this file: no rate windows. A deployment that is scaled to zero wakes on a request.
"""

from attrs import evolve

from di_async.emulator.cloud import openai
from di_async.emulator.cloud.http import Refusal, Request, Response

from .context import ProviderContext
from .records import Deployment
from .status import word

PREFIX = "gcore"


def serve(context: ProviderContext, now: float, request: Request) -> Response | None:
    """The answer of `/gcore/{deployment}/...`; None for any other path."""
    if request.segments[:1] != (PREFIX,) or len(request.segments) < 2:
        return None
    id, *rest = request.segments[1:]
    inner = evolve(request, segments=tuple(rest))
    return openai.serve(lambda: _find(context, now, id, request), int(now), inner)


def _find(context: ProviderContext, now: float, id: str, request: Request) -> openai.Served:
    it = context.store.deployments.get(id)
    if it is None:
        raise Refusal(404, "Not Found")
    if it.spec["auth_enabled"] and not _opens(context, it, request):
        raise Refusal(401, "Unauthorized")
    if word(it, now) not in ("ACTIVE", "PENDING"):
        raise Refusal(503, "The deployment is not ready")
    if it.may_sleep:
        context.store.wake(it, now + it.spec["timeout"])
    return openai.Served(it.id, (it.spec["image"].partition(":")[0],))


def _opens(context: ProviderContext, it: Deployment, request: Request) -> bool:
    given = request.headers.get("x-api-key") or request.bearer
    keys = (context.store.keys.get(name) for name in it.spec.get("api_keys", ()))
    return any(key is not None and key.secret == given for key in keys)
