"""`client.models`: models downloaded from Hugging Face into one zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from typing import Any

from attrs import evolve

from di_async.core.secret import Secret, reveal
from di_async.core.waiting.observation import Expectation, Observation
from di_async.engine.listing import Listing
from di_async.engine.waiting.change import Change
from di_async.exoscale.api import ZoneRequests
from di_async.exoscale.lifecycle import observe_model, observe_operation
from di_async.exoscale.models import Model, Operation
from di_async.exoscale.spec import checked
from di_async.exoscale.zone_resources import CAPABILITIES, ZoneAdapter, ZoneResources

__all__ = ["Models"]


class ModelAdapter(ZoneAdapter[Model]):
    """How the poller reads models."""

    noun = kind = "model"
    resource_type = Model
    capabilities = evolve(CAPABILITIES, shows_sent=False)

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a model or an operation shows."""
        if isinstance(resource, Operation):
            return observe_operation(resource, expectation)
        return observe_model(resource, expectation)

    def duration_key(self, resource: Model) -> tuple[str, str]:
        """Return the zone."""
        return self._requests.zone, ""


class Models(ZoneResources[Model]):
    """Models of one zone. A deployment needs one that is `ready` in its own zone."""

    def __init__(self, requests: ZoneRequests) -> None:
        super().__init__(requests, ModelAdapter(requests))

    def list(self) -> Listing[Model]:
        """Return an async iterator over the zone's models."""
        return self._requests.listing("list_models", Model)

    async def create(
        self, name: str, huggingface_token: str | Secret | None = None
    ) -> Change[Model]:
        """Return a change that settles when the model is downloaded and `ready`.

        Args:
            name: exactly as on Hugging Face, such as `openai/gpt-oss-120b`.
            huggingface_token: for a licensed model; its account must have accepted the license.

        Raises:
            OutcomeUnknownError: The response was lost. `.candidates` have that name and age.
        """
        body = checked({"name": name})
        token = reveal(huggingface_token)
        sent = {**body, "huggingface-token": token} if token else body
        return await self._create(self._requests.request("create_model", json=sent), name)
