"""Looking at deployments and instances: the same for both generations.

Rules of this file: makers of handlers, which take (site, now, request, values of the path).
"""

from collections.abc import Callable

from di_async.emulator.world.http import Request, Response, json_response

from .records import Generation
from .site import Site, list_response, page_of

Handler = Callable[[Site, float, Request, dict[str, str]], Response]


def lister(generation: Generation, operation: str) -> Handler:
    """What lists all of a generation, a page at a time."""

    def handle(site: Site, now: float, request: Request, values: dict[str, str]) -> Response:
        rows = site.estate.seen_all(generation, now)
        limit, offset = page_of(request)
        shown = [site.shown(now, operation, it) for it in rows[offset : offset + limit]]
        return list_response(shown, len(rows))

    return handle


def getter(generation: Generation, operation: str, part: str) -> Handler:
    """What shows the one that this part of the path names."""

    def handle(site: Site, now: float, request: Request, values: dict[str, str]) -> Response:
        it = site.seen(now, generation, values[part])
        return json_response(200, site.shown(now, operation, it))

    return handle
