"""The dialect `observed` has the fields that the vendor's own clients decode.

The names are those of the Go client's response types (github.com/digitalocean/godo,
`dedicated_inference.go`) and of what its command line tool prints; no page shows a sample.
"""

from typing import Any

import pytest

from di_async.emulator import Lifecycle, World

from .helpers import ApiClient, a_model, a_spec

ROW = {"id", "name", "region", "status", "vpc_uuid", "endpoints", "created_at", "updated_at"}
SPEC = {
    "version",
    "id",
    "dedicated_inference_id",
    "state",
    "enable_public_endpoint",
    "vpc_config",
    "model_deployments",
    "created_at",
    "updated_at",
}
MODEL = {"model_id", "model_slug", "model_provider", "provider_model_id", "accelerators"}
ACCELERATOR = {"accelerator_id", "accelerator_slug", "state", "type", "scale"}


@pytest.fixture
def api() -> ApiClient:
    """Return a client of a world in the observed dialect."""
    return ApiClient(World("observed", lifecycle=Lifecycle(create=600, update=300, delete=60)))


def check_spec(spec: dict[str, Any]) -> None:
    """Check the fields of a current or pending spec."""
    assert spec.keys() == SPEC
    assert spec["vpc_config"].keys() == {"vpc_uuid"}
    (model,) = spec["model_deployments"]
    assert model.keys() == MODEL
    assert [one.keys() for one in model["accelerators"]] == [ACCELERATOR]


def test_create(api: ApiClient) -> None:
    """A new instance has a pending spec alone, and placeholders where nothing exists yet."""
    answer = api.request("POST", "", {"spec": a_spec()}).json
    instance = answer["dedicated_inference"]
    assert instance.keys() == ROW - {"endpoints"} | {"pending_deployment_spec"}
    assert instance["created_at"] == instance["updated_at"] == "1970-01-01T00:00:00Z"
    check_spec(instance["pending_deployment_spec"])
    (model,) = instance["pending_deployment_spec"]["model_deployments"]
    (accelerator,) = model["accelerators"]
    assert (model["model_id"], accelerator["accelerator_id"]) == ("", "")
    assert accelerator["state"] == "invalid"
    assert answer["token"].keys() == {"id", "name", "value", "created_at"}
    assert answer["token"]["name"] == "auto-generated-during-provisioning"


def test_get_and_update(api: ApiClient) -> None:
    """An active instance has a spec and bare host names; an update adds a pending spec."""
    id = api.active()
    active = api.request("GET", f"/{id}").one
    assert active.keys() == ROW | {"spec"}
    assert not any(host.startswith("http") for host in active["endpoints"].values())
    check_spec(active["spec"])
    model = a_model(model_id=active["spec"]["model_deployments"][0]["model_id"])
    model["accelerators"][0]["scale"] = 3
    updated = api.update(id, model_deployments=[model]).one
    assert updated.keys() == ROW | {"spec", "pending_deployment_spec"}
    check_spec(updated["pending_deployment_spec"])
    assert updated["pending_deployment_spec"]["version"] == 2


def test_list(api: ApiClient) -> None:
    """A row has no spec, and names the models in a list."""
    api.active()
    (row,) = api.rows()
    assert row.keys() == ROW | {"provider_model_id"}
    assert row["provider_model_id"] == ["mistral/mistral-7b-instruct-v3"]


def test_small_answers(api: ApiClient) -> None:
    """Accelerators, tokens, sizes and model configurations have the client's fields."""
    id = api.active()
    accelerators = api.request("GET", f"/{id}/accelerators").json["accelerators"]
    assert accelerators[0].keys() == {"id", "name", "slug", "status", "created_at"}
    created = api.request("POST", f"/{id}/tokens", {"name": "mine"})
    assert (created.status, created.json["token"].keys()) == (
        202,
        {"id", "name", "value", "created_at"},
    )
    tokens = api.request("GET", f"/{id}/tokens").json["tokens"]
    assert {token["name"]: token["is_managed"] for token in tokens} == {
        "auto-generated-during-provisioning": True,
        "mine": False,
    }
    size = api.request("GET", "/sizes").json["sizes"][0]
    assert size.keys() == {
        "gpu_slug",
        "price_per_hour",
        "regions",
        "currency",
        "cpu",
        "memory",
        "gpu",
        "size_category",
        "disks",
    }
    assert size["gpu"].keys() == {"count", "vram_gb", "slug"}
    config = api.request("GET", "/gpu-model-config").json["gpu_model_configs"][0]
    assert config.keys() == {"gpu_slugs", "model_slug", "model_name", "is_model_gated"}
