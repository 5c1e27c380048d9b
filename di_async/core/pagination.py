"""Pages of a list: what one page says, and which pages a pass over the list has to read. Pure.

Rules: https://docs.digitalocean.com/reference/api/reference/#pagination. Also seen: no `links` at
all, `links: {}`, `next: ""`, no `meta`, a `next` link that never ends, totals of 2**31 - 1 or "7".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from di_async.core.errors import DecodeError, InvalidInputError

__all__ = [
    "Page",
    "PageWalk",
    "check_page_size",
    "page_count",
    "read_page",
    "read_total",
    "row_id",
    "rows_under",
    "with_rows",
]

MAX_ROWS = 2_000_000
"""Larger totals are placeholders or mistakes, and count as unknown."""
MAX_PAGES = 10_000
"""A list with more pages counts as endless."""
_MAX_LINK = 4096
_DECIMAL = "[0-9]{1,9}"
_PAGE_NUMBER = r"[?&]page=([0-9]{1,9})(?:[&#]|$)"
# Pages that one batch requests: few at first if only the total or only the last link shows how many
# there are, or if they differ.
_FIRST_BATCH, _MAX_BATCH = 8, 32
# A last link this many times beyond what the total allows is wrong.
_PLAUSIBLE_FACTOR, _PLAUSIBLE_MORE = 2, 2


class Page(Struct, frozen=True):
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


# --- one page --------------------------------------------------------------------------------


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
    following = pages.get("next")
    return Page(
        rows=tuple(rows),
        total=read_total(total),
        next=following if isinstance(following, str) and following else None,
        last=_page_number(pages.get("last")),
    )


def rows_under(body: Any, key: str) -> list[Any]:
    """Return the list under `key`; null is an empty list, as Go writes it.

    Raises:
        DecodeError: there is no such key, or no list under it.
    """
    if not isinstance(body, Mapping) or key not in body:
        raise DecodeError(f"the answer has no {key!r} @ $", transient=True)
    rows = body[key]
    if rows is not None and not isinstance(rows, list):
        raise DecodeError(f"the answer's {key!r} is not a list @ $.{key}", transient=True)
    return rows or []


def read_total(value: Any) -> int | None:
    """Return a total number of rows, also from decimal text; None if it is not a plausible one."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(_DECIMAL, value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_ROWS else None


def row_id(row: Any) -> str | None:
    """Return the id of a row in the shape of the wire, or of a decoded one; None without.

    Raises:
        DecodeError: the id is neither text nor a number.
    """
    id = row.get("id") if isinstance(row, Mapping) else getattr(row, "id", None)
    if id is None or isinstance(id, str):
        return id or None
    if not isinstance(id, int):
        raise DecodeError("a list row has an id that is not text @ $.id")
    return str(id)


def _readable_id(row: Any) -> str | None:
    try:
        return row_id(row)
    except DecodeError:
        return None


def with_rows(body: Any, key: str) -> Any:
    """Return the body if it has rows under `key`; else raise `DecodeError`."""
    rows_under(body, key)
    return body


def check_page_size(size: int, most: int) -> None:
    """Check how many rows a page may have.

    Raises:
        InvalidInputError: it is not a whole number, or out of range.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= most:
        raise InvalidInputError(f"page_size: expected 1 to {most}, not {size!r}")


def page_count(first: Page, page_size: int) -> int | None:
    """Return how many pages there are, from the first; None: read on to find out.

    A server may return fewer rows a page than requested; then its `last` link is right, unless
    the total shows that it cannot be.
    """
    by_total = _count_by_total(first, page_size)
    if first.last is not None:
        last = max(1, first.last)
        limit = last if by_total is None else _PLAUSIBLE_FACTOR * by_total + _PLAUSIBLE_MORE
        return last if by_total is None or last <= limit else by_total
    return by_total


def _count_by_total(first: Page, page_size: int) -> int | None:
    if first.total is None:
        return None
    served = len(first.rows) or page_size
    return max(1, -(-first.total // min(served, page_size)))


def _page_number(link: Any) -> int | None:
    """Return the page that a link leads to. Not with `urllib`, whose cache keeps every link."""
    if not isinstance(link, str) or len(link) > _MAX_LINK:
        return None
    numbers = re.findall(_PAGE_NUMBER, link)
    return int(numbers[-1]) if numbers else None


# --- all pages -------------------------------------------------------------------------------


class PageWalk:
    """Which pages to read in one pass over a list, a batch at a time.

    The pass ends where nothing new comes, whatever total and links say: they may be wrong, and a
    server that ignores the page number shows the same rows for ever.
    """

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.incomplete = False
        """The list was said to have more pages, but they showed nothing new."""
        self.pages: int | None = None
        """How many pages the first one promises; None: they are followed one by one."""
        self._next = 1
        self._width = 1
        self._is_open = True
        self._ids: set[str] = set()
        self._without_id = 0
        self._total: int | None = None
        """The one that was shown last."""
        self._last: Page | None = None

    def next_batch(self) -> range:
        """Return the numbers of the pages to read now; none at the end.

        Raises:
            DecodeError: the list does not end.
        """
        if not self._is_open:
            return range(0)
        if self._next > MAX_PAGES:
            raise DecodeError(f"the list does not end: {MAX_PAGES} pages were read")
        end = self._next + self._width
        batch = range(self._next, end if self.pages is None else min(end, self.pages + 1))
        self._next = batch.stop
        if self.pages is not None:
            self._width = min(2 * self._width, _MAX_BATCH)
        return batch

    def record(self, batch: Sequence[Page]) -> None:
        """Record the pages of the last batch, in their order."""
        new = [self._shows_new(page) for page in batch]
        totals = [page.total for page in batch if page.total is not None]
        if totals:
            self._total = totals[-1]
        if self._next == 2:  # the first page was read just now
            self.pages = page_count(batch[0], self.page_size)
            if self.pages is not None:
                agree = self.pages == batch[0].last == _count_by_total(batch[0], self.page_size)
                self._width = _MAX_BATCH if agree else _FIRST_BATCH
        if self.pages is not None and self._next > self.pages and self._has_next(batch[-1]):
            self.pages, self._width = None, 1  # the total was too small
        if self.pages is None:
            self._follow(batch[-1], shows_new=any(new))
        else:
            self._count(any(new), self.pages)

    @property
    def is_short(self) -> bool:
        """Whether fewer rows than the total were shown."""
        return self._rows_seen < (self._total or 0)

    @property
    def _rows_seen(self) -> int:
        return len(self._ids) + self._without_id

    def _has_next(self, page: Page) -> bool:
        """Return whether the list goes on after a page, or may go on, whatever its total says."""
        is_full = len(page.rows) >= self.page_size
        is_wrong = self._total is not None and self._rows_seen > self._total
        may_go_on = is_full and (is_wrong or self._says_nothing(page))
        return bool(page.rows) and (page.next is not None or may_go_on)

    def _says_nothing(self, page: Page) -> bool:
        """Return whether neither total nor links show if the list goes on."""
        return self._total is None and page.next is None and page.last is None

    def _count(self, shows_new: bool, pages: int) -> None:
        more = self._next <= pages
        self._is_open = more and shows_new
        self.incomplete = more and not shows_new

    def _follow(self, page: Page, *, shows_new: bool) -> None:
        if not self._has_next(page):
            self._is_open = False
            return
        leads_to = _page_number(page.next)
        advances = leads_to is None or leads_to >= self._next
        self._is_open = advances and shows_new
        self.incomplete = not self._is_open and not self._says_nothing(page)

    def _shows_new(self, page: Page) -> bool:
        """Return whether a page has a row that no page of this pass had."""
        ids = [id for id in map(_readable_id, page.rows) if id is not None]
        before = len(self._ids)
        self._ids.update(ids)
        self._without_id += len(page.rows) - len(ids)
        last, self._last = self._last, page
        if len(self._ids) > before:
            return True
        # Without ids, only the same page again is known to be nothing new.
        return len(ids) < len(page.rows) and (last is None or last.rows != page.rows)
