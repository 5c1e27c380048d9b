"""The control endpoints under /_emulator."""

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
