"""The eight operations that only look.

Rules of this file: handlers take (site, now, request, id) and change nothing.
"""

from collections.abc import Iterator

from di_async.emulator.world.http import Request, Response, json_response

from .records import Instance
from .site import GET, LIST, Site, missing, page_response
from .wire.shapes import Json, page_slice
from .wire.validation import page_of


def list_instances(site: Site, now: float, request: Request, id: str) -> Response:
    """The instances, by region and name if asked; `name` is undocumented but works."""
    region, name = request.query.get("region"), request.query.get("name")
    rows = site.estate.seen_all(now)
    if region:
        rows = [instance for instance in rows if instance.region == region]
    if name:
        rows = [instance for instance in rows if instance.name == name]
    on_page = page_slice(rows, *page_of(request.query))
    shown = [site.shown(now, LIST, instance) for instance in on_page]
    return page_response(site, request, "dedicated_inferences", shown, len(rows))


def get_instance(site: Site, now: float, request: Request, id: str) -> Response:
    """One instance."""
    shown = site.shown(now, GET, site.seen(now, id))
    return json_response(200, {"dedicated_inference": shown})


def list_accelerators(site: Site, now: float, request: Request, id: str) -> Response:
    """The GPUs in use, of one slug if asked."""
    slug = request.query.get("slug")
    rows = [gpu for gpu in _gpus(site, site.seen(now, id)) if slug in (None, "", gpu["slug"])]
    on_page = page_slice(rows, *page_of(request.query))
    return page_response(site, request, "accelerators", on_page, len(rows))


def get_accelerator(site: Site, now: float, request: Request, id: str) -> Response:
    """One GPU; the vendor does not wrap it."""
    for gpu in _gpus(site, site.seen(now, id)):
        if gpu["id"] == request.segments[4]:
            return json_response(200, gpu)
    raise missing()


def get_ca(site: Site, now: float, request: Request, id: str) -> Response:
    """The CA of the data plane."""
    site.seen(now, id)
    return json_response(200, site.shapes.ca())


def list_tokens(site: Site, now: float, request: Request, id: str) -> Response:
    """The access tokens, without their values."""
    site.seen(now, id)
    tokens = list(site.estate.tokens.get(id, {}).values())
    on_page = page_slice(tokens, *page_of(request.query))
    shown = [site.shapes.token(token, value=False) for token in on_page]
    return page_response(site, request, "tokens", shown, len(tokens))


def get_sizes(site: Site, now: float, request: Request, id: str) -> Response:
    """Regions and prices."""
    return json_response(200, site.shapes.sizes())


def get_gpu_model_config(site: Site, now: float, request: Request, id: str) -> Response:
    """What runs on which GPU."""
    return json_response(200, {"gpu_model_configs": site.shapes.models()})


def _gpus(site: Site, instance: Instance) -> Iterator[Json]:
    # Only what runs: a GPU that is still being sought has no id yet.
    for model in instance.current.models if instance.current else ():
        for entry in model.accelerators:
            for number in range(entry.scale):
                yield site.shapes.accelerator(instance, model, entry, number)
