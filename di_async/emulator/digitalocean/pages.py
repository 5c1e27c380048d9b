"""Pages of DigitalOcean's lists."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from di_async.emulator.cloud.http import Json, Request, Response, json_response
from di_async.emulator.cloud.simulation import Settings

from .validation import parse_page

T = TypeVar("T")
Links = Callable[[str, dict[str, str], int, int, int], Json]


def list_page(
    settings: Settings,
    links: Links,
    request: Request,
    key: str,
    rows: Sequence[T],
    render: Callable[[T], object],
) -> Response:
    """Return the requested page of a list, with links and the total."""
    page, per_page = parse_page(request.query)
    host = request.headers.get("host", "api.digitalocean.com")
    url = f"{settings.scheme}://{host}{request.path}"
    on_page = rows[(page - 1) * per_page : page * per_page]
    body = {
        key: [render(row) for row in on_page],
        "links": links(url, request.query, page, per_page, len(rows)),
        "meta": {"total": len(rows)},
    }
    return json_response(200, body)
