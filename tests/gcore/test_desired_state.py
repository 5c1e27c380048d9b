"""Does a read show what was sent? Compared where possible, without storing secrets."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async.gcore.desired_state import (
    DesiredState,
    desired_state,
    digest_secrets,
    matches,
    read_desired_state,
)
from tests.builders.gcore import (
    HIDDEN,
    ID,
    a_container,
    a_deployment,
    an_instance,
    read_deployment,
    read_instance,
    sample,
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


def matched(sent: dict[str, Any], **fields: Any) -> bool | None:
    """Return whether a deployment with these fields shows what was sent."""
    return matches(digest_secrets(sent), read_deployment(a_deployment(**fields)))


@pytest.mark.parametrize(
    ("sent", "there", "expected"),
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
def test_matches(sent: dict[str, Any], there: dict[str, Any], expected: bool | None) -> None:
    """The result is True, False, or None if nothing can be compared."""
    assert matched(sent, **there) is expected


@pytest.mark.parametrize("name", ["flavor_id", "image_registry_id"])
@pytest.mark.parametrize(
    "write", [str.upper, lambda uuid: uuid.replace("-", ""), "urn:uuid:{}".format]
)
def test_uuids_are_normalized(name: str, write: Callable[[str], str]) -> None:
    """Capitals, hyphens and prefixes of a UUID do not matter."""
    found = read_instance(an_instance(**{name: ID}))
    assert matches({name: write(ID)}, found) is True
    assert matches({name: write(OTHER_ID)}, found) is False


def test_uuids_in_a_list() -> None:
    """A list of UUIDs matches in any order."""
    found = read_instance(an_instance(api_key_ids=[ID, OTHER_ID]))
    assert matches({"api_key_ids": [OTHER_ID.upper(), ID]}, found) is True
    assert matches({"api_key_ids": [ID]}, found) is False


def test_desired_state_is_what_changes() -> None:
    """Fields that do not change prove nothing, so they are left out."""
    before = read_deployment(a_deployment(image="old", timeout=120))
    assert desired_state({"image": "new", "timeout": 120}, before).fields == {"image": "new"}


def test_update_without_a_change() -> None:
    """Sending the current values changes nothing."""
    assert desired_state(sample("update_request"), read_instance(sample("update_200"))).fields == {}


def test_encode_and_read() -> None:
    """The text in a resume token restores an equal state."""
    sent = {"image": "new", "envs": {"A": HIDDEN}, "containers": [a_container(region_id=9)]}
    desired = desired_state(sent, read_deployment(a_deployment("DISABLED")))
    assert desired.was_stopped
    assert set(desired.fields) == set(sent)
    assert read_desired_state(desired.encode()) == desired


def test_encoded_state_has_no_secret() -> None:
    """Environment, headers and commands are stored as digests."""
    get = {"port": 80, "headers": {"T": HIDDEN}}
    probe = {"enabled": True, "probe": {"http_get": get, "exec": {"command": [HIDDEN]}}}
    sent = {"envs": {"A": HIDDEN}, "command": [HIDDEN], "probes": {"liveness_probe": probe}}
    desired = desired_state(sent, read_deployment(a_deployment(envs={})))
    assert set(desired.fields) == set(sent)
    assert HIDDEN not in desired.encode()
    assert matches(desired.fields, read_deployment({**a_deployment(), **sent})) is True


@pytest.mark.parametrize("text", [None, "", "no json", "[]", '{"odd": 1}'])
def test_damaged_text(text: str | None) -> None:
    """Damaged text is read as an empty state."""
    assert read_desired_state(text) == DesiredState()
