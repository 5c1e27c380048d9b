"""Which list page shows which watched id, and which rows changed since they were read last. Pure.

Positions are learned from every page read and never assumed: pages shift while other resources are
created and deleted. An id that is no longer on its page is `missing`; absence from a list proves
nothing, so the schedule reads a missing id by GET.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from _collections_abc import dict_keys

__all__ = ["NO_ROW", "Ids", "PageIndex", "PageUpdate", "RowKey", "make_row_key"]

Ids: TypeAlias = "dict_keys[str, int | None]"
"""The watched ids of a page, in row order."""

RowKey = tuple[str, int]
"""A row's id, and a fingerprint that differs when what the row shows differs."""
NO_ROW: RowKey = ("", 0)
"""The key of a row that is not a resource; such rows are skipped."""
_NO_IDS: Ids = dict[str, int | None]().keys()


def make_row_key(id: Any, shown: Any) -> RowKey:
    """Return the key of a row that shows this; `NO_ROW` if its id is not text."""
    if not isinstance(id, str) or not id:
        return NO_ROW
    try:
        return id, hash(shown)
    except TypeError:  # there is an object or a list in the place of text
        return id, hash(repr(shown))


class _Page(Struct, eq=False):
    """One list page as it was read last."""

    shown: dict[str, int | None] = field(default_factory=dict)
    """Watched ids in row order, with the fingerprints of their rows; None: it counts as changed."""
    added_when_sent: int = 0
    """How many ids had ever been added when the page was last requested."""
    searched_up_to: int = 0
    """The same, of the last request that was answered: ids added later may still be on the page."""


class PageUpdate(Struct, frozen=True):
    """What one page read says about the watched ids on it."""

    changed: list[tuple[int, str]]
    """Position and id of each row that is new on this page or shows something else."""
    unchanged: list[str]
    moved: bool
    """An id came from another page, or was located."""


class PageIndex:
    """The watched ids of one list, by page."""

    def __init__(self) -> None:
        self.page_count: int | None = None
        """How many pages the list has; None before the first read."""
        self._pages: dict[int, _Page] = {}
        self._page_of: dict[str, int | None] = {}
        self._unlocated: dict[str, int] = {}
        self._missing: dict[str, float] = {}
        self._added = 0

    # -- which ids are watched ----------------------------------------------------------------

    def add(self, id: str) -> None:
        """Watch an id; its page has to be found."""
        self._added += 1
        self._page_of[id] = None
        self._unlocated[id] = self._added

    def remove(self, id: str) -> None:
        """Stop watching an id."""
        page = self._page_of.pop(id, None)
        if page is not None:
            del self._pages[page].shown[id]
        self._unlocated.pop(id, None)
        self._missing.pop(id, None)

    def mark_dirty(self, id: str) -> None:
        """Report the id's row as changed when it is read next."""
        page = self._page_of.get(id)
        if page is not None:
            self._pages[page].shown[id] = None

    def reset(self) -> None:
        """Forget all positions: another list is read from now on."""
        self.page_count = None
        self._pages.clear()
        self._missing.clear()
        for id in self._page_of:
            self.relocate(id)

    def relocate(self, id: str) -> None:
        """Search an id that is missing from its page."""
        self._missing.pop(id, None)
        self._page_of[id] = None
        self._unlocated.setdefault(id, 0)

    # -- where they are -----------------------------------------------------------------------

    def page_of(self, id: str) -> int | None:
        """Return the page that showed the id last; None if unknown."""
        return self._page_of.get(id)

    def ids_on(self, number: int) -> Ids:
        """Return the watched ids that a page showed last, in row order."""
        page = self._pages.get(number)
        return _NO_IDS if page is None else page.shown.keys()

    def occupied(self) -> Iterable[tuple[int, Ids]]:
        """Return the pages that show watched ids, with those ids."""
        return [(number, page.shown.keys()) for number, page in self._pages.items() if page.shown]

    @property
    def unlocated(self) -> Collection[str]:
        """Ids whose page is unknown."""
        return self._unlocated

    @property
    def missing(self) -> dict[str, float]:
        """Ids that were not on their page any more, and when."""
        return self._missing

    def unsearched(self) -> list[int]:
        """Return the pages that may show an unlocated id, likely ones first."""
        if not self._unlocated:
            return []
        newest = max(self._unlocated.values())
        last = self.page_count or 1
        order = dict.fromkeys((last, 1, *range(last - 1, 1, -1)))
        return [n for n in order if n not in self._pages or self._pages[n].searched_up_to < newest]

    # -- reads --------------------------------------------------------------------------------

    def page_sent(self, number: int) -> None:
        """Note that a page was requested: it need not show ids that are added later."""
        self._page(number).added_when_sent = self._added

    def update(
        self, number: int, rows: Sequence[RowKey], page_count: int | None, now: float
    ) -> PageUpdate:
        """Record a page that was read and return which watched rows changed.

        `page_count` is None where the answer does not show it.
        """
        page = self._page(number)
        page.searched_up_to = max(page.searched_up_to, page.added_when_sent)
        if page_count is not None:
            self._set_page_count(page_count)
        changed: list[tuple[int, str]] = []
        unchanged: list[str] = []
        moved = False
        before, shown = page.shown, dict[str, int | None]()
        for position, (id, fingerprint) in enumerate(rows):
            if id in shown:
                continue
            if before.get(id) == fingerprint:
                unchanged.append(id)
            elif id in self._page_of:
                changed.append((position, id))
                if id not in before:
                    self._move(id, number)
                    moved = True
            else:
                continue
            shown[id] = fingerprint
        for id in before:
            if id not in shown and self._page_of[id] == number:  # not of a page that has ended
                self._page_of[id] = None
                self._missing[id] = now
        page.shown = shown
        return PageUpdate(changed, unchanged, moved)

    def _move(self, id: str, number: int) -> None:
        before = self._page_of[id]
        if before is not None:
            del self._pages[before].shown[id]
        self._unlocated.pop(id, None)
        self._missing.pop(id, None)
        self._page_of[id] = number

    def _set_page_count(self, count: int) -> None:
        self.page_count = count
        for number in [number for number in self._pages if number > count]:
            for id in self._pages.pop(number).shown:
                self.relocate(id)

    def _page(self, number: int) -> _Page:
        return self._pages.setdefault(number, _Page())
