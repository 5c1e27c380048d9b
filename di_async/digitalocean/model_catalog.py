"""DigitalOcean's catalog of models.

https://docs.digitalocean.com/reference/api/reference/gen-ai/ (model catalog)
"""

from datetime import datetime
from functools import partial

from attrs import field, frozen

from di_async.core.codec import json_field
from di_async.core.http import Endpoint
from di_async.core.pagination import Page, read_page
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.digitalocean.models import CODEC
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing

__all__ = ["CatalogModel", "list_catalog"]

CATALOG = Endpoint("catalog", "GET", "/v2/gen-ai/models/catalog", "data")
_INFORMS = json_field(informs=True)


@frozen(kw_only=True)
class CatalogModel:
    """A model of DigitalOcean's catalog."""

    id: str = ""
    model_id: str = ""
    """The slug to deploy."""
    name: str = ""
    creator: str | None = None
    hugging_face_id: str | None = None
    availability: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    """`serverless`, `dedicated` or both."""
    context_window: str | None = None
    max_output_tokens: str | None = None
    parameter_count: float | None = field(default=None, metadata=_INFORMS)
    capabilities: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    provider: str | None = None
    type: str | None = None
    short_description: str | None = None
    created_at: datetime | None = None


def list_catalog(
    engine: Engine, *, availability: str | None, search: str | None
) -> Listing[CatalogModel]:
    """Return an async iterator over the model catalog."""

    async def fetch(number: int) -> Page:
        params = {"availability": availability, "search": search, "page": number}
        request = CATALOG.request(params={**params, "per_page": PAGE_SIZE})
        return await engine.json(request, partial(read_page, key=str(CATALOG.key)))

    return Listing(fetch, partial(CODEC.structure, into=CatalogModel), PAGE_SIZE)
