"""Tests of what a client remembers of the resources that it created just now."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.core.waiting.observation import Action
from di_async.engine.waiting.new_resources import NewResources

ADAPTER: Any = SimpleNamespace(kind="deployment", scope=None)


def created(id: int, at: float) -> Any:
    """Return the tracker of a create whose resource no read has shown."""
    return SimpleNamespace(
        adapter=ADAPTER,
        target=SimpleNamespace(id=str(id)),
        expectation=SimpleNamespace(action=Action.CREATE),
        evidence=SimpleNamespace(ever_seen=False),
        started_at=at,
    )


def test_only_old_ones_are_forgotten() -> None:
    """A resource is new for the whole grace after its create, however many others are."""
    new = NewResources()
    for id in range(5):
        new.add(created(id, at=10.0 * id))
    later = 25.0 + CREATE_GRACE_S
    until = [new.grace_until(ADAPTER, str(id), later) for id in range(5)]
    assert until == [-float("inf")] * 3 + [30.0 + CREATE_GRACE_S, 40.0 + CREATE_GRACE_S]


def test_a_create_costs_the_same_among_thousands() -> None:
    """One more create, and a look at one, copy nothing of those that are remembered."""
    new = NewResources()
    for id in range(5000):
        new.add(created(id, at=0.001 * id))
    one_more = created(5000, at=5.0)
    tracemalloc.start()
    try:
        new.add(one_more)
        assert new.grace_until(ADAPTER, "1", 5.0) == 0.001 + CREATE_GRACE_S
        assert tracemalloc.get_traced_memory()[1] < 8000  # 5,000 references take 40,000
    finally:
        tracemalloc.stop()
