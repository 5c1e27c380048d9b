"""Instances that are added without a request."""

from typing import Any

import pytest

from ..helpers import NOW, ApiClient  # noqa: TID252


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
def test_added_instance_continues_from_its_status(api: ApiClient, status: str, then: str) -> None:
    """A pending write ends at the given time; a settled one stays settled."""
    id = api.world.add_instance(now=NOW, status=status, settles_in=50).id
    api.now += 49
    assert api.status(id) == status
    api.now += 1
    assert api.status(id) == then


def test_end_of_an_added_instance_may_be_a_time_or_the_lifecycles(api: ApiClient) -> None:
    """`settles_at` is world time; without a setting the lifecycle decides."""
    timed = api.world.add_instance(now=NOW, status="provisioning", settles_at=NOW + 5).id
    drawn = api.world.add_instance(now=NOW, status="provisioning").id
    moments = [api.world.truth(id, NOW).settled_at for id in (timed, drawn)]
    assert moments == [NOW + 5, NOW + 600]


def test_added_instance_has_the_given_fields(api: ApiClient) -> None:
    """Name, region, version, GPUs and creation time can be set."""
    placed = api.world.add_instance(
        now=NOW, name="mine", region="tor1", version=4, scale=3, created=1_600_000_000
    )
    one = api.request("GET", f"/{placed.id}").one
    assert (one["region"], one["spec"]["version"]) == ("tor1", 4)
    assert one["created_at"] == "2020-09-13T12:26:40Z"
    assert api.request("GET", f"/{placed.id}/accelerators").json["meta"]["total"] == 3


@pytest.mark.parametrize("bad", [{"status": "asleep"}, {"colour": "red"}])
def test_invalid_settings_of_an_added_instance_are_rejected(api: ApiClient, bad: Any) -> None:
    """An unknown status or setting is an error at once."""
    with pytest.raises((ValueError, TypeError)):
        api.world.add_instance(**bad)
