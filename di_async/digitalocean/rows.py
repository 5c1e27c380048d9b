"""List pages at a glance, read from their bytes without building what nobody asked about.

Two hundred whole rows are a quarter of a megabyte of JSON and thousands of objects; those who wait
need an id, a status and a stamp of each, and one whole row now and then. A page that is not as
documented is read the long way, which is tolerant and tells what is wrong.
"""

from functools import cached_property
from typing import Any

import msgspec
from msgspec.structs import replace

from di_async.core.codec import loads
from di_async.core.pagination import Page, read_page

__all__ = ["KEY", "LightRow", "read_sweep"]

KEY = "dedicated_inferences"


class LightRow(msgspec.Struct, frozen=True, gc=False):
    """What tells one state of an instance from another."""

    id: str
    status: str | None = None
    updated_at: str | None = None


class _LightPage(msgspec.Struct):
    dedicated_inferences: list[LightRow] | None
    links: Any = None
    meta: Any = None


class _RawPage(msgspec.Struct):
    dedicated_inferences: list[msgspec.Raw]


_light = msgspec.json.Decoder(_LightPage).decode
_raw = msgspec.json.Decoder(_RawPage).decode


def read_sweep(body: bytes) -> Page:
    """A list page of light rows; `Page.row` gives one of them whole.

    Raises:
        DecodeError: it is no list page.
    """
    try:
        light = _light(body)
    except msgspec.MsgspecError:  # not as documented, or no JSON at all
        return replace(read_page(loads(body), KEY), body=body)
    told = {KEY: light.dedicated_inferences, "links": light.links, "meta": light.meta}
    page = read_page(told, KEY)
    return replace(
        page, decode_full_row=_Whole(body), body=body, row_fingerprints=list(map(hash, page.rows))
    )


class _Whole(msgspec.Struct, dict=True):
    """The rows of a page as they came."""

    body: bytes

    def __call__(self, place: int) -> Any:
        return loads(bytes(self._rows[place]))

    @cached_property
    def _rows(self) -> list[msgspec.Raw]:
        return _raw(self.body).dedicated_inferences
