"""Remember for two minutes what this client created: replicas may not know it yet."""

import math
from typing import Any

from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.core.waiting.observation import Action
from di_async.core.waiting.resource_adapter import ResourceAdapter
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["NewResources"]

_Key = tuple[str, str | None, str]


class NewResources:
    """The resources that were created just now, with the trackers whose reads may show them."""

    def __init__(self) -> None:
        self._trackers: dict[_Key, list[ChangeTracker[Any]]] = {}

    def add(self, tracker: ChangeTracker[Any]) -> None:
        """Record a new create, or one more tracker of a resource that is new."""
        key = _key(tracker.adapter, tracker.target.id)
        if tracker.expectation.action is Action.CREATE:
            self._prune(tracker.started_at)
            self._trackers[key] = [tracker]
        elif key in self._trackers:
            self._trackers[key].append(tracker)

    def grace_until(self, adapter: ResourceAdapter[Any], id: str, now: float) -> float:
        """Return the loop time until which a 404 proves nothing; -inf for what is not new."""
        self._prune(now)
        trackers = self._trackers.get(_key(adapter, id), [])
        if not trackers or any(tracker.evidence.ever_seen for tracker in trackers):
            return -math.inf
        return trackers[0].started_at + CREATE_GRACE_S

    def _prune(self, now: float) -> None:
        """Forget what is no longer new; the oldest come first."""
        for key, trackers in list(self._trackers.items()):
            if trackers[0].started_at + CREATE_GRACE_S > now:
                return
            del self._trackers[key]


def _key(adapter: ResourceAdapter[Any], id: str) -> _Key:
    return adapter.kind, adapter.scope, id
