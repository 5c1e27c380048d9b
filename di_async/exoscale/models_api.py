"""`client.models`: models downloaded from Hugging Face into one zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from attrs import evolve

from di_async.core.secret import Secret, reveal
from di_async.engine.listing import Listing
from di_async.engine.waiting.change import Change
from di_async.exoscale.adapter import CAPABILITIES, ZoneAdapter
from di_async.exoscale.models import Model
from di_async.exoscale.spec import checked
from di_async.exoscale.zone_requests import ZoneRequests
from di_async.exoscale.zone_resources import ZoneResources

__all__ = ["Models"]


class Models(ZoneResources[Model]):
    """Models of one zone. A deployment needs one that is `ready` in its own zone."""

    def __init__(self, requests: ZoneRequests) -> None:
        capabilities = evolve(CAPABILITIES, shows_sent=False)
        super().__init__(requests, ZoneAdapter(requests, Model, capabilities))

    def list(self) -> Listing[Model]:
        """Return an async iterator over the zone's models."""
        return self._requests.listing("list_models", Model)

    async def create(
        self, name: str, huggingface_token: str | Secret | None = None
    ) -> Change[Model]:
        """Download a model; return a change that settles when it is `ready`.

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
