"""Shared by DigitalOcean's tests: a client with scripted answers, and response bodies."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from di_async import DIError, DigitalOcean
from di_async.core.http import Request, Response
from di_async.digitalocean import DedicatedInference
from di_async.digitalocean.models import CODEC
from di_async.emulator import World
from tests.support import Again, ScriptTransport, Step, WorldTransport

SAMPLES = Path(__file__).parents[1] / "data" / "samples" / "digitalocean"
TOKEN = "dop_v1_" + "5ec4e7" * 8
ID = "6b5c619c-359c-44ca-87e2-47e98170c01d"
VPC_ID = "997615ce-132d-4bae-9270-9ee21b395e5d"
MODEL = "mistral/mistral-7b-instruct-v3"
GPU = "gpu-mi300x1-192gb"
ROOT = "/v2/dedicated-inferences"


def sample(name: str) -> Any:
    """Return the vendor's example of that name."""
    return orjson.loads((SAMPLES / f"{name}.json").read_bytes())


@asynccontextmanager
async def scripted_client(
    *steps: Step, **options: Any
) -> AsyncIterator[tuple[DigitalOcean, ScriptTransport]]:
    """Return a client whose requests are answered from a list."""
    transport = ScriptTransport(steps)
    async with DigitalOcean(TOKEN, transport=transport, **options) as client:
        yield client, transport


def a_deployment(**fields: Any) -> dict[str, Any]:
    """Return one model on two GPUs, in the documented shape."""
    accelerator = {"accelerator_slug": GPU, "scale": 2, "type": "prefill_decode"}
    return {
        "model_id": "m-1",
        "model_slug": MODEL,
        "model_provider": "hugging_face",
        "accelerators": [{**accelerator, "status": "active"}],
        **fields,
    }


def an_instance(**fields: Any) -> dict[str, Any]:
    """Return an active instance at spec version 3, in the documented shape."""
    spec = {
        "version": 3,
        "name": "web",
        "region": "atl1",
        "vpc": {"uuid": VPC_ID},
        "enable_public_endpoint": True,
        "model_deployments": [a_deployment()],
    }
    return {
        "id": ID,
        "status": "active",
        "region": "atl1",
        "vpc_uuid": VPC_ID,
        "endpoints": {"public_endpoint_fqdn": "https://x-public.do-infra.ai"},
        "spec": spec,
        "created_at": "2024-01-09T20:44:32Z",
        "updated_at": "2024-01-09T20:44:32Z",
        **fields,
    }


def read(raw: Any) -> DedicatedInference:
    """Return the model of a response's instance."""
    return CODEC.structure(raw, DedicatedInference)


def one(raw: Any) -> dict[str, Any]:
    """Wrap an instance as the answers to GET and PATCH do."""
    return {"dedicated_inference": raw}


class LossyTransport(WorldTransport):
    """Loses the first answers to one method; the requests are processed."""

    def __init__(self, world: World, method: str, error: DIError, times: int = 1) -> None:
        super().__init__(world)
        self.method, self.error, self.times = method, error, times

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """Return the world's answer, or raise the error instead."""
        answer = await super().send(request, headers, again)
        if request.method == self.method and self.times:
            self.times -= 1
            raise self.error
        return answer


def asked(network: WorldTransport | ScriptTransport, method: str) -> list[Request]:
    """Return the requests of one method."""
    return [request for request in network.requests if request.method == method]
