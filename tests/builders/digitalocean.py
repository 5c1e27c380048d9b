"""DigitalOcean's specs, instances and responses, in both wire dialects."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from di_async.core.http import Response
from di_async.digitalocean import DedicatedInference, DedicatedInferenceSpec
from di_async.digitalocean.models import CODEC
from tests.fake_network import answer

DIALECTS = ("documented", "observed")
ID = "08a45244-33e0-415e-b127-d766a9e5b267"
VPC_ID = "997615ce-132d-4bae-9270-9ee21b395e5d"
MODEL = "mistral/mistral-7b-instruct-v3"
GPU = "gpu-mi300x1-192gb"
BASE = "/v2/dedicated-inferences"
EARLY, LATE, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:09:00Z"
SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "digitalocean"
_HOST = "dedicated-inference.do-infra.ai"

Body = dict[str, Any]


def sample(name: str) -> Any:
    """Return the vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


def a_spec(name: str = "web", **fields: Any) -> DedicatedInferenceSpec:
    """Return a spec that the emulator accepts."""
    return DedicatedInferenceSpec.of(
        name, **{"region": "atl1", "model_slug": MODEL, "accelerator_slug": GPU, **fields}
    )


def a_deployment(scale: int = 2, dialect: str = "documented", **fields: Any) -> Body:
    """Return one model on so many GPUs."""
    accelerator = {"accelerator_slug": GPU, "scale": scale, "type": "prefill_decode"}
    status = "status" if dialect == "documented" else "state"
    return {
        "model_id": "m-1",
        "model_slug": MODEL,
        "model_provider": "hugging_face",
        "accelerators": [{**accelerator, status: "active"}],
        **fields,
    }


def shown_spec(dialect: str, version: int | None, scale: int = 1, **fields: Any) -> Body:
    """Return a spec as the API shows it; without a version it has no id either."""
    spec: Body = {
        "version": version,
        "enable_public_endpoint": True,
        "model_deployments": [a_deployment(scale, dialect)],
    }
    if dialect == "documented":
        spec |= {"name": "web", "region": "atl1", "vpc": {"uuid": VPC_ID}}
    else:
        spec |= {"id": version and f"spec-{version}", "vpc_config": {"vpc_uuid": VPC_ID}}
    return {key: value for key, value in (spec | fields).items() if value is not None}


def an_instance(
    dialect: str = "documented",
    status: Any = "active",
    *,
    version: int | None = 1,
    scale: int = 1,
    public: bool = True,
    endpoints: Iterable[str] | Mapping[str, str] | None = ("public", "private"),
    updated: str = EARLY,
    **fields: Any,
) -> Body:
    """Return an instance as the API shows it; a field that is None is left out.

    Args:
        dialect: the wire shape.
        status: its status word.
        version: of its spec.
        scale: its replicas.
        public: whether it is to have a public endpoint.
        endpoints: the kinds that are there, or what stands in this field.
        updated: its `updated_at`.
        fields: all others, which win.
    """
    if not isinstance(endpoints, Mapping | None):
        endpoints = {f"{kind}_endpoint_fqdn": f"{kind}-{_HOST}" for kind in endpoints}
    shown = {
        "id": ID,
        "name": "web" if dialect == "observed" else None,
        "region": "atl1",
        "status": status,
        "vpc_uuid": VPC_ID,
        "endpoints": endpoints,
        "spec": shown_spec(dialect, version, scale, enable_public_endpoint=public),
        "created_at": EARLY,
        "updated_at": updated,
    }
    return {key: value for key, value in (shown | fields).items() if value is not None}


def one(instance: Any) -> Body:
    """Return the body of a response that holds one instance."""
    return {"dedicated_inference": instance}


def instance_answer(instance: Any, status: int = 200, **fields: Any) -> Response:
    """Return a response that holds one instance."""
    return answer(status, {**one(instance), **fields})


def creation(dialect: str = "documented", **fields: Any) -> Response:
    """Return the response to a create."""
    pending = shown_spec(dialect, 1)
    instance = an_instance(
        dialect, "new", version=None, endpoints=(), pending_deployment_spec=pending
    )
    token = {"id": "t-1", "name": "auto", "value": "di_one_time_value"}
    return instance_answer(instance | fields, 202, token=token)


def acceptance(dialect: str = "documented", *, version: int | None = 1, **fields: Any) -> Response:
    """Return the response to an update from `version` to the next; None shows no versions."""
    pending = shown_spec(dialect, version + 1, 2) if version else None
    instance = an_instance(dialect, "updating", version=version, pending_deployment_spec=pending)
    return instance_answer(instance | fields, 202)


def refusal(status: int, **headers: str) -> Response:
    """Return an error response as the API writes it."""
    body = {"id": "some_slug", "message": "some sentence", "request_id": "req-1"}
    return answer(status, body, **headers)


GONE = refusal(404)


def read(raw: Any) -> DedicatedInference:
    """Return the model of an instance as it came over the wire."""
    return CODEC.structure(raw, DedicatedInference)
