"""Instances placed without a request."""

from typing import Any

import pytest

from ..helpers import NOW, Desk  # noqa: TID252


@pytest.mark.parametrize(
    ("status", "then"),
    [
        ("new", "active"),
        ("provisioning", "active"),
        ("updating", "active"),
        ("deleting", "404"),
        ("active", "active"),
        ("error", "error"),
    ],
)
def test_placed_instance_is_in_its_state_and_goes_on_from_it(
    desk: Desk, status: str, then: str
) -> None:
    """What is under way ends when told, what is settled stays."""
    id = desk.world.add_instance(now=NOW, status=status, settles_in=50).id
    desk.now += 49
    assert desk.status(id) == status
    desk.now += 1
    assert desk.status(id) == then


def test_placed_end_may_be_a_moment_or_the_lifecycles(desk: Desk) -> None:
    """`settles_at` is world time; without either the create law decides."""
    told = desk.world.add_instance(now=NOW, status="provisioning", settles_at=NOW + 5).id
    drawn = desk.world.add_instance(now=NOW, status="provisioning").id
    moments = [desk.world.truth(id, NOW).settled_at for id in (told, drawn)]
    assert moments == [NOW + 5, NOW + 600]


def test_placed_instance_is_as_told(desk: Desk) -> None:
    """Name, region, version, GPUs and creation can be chosen."""
    placed = desk.world.add_instance(
        now=NOW, name="mine", region="tor1", version=4, scale=3, created=1_600_000_000
    )
    one = desk.ask("GET", f"/{placed.id}").one
    assert (one["region"], one["spec"]["version"]) == ("tor1", 4)
    assert one["created_at"] == "2020-09-13T12:26:40Z"
    assert desk.ask("GET", f"/{placed.id}/accelerators").json["meta"]["total"] == 3


@pytest.mark.parametrize("bad", [{"status": "asleep"}, {"colour": "red"}])
def test_senseless_placing_is_refused(desk: Desk, bad: Any) -> None:
    """An unknown status or setting is an error at once."""
    with pytest.raises((ValueError, TypeError)):
        desk.world.add_instance(**bad)
