"""Read lists with `limit` and `offset` (`{count, results}`) as numbered pages.

A server may return fewer rows than requested. The rest of a page is then requested as well;
otherwise rows would be skipped between two pages.
https://gcore.com/docs/developer-tools/rest-api (pagination)
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import evolve

from di_async.core.errors import InvalidInputError
from di_async.core.pagination import Page, rows_under

__all__ = ["Ask", "in_region", "read_page", "read_rows", "size_of_page"]

MAX_PAGE = 1000

Ask = Callable[[Mapping[str, Any]], Awaitable[Any]]


def size_of_page(size: int) -> int:
    """Return the page size, if the API accepts it.

    Raises:
        InvalidInputError: The size is out of range.
    """
    if not 1 <= size <= MAX_PAGE:
        raise InvalidInputError(f"Invalid page_size {size} (expected 1 to {MAX_PAGE})")
    return size


async def read_rows(ask: Ask, offset: int, limit: int) -> tuple[list[Any], int | None]:
    """Return up to `limit` rows from `offset` on, and the total (None if unknown)."""
    rows: list[Any] = []
    while True:
        body = await ask({"limit": limit - len(rows), "offset": offset + len(rows)})
        served, count = rows_under(body, "results"), body.get("count")
        rows += served
        count = count if isinstance(count, int) else None
        if not served or len(rows) >= limit or count is None or offset + len(rows) >= count:
            return rows, count


async def read_page(ask: Ask, number: int, size: int, *, key: str = "id") -> Page:
    """Return page `number` of `size` rows, with the value of `key` as each row's `id`."""
    rows, count = await read_rows(ask, (number - 1) * size, size)
    if key != "id":
        rows = [{**row, "id": row.get(key)} if isinstance(row, dict) else row for row in rows]
    more = "more" if count is None and len(rows) >= size else None
    last = None if count is None else max(1, -(-count // size))
    return Page(rows=tuple(rows), total=count, next=more, last=last)


def in_region(page: Page, region: str | None) -> Page:
    """Return the page with only the rows of a region; the API has no such filter."""
    if region is None:
        return page
    return evolve(page, rows=tuple(row for row in page.rows if region in _regions(row)))


def _regions(row: Any) -> set[str]:
    try:
        return {str(container["region_id"]) for container in row["containers"]}
    except (KeyError, TypeError):
        return set()
