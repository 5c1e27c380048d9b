"""Does a read show what was sent? Compared where it can be, and never by writing a secret down."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async.gcore.goals import Goal, agreement, goal_of, hidden, read_goal
from tests.gcore.helpers import (
    HIDDEN,
    ID,
    a_container,
    an_instance,
    deployment,
    instance,
    sample,
    shown,
)

OTHER_ID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

SCALE = {"min": 1, "max": 3}
TRIGGERS = {"cpu": {"threshold": 80, "grace": 5}, "queue_depth": {"threshold": 3}}
PROBE = {"liveness_probe": {"enabled": True, "probe": {"http_get": {"port": 80}}}}
FULL_PROBE = {
    "liveness_probe": {
        "enabled": True,
        "probe": {"http_get": {"port": 80, "headers": {"T": HIDDEN}}, "period_seconds": 5},
    }
}


def agrees(sent: dict[str, Any], **fields: Any) -> bool | None:
    """Whether a deployment with these fields shows what was sent."""
    return agreement(hidden(sent), deployment(shown(**fields)))


@pytest.mark.parametrize(
    ("sent", "there", "verdict"),
    [
        ({"image": "a"}, {"image": "a"}, True),
        ({"image": "a"}, {"image": "b"}, False),
        ({"image": "a", "timeout": 5}, {"image": "a", "timeout": 6}, False),
        ({"envs": {"A": "1"}}, {"envs": {"A": "1"}}, True),
        ({"envs": {"A": "1"}}, {"envs": {"A": "1", "B": "2"}}, False),
        ({"envs": {}}, {"envs": None}, True),
        ({"envs": {}}, {"envs": {"A": "1"}}, False),
        ({"command": ["a", "b c"]}, {"command": ["a", "b c"]}, True),
        ({"command": ["a", "b c"]}, {"command": ["a"]}, False),
        ({"command": ["a", "b c"]}, {"command": "a b c"}, True),
        ({"command": ["a", "b c"]}, {"command": "a 'b c'"}, True),
        ({"command": ["a", "b c"]}, {"command": "sh -c a"}, None),
        ({"command": ["a"]}, {"command": None}, False),
        ({"command": ["a"]}, {"command": "a 'b"}, None),
        ({"api_keys": ["a", "b"]}, {"api_keys": ["b", "a"]}, True),
        ({"api_keys": []}, {"api_keys": ["a"]}, False),
        ({"api_keys": ["a"]}, {"api_keys": None}, None),
        ({"probes": PROBE}, {"probes": FULL_PROBE}, True),
        ({"probes": FULL_PROBE}, {"probes": PROBE}, False),
        ({"probes": PROBE}, {"probes": None}, False),
        ({"probes": None}, {"probes": PROBE}, None),
        ({"description": None}, {"description": ""}, True),
        ({"description": ""}, {"description": None}, True),
        ({"description": "x"}, {"description": None}, False),
        ({"containers": [a_container()]}, {"containers": [a_container(error_message="x")]}, True),
        (
            {"containers": [a_container()]},
            {"containers": [a_container(scale={**SCALE, "cooldown_period": 60})]},
            True,
        ),
        ({"containers": [a_container()]}, {"containers": [a_container(scale={"max": 9})]}, False),
        ({"containers": [a_container()]}, {"containers": []}, False),
        (
            {"containers": [a_container()]},
            {"containers": [a_container(), a_container(region_id=8)]},
            False,
        ),
        ({"logging": {"retention_policy": 45}}, {"logging": {"retention_policy": 45}}, None),
        ({"nobody_knows": 1}, {}, None),
        ({"ingress_opts": {"sticky": True}}, {"ingress_opts": {"sticky": True}}, None),
        ({"ingress_opts": {"sticky": True}}, {"ingress_opts": None}, False),
        (
            {"logging": {"enabled": True, "format": "json"}},
            {"logging": {"enabled": True, "format": "json"}},
            True,
        ),
        (
            {"logging": {"enabled": True, "format": "json"}},
            {"logging": {"enabled": False, "format": "json"}},
            False,
        ),
        (
            {"containers": [a_container(scale={**SCALE, "triggers": TRIGGERS})]},
            {"containers": [a_container(scale={**SCALE, "triggers": TRIGGERS})]},
            True,
        ),
    ],
)
def test_agreement(sent: dict[str, Any], there: dict[str, Any], verdict: bool | None) -> None:
    """True, False, or None where it cannot be told."""
    assert agrees(sent, **there) is verdict


@pytest.mark.parametrize("name", ["flavor_id", "image_registry_id"])
@pytest.mark.parametrize(
    "write", [str.upper, lambda uuid: uuid.replace("-", ""), "urn:uuid:{}".format]
)
def test_a_uuid_is_the_same_however_it_is_written(name: str, write: Callable[[str], str]) -> None:
    """In capitals, without hyphens; another one is another."""
    found = instance(an_instance(**{name: ID}))
    assert agreement({name: write(ID)}, found) is True
    assert agreement({name: write(OTHER_ID)}, found) is False


def test_uuids_in_a_list() -> None:
    """The same, in any order."""
    found = instance(an_instance(api_key_ids=[ID, OTHER_ID]))
    assert agreement({"api_key_ids": [OTHER_ID.upper(), ID]}, found) is True
    assert agreement({"api_key_ids": [ID]}, found) is False


def test_goal_is_what_changes() -> None:
    """Fields that were so before prove nothing, so they are left out."""
    before = deployment(shown(image="old", timeout=120))
    assert goal_of({"image": "new", "timeout": 120}, before).fields == {"image": "new"}


def test_goal_without_a_change() -> None:
    """Sending what is there already changes nothing."""
    assert goal_of(sample("update_request"), instance(sample("update_200"))).fields == {}


def test_goal_survives_being_written_down() -> None:
    """What a resume token carries is the same goal."""
    sent = {"image": "new", "envs": {"A": HIDDEN}, "containers": [a_container(region_id=9)]}
    goal = goal_of(sent, deployment(shown("DISABLED")))
    assert goal.at_rest
    assert set(goal.fields) == set(sent)
    assert read_goal(goal.encode()) == goal


def test_goal_holds_no_secret() -> None:
    """Environment, headers and commands stand in it as digests."""
    get = {"port": 80, "headers": {"T": HIDDEN}}
    probe = {"enabled": True, "probe": {"http_get": get, "exec": {"command": [HIDDEN]}}}
    sent = {"envs": {"A": HIDDEN}, "command": [HIDDEN], "probes": {"liveness_probe": probe}}
    goal = goal_of(sent, deployment(shown(envs={})))
    assert set(goal.fields) == set(sent)
    assert HIDDEN not in goal.encode()
    assert agreement(goal.fields, deployment({**shown(), **sent})) is True


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"odd": 1}'])
def test_damaged_goal(text: str | None) -> None:
    """It says nothing, and breaks nothing."""
    assert read_goal(text) == Goal()
