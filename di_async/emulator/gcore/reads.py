"""Looking at deployments and instances: the same for both generations.

Rules of this file: makers of handlers, which take (site, now, request, values of the path).
"""

from collections.abc import Callable

from di_async.emulator.cloud.http import Request, Response, json_response

from .context import ProviderContext, list_response, page_of
from .records import Generation

Handler = Callable[[ProviderContext, float, Request, dict[str, str]], Response]


def lister(generation: Generation, operation: str) -> Handler:
    """What lists all of a generation, a page at a time."""

    def handle(
        context: ProviderContext, now: float, request: Request, values: dict[str, str]
    ) -> Response:
        rows = context.store.seen_all(generation, now)
        limit, offset = page_of(request)
        shown = [context.shown(now, operation, it) for it in rows[offset : offset + limit]]
        return list_response(shown, len(rows))

    return handle


def getter(generation: Generation, operation: str, part: str) -> Handler:
    """What shows the one that this part of the path names."""

    def handle(
        context: ProviderContext, now: float, request: Request, values: dict[str, str]
    ) -> Response:
        it = context.seen(now, generation, values[part])
        return json_response(200, context.shown(now, operation, it))

    return handle
