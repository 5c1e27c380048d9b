"""Listings: the first page shows how many there are; the others are fetched concurrently, in order.

Rows move between pages while resources are created or deleted. An id seen twice is returned once;
if the total changed, all pages are read once more for rows that were missed; if it changed again,
`drifted` is set. Nothing runs between two rows, so a caller may stop anywhere: there is no
generator that would have to be closed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Generic, NoReturn, TypeVar

from di_async.core.errors import DecodeError, DIError
from di_async.core.pagination import Page, PageWalk, row_id
from di_async.engine.concurrency import for_each, in_chunks
from di_async.engine.frames import ClearsFrames
from di_async.engine.log import Log

__all__ = ["Listing"]

logger = Log("di_async")

_PASSES = 2

T = TypeVar("T")
FetchPage = Callable[[int], Awaitable[Page]]


class Listing(ClearsFrames, AsyncIterator[T], Generic[T]):
    """An async iterator over all rows of a list.

    A step that failed or was cancelled may be repeated: it reads the same pages again, so that no
    row is missing. Several tasks may share a listing: each row comes once.
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
        self._ready: deque[T] = deque()
        self._walk: PageWalk | None = PageWalk(page_size)
        self._batch = range(0)
        """The pages that are read next, or read again after a failure."""
        self._new: set[str] = set()
        """The ids on the pages that are being read."""
        self._one_at_a_time = asyncio.Lock()
        """Held while pages are read."""
        self._reading: asyncio.Timeout | None = None
        """Ends the reading of pages under way."""
        self._is_closed = False
        self._passes_left = _PASSES
        self._totals: set[int | None] = set()
        self._on_page: Callable[[int, int | None], object] | None = None
        self.total: int | None = None
        """The total that the first page shows; None before it was read."""
        self.drifted = False
        """The list changed while it was read, even the second time, or its pages ended before
        its total; rows may be missing."""
        self._skip_unreadable = False
        self._unreadable = 0
        self._unreadable_error: DecodeError | None = None

    def __aiter__(self) -> "Listing[T]":
        return self

    def __await__(self) -> Generator[Any, None, list[T]]:
        """Return all remaining rows: `await listing` is `await listing.collect()`."""
        return self.collect().__await__()

    def __iter__(self) -> NoReturn:
        raise TypeError("a listing is asynchronous: use `async for`, or `await` it for a list")

    async def __anext__(self) -> T:
        while (row := self.next_ready()) is None:
            async with self._one_at_a_time:
                if not self._ready and not await self._read_batch():
                    raise StopAsyncIteration
        return row

    def next_ready(self) -> T | None:
        """Return the next row if it was read already, else None. No I/O; safe in any thread."""
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    async def collect(self, on_page: Callable[[int, int | None], object] | None = None) -> list[T]:
        """Return all remaining rows. `on_page(rows_read, total)` is called for each page.

        Raises:
            DIError: The listing was closed meanwhile. Also everything that the requests raise.
        """
        async with self._one_at_a_time:
            self._on_page = on_page
            was_closed = self._is_closed
            while await self._read_batch():
                pass
            if self._is_closed and not was_closed:
                raise DIError("the listing was closed while it was read; list again")
            rows, self._ready = list(self._ready), deque()
        return rows

    async def collect_readable(
        self, on_page: Callable[[int, int | None], object] | None = None
    ) -> tuple[list[T], tuple[DIError, ...]]:
        """Return all remaining rows that can be decoded, and why others may be missing."""
        self._skip_unreadable = True
        rows, gaps = await self.collect(on_page), list[DIError]()
        if self.drifted:
            gaps.append(DIError("the list changed, or ended before its total; rows may be missing"))
        if self._unreadable_error is not None:
            count = "1 row" if self._unreadable == 1 else f"{self._unreadable} rows"
            first = self._unreadable_error
            gaps.append(DecodeError(f"{count} cannot be read; the first: {first}"))
        return rows, tuple(gaps)

    async def aclose(self) -> None:
        """End the listing, and a step under way: it has no further rows.

        Closing twice does nothing. Leaving a loop needs no call: nothing runs between two rows.
        """
        self._walk, self._is_closed = None, True
        self._ready.clear()
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def _read_batch(self) -> bool:
        """Read the next pages and add their rows; return False at the end of the list."""
        walk = self._walk
        if walk is None:
            return False
        self._batch = self._batch or walk.next_batch()
        if not self._batch:
            self._pass_over(walk)
            return self._walk is not None
        unreadable = self._unreadable, self._unreadable_error
        try:
            pages, rows = await self._fetch_batch()
        except BaseException as error:
            self._unreadable, self._unreadable_error = unreadable
            if self._is_closed and isinstance(error, Exception):
                return False
            raise
        finally:
            new, self._new = self._new, set()
        if self._is_closed:
            return False
        walk.record(pages)
        self._batch = range(0)
        self._seen |= new
        self._totals.update(page.total for page in pages)
        self._ready.extend(rows)
        return True

    async def _fetch_batch(self) -> tuple[list[Page], list[T]]:
        """Return the next pages, and those of their rows that the caller wants."""
        try:
            async with asyncio.timeout(None) as self._reading:
                read = await self._fetch_all(self._batch)
        finally:
            self._reading = None
        rows = (row for _, rows in read for row in rows)
        return [page for page, _ in read], list(filter(self._fits, rows) if self._fits else rows)

    def _pass_over(self, walk: PageWalk) -> None:
        """Begin another pass if the list changed during this one, and one is left."""
        self._passes_left -= 1
        changed, self._totals = len(self._totals) > 1, set()
        if changed and self._passes_left and not walk.incomplete:
            self._walk = PageWalk(self._page_size)
            return
        self._walk = None
        self.drifted = changed or walk.incomplete or walk.is_short
        if walk.incomplete or walk.is_short:
            logger.warning("the list's pages end before its total; rows may be missing")
        elif changed:
            logger.warning("the list kept changing while it was read; rows may be missing")

    async def _fetch_all(self, numbers: range) -> list[tuple[Page, list[T]]]:
        found: dict[int, tuple[Page, list[T]]] = {}

        async def fetch(number: int) -> None:
            page = await self._fetch(number)
            if self.total is None and number == 1:
                self.total = page.total
            found[number] = page, await self._decoded(page)  # while others are on their way

        if len(numbers) == 1:
            await fetch(numbers[0])
        else:
            await for_each(numbers, fetch)
        return [found[number] for number in numbers]

    async def _decoded(self, page: Page) -> list[T]:
        decoded = await in_chunks(page.rows, self._decode_new)
        if self._on_page is not None:
            self._on_page(len(self._seen) + len(self._new), self.total)
        return [row for rows in decoded for row in rows]

    def _decode_new(self, row: Any) -> tuple[T, ...]:
        """Return a row that was not returned before, decoded, or nothing."""
        try:
            id = row_id(row)
            if id is not None and (id in self._seen or id in self._new):
                return ()
            decoded = self._decode(row)
        except DecodeError as error:
            if not self._skip_unreadable:
                raise
            self._unreadable += 1
            self._unreadable_error = self._unreadable_error or error
            return ()
        if id is not None:
            self._new.add(id)
        return (decoded,)
