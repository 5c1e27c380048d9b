"""Listings: the first page tells how many there are, the others come at once, in order.

Rows move between pages while others are created or deleted. Ids seen twice are given once; where
the total moved all pages are read once more for what slipped through; where it moved again the
listing says so (`drifted`). Nothing runs between two rows: a caller may stop anywhere.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar

from di_async.core.paging import Page, page_count
from di_async.engine.together import each

__all__ = ["Listing"]

logger = logging.getLogger("di_async")

IN_FLIGHT = 32

T = TypeVar("T")
FetchPage = Callable[[int], Awaitable[Page]]


class Listing(AsyncIterator[T], Generic[T]):
    """An async iterator over all rows of a collection.

    A page that fails fails the listing: half a list would look like a whole one.
    """

    def __init__(
        self,
        fetch: FetchPage,
        decode: Callable[[Any], T],
        page_size: int,
        fits: Callable[[T], bool] | None = None,
    ) -> None:
        self._fetch = fetch
        self._decode = decode
        self._page_size = page_size
        self._fits = fits
        self._seen: set[str] = set()
        self._rows = self._read()
        self.total: int | None = None
        """What the first page said; None until it was read."""
        self.drifted = False
        """The collection changed while it was read, even the second time: rows may be missing."""

    def __aiter__(self) -> "Listing[T]":
        return self

    async def __anext__(self) -> T:
        return await anext(self._rows)

    async def _read(self) -> AsyncIterator[T]:
        for _ in range(2):
            totals: set[int | None] = set()
            async for page in self._pages():
                totals.add(page.total)
                for row in map(self._decode, self._fresh(page)):
                    if self._fits is None or self._fits(row):
                        yield row
            if len(totals) == 1:
                return
        self.drifted = True
        logger.warning("a listing kept changing while it was read: rows may be missing")

    async def _pages(self) -> AsyncIterator[Page]:
        first = await self._fetch(1)
        if self.total is None:
            self.total = first.total
        yield first
        count = page_count(first, self._page_size)
        if count is None:
            async for page in self._follow(first):
                yield page
            return
        for start in range(2, count + 1, IN_FLIGHT):
            for page in await self._at_once(range(start, min(start + IN_FLIGHT, count + 1))):
                yield page

    async def _follow(self, page: Page) -> AsyncIterator[Page]:
        number = 1
        while page.next is not None and page.rows:
            number += 1
            page = await self._fetch(number)
            yield page

    async def _at_once(self, numbers: range) -> list[Page]:
        found: dict[int, Page] = {}

        async def fetch(number: int) -> None:
            found[number] = await self._fetch(number)

        await each(numbers, fetch)
        return [found[number] for number in numbers]

    def _fresh(self, page: Page) -> list[Any]:
        rows = []
        for row in page.rows:
            id = row.get("id") if isinstance(row, dict) else None
            if id not in self._seen or not id:
                rows.append(row)
            if id:
                self._seen.add(id)
        return rows
