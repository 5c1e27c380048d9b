"""The eight operations that only look.

Rules of this file: handlers take (site, now, request, id) and change nothing.
"""

from collections.abc import Iterator

from di_async.emulator.cloud.http import Request, Response, json_response

from .context import GET, LIST, ProviderContext, missing, page_response
from .records import Instance
from .shapes import Json, page_slice
from .validation import page_of


def list_instances(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The instances, by region and name if asked; `name` is undocumented but works."""
    region, name = request.query.get("region"), request.query.get("name")
    rows = context.store.seen_all(now)
    if region:
        rows = [instance for instance in rows if instance.region == region]
    if name:
        rows = [instance for instance in rows if instance.name == name]
    on_page = page_slice(rows, *page_of(request.query))
    shown = [context.shown(now, LIST, instance) for instance in on_page]
    return page_response(context, request, "dedicated_inferences", shown, len(rows))


def get_instance(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """One instance."""
    shown = context.shown(now, GET, context.seen(now, id))
    return json_response(200, {"dedicated_inference": shown})


def list_accelerators(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The GPUs in use, of one slug if asked."""
    slug = request.query.get("slug")
    rows = [gpu for gpu in _gpus(context, context.seen(now, id)) if slug in (None, "", gpu["slug"])]
    on_page = page_slice(rows, *page_of(request.query))
    return page_response(context, request, "accelerators", on_page, len(rows))


def get_accelerator(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """One GPU; the vendor does not wrap it."""
    for gpu in _gpus(context, context.seen(now, id)):
        if gpu["id"] == request.segments[4]:
            return json_response(200, gpu)
    raise missing()


def get_ca(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The CA of the data plane."""
    context.seen(now, id)
    return json_response(200, context.shapes.ca())


def list_tokens(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """The access tokens, without their values."""
    context.seen(now, id)
    tokens = list(context.store.tokens.get(id, {}).values())
    on_page = page_slice(tokens, *page_of(request.query))
    shown = [context.shapes.token(token, value=False) for token in on_page]
    return page_response(context, request, "tokens", shown, len(tokens))


def get_sizes(context: ProviderContext, now: float, request: Request, id: str) -> Response:
    """Regions and prices."""
    return json_response(200, context.shapes.sizes())


def get_gpu_model_config(
    context: ProviderContext, now: float, request: Request, id: str
) -> Response:
    """What runs on which GPU."""
    return json_response(200, {"gpu_model_configs": context.shapes.models()})


def _gpus(context: ProviderContext, instance: Instance) -> Iterator[Json]:
    # Only what runs: a GPU that is still being sought has no id yet.
    for model in instance.current.models if instance.current else ():
        for entry in model.accelerators:
            for number in range(entry.scale):
                yield context.shapes.accelerator(instance, model, entry, number)
