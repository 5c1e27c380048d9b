"""A deployment's own endpoint, added deployments, and the control endpoint."""

import pytest

from .helpers import KEYS, V2, V3, ApiClient, a_container

CHAT = {"model": "nginx", "messages": [{"role": "user", "content": "hello"}]}


def test_open_endpoint_answers_once_it_serves(api: ApiClient) -> None:
    """It is 503 before and 200 afterwards, without a key."""
    api.create()
    assert api.request_dataplane("my-instance", "/v1/models").status == 503
    api.after(1000)
    assert api.request_dataplane("my-instance", "/v1/models").json["data"][0]["id"] == "nginx"
    reply = api.request_dataplane("my-instance", "/v1/chat/completions", CHAT)
    assert reply.json["choices"][0]["message"]["content"]
    assert api.request_dataplane("nobody", "/v1/models").status == 404


def test_key_is_accepted_in_either_header(api: ApiClient) -> None:
    """`X-Api-Key` or `Authorization: Bearer`; another key, or none, is 401."""
    secret = api.request("POST", KEYS, {"name": "mine"}).json["secret"]
    other = api.request("POST", KEYS, {"name": "other"}).json["secret"]
    api.active(api_keys=["mine"])
    send = api.request_dataplane
    assert send("my-instance", "/v1/models", X_Api_Key=secret).status == 200
    assert send("my-instance", "/v1/models", Authorization=f"Bearer {secret}").status == 200
    assert send("my-instance", "/v1/models", X_Api_Key=other).status == 401
    assert send("my-instance", "/v1/models").status == 401
    api.update(api_keys=[])
    assert api.after(500).request_dataplane("my-instance", "/v1/models").status == 200


def test_request_wakes_a_deployment_scaled_to_zero(api: ApiClient) -> None:
    """PENDING, then ACTIVE for `timeout` seconds after a request, then PENDING."""
    api.active(containers=[a_container(min=0)], timeout=60)
    assert api.status() == "PENDING"
    assert api.request_dataplane("my-instance", "/v1/models").status == 200
    assert api.after(59).status() == "ACTIVE"
    assert api.after(1).status() == "PENDING"


def test_stopped_deployment_does_not_serve(api: ApiClient) -> None:
    """A request does not wake it."""
    api.active()
    api.request("POST", f"{V3}/my-instance/stop")
    assert api.after(30).request_dataplane("my-instance", "/v1/models").status == 503
    assert api.status() == "DISABLED"


@pytest.mark.parametrize(
    ("placed", "first", "later"),
    [
        ("DEPLOYING", "DEPLOYING", "ACTIVE"),
        ("PARTIALLYDEPLOYED", "PARTIALLYDEPLOYED", "ACTIVE"),
        ("ACTIVE", "ACTIVE", "ACTIVE"),
        ("DISABLED", "DISABLED", "DISABLED"),
        ("DELETING", "DELETING", "404"),
        ("FAILED", "PARTIALLYDEPLOYED", "PARTIALLYDEPLOYED"),
    ],
)
def test_added_deployment_continues_from_its_status(
    api: ApiClient, placed: str, first: str, later: str
) -> None:
    """It exists without a request, and continues like a created one."""
    it = api.world.add_gcore_deployment(status=placed, settles_in=10, now=api.now)
    assert it.name == "placed-0"
    assert api.status(it.name) == first
    assert api.after(10).status(it.name) == later


def test_added_instance(api: ApiClient) -> None:
    """v2 instances can be added, too; a name can be added once."""
    it = api.world.add_gcore_deployment(generation=2, name="mine", status="FAILED", now=api.now)
    assert api.request("GET", f"{V2}/{it.id}").json["status"] == "ERROR"
    with pytest.raises(ValueError, match="mine"):
        api.world.add_gcore_deployment(generation=2, name="mine", now=api.now)


def test_added_key(api: ApiClient) -> None:
    """It is valid for the deployments that use it."""
    secret = api.world.add_gcore_key("mine", now=api.now).secret
    api.active(api_keys=["mine"])
    assert api.request_dataplane("my-instance", "/v1/models", X_Api_Key=secret).status == 200


def test_state_endpoint_lists_all_deployments(api: ApiClient) -> None:
    """It has a row for each, and no secrets of requests."""
    api.create(envs={"TOKEN": "planted-secret"})
    api.after(1000)
    api.update(description="new")
    state = api.request("GET", "/_emulator/state")
    (row,) = state.json["instances"]
    assert (row["name"], row["status"], row["version"]) == ("my-instance", "DEPLOYING", 1)
    assert [write["action"] for write in row["writes"]] == ["create", "update"]
    assert b"planted-secret" not in state.raw.body


def test_truth_of_a_deleted_deployment(api: ApiClient) -> None:
    """It no longer exists; a reused name exists again."""
    api.active()
    api.request("DELETE", f"{V3}/my-instance")
    truth = api.world.truth("my-instance", api.after(100).now)
    assert (truth.exists, truth.status, truth.settled) == (False, "DELETED", True)
    api.create()
    assert api.world.truth("my-instance", api.now).exists
    assert api.world.created["my-instance"] == 2
