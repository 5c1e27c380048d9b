"""Offset pages: how many there are, and what one page says about the list.

Rules: https://docs.digitalocean.com/reference/api/reference/#pagination. Also seen: no `links` at
all, `links: {}`, `next: ""`, no `meta`.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from di_async.core.errors import DecodeError

__all__ = ["Page", "page_count", "read_page", "rows_under"]


@frozen
class Page:
    """One list page, in the shape of the wire."""

    rows: tuple[Any, ...]
    total: int | None
    next: str | None
    last: int | None
    decode_full_row: Callable[[int], Any] | None = None
    """Decodes the row at a position where `rows` holds summaries."""

    def full_row(self, position: int) -> Any:
        """Return the row at this position in full. Raises `DecodeError`."""
        if self.decode_full_row is None:
            return self.rows[position]
        return self.decode_full_row(position)


def read_page(body: Any, key: str) -> Page:
    """Return the page in a decoded body. Missing or odd links and totals mean "nothing more".

    Raises:
        DecodeError: the body has no rows; an empty listing would look like an empty account.
    """
    rows = rows_under(body, key)
    fields: Mapping[str, Any] = body
    links = fields.get("links")
    pages = links.get("pages") if isinstance(links, Mapping) else None
    pages = pages if isinstance(pages, Mapping) else {}
    meta = fields.get("meta")
    total = meta.get("total") if isinstance(meta, Mapping) else None
    return Page(
        rows=tuple(rows),
        total=total if isinstance(total, int) else None,
        next=pages.get("next") or None,
        last=_page_number(pages.get("last")),
    )


def rows_under(body: Any, key: str) -> list[Any]:
    """Return the list under `key`; null is an empty list, as Go writes it.

    Raises:
        DecodeError: there is no such key, or no list under it.
    """
    if not isinstance(body, Mapping) or key not in body:
        raise DecodeError(f"the answer has no {key!r} @ $")
    rows = body[key]
    if rows is not None and not isinstance(rows, list):
        raise DecodeError(f"the answer's {key!r} is not a list @ $.{key}")
    return rows or []


def page_count(first: Page, page_size: int) -> int | None:
    """Return how many pages there are, from the first; None: follow `next` to find out.

    A server may return fewer rows a page than requested; then its `last` link is right.
    """
    if first.last is not None:
        return max(1, first.last)
    if first.next is None:
        return 1
    if first.total is None:
        return None
    served = len(first.rows) or page_size
    return max(1, -(-first.total // min(served, page_size)))


def _page_number(link: Any) -> int | None:
    if not isinstance(link, str) or not link:
        return None
    try:
        number = parse_qs(urlsplit(link).query).get("page", [""])[-1]
        return int(number) if len(number) < 10 else None
    except ValueError:
        return None
