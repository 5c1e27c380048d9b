"""The control endpoints under /_emulator."""

from .helpers import BASE, Desk


def test_fault_armed_over_http_strikes(desk: Desk) -> None:
    """A test in any language can make the next request fail, without a token."""
    sent = {"kind": "status", "status": 503, "on": f"GET {BASE}"}
    reply = desk.ask("POST", "/_emulator/faults", sent, Authorization="")
    assert (reply.status, reply.json["fault"]["times"]) == (201, 1)
    assert [desk.ask("GET", "").status for _ in range(2)] == [503, 200]


def test_faults_can_be_listed_and_cleared(desk: Desk) -> None:
    """The armed faults are readable, and DELETE disarms them."""
    desk.ask("POST", "/_emulator/faults", {"kind": "reset", "times": None})
    listed = desk.ask("GET", "/_emulator/faults").json["faults"]
    assert [fault["kind"] for fault in listed] == ["reset"]
    assert desk.ask("DELETE", "/_emulator/faults").status == 204
    assert desk.ask("GET", "/_emulator/faults").json == {"faults": []}


def test_senseless_fault_is_400_and_says_why(desk: Desk) -> None:
    """What `fault` refuses in code is refused over HTTP, with the same words."""
    senseless: tuple[object, ...] = ({"kind": "gremlin"}, {"kind": "reset", "colour": 1}, {}, [])
    for sent in senseless:
        assert desk.ask("POST", "/_emulator/faults", sent).status == 400
    assert "gremlin" in desk.ask("POST", "/_emulator/faults", {"kind": "gremlin"}).json["message"]


def test_state_tells_what_exists(desk: Desk) -> None:
    """The state names every instance and whether it has settled."""
    id = desk.create()
    state = desk.ask("GET", "/_emulator/state", Authorization="").json
    assert state["now"] == desk.now
    (row,) = state["instances"]
    assert (row["id"], row["name"], row["settled"]) == (id, "new-dedicated-inference", False)


def test_control_is_outside_windows_and_tally(desk: Desk) -> None:
    """Looking at the emulator costs nothing at the emulated vendor."""
    desk.ask("GET", "/_emulator/state")
    assert desk.ask("GET", "/_emulator/nope").status == 404
    assert desk.world.stats.total == 0
