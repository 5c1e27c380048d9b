"""Whether a deployment's own endpoint serves yet.

Rules of this file: its key has been found to be the deployment's; no rate windows.
"""

from di_async.emulator.cloud.http import Refusal
from di_async.emulator.cloud.openai import Served

from .records import Deployment
from .store import Timeline

_SERVING = ("ready", "scaling", "updating")


def find(story: Timeline[Deployment], now: float, ready_lag: float) -> Served:
    """What the deployment serves; `Refusal` 401 once it is gone, 503 while it cannot."""
    shown = story.at(now)
    if shown is None:
        raise Refusal(401, "Unauthorized")
    if not shown.reachable or shown.state not in _SERVING or not shown.replicas:
        raise Refusal(503, "The model is not ready yet")
    if now < next(at for at, thing in story.marks if thing and thing.reachable) + ready_lag:
        raise Refusal(503, "The model is still warming up")
    return Served(shown.id, (shown.model_name,))
