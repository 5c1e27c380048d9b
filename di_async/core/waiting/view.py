"""Which list is swept: the whole account's, or only that of the one region where all is. Pure.

Pages of the whole account may each hold a few of those who are awaited, while their region has
fewer pages than that. How many it has is told by one of them: that is the price of a try.
"""

from collections.abc import Collection

from msgspec import Struct, field

from di_async.core.waiting.items import PollEntry

__all__ = ["View"]

# From so many reads a round on (pages, and resources got alone) a region is worth a try.
_WORTH = 3


class View(Struct, eq=False):
    """The region whose list is swept; None for the whole account."""

    region: str | None = None
    asked: int = 0
    """The generation that was there when a region was tried."""
    _pages: dict[str, int] = field(default_factory=dict)
    _most: dict[str, int] = field(default_factory=dict)
    """How many were awaited in a region at once: it has no fewer."""

    def to_try(self, items: Collection[PollEntry], reads: int, page_size: int) -> str | None:
        """A region whose first page is worth a request; `reads` is what a round costs now."""
        if self.region is not None or reads < _WORTH:
            return None
        region: str = next(iter(items)).kind[1]
        most = self._most[region] = max(self._most.get(region, 0), len(items))
        if most > (reads - 1) * page_size or self._pages.get(region, 0) >= reads:
            return None
        if not region or not everybody_in(region, items):
            return None
        self._pages[region] = reads  # until it tells
        return region

    def is_better(self, region: str, pages: int, items: Collection[PollEntry], reads: int) -> bool:
        """A region told how many pages it has: whether to sweep these instead."""
        self._pages[region] = pages
        return self.region is None and pages < reads and everybody_in(region, items)

    def forget(self) -> None:
        """Nobody is awaited: what was learned may not hold when somebody is again."""
        self._pages.clear()
        self._most.clear()

    def holds(self, items: Collection[PollEntry]) -> bool:
        """Nobody is known to be elsewhere."""
        return self.region is None or everybody_in(self.region, items, or_nowhere=True)


def everybody_in(region: str, items: Collection[PollEntry], *, or_nowhere: bool = False) -> bool:
    """Whether all that a list may show is there."""
    places = {region, ""} if or_nowhere else {region}
    return all(item.kind[1] in places for item in items if item.listed)
