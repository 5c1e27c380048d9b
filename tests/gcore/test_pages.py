"""Lists with limit and offset."""

from collections.abc import Mapping
from typing import Any

import pytest

from di_async import DecodeError, InvalidInputError
from di_async.gcore.api import FetchRows, check_page_size, in_region, read_page
from tests.gcore.helpers import a_container


def server(count: int, *, most: int = 1000, with_count: bool = True) -> tuple[FetchRows, list[Any]]:
    """Return a list of `count` rows, at most `most` a request, and the requests it got."""
    asked: list[Any] = []

    async def ask(params: Mapping[str, Any]) -> Any:
        asked.append((params["limit"], params["offset"]))
        rows = range(params["offset"], min(count, params["offset"] + min(most, params["limit"])))
        body = {"results": [{"name": f"n{i}"} for i in rows]}
        return body | ({"count": count} if with_count else {})

    return ask, asked


async def names(ask: FetchRows, number: int, size: int) -> list[Any]:
    """Return the names on a page."""
    page = await read_page(ask, number, size, key="name")
    return [row["id"] for row in page.rows]


async def test_pages() -> None:
    """Each page begins where the last one ended; the first has the total."""
    ask, asked = server(5)
    page = await read_page(ask, 1, 2, key="name")
    assert (page.total, page.last, page.next) == (5, 3, None)
    assert await names(ask, 3, 2) == ["n4"]
    assert asked == [(2, 0), (2, 4)]


async def test_server_that_serves_less() -> None:
    """No row is skipped between two pages."""
    ask, asked = server(5, most=2)
    assert await names(ask, 1, 3) == ["n0", "n1", "n2"]
    assert await names(ask, 2, 3) == ["n3", "n4"]
    assert asked == [(3, 0), (1, 2), (3, 3)]


async def test_missing_count() -> None:
    """Without a count, a full page may have a successor."""
    ask, _ = server(3, with_count=False)
    assert (await read_page(ask, 1, 2)).next is not None
    assert (await read_page(ask, 2, 2)).next is None


async def test_empty_list() -> None:
    """An empty list is one page."""
    ask, _ = server(0)
    page = await read_page(ask, 1, 2)
    assert (page.rows, page.last) == ((), 1)


async def test_response_without_rows() -> None:
    """A response without rows is not an empty list."""

    async def ask(params: Mapping[str, Any]) -> Any:
        return {"count": 3}

    with pytest.raises(DecodeError, match="results"):
        await read_page(ask, 1, 2)


@pytest.mark.parametrize("size", [0, 1001])
def test_sizes(size: int) -> None:
    """Sizes outside the API's limits are refused."""
    with pytest.raises(InvalidInputError, match="1 to 1000"):
        check_page_size(size)


async def test_region() -> None:
    """Only rows with a container in the region are left."""
    rows = [{"containers": [a_container(), a_container(region_id=8)]}, {"containers": None}, 7]

    async def ask(params: Mapping[str, Any]) -> Any:
        return {"count": 3, "results": rows}

    page = await read_page(ask, 1, 3)
    assert in_region(page, None).rows == tuple(rows)
    assert in_region(page, "8").rows == (rows[0],)
    assert in_region(page, "9").rows == ()
