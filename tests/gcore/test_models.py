"""Models of v3 and v2 responses, in all forms that the API uses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from di_async.core.errors import DecodeError
from di_async.gcore import InferenceDeployment, RetentionPolicy, Task
from di_async.gcore.models import CODEC, Flavor
from tests.builders.gcore import (
    HIDDEN,
    a_container,
    a_deployment,
    a_task,
    read_deployment,
    read_instance,
)


def test_deployment() -> None:
    """Fields have their documented names."""
    found = read_deployment(
        a_deployment(
            api_keys=["key-1"],
            ingress_opts={"disable_response_buffering": True},
            object_references=[{"kind": "AppDeployment", "name": "llama"}],
            containers=[a_container(error_message="ImagePullBackOff", address="https://a")],
        )
    )
    assert (found.name, found.project_id, found.api_keys) == ("my-instance", 42, ("key-1",))
    assert found.flavor_name == "inference-16vcpu-232gib-1xh100-80gb"
    assert found.ingress_opts is not None
    assert found.ingress_opts.disable_response_buffering is True
    assert found.object_references[0].kind == "AppDeployment"
    assert found.containers[0].error_message == "ImagePullBackOff"


@pytest.mark.parametrize(
    "text", ["2025-12-28T19:14:44", "2025-12-28T19:14:44Z", "2025-12-28T20:14:44+01:00"]
)
def test_times(text: str) -> None:
    """A time without a zone is UTC."""
    assert read_deployment(a_deployment(created_at=text)).created_at == datetime(
        2025, 12, 28, 19, 14, 44, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (None, None),
        ("", None),
        ("nginx -g 'daemon off;'", "nginx -g 'daemon off;'"),
        (["nginx", "-g"], ("nginx", "-g")),
        (["nginx", None], ("nginx", "")),
    ],
)
def test_command(sent: Any, read: Any) -> None:
    """A list becomes a tuple, a string stays a string, empty becomes None."""
    assert read_deployment(a_deployment(command=sent)).command == read


@pytest.mark.parametrize("sent", [45, {"period": 45}])
def test_retention(sent: Any) -> None:
    """A number of days is accepted, bare or in an object."""
    logging = read_deployment(
        a_deployment(logging={"enabled": True, "retention_policy": sent})
    ).logging
    assert logging is not None
    assert logging.retention_policy == RetentionPolicy(45)


@pytest.mark.parametrize("word", ["active", " Active ", "ACTIVE"])
def test_status_case(word: str) -> None:
    """The status equals the documented upper-case word."""
    assert read_deployment(a_deployment(word)).status == "ACTIVE"


def test_unknown_status_and_fields() -> None:
    """Undocumented fields are ignored, an undocumented status is kept."""
    assert read_deployment(a_deployment("HIBERNATED", mood="sleepy")).status == "HIBERNATED"


def test_nulls() -> None:
    """A null field takes its default."""
    found = read_deployment({"name": "n", "containers": None, "envs": None, "probes": None})
    assert (found.containers, found.envs, found.status, found.api_keys) == ((), None, "", None)


@pytest.mark.parametrize(
    "raw", [None, [], "x", {}, {"name": "n", "containers": [{"scale": {}}]}, {"id": 1}]
)
def test_value_that_is_not_a_deployment(raw: Any) -> None:
    """It is a DecodeError with the path."""
    with pytest.raises(DecodeError, match=r"body for InferenceDeployment: .* @ \$"):
        CODEC.structure(raw, InferenceDeployment)


def test_secrets_are_masked() -> None:
    """Environment and probe headers are readable, but masked in every repr."""
    probe = {"http_get": {"port": 80, "headers": {"Authorization": HIDDEN}}}
    found = read_deployment(
        a_deployment(probes={"liveness_probe": {"enabled": True, "probe": probe}})
    )
    assert found.envs == {"KEY": HIDDEN}
    assert HIDDEN not in f"{found!r} {found}"
    assert "'KEY'" in repr(found)


def test_secrets_are_masked_in_v2() -> None:
    """The same holds for instances."""
    found = read_instance({"id": "x", "name": "n", "envs": {"KEY": HIDDEN}})
    assert HIDDEN not in repr(found)


def test_task() -> None:
    """A task has a state, created resources and times in UTC."""
    task = CODEC.structure(a_task("finished", error=""), Task)
    assert task.state == "FINISHED"
    assert task.created_resources is not None
    assert task.created_resources.inference_instances == ("my-instance",)
    assert task.created_on == datetime(2026, 5, 23, 5, 7, 31, tzinfo=UTC)


@pytest.mark.parametrize("junk", ["x", "16 GiB", {}, []])
def test_unreadable_hardware_leaves_the_flavor(junk: Any) -> None:
    """A description that cannot be read counts as missing."""
    raw = {"name": "f", "gpu": 1, "cpu": junk, "memory": junk, "gpu_memory": junk}
    assert CODEC.structure(raw, Flavor) == Flavor("f", gpu=1)
