"""Offset pages: how many there are, and what a page that came back says about it.

Rules: https://docs.digitalocean.com/reference/api/reference/#pagination - and what is seen beyond
them: no `links` at all, `links: {}`, `next: ""`, no `meta`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from di_async.core.errors import DecodeError

__all__ = ["Page", "RawPage", "page_count", "read_page", "rows_under"]


class Page(Struct, frozen=True):
    """One page, still in the shape of the wire."""

    rows: tuple[Any, ...]
    total: int | None
    next: str | None
    last: int | None
    decode_full_row: Callable[[int], Any] | None = None
    """Gives the row at a place in full, where `rows` only tell of them."""
    body: bytes | None = None
    """Its bytes, if they are the same for two readings just where nothing changed between them."""
    row_fingerprints: Sequence[int] | None = None
    """A hash of each row, the same while it tells the same; None: that takes a look at each."""

    @property
    def fingerprint(self) -> int | None:
        """Of its bytes: `Unread.stamp`."""
        return None if self.body is None else hash(self.body)

    def read(self) -> "Page":
        """Itself: see `Unread`."""
        return self

    def full_row(self, place: int) -> Any:
        """The row at this place in full. Raises `DecodeError` where that cannot be read."""
        return self.rows[place] if self.decode_full_row is None else self.decode_full_row(place)


class RawPage(Struct, frozen=True):
    """A page as it came. Many say what they said before: it is read by whom it tells something."""

    body: bytes
    decode: Callable[[], Page]

    @property
    def fingerprint(self) -> int:
        """Of its bytes, the same for two of them only if they are. Not for free: see `Planner`."""
        return hash(self.body)

    def read(self) -> Page:
        """The page. Raises `DecodeError` where it is none."""
        return self.decode()


def read_page(body: Any, key: str) -> Page:
    """The page in a decoded body. Links and totals that are missing or odd say "nothing more".

    Raises:
        DecodeError: there are no rows to read: an empty listing would look like an empty team.
    """
    rows = rows_under(body, key)
    told: Mapping[str, Any] = body
    links = told.get("links")
    pages = links.get("pages") if isinstance(links, Mapping) else None
    pages = pages if isinstance(pages, Mapping) else {}
    meta = told.get("meta")
    total = meta.get("total") if isinstance(meta, Mapping) else None
    return Page(
        rows=tuple(rows),
        total=total if isinstance(total, int) else None,
        next=pages.get("next") or None,
        last=_page_number(pages.get("last")),
    )


def rows_under(body: Any, key: str) -> list[Any]:
    """The list under `key`; null is an empty one (that is how Go writes it).

    Raises:
        DecodeError: there is no such key, or no list under it.
    """
    if not isinstance(body, Mapping) or key not in body:
        raise DecodeError(f"the answer has no {key!r} @ $")
    rows = body[key]
    if rows is not None and not isinstance(rows, list):
        raise DecodeError(f"the answer's {key!r} is no list @ $.{key}")
    return rows or []


def page_count(first: Page, page_size: int) -> int | None:
    """How many pages there are, told by the first; None: follow `next` to find out.

    A server may serve fewer rows a page than it was asked for; then its `last` link knows better.
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
    return _number_in(link) if isinstance(link, str) and link else None


@lru_cache(maxsize=64)
def _number_in(link: str) -> int | None:
    """All pages of a list show the same last one."""
    try:
        number = parse_qs(urlsplit(link).query).get("page", [""])[-1]
        return int(number) if len(number) < 10 else None
    except ValueError:
        return None
