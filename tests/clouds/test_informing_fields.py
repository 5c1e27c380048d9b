"""Fields that only inform: one that changes its form does not make a resource unreadable."""

from typing import Any

import pytest

from di_async.core.codec import Codec
from di_async.digitalocean import AccessToken, CatalogModel, CustomModel, DedicatedInference
from di_async.digitalocean import custom_models as digitalocean_custom
from di_async.digitalocean import models as digitalocean
from di_async.exoscale import EngineParameter
from di_async.exoscale import models as exoscale
from di_async.gcore import APIKey, InferenceDeployment, LogLine, Task
from di_async.gcore import models as gcore

_MODEL = digitalocean_custom.CODEC, CustomModel, {"uuid": "x"}
_DEPLOYMENT = gcore.CODEC, InferenceDeployment, {"name": "web1"}
_TASK = gcore.CODEC, Task, {"id": "x"}
_CONTAINER = {"region_id": 7, "scale": {"min": 1, "max": 1}}


@pytest.mark.parametrize(
    ("read", "field", "junk"),
    [
        ((digitalocean.CODEC, AccessToken, {"id": "x"}), "is_managed", "by the platform"),
        ((digitalocean.CODEC, DedicatedInference, {"id": "x"}), "provider_model_id", {"a": "b"}),
        ((digitalocean.CODEC, CatalogModel, {"id": "x"}), "availability", {"dedicated": True}),
        ((digitalocean.CODEC, CatalogModel, {"id": "x"}), "parameter_count", "7B"),
        (_MODEL, "source_ref", "s3://bucket/prefix"),
        (_MODEL, "tags", 7),
        (_MODEL, "input_modalities", {"text": True}),
        (_DEPLOYMENT, "project_id", "b1e0c8a6-0b9f-4f0e-8a53-6d4a1f6f0c11"),
        (_DEPLOYMENT, "object_references", {"kind": "x"}),
        (_TASK, "created_resources", ["web1"]),
        (_TASK, "region_id", "ED-16"),
        ((gcore.CODEC, LogLine, {}), "region_id", "ED-16"),
        ((gcore.CODEC, APIKey, {"name": "x"}), "deployment_names", {"web1": {}}),
        ((exoscale.CODEC, EngineParameter, {}), "flags", {"short": "-m"}),
    ],
)
def test_another_form(read: tuple[Codec, type, dict[str, Any]], field: str, junk: Any) -> None:
    """It counts as missing."""
    codec, cls, body = read
    assert codec.structure({**body, field: junk}, cls) == codec.structure(body, cls)


def test_replica_counts_of_a_container() -> None:
    """Counts that cannot be read leave the container readable."""
    rows = [{**_CONTAINER, "deploy_status": counts} for counts in ({"ready": "all"}, "1 of 1")]
    found = gcore.CODEC.structure({"name": "web1", "containers": rows}, InferenceDeployment)
    assert [one.deploy_status for one in found.containers] == [None, None]
