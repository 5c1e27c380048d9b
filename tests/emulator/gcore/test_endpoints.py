"""A deployment's own endpoint, deployments that are simply there, and the control endpoint."""

import pytest

from .helpers import KEYS, V2, V3, Desk, a_container

CHAT = {"model": "nginx", "messages": [{"role": "user", "content": "hello"}]}


def test_open_endpoint_answers_once_it_serves(desk: Desk) -> None:
    """503 before, 200 after, and no key is asked for: it is open to the world."""
    desk.create()
    assert desk.ask_model("my-instance", "/v1/models").status == 503
    desk.after(1000)
    assert desk.ask_model("my-instance", "/v1/models").json["data"][0]["id"] == "nginx"
    told = desk.ask_model("my-instance", "/v1/chat/completions", CHAT)
    assert told.json["choices"][0]["message"]["content"]
    assert desk.ask_model("nobody", "/v1/models").status == 404


def test_key_opens_by_either_header(desk: Desk) -> None:
    """`X-Api-Key` or `Authorization: Bearer`; another key, or none, is 401."""
    secret = desk.ask("POST", KEYS, {"name": "mine"}).json["secret"]
    other = desk.ask("POST", KEYS, {"name": "other"}).json["secret"]
    desk.active(api_keys=["mine"])
    ask = desk.ask_model
    assert ask("my-instance", "/v1/models", X_Api_Key=secret).status == 200
    assert ask("my-instance", "/v1/models", Authorization=f"Bearer {secret}").status == 200
    assert ask("my-instance", "/v1/models", X_Api_Key=other).status == 401
    assert ask("my-instance", "/v1/models").status == 401
    desk.update(api_keys=[])
    assert desk.after(500).ask_model("my-instance", "/v1/models").status == 200


def test_request_wakes_what_sleeps(desk: Desk) -> None:
    """PENDING, asked, ACTIVE for `timeout` seconds, PENDING."""
    desk.active(containers=[a_container(min=0)], timeout=60)
    assert desk.status() == "PENDING"
    assert desk.ask_model("my-instance", "/v1/models").status == 200
    assert desk.after(59).status() == "ACTIVE"
    assert desk.after(1).status() == "PENDING"


def test_stopped_does_not_serve(desk: Desk) -> None:
    """And is not woken by a request."""
    desk.active()
    desk.ask("POST", f"{V3}/my-instance/stop")
    assert desk.after(30).ask_model("my-instance", "/v1/models").status == 503
    assert desk.status() == "DISABLED"


@pytest.mark.parametrize(
    ("placed", "told", "later"),
    [
        ("DEPLOYING", "DEPLOYING", "ACTIVE"),
        ("PARTIALLYDEPLOYED", "PARTIALLYDEPLOYED", "ACTIVE"),
        ("ACTIVE", "ACTIVE", "ACTIVE"),
        ("DISABLED", "DISABLED", "DISABLED"),
        ("DELETING", "DELETING", "404"),
        ("FAILED", "PARTIALLYDEPLOYED", "PARTIALLYDEPLOYED"),
    ],
)
def test_placed_in_a_state(desk: Desk, placed: str, told: str, later: str) -> None:
    """It is there without a request, and goes on as if it had been asked for."""
    it = desk.world.add_gcore_deployment(status=placed, settles_in=10, now=desk.now)
    assert it.name == "placed-0"
    assert desk.status(it.name) == told
    assert desk.after(10).status(it.name) == later


def test_placed_instance(desk: Desk) -> None:
    """v2, too; a name is placed once."""
    it = desk.world.add_gcore_deployment(generation=2, name="mine", status="FAILED", now=desk.now)
    assert desk.ask("GET", f"{V2}/{it.id}").json["status"] == "ERROR"
    with pytest.raises(ValueError, match="mine"):
        desk.world.add_gcore_deployment(generation=2, name="mine", now=desk.now)


def test_placed_key(desk: Desk) -> None:
    """It opens what it is attached to."""
    secret = desk.world.add_gcore_key("mine", now=desk.now).secret
    desk.active(api_keys=["mine"])
    assert desk.ask_model("my-instance", "/v1/models", X_Api_Key=secret).status == 200


def test_state_tells_of_all(desk: Desk) -> None:
    """The control endpoint has a row for each, and no secret of a request."""
    desk.create(envs={"TOKEN": "planted-secret"})
    desk.after(1000)
    desk.update(description="new")
    state = desk.ask("GET", "/_emulator/state")
    (row,) = state.json["instances"]
    assert (row["name"], row["status"], row["version"]) == ("my-instance", "DEPLOYING", 1)
    assert [write["action"] for write in row["writes"]] == ["create", "update"]
    assert b"planted-secret" not in state.raw.body


def test_truth_of_what_is_gone(desk: Desk) -> None:
    """It once was; a name that came back is again."""
    desk.active()
    desk.ask("DELETE", f"{V3}/my-instance")
    truth = desk.world.truth("my-instance", desk.after(100).now)
    assert (truth.exists, truth.status, truth.settled) == (False, "DELETED", True)
    desk.create()
    assert desk.world.truth("my-instance", desk.now).exists
    assert desk.world.created["my-instance"] == 2
