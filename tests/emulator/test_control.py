"""The control endpoints under /_emulator."""

import pytest

from .helpers import BASE, ApiClient


def test_fault_armed_over_http_applies(api: ApiClient) -> None:
    """A test in any language can make the next request fail, without a token."""
    sent = {"kind": "status", "status": 503, "on": f"GET {BASE}"}
    reply = api.request("POST", "/_emulator/faults", sent, Authorization="")
    assert (reply.status, reply.json["fault"]["times"]) == (201, 1)
    assert [api.request("GET", "").status for _ in range(2)] == [503, 200]


def test_faults_can_be_listed_and_cleared(api: ApiClient) -> None:
    """GET lists the armed faults, and DELETE disarms them."""
    api.request("POST", "/_emulator/faults", {"kind": "reset", "times": None})
    listed = api.request("GET", "/_emulator/faults").json["faults"]
    assert [fault["kind"] for fault in listed] == ["reset"]
    assert api.request("DELETE", "/_emulator/faults").status == 204
    assert api.request("GET", "/_emulator/faults").json == {"faults": []}


def test_invalid_fault_is_400_with_the_reason(api: ApiClient) -> None:
    """An invalid fault is rejected with the message that `fault` raises."""
    invalid: tuple[object, ...] = ({"kind": "gremlin"}, {"kind": "reset", "colour": 1}, {}, [])
    for sent in invalid:
        assert api.request("POST", "/_emulator/faults", sent).status == 400
    assert (
        "gremlin" in api.request("POST", "/_emulator/faults", {"kind": "gremlin"}).json["message"]
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"times": -1}, "times: expected a whole number of 1 or more"),
        ({"times": True}, "times: expected a whole number of 1 or more"),
        ({"on": 5}, "on: expected text"),
        ({"probability": "often"}, "probability: expected a number from 0 to 1"),
        ({"after_commit": "no"}, "after_commit: expected true or false"),
        ({"window": "day"}, "window: expected 'minute' or 'hour'"),
    ],
)
def test_invalid_settings_are_named(
    api: ApiClient, settings: dict[str, object], expected: str
) -> None:
    """The message names the setting and what it takes, without words of Python."""
    reply = api.request("POST", "/_emulator/faults", {"kind": "reset", **settings})
    assert (reply.status, reply.json["message"]) == (400, expected)


@pytest.mark.parametrize("name", ["now", "self", "kind_"])
def test_a_setting_of_the_code_is_not_one_of_a_fault(api: ApiClient, name: str) -> None:
    """The names of internal arguments are unknown settings, and the time does not move."""
    before = api.world.now
    reply = api.request("POST", "/_emulator/faults", {"kind": "reset", name: 1e12})
    assert reply.status == 400
    assert f"unknown setting '{name}'" in reply.json["message"]
    assert api.world.now in (before, api.now)


@pytest.mark.parametrize("body", [[], ["kind"], 5, "reset"])
def test_a_fault_is_an_object(api: ApiClient, body: object) -> None:
    """Another body is rejected with an example of a fault."""
    reply = api.request("POST", "/_emulator/faults", body)
    assert (reply.status, reply.json["message"][:22]) == (400, "expected a JSON object")


def test_state_lists_the_resources(api: ApiClient) -> None:
    """The state has every instance, and whether it has settled."""
    id = api.create()
    state = api.request("GET", "/_emulator/state", Authorization="").json
    assert state["now"] == api.now
    (row,) = state["instances"]
    assert (row["id"], row["name"], row["settled"]) == (id, "new-dedicated-inference", False)


def test_control_requests_are_not_counted(api: ApiClient) -> None:
    """Control requests need no quota and are not in the statistics."""
    api.request("GET", "/_emulator/state")
    assert api.request("GET", "/_emulator/nope").status == 404
    assert api.world.stats.total == 0
