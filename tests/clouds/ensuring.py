"""Specs for the tests of `ensure`, of one shape on every cloud."""

from typing import Any

import pytest

from di_async import Ensured
from di_async.emulator.gcore.catalog import FLAVORS
from tests.builders.digitalocean import a_spec
from tests.clouds.support import CLOUDS, Cloud

ENSURABLE = tuple(cloud for cloud in CLOUDS if cloud.name != "gcore-v2")
# Processes take a second of CPU each: by default they run on one cloud.
everywhere_in_processes = pytest.mark.parametrize(
    "cloud",
    [ENSURABLE[0], *(pytest.param(cloud, marks=pytest.mark.exhaustive) for cloud in ENSURABLE[1:])],
    ids=lambda cloud: cloud.name,
)


def a_body(cloud: Cloud, name: str = "web-1", replicas: int = 1) -> dict[str, Any]:
    """Return a spec of this many replicas."""
    if cloud.name == "digitalocean":
        body: dict[str, Any] = a_spec(name).to_dict()
        del body["version"]
        body["model_deployments"][0]["accelerators"][0]["scale"] = replicas
        return body
    if cloud.name == "gcore-v3":
        return {
            "name": name,
            "image": "nginx:latest",
            "listening_port": 8080,
            "flavor_name": FLAVORS[0].name,
            "containers": [{"region_id": 7, "scale": {"min": replicas, "max": replicas}}],
        }
    model = {"name": "openai/gpt-oss-20b"}
    return {"name": name, "model": model, "gpu-type": "gpua5000", "replicas": replicas}


async def ensure(cloud: Cloud, client: Any, body: dict[str, Any], **more: Any) -> Ensured[Any]:
    """Ensure a spec."""
    done: Ensured[Any] = await cloud.api(client).ensure(body, **more)
    return done


async def named(cloud: Cloud, client: Any, name: str = "web-1") -> list[Any]:
    """Return all deployments of a name."""
    rows = await cloud.api(client).list()
    return [row for row in rows if row.name == name]
