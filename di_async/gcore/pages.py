"""Lists by `limit` and `offset`: `{count, results}`, read as numbered pages.

A server may serve fewer rows than it was asked for; the rest of a page is then asked for, as else
rows would fall between two pages.
https://gcore.com/docs/developer-tools/rest-api (pagination)
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from di_async.core.errors import InvalidInputError
from di_async.core.pagination import Page, rows_under

__all__ = ["Ask", "in_region", "read_page", "read_rows", "size_of_page"]

MAX_PAGE = 1000

Ask = Callable[[Mapping[str, Any]], Awaitable[Any]]


def size_of_page(size: int) -> int:
    """A page size that the API takes.

    Raises:
        InvalidInputError: it is none.
    """
    if not 1 <= size <= MAX_PAGE:
        raise InvalidInputError(f"page_size is 1 to {MAX_PAGE}")
    return size


async def read_rows(ask: Ask, offset: int, limit: int) -> tuple[list[Any], int | None]:
    """Up to `limit` rows from `offset` on, and how many there are (None: not told)."""
    rows: list[Any] = []
    while True:
        body = await ask({"limit": limit - len(rows), "offset": offset + len(rows)})
        served, count = rows_under(body, "results"), body.get("count")
        rows += served
        count = count if isinstance(count, int) else None
        if not served or len(rows) >= limit or count is None or offset + len(rows) >= count:
            return rows, count


async def read_page(ask: Ask, number: int, size: int, *, key: str = "id") -> Page:
    """Page `number` of `size` rows. Each row bears its key as `id`, as lists expect it."""
    rows, count = await read_rows(ask, (number - 1) * size, size)
    if key != "id":
        rows = [{**row, "id": row.get(key)} if isinstance(row, dict) else row for row in rows]
    more = "more" if count is None and len(rows) >= size else None
    last = None if count is None else max(1, -(-count // size))
    return Page(rows=tuple(rows), total=count, next=more, last=last)


def in_region(page: Page, region: str | None) -> Page:
    """The page's rows with a container in that region; the API has no such filter itself."""
    if region is None:
        return page
    return replace(page, rows=tuple(row for row in page.rows if region in _regions(row)))


def _regions(row: Any) -> set[str]:
    try:
        return {str(container["region_id"]) for container in row["containers"]}
    except (KeyError, TypeError):
        return set()
