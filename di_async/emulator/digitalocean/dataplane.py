"""Which instance a data-plane request reaches, and whether it serves yet.

Rules of this file: the bearer token says which instance; no rate windows.
"""

from di_async.emulator.cloud.http import Refusal, Request
from di_async.emulator.cloud.openai import Served

from .store import Store


def find(store: Store, now: float, ready_lag: float, request: Request) -> Served:
    """What the token's instance serves; `Refusal` if nobody's, or not ready."""
    id = store.owners.get(request.bearer)
    if id is None:
        raise Refusal(401, "Unauthorized")
    instance = store.instances[id]
    first = next((write for write in instance.writes if write.outcome == "active"), None)
    if instance.current is None or instance.failed or first is None:
        raise Refusal(503, "The model is not ready yet")
    if now < first.settles_at + ready_lag:
        raise Refusal(503, "The model is still warming up")
    return Served(instance.id, tuple(model.slug for model in instance.current.models))
