"""Tests of listings: complete, in order, bounded, and flagged where they may be incomplete."""

import asyncio
import gc
import inspect
import logging
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define

from di_async import DecodeError, DIError, ServerError, TransportError
from di_async.core.pagination import Page, read_page
from di_async.engine.listing import Listing
from tests.engine.support import now
from tests.support import VIRTUAL

pytestmark = VIRTUAL


@define
class Server:
    """A server of numbered rows; `before` may change them before a page is read."""

    rows: list[int]
    size: int = 2
    before: Callable[["Server", int], None] = lambda _server, _page: None
    links: str = "last"
    requests: int = 0
    open: int = 0
    most_open: int = 0

    async def fetch(self, number: int) -> Page:
        self.requests += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await asyncio.sleep(0.1 + 0.001 * (97 * number % 10))
            self.before(self, number)
            return read_page(self.body(number), "rows")
        finally:
            self.open -= 1

    def body(self, number: int) -> dict[str, Any]:
        start, last = (number - 1) * self.size, max(1, -(-len(self.rows) // self.size))
        shown = [{"id": str(n)} for n in self.rows[start : start + self.size]]
        pages = {} if number >= last else {"next": f"?page={number + 1}"}
        if self.links == "last" and pages:
            pages["last"] = f"?page={last}"
        meta = {} if self.links == "next" else {"meta": {"total": len(self.rows)}}
        return {"rows": shown, "links": {"pages": pages}, **meta}

    def listing(self, **options: Any) -> Listing[int]:
        return Listing(self.fetch, lambda row: int(row["id"]), self.size, **options)


async def collected(listing: Listing[int]) -> list[int]:
    """Return all rows of a listing."""
    return [row async for row in listing]


@pytest.mark.parametrize("links", ["last", "total", "next"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 41, 200])
async def test_all_rows_come_once_and_in_order(count: int, links: str) -> None:
    """All rows are returned once and in order, with a last page, a total or only a next link.

    Where no total says that a full page without a link is the last, one more is read.
    """
    server = Server(list(range(count)), links=links)
    listing = server.listing()
    assert await collected(listing) == list(range(count))
    one_more = links == "next" and count > 0 and count % 2 == 0
    assert server.requests == max(1, -(-count // 2)) + one_more
    assert not listing.drifted


async def test_pages_are_fetched_concurrently_up_to_a_limit() -> None:
    """A hundred pages are fetched in a few round trips, at most 32 at a time."""
    server = Server(list(range(200)))
    await collected(server.listing())
    assert server.most_open == 32
    assert now() < 0.7


async def test_total_is_known_after_the_first_page() -> None:
    """`total` is None until the first page was read."""
    listing = Server([1, 2, 3]).listing()
    assert listing.total is None
    assert await anext(listing) == 1
    assert listing.total == 3


async def test_rows_that_do_not_fit_are_left_out() -> None:
    """Rows that do not match a filter unknown to the server are left out."""
    assert await collected(Server(list(range(9))).listing(predicate=lambda n: n % 2)) == [
        1,
        3,
        5,
        7,
    ]


async def test_row_seen_on_two_pages_is_returned_once() -> None:
    """A row that a create pushed to the next page is returned once."""

    def create(server: Server, page: int) -> None:
        if page == 2 and -1 not in server.rows:
            server.rows.insert(0, -1)

    server = Server(list(range(8)), before=create, links="next")
    found = await collected(server.listing())
    assert sorted(found) == sorted(set(found)) == list(range(8))


async def test_deletion_between_pages_loses_no_row() -> None:
    """A row that moved to a page already read is found by the second reading."""

    def delete(server: Server, page: int) -> None:
        if page == 1 and server.requests == 1:
            return
        if 0 in server.rows:
            server.rows.remove(0)

    server = Server(list(range(8)), before=delete)
    listing = server.listing()
    assert set(await collected(listing)) >= set(range(1, 8))
    assert not listing.drifted
    assert server.requests > 4


@pytest.mark.parametrize("total", [0, 1, 2, 4])
@pytest.mark.parametrize("linked", [True, False])
async def test_total_that_is_too_small_hides_no_row(total: int, linked: bool) -> None:
    """Rows after a full page are read although the total says that there are none."""

    class Wrong(Server):
        def body(self, number: int) -> dict[str, Any]:
            body = Server.body(self, number)
            links = body["links"] if linked else {}
            return {**body, "links": links, "meta": {"total": total}}

    listing = Wrong(list(range(7)), links="next").listing()
    found = await collected(listing)
    if linked or total not in (2, 4):  # without links, a total that fits the page is believed
        assert found == list(range(7))
        assert not listing.drifted


@pytest.mark.parametrize("count", [0, 1, 2, 3, 41, 200])
@pytest.mark.parametrize("total", [None, "text", "odd"])
async def test_lists_without_links_hide_no_row(count: int, total: str | None) -> None:
    """Without links, a total in text counts; without a usable one, full pages lead to the next."""

    class Bare(Server):
        def body(self, number: int) -> dict[str, Any]:
            shown = {"text": str(len(self.rows)), "odd": 2**31 - 1, None: None}[total]
            return {"rows": Server.body(self, number)["rows"], "meta": {"total": shown}}

    listing = Bare(list(range(count))).listing()
    assert await collected(listing) == list(range(count))
    assert not listing.drifted


async def test_a_list_without_pages_is_read_twice_at_most() -> None:
    """A server without pages, totals and links shows all rows at once, which is not drift."""
    server = Repeating({}, {})
    listing: Listing[str] = Listing(server.fetch, lambda row: row["id"], 2)
    assert await listing == ["0", "1", "2"]
    assert (server.requests, listing.drifted) == (2, False)


@pytest.mark.parametrize("rows", [0, 1, 3])
async def test_fewer_rows_than_the_total_are_flagged(
    rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A list that ends before its total may lack rows: it is flagged, and logged."""

    class Short(Server):
        def body(self, number: int) -> dict[str, Any]:
            body = Server.body(self, number)
            return {"rows": body["rows"] or None, "links": {}, "meta": {"total": 5}}

    with caplog.at_level(logging.WARNING):
        listing = Short(list(range(rows)), size=4).listing()
        assert await collected(listing) == list(range(rows))
    assert listing.drifted
    assert "rows may be missing" in caplog.text


async def test_list_that_keeps_moving_is_flagged(caplog: pytest.LogCaptureFixture) -> None:
    """A collection that still moves in the second reading is reported as possibly incomplete."""

    def shrink(server: Server, _page: int) -> None:
        server.rows.pop()

    listing = Server(list(range(40)), before=shrink).listing()
    with caplog.at_level(logging.WARNING):
        await collected(listing)
    assert listing.drifted
    assert "rows may be missing" in caplog.text


@pytest.mark.parametrize("page", [1, 2, 7])
async def test_failing_page_fails_the_listing(page: int) -> None:
    """A failing page fails the listing with the page's own error."""
    error = ServerError("down", status=503)

    def fail(_server: Server, number: int) -> None:
        if number == page:
            raise error

    server = Server(list(range(20)), before=fail)
    with pytest.raises(ServerError) as caught:
        await collected(server.listing())
    assert caught.value is error
    assert server.open == 0


async def test_error_of_a_later_page_keeps_its_cause() -> None:
    """The error of a later page keeps its cause."""
    error = TransportError("reset")
    error.__cause__ = OSError("the socket's error")

    def fail(_server: Server, number: int) -> None:
        if number == 3:
            raise error

    with pytest.raises(TransportError) as caught:
        await collected(Server(list(range(20)), before=fail).listing())
    assert isinstance(caught.value.__cause__, OSError)


async def test_leaving_early_leaves_nothing_running() -> None:
    """Leaving a listing early cancels its fetches and starts none."""
    server = Server(list(range(500)))
    async for row in server.listing():
        if row == 70:
            break
    requests = server.requests
    await asyncio.sleep(60)
    assert (server.requests, server.open) == (requests, 0)


async def test_cancelling_in_the_middle_cancels_the_pages_in_flight() -> None:
    """Cancelling a listing cancels its fetches and raises a bare `CancelledError`."""
    server = Server(list(range(500)))
    task = asyncio.create_task(collected(server.listing()))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.open == 0


async def test_tasks_share_a_listing_and_lose_no_row() -> None:
    """Each row comes to one of several tasks, and every page is read once."""
    server = Server(list(range(300)))
    listing = server.listing()
    got = await asyncio.gather(*(collected(listing) for _ in range(4)))
    assert sorted(row for rows in got for row in rows) == list(range(300))
    assert server.requests == 150


@pytest.mark.parametrize("collect", [False, True])
@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.35])
async def test_a_cancelled_step_may_be_repeated(after_s: float, collect: bool) -> None:
    """The same task or another one reads the same pages again; no row is missing or comes twice."""
    server = Server(list(range(300)))
    listing = server.listing()
    got: list[int] = []

    async def read() -> None:
        async for row in listing:
            got.append(row)

    first = asyncio.ensure_future(read())
    await asyncio.sleep(after_s)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    got += await listing.collect() if collect else [row async for row in listing]
    assert got == list(range(300))


async def test_a_cancelled_step_does_not_end_those_of_others() -> None:
    """Tasks that share a listing get its rows, though the step of one was cancelled."""
    listing = Server(list(range(300))).listing()
    first = asyncio.ensure_future(anext(listing))
    other = asyncio.ensure_future(collected(listing))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await other == list(range(300))


@pytest.mark.parametrize("page", [1, 3])
async def test_a_failed_step_may_be_repeated(page: int) -> None:
    """After an error on a page, the next step reads that page again, and counts rows once."""
    errors = [ServerError("down", status=503)]

    def fail(_server: Server, number: int) -> None:
        if number == page and errors:
            raise errors.pop()

    listing = Server(list(range(20)), before=fail).listing()
    got: list[int] = []

    async def read() -> None:
        async for row in listing:
            got.append(row)

    with pytest.raises(ServerError):
        await read()
    counts: list[int] = []
    got += await listing.collect(lambda count, _: counts.append(count))
    assert got == list(range(20))
    assert counts[-1] == 20


async def test_rows_that_cannot_be_read_are_counted_once() -> None:
    """A page that is read again after a failure does not count its unreadable rows again."""
    errors = [ServerError("down", status=503)]

    def fail(_server: Server, number: int) -> None:
        if number == 4 and errors:  # the last one of its batch to be answered
            raise errors.pop()

    def decode(row: Any) -> int:
        if row["id"] == "2":
            raise DecodeError("no number")
        return int(row["id"])

    listing = Listing(Server(list(range(8)), before=fail).fetch, decode, 2)
    with pytest.raises(ServerError):
        await listing.collect_readable()
    rows, (gap,) = await listing.collect_readable()
    assert rows == [0, 1, 3, 4, 5, 6, 7]
    assert str(gap).startswith("1 row cannot be read")


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.25])
async def test_closing_ends_the_step_of_another_task(after_s: float) -> None:
    """As with a stream of `watch`: the step ends at once, without rows, and its requests too."""
    server = Server(list(range(300)))
    listing = server.listing()
    reading = asyncio.ensure_future(collected(listing))
    await asyncio.sleep(after_s)
    began = asyncio.get_running_loop().time()
    await listing.aclose()
    rows = await reading
    assert asyncio.get_running_loop().time() == began
    assert rows == list(range(len(rows)))
    assert len(rows) < 300
    assert await listing == []
    assert server.open == 0
    await listing.aclose()


async def test_closing_while_all_rows_are_collected_is_an_error() -> None:
    """Half a list never looks like a complete one."""
    listing = Server(list(range(300))).listing()
    collecting = asyncio.ensure_future(listing.collect())
    await asyncio.sleep(0.15)
    await listing.aclose()
    with pytest.raises(DIError, match="closed while it was read"):
        await collecting


async def test_rows_without_an_id_are_all_returned() -> None:
    """Rows without an id are all returned."""
    page = Page(({"x": 1}, {"x": 1}, "odd"), 3, None, None)

    async def fetch(_number: int) -> Page:
        return page

    listing: Listing[Any] = Listing(fetch, lambda row: row, 200)
    assert [row async for row in listing] == list(page.rows)


async def test_endless_next_links_end_at_an_empty_page() -> None:
    """An empty page ends a listing whose server always has a next link."""
    pages = {1: Page(({"id": "a"},), None, "?page=2", None)}

    async def fetch(number: int) -> Page:
        return pages.get(number, Page((), None, "?page=9", None))

    listing: Listing[Any] = Listing(fetch, lambda row: row["id"], 1)
    assert [row async for row in listing] == ["a"]


@define
class Repeating:
    """A server that shows the same rows on every page, whatever its links and totals say."""

    links: dict[str, str]
    meta: dict[str, Any]
    rows: int = 3
    later_rows: int | None = None
    requests: int = 0

    async def fetch(self, number: int) -> Page:
        self.requests += 1
        count = self.rows if number == 1 or self.later_rows is None else self.later_rows
        rows = [{"id": str(n)} for n in range(count)]
        body = {"rows": rows, "links": {"pages": self.links}, "meta": self.meta}
        return read_page(body, "rows")


_NEXT, _LAST = "https://x/?page=2&per_page=2", "https://x/?page=99999999&per_page=2"


@pytest.mark.parametrize("later_rows", [None, 0, 2])
@pytest.mark.parametrize(
    ("links", "meta"),
    [
        ({"next": _NEXT}, {}),
        ({"next": _NEXT}, {"total": "3"}),
        ({"next": _NEXT}, {"total": True}),
        ({"next": _NEXT, "last": _LAST}, {}),
        ({"next": _NEXT, "last": _LAST}, {"total": 3}),
        ({"next": _NEXT}, {"total": 2**31 - 1}),
        ({"next": _NEXT}, {"total": 1_000_000}),
        ({"next": "?page=1"}, {}),
        ({"next": "more"}, {"total": None}),
        ({"next": "?" + "x" * 5_000_000}, {"total": -1}),
    ],
)
async def test_listing_ends_where_nothing_new_comes(
    links: dict[str, str], meta: dict[str, Any], later_rows: int | None
) -> None:
    """Repeated or empty pages end a listing after a few requests, whatever it promises."""
    server = Repeating(links, meta, later_rows=later_rows)
    listing: Listing[str] = Listing(server.fetch, lambda row: row["id"], 3)
    assert [row async for row in listing] == ["0", "1", "2"]
    assert server.requests <= 9


async def test_pages_that_end_before_the_total_are_flagged() -> None:
    """A listing whose pages repeat before its total is reached may lack rows, and says so."""
    listing: Listing[str] = Listing(
        Repeating({"next": _NEXT}, {"total": 1000}).fetch, lambda row: row["id"], 3
    )
    assert len(await listing.collect()) == 3
    assert listing.drifted


async def test_list_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that has new rows on every page for ever raises `DecodeError` at a limit."""
    monkeypatch.setattr("di_async.core.pagination.MAX_PAGES", 50)

    async def fetch(number: int) -> Page:
        return Page(({"id": str(number)},), None, f"?page={number + 1}", None)

    with pytest.raises(DecodeError, match="does not end"):
        await Listing(fetch, lambda row: row["id"], 1).collect()


@pytest.mark.parametrize("id", [{"x": 1}, [1], 1.5])
async def test_id_that_is_not_text_is_a_decode_error(id: Any) -> None:
    """A row whose id is not text raises `DecodeError`, or is skipped where that was requested."""

    async def fetch(_: int) -> Page:
        return Page(({"id": "a"}, {"id": id}), 2, None, None)

    with pytest.raises(DecodeError, match="id"):
        await Listing(fetch, lambda row: row["id"], 200).collect()
    rows, gaps = await Listing(fetch, lambda row: row["id"], 200).collect_readable()
    assert rows == ["a"]
    assert [str(gap) for gap in gaps] == [
        "1 row cannot be read; the first: a list row has an id that is not text @ $.id"
    ]


async def test_large_page_lets_other_tasks_run() -> None:
    """Decoding a page of a hundred thousand rows gives other tasks many turns."""
    rows = tuple({"id": str(n)} for n in range(100_000))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def fetch(_: int) -> Page:
        return Page(rows, len(rows), None, None)

    counting = asyncio.create_task(count())
    found = await Listing(fetch, lambda row: row["id"], 200).collect()
    counting.cancel()
    assert len(found) == 100_000
    assert turns >= 100


async def test_listing_that_was_left_leaves_no_generators() -> None:
    """Leaving a listing early leaves no async generator for the collector to close."""
    listing = Server(list(range(50))).listing()
    async for _ in listing:
        break
    assert not [thing for thing in gc.get_objects() if inspect.isasyncgen(thing)]
    await listing.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(listing)
