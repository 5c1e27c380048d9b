"""Listings: the first page shows how many there are; the others are fetched concurrently, in order.

Rows move between pages while resources are created or deleted. An id seen twice is returned once;
if the total changed, all pages are read once more for rows that were missed; if it changed again,
`drifted` is set. Nothing runs between two rows, so a caller may stop anywhere.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from di_async.core.pagination import Page, page_count
from di_async.engine.concurrency import for_each

__all__ = ["Listing"]

logger = logging.getLogger("di_async")

IN_FLIGHT = 32

T = TypeVar("T")
FetchPage = Callable[[int], Awaitable[Page]]


class Listing(AsyncIterator[T], Generic[T]):
    """An async iterator over all rows of a list.

    An error on one page ends the listing: half a list would look like a complete one.
    """

    def __init__(
        self,
        fetch: FetchPage,
        decode: Callable[[Any], T],
        page_size: int,
        predicate: Callable[[T], bool] | None = None,
    ) -> None:
        self._fetch = fetch
        self._decode = decode
        self._page_size = page_size
        self._fits = predicate
        self._seen: set[str] = set()
        self._rows = self._read()
        self._on_page: Callable[[int, int | None], object] | None = None
        self.total: int | None = None
        """The total that the first page shows; None before it was read."""
        self.drifted = False
        """The list changed while it was read, even the second time; rows may be missing."""

    def __aiter__(self) -> "Listing[T]":
        return self

    async def __anext__(self) -> T:
        return await anext(self._rows)

    async def collect(self, on_page: Callable[[int, int | None], object] | None = None) -> list[T]:
        """Return all remaining rows. `on_page(rows_read, total)` is called for each page."""
        self._on_page = on_page
        return [row async for rows in self._by_page() for row in rows]

    async def _read(self) -> AsyncIterator[T]:
        async for rows in self._by_page():
            for row in rows:
                yield row

    async def _by_page(self) -> AsyncIterator[list[T]]:
        for _ in range(2):
            totals: set[int | None] = set()
            async for page, rows in self._pages():
                totals.add(page.total)
                yield rows if self._fits is None else list(filter(self._fits, rows))
            if len(totals) == 1:
                return
        self.drifted = True
        logger.warning("the list kept changing while it was read; rows may be missing")

    async def _pages(self) -> AsyncIterator[tuple[Page, list[T]]]:
        first = await self._fetch(1)
        if self.total is None:
            self.total = first.total
        yield first, self._decoded(first)
        count = page_count(first, self._page_size)
        if count is None:
            async for page in self._follow(first):
                yield page, self._decoded(page)
            return
        for start in range(2, count + 1, IN_FLIGHT):
            for read in await self._fetch_concurrently(
                range(start, min(start + IN_FLIGHT, count + 1))
            ):
                yield read

    async def _follow(self, page: Page) -> AsyncIterator[Page]:
        number = 1
        while page.next is not None and page.rows:
            number += 1
            page = await self._fetch(number)
            yield page

    async def _fetch_concurrently(self, numbers: range) -> list[tuple[Page, list[T]]]:
        found: dict[int, tuple[Page, list[T]]] = {}

        async def fetch(number: int) -> None:
            page = await self._fetch(number)
            found[number] = page, self._decoded(page)  # while others are still on their way

        await for_each(numbers, fetch)
        return [found[number] for number in numbers]

    def _decoded(self, page: Page) -> list[T]:
        rows = [self._decode(row) for row in self._fresh(page)]
        if self._on_page is not None:
            self._on_page(len(self._seen), self.total)
        return rows

    def _fresh(self, page: Page) -> list[Any]:
        rows = []
        for row in page.rows:
            id = row.get("id") if isinstance(row, dict) else getattr(row, "id", None)
            if id not in self._seen or not id:
                rows.append(row)
            if id:
                self._seen.add(id)
        return rows
