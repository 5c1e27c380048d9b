"""What is gone takes bounded memory."""

from collections import Counter

import pytest

from di_async.emulator import Lifecycle, World
from di_async.emulator.cloud import store as module
from di_async.emulator.cloud.store import MAX_GONE, Recent, count_created


def test_recent_forgets_the_oldest() -> None:
    """Only the latest entries are kept."""
    recent: Recent[int] = Recent(2)
    for number in range(5):
        recent[str(number)] = number
    assert recent == {"3": 3, "4": 4}


def test_names_are_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of the oldest names are forgotten when there are very many."""
    monkeypatch.setattr(module, "_MAX_NAMES", 3)
    created: Counter[str] = Counter()
    for name in ("a", "b", "b", "c", "d"):
        count_created(created, name)
    assert created == {"b": 2, "c": 1, "d": 1}


def test_deleted_instances_leave_a_bounded_trace() -> None:
    """The stores keep the latest deleted resources, however many there were."""
    world = World(rate_limits=False, lifecycle=Lifecycle(create=1, update=1, delete=1))
    headers = {"Authorization": f"Bearer {world.token}"}
    now = 0.0
    for number in range(MAX_GONE + 50):
        now += 10
        id = world.add_instance(now=now, name=f"n{number}").id
        path = f"/v2/dedicated-inferences/{id}"
        assert world.handle(now, "GET", "/v2/dedicated-inferences", headers).status == 200
        assert world.handle(now, "GET", path, headers).status == 200
        assert world.handle(now + 1, "DELETE", path, headers).status in (202, 204)
    world.handle(now + 100, "GET", "/v2/dedicated-inferences", headers)
    stored = world.digitalocean.store
    assert not stored.items
    assert len(stored.deleted) == MAX_GONE
    assert stored.created["n0"] == 1
    assert len(world.digitalocean.context.shapes._rendered) <= MAX_GONE + 2  # noqa: SLF001


def test_deleted_deployments_of_exoscale_leave_a_bounded_trace() -> None:
    """Timelines that have ended are forgotten, the oldest first."""
    world = World(rate_limits=False, lifecycle=Lifecycle(create=1, update=1, delete=1))
    store = world.exoscale.store
    for number in range(3 * MAX_GONE):
        found = world.add_exoscale_deployment(now=float(number), name=f"n{number}")
        store.deployments[found.id].states.append((number + 0.5, None))
    world.handle(1e6, "GET", "/v2/dedicated-inferences", {})
    assert len(store.deployments) <= 2 * MAX_GONE
    assert len(store.keys) <= 2 * MAX_GONE
