"""Which rows of a list page are worth a look: those that do not say what they said before. Pure.

Of two hundred rows a page shows, three or four have changed since it was read last. Where a row's
stamp is cheap (`Page.stamps`), the others are told by place and stamp, without a look at each.
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import ne
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

__all__ = ["Rows", "Sifted"]

W = TypeVar("W")

# Stands for a row that is news whatever it says: no hash is that.
_NEWS = -1


class Sifted(Struct, Generic[W]):
    """A page that came back, sorted."""

    same: list[W]
    """Who is shown just as before."""
    news: Sequence[int]
    """Places of all other rows."""


class Rows(Struct):
    """What the rows of one page said when they were last looked at, and whom they are about."""

    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    """Side by side: objects would have to be fetched from all over the memory."""
    items: list[Any] = field(default_factory=list)
    """None: a row about nobody awaited."""

    def sift(self, stamps: Sequence[int], *, searching: bool) -> Sifted[Any]:
        """Sort the rows; with `searching`, those about nobody are looked at anew."""
        places = range(len(stamps))
        if len(stamps) != len(self.stamps):
            return Sifted([], places)
        news = list(compress(places, map(ne, stamps, self.stamps)))
        same = self.items.copy()
        for place in news:
            same[place] = None
        if searching:
            new = set(news)
            news += [place for place in places if self.items[place] is None and place not in new]
        return Sifted([item for item in same if item is not None], news)

    def note(
        self, page: int, stamps: Sequence[int], at: Mapping[int, Any], news: Sequence[int]
    ) -> None:
        """Remember what the news said; `at` tells who of the awaited was at which place."""
        if len(stamps) != len(self.stamps):
            self.stamps = array("q", [_NEWS]) * len(stamps)
            self.items = [None] * len(stamps)
        for place in news:
            item, stamp = at.get(place), stamps[place]
            if item is None:
                self.stamps[place], self.items[place] = stamp, None
                continue
            self.doubt(item)  # one that is shown twice is held once
            item.place = place
            noted = item.stamp == stamp and item.page == page
            self.stamps[place] = stamp if noted else _NEWS
            self.items[place] = item if noted else None

    def doubt(self, item: Any) -> None:
        """Its row is news, whatever it says, and about nobody until it is looked at."""
        if item.place < len(self.items) and self.items[item.place] is item:
            self.stamps[item.place], self.items[item.place] = _NEWS, None
