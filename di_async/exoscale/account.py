"""AI API keys and the quota of an organisation.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from functools import partial
from typing import Any

from attrs import evolve

from di_async.core.responses import resource_body
from di_async.core.validation import check_value, text
from di_async.engine.listing import Listing
from di_async.engine.writes.create_once import create_once
from di_async.exoscale.adapter import CAPABILITIES, ZoneAdapter
from di_async.exoscale.models import CODEC, AIAPIKey, Quota
from di_async.exoscale.zone_requests import ZoneRequests
from di_async.exoscale.zone_resources import ZoneResources

__all__ = ["AIAPIKeys"]

_NAME = text(
    "1 to 50 letters, digits, blanks or _'()-, with a letter or digit at each end",
    r"[A-Za-z0-9](?:[A-Za-z0-9 _'()-]{0,48}[A-Za-z0-9])?",
)


class AIAPIKeys(ZoneResources[AIAPIKey]):
    """`client.api_keys`: keys for the endpoints of one deployment, or of all.

    A key exists as soon as `create` returns; a deletion takes an operation.
    """

    def __init__(self, requests: ZoneRequests) -> None:
        capabilities = evolve(CAPABILITIES, shows_sent=False)
        super().__init__(requests, ZoneAdapter(requests, AIAPIKey, capabilities))

    def list(self) -> Listing[AIAPIKey]:
        """Return an async iterator over the keys, without their values."""
        return self._requests.listing("list_ai_api_keys", AIAPIKey)

    async def create(self, name: str, *, scope: str = "public") -> AIAPIKey:
        """Create a key and return it with `.value`, which the API shows only once.

        Args:
            name: 1 to 50 characters; not unique.
            scope: the id of a deployment, or `public`, which Exoscale documents as "all
                deployments". Whether that includes the organisation's own is not documented.

        Raises:
            InvalidInputError: the name has other characters than Exoscale allows.
            OutcomeUnknownError: the response was lost, and with it the value; `.candidates` are the
                keys of that name.
        """
        check_value(_NAME, name, "name")
        request = self._requests.request("create_ai_api_key", json={"name": name, "scope": scope})
        return await create_once(
            self._requests.engine,
            request,
            f"API key {name!r}",
            accept=lambda answer: CODEC.structure(resource_body(answer, "id"), AIAPIKey),
            find=partial(self.find_all, name),
            one_time_value=True,
        )

    async def quota(self) -> Quota:
        """Return the organisation's quota."""

        def read(body: Any) -> Quota:
            return CODEC.structure(resource_body(body), Quota)

        return await self._requests.json("quota", read)
