"""Remember for two minutes what this client created: replicas may not know it yet.

A delete that this client sent shortens that time, for every wait of the resource: the provider
knew the resource, so that only a replica that lags behind may still answer 404 too early.
"""

import math
from itertools import takewhile
from typing import Any

from msgspec import Struct

from di_async.core.waiting.evidence import (
    CREATE_GRACE_S,
    Failed,
    OwnDelete,
    Settled,
    accepted_delete_grace,
)
from di_async.core.waiting.observation import Action
from di_async.core.waiting.resource_adapter import ResourceAdapter
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = ["NewResources", "resource_key"]

ResourceKey = tuple[str, str | None, str]


class _NewResource(Struct, eq=False):
    """A resource that was created just now."""

    trackers: list[ChangeTracker[Any]]
    """The trackers whose reads may show it; that of the create is first."""
    adopted: bool
    """A read has shown it already."""
    deleted_at: float = math.inf
    """Loop time at which a delete of this client was accepted."""

    @property
    def created_at(self) -> float:
        return self.trackers[0].started_at

    @property
    def is_known(self) -> bool:
        """Whether a read has shown it, so that a 404 has its usual meaning."""
        return self.adopted or any(tracker.evidence.ever_seen for tracker in self.trackers)


class NewResources:
    """The resources that were created just now, with the trackers whose reads may show them."""

    def __init__(self) -> None:
        self._resources: dict[ResourceKey, _NewResource] = {}

    def add(self, tracker: ChangeTracker[Any], *, adopted: bool = False) -> None:
        """Record a new create, or one more tracker of a resource that is new."""
        key = resource_key(tracker.adapter, tracker.target.id)
        if tracker.expectation.action is Action.CREATE:
            self._prune(tracker.started_at)
            self._resources.pop(key, None)  # the latest comes last
            self._resources[key] = _NewResource([tracker], adopted)
        elif key in self._resources:
            self._resources[key].trackers.append(tracker)

    def grace_until(self, adapter: ResourceAdapter[Any], id: str, now: float) -> float:
        """Return the loop time until which a 404 proves nothing; -inf for what is not new."""
        self._prune(now)
        found = self._resources.get(resource_key(adapter, id))
        if found is None or found.is_known:
            return -math.inf
        grace = accepted_delete_grace(has_operation=False)
        return min(found.created_at + CREATE_GRACE_S, found.deleted_at + grace)

    def record_delete(
        self, deleting: ChangeTracker[Any], watchers: tuple[ChangeTracker[Any], ...]
    ) -> None:
        """Report an accepted delete, its proof or its failure to all trackers of the resource.

        Args:
            deleting: of the delete; its decision says which of the three.
            watchers: the trackers whose waits read the resource; of a new one, all are known here.
        """
        adapter, id = deleting.adapter, deleting.target.id
        accepted_at = deleting.started_at  # an operation that ends moves the expectation's
        found = self._resources.get(resource_key(adapter, id))
        if found is not None and found.created_at > accepted_at:
            return  # it was created again since
        failed = isinstance(deleting.decision, Failed)
        if found is not None:
            found.deleted_at = math.inf if failed else min(found.deleted_at, accepted_at)
        grace_until = self.grace_until(adapter, id, deleting.clock.now())
        proven = isinstance(deleting.decision, Settled)
        own_delete = OwnDelete(accepted_at, grace_until, proven=proven)
        trackers = (deleting, *watchers, *(() if found is None else found.trackers))
        for tracker in dict.fromkeys(trackers):
            tracker.record_own_delete(own_delete, failed=failed)

    def _prune(self, now: float) -> None:
        """Forget what is no longer new; the oldest come first."""
        old = takewhile(
            lambda one: one[1].created_at + CREATE_GRACE_S <= now, self._resources.items()
        )
        for key, _ in tuple(old):
            del self._resources[key]


def resource_key(adapter: ResourceAdapter[Any], id: str) -> ResourceKey:
    """Return what identifies a resource within its client: kind, scope and id."""
    return adapter.kind, adapter.scope, id
