"""Read id, status and update time of list rows straight from the bytes of a page.

A page of 200 instances is a quarter of a megabyte of JSON, and polling needs three fields of each
row. msgspec skips the rest; a full row is decoded only on request. A page in any other form is
decoded by the tolerant path, which also reports what is wrong.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from di_async.core.codec import loads
from di_async.core.pagination import Page, read_page

__all__ = ["KEY", "RowSummary", "read_summaries"]

KEY = "dedicated_inferences"


class RowSummary(msgspec.Struct, frozen=True, gc=False):
    """The fields of a list row that change with the state of the instance."""

    id: str
    status: str | None = None
    updated_at: str | None = None


class _SummaryPage(msgspec.Struct):
    dedicated_inferences: list[RowSummary] | None
    links: Any = None
    meta: Any = None


class _RawPage(msgspec.Struct):
    dedicated_inferences: list[msgspec.Raw]


_decode_summaries = msgspec.json.Decoder(_SummaryPage).decode
_decode_raw = msgspec.json.Decoder(_RawPage).decode


def read_summaries(body: bytes) -> Page:
    """Return a list page of `RowSummary`; `Page.full_row` returns a full row.

    Raises:
        DecodeError: The body is not a list page.
    """
    try:
        found = _decode_summaries(body)
    except (msgspec.MsgspecError, RecursionError):
        return read_page(loads(body), KEY)
    summaries = {KEY: found.dedicated_inferences, "links": found.links, "meta": found.meta}
    raw_rows: list[msgspec.Raw] = []

    def full_row(index: int) -> Any:
        if not raw_rows:
            raw_rows.extend(_decode_raw(body).dedicated_inferences)
        return loads(bytes(raw_rows[index]))

    return replace(read_page(summaries, KEY), decode_full_row=full_row)
