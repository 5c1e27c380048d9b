"""Which rows of a list page are worth a look: those that do not say what they said before. Pure.

Of two hundred rows a page shows, three or four have changed since it was read last. Where a row's
stamp is cheap (`Page.stamps`), the others are told by place and stamp, without a look at each; and
what a read says of all of those alike is kept once, so that none of them is touched.
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import ne

from msgspec import Struct, field

from di_async.core.waiting.items import PollEntry, Shown

__all__ = ["Rows"]

# Stands for a row that is news whatever it says: no hash is that.
_NEWS = -1


class Rows(Struct):
    """What the rows of one page said when they were last looked at, and whom they are about."""

    stamps: "array[int]" = field(default_factory=lambda: array("q"))
    """Side by side: objects would have to be fetched from all over the memory."""
    items: list[PollEntry | None] = field(default_factory=list)
    """None: a row about nobody awaited, or one that is news."""
    held: int = 0
    """How many are somebody's."""
    shown: Shown = field(default_factory=Shown)

    def sift(
        self, stamps: Sequence[int], at: float, sends: int, *, searching: bool
    ) -> Sequence[int]:
        """The places of all news in a page that was read; with `searching`, of all strangers too.

        Who is held still, is shown as before.
        """
        places = range(len(stamps))
        if len(stamps) != len(self.stamps):
            self.clear()
            return places
        news = list(compress(places, map(ne, stamps, self.stamps)))
        for item in [item for place in news if (item := self.items[place]) is not None]:
            self.doubt(item)
        if searching:
            new = set(news)
            news += [place for place in places if self.items[place] is None and place not in new]
        self.seen(at, sends)
        return news

    def seen(self, at: float, sends: int) -> None:
        """A read says of all who are held what was said before."""
        self.shown.at, self.shown.sends = at, self.shown.sends + sends

    def note(
        self, page: int, stamps: Sequence[int], at: Mapping[int, PollEntry], news: Sequence[int]
    ) -> None:
        """Remember what the news said; `at` tells who of the awaited was at which place."""
        if len(stamps) != len(self.stamps):
            self.clear()
            self.stamps = array("q", [_NEWS]) * len(stamps)
            self.items = [None] * len(stamps)
        for place in news:
            item, stamp = at.get(place), stamps[place]
            if item is None:
                self.stamps[place] = stamp
                continue
            self.doubt(item)  # one that is shown twice is held once
            item.place = place
            if item.stamp == stamp and item.page == page:
                self.stamps[place], self.items[place] = stamp, item
                self.held += 1
                item.sit(self.shown)
            else:
                self.stamps[place] = _NEWS

    def doubt(self, item: PollEntry) -> None:
        """Its row is news, whatever it says, and about nobody until it is looked at."""
        if item.place < len(self.items) and self.items[item.place] is item:
            self.stamps[item.place], self.items[item.place] = _NEWS, None
            self.held -= 1
            item.rise()

    def clear(self) -> None:
        """All rows are news."""
        for item in [item for item in self.items if item is not None]:
            self.doubt(item)
        self.stamps, self.items = array("q"), []
