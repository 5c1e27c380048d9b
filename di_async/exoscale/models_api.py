"""`client.models`: what was fetched from Hugging Face into one zone, to be deployed there.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import builtins
from typing import Any

from attrs import evolve

from di_async.core.secret import Secret, reveal
from di_async.core.waiting.observation import Expectation, Observation
from di_async.engine.listing import Listing
from di_async.engine.waiting.change import Change
from di_async.exoscale.deployments import CAPABILITIES
from di_async.exoscale.lifecycle import observe_model, observe_operation
from di_async.exoscale.models import Model, Operation
from di_async.exoscale.spec import checked
from di_async.exoscale.writes import Writes
from di_async.exoscale.zone_requests import ZoneAdapter, ZoneRequests, ZoneResources

__all__ = ["Models"]


class ModelAdapter(ZoneAdapter[Model]):
    """How waiting reads models."""

    noun = kind = "model"
    resource_type = Model
    endpoints = ("get_model", "list_models")
    capabilities = evolve(CAPABILITIES, shows_sent=False)

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a model or an operation shows."""
        if isinstance(resource, Operation):
            return observe_operation(resource, expectation)
        return observe_model(resource, expectation)

    def duration_key(self, resource: Model) -> tuple[str, str]:
        """Return the zone."""
        return self._zone.zone, ""


class Models(ZoneResources[Model]):
    """Models of one zone. A deployment needs one that is `ready` in its own zone."""

    def __init__(self, site: ZoneRequests) -> None:
        adapter = ModelAdapter(site)
        super().__init__(site, adapter, "get_model")
        self._writes: Writes[Model] = Writes(site, adapter, self.find_all)

    def list(self) -> Listing[Model]:
        """An async iterator over the zone's models."""
        return self._site.listing("list_models", Model)

    async def get(self, id: str) -> Model:
        """One model. Raises `NotFoundError` where this zone has none of that id."""
        return await self._site.read("get_model", id, Model)

    async def find_all(self, name: str) -> builtins.list[Model]:
        """All models of that name, in whatever state."""
        return [model async for model in self.list() if model.name == name]

    async def create(
        self, name: str, huggingface_token: str | Secret | None = None
    ) -> Change[Model]:
        """A change that settles when the model was fetched and is `ready` to be deployed.

        Args:
            name: exactly as on Hugging Face, such as `openai/gpt-oss-120b`.
            huggingface_token: for a licensed model, of an account that accepted the license.

        Raises:
            OutcomeUnknownError: the answer was lost: `.candidates` are of that name and age.
        """
        body = checked({"name": name})
        token = reveal(huggingface_token)
        sent = {**body, "huggingface-token": token} if token else body
        return await self._writes.create(self._site.request("create_model", json=sent), name)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """A change that settles when GET answers 404; what is not there has `.already_gone`.

        Raises:
            APIError: with status 412, deployments use it; the message names them.
        """
        return await self._writes.delete(self._site.request("delete_model", id), id, ready_timeout)
