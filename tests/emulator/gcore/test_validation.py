"""Which requests are rejected, and how errors name the fields."""

from typing import Any

import pytest

from .helpers import V2, V3, ApiClient, a_container, a_deployment, an_instance

BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "abc"}, "name"),
    ({"name": "a" * 31}, "name"),
    ({"listening_port": 0}, "listening_port"),
    ({"listening_port": 65536}, "listening_port"),
    ({"listening_port": True}, "listening_port"),
    ({"listening_port": "80"}, "listening_port"),
    ({"image": ""}, "image"),
    ({"containers": []}, "containers"),
    ({"containers": {}}, "containers"),
    ({"containers": [{"region_id": 7}]}, "containers.0.scale"),
    ({"containers": [a_container() | {"region_id": 999}]}, "containers.0.region_id"),
    ({"containers": [a_container(min=-1)]}, "containers.0.scale.min"),
    ({"containers": [a_container(min=4)]}, "containers.0.scale"),
    (
        {"containers": [a_container(), a_container(triggers={"cpu": {"threshold": 101}})]},
        "containers.1.scale.triggers.cpu.threshold",
    ),
    ({"timeout": -1}, "timeout"),
    ({"envs": {"A": 1}}, "envs.A"),
    ({"command": "nginx"}, "command"),
    ({"probes": {"liveness_probe": {}}}, "probes.liveness_probe.enabled"),
    (
        {"probes": {"startup_probe": {"enabled": True, "probe": {"http_get": {"port": 0}}}}},
        "probes.startup_probe.probe.http_get.port",
    ),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
@pytest.mark.parametrize("path", [V2, V3])
def test_error_names_the_field(
    api: ApiClient, path: str, changes: dict[str, Any], field: str
) -> None:
    """400, ValidationError, the path of the field and the problem; nothing is created."""
    request = a_deployment(**changes) if path == V3 else an_instance(**changes)
    refused = api.request("POST", path, request)
    assert refused.status == 400
    assert refused.json["exception_class"] == "ValidationError"
    assert refused.json["invalid_fields"].keys() == {field}
    assert field in refused.json["message"]
    assert api.request("GET", path).json["count"] == 0


@pytest.mark.parametrize(
    ("path", "changes", "field"),
    [
        (V3, {"flavor_name": "none"}, "flavor_name"),
        (V3, {"api_keys": ["none"]}, "api_keys.0"),
        (V3, {"api_keys": [], "auth_enabled": True}, "auth_enabled"),
        (V2, {"flavor_id": "none"}, "flavor_id"),
        (V2, {"flavor_id": "00000000-0000-4000-8000-000000000000"}, "flavor_id"),
        (V2, {"api_key_ids": ["none"]}, "api_key_ids.0"),
        (V2, {"image_registry_id": "none"}, "image_registry_id"),
    ],
)
def test_fields_of_one_generation(
    api: ApiClient, path: str, changes: dict[str, Any], field: str
) -> None:
    """v2 and v3 refer to flavors, keys and registries differently."""
    request = a_deployment(**changes) if path == V3 else an_instance(**changes)
    refused = api.request("POST", path, request)
    assert (refused.status, refused.json["invalid_fields"].keys()) == (400, {field})


def test_error_lists_every_invalid_field(api: ApiClient) -> None:
    """The error of an empty request lists all missing fields."""
    shown = api.request("POST", V3, {}).json["invalid_fields"]
    missing = ("name", "image", "listening_port", "containers", "flavor_name")
    assert shown == {name: ["Field required"] for name in missing}


@pytest.mark.parametrize(
    "changes",
    [
        {"listening_port": 0},
        {"containers": []},
        {"flavor_name": "none"},
        {"api_keys": ["none"]},
        {"auth_enabled": True, "api_keys": []},
    ],
)
def test_update_is_checked_before_it_is_applied(api: ApiClient, changes: dict[str, Any]) -> None:
    """A rejected PATCH changes nothing."""
    api.active()
    before = api.get()
    assert api.update(**changes).status == 400
    assert api.get() == before


def test_defaults_are_filled_in(api: ApiClient) -> None:
    """Omitted fields have their defaults, so that responses have every key."""
    probe = {"enabled": True, "probe": {"http_get": {"port": 80}}}
    api.create(probes={"readiness_probe": probe}, ingress_opts={}, logging={"enabled": True})
    it = api.get()
    shown = it["probes"]["readiness_probe"]["probe"]
    assert shown["http_get"] == {
        "headers": {},
        "host": None,
        "path": "/",
        "port": 80,
        "schema": "HTTP",
    }
    assert (shown["period_seconds"], shown["exec"], shown["tcp_socket"]) == (5, None, None)
    assert it["ingress_opts"] == {"disable_response_buffering": False}
    assert it["logging"]["topic_name"] is None
    scale = it["containers"][0]["scale"]
    assert (scale["cooldown_period"], scale["polling_interval"]) == (60, 30)
    assert set(scale["triggers"].values()) == {None}


def test_triggers_come_back_as_sent(api: ApiClient) -> None:
    """All six triggers are returned unchanged."""
    sqs = {
        "activation_queue_length": 1,
        "aws_region": "eu-west-1",
        "queue_length": 5,
        "queue_url": "https://queue.example",
        "secret_name": "aws",
    }
    triggers = {
        "cpu": {"threshold": 80},
        "memory": {"threshold": 70},
        "gpu_memory": {"threshold": 60},
        "gpu_utilization": {"threshold": 50},
        "http": {"rate": 10, "window": 60},
        "sqs": sqs,
    }
    api.create(containers=[a_container(triggers=triggers, cooldown_period=1)])
    scale = api.get()["containers"][0]["scale"]
    more = {"aws_endpoint": None, "scale_on_delayed": False, "scale_on_flight": False}
    assert scale["triggers"] == triggers | {"sqs": sqs | more}
    assert scale["cooldown_period"] == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_body_must_be_an_object(api: ApiClient, body: bytes) -> None:
    """Any other body is a 400 in the vendor's format."""
    path = V3.replace("{project_id}", str(api.world.gcore.project_id))
    headers = {"Authorization": f"APIKey {api.world.gcore.api_key}"}
    raw = api.world.handle(api.now, "POST", path, headers, body)
    assert raw.status == 400
    assert b"ValidationError" in raw.body
