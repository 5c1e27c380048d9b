"""Whether to read the whole account's list or the list of one region. Pure.

Where everything watched is in one region, that region's list may have fewer pages than the account
list has pages with watched resources. One of its pages shows how many it has: the price of a try.
"""

from collections.abc import Collection

__all__ = ["RegionChoice"]

# From this many reads a round on, a region is worth a try.
_MIN_READS = 3


class RegionChoice:
    """The region whose list is read; None for the account's list."""

    def __init__(self) -> None:
        self.region: str | None = None
        self._page_counts: dict[str, int] = {}
        """How many pages each region's list has, as it showed, or has at least."""

    def to_try(self, regions: Collection[str], reads: int, page_size: int) -> str | None:
        """Return a region whose first page is worth a request.

        `regions` are those of the watched resources; `reads` is what a round costs now.
        """
        region = next(iter(regions))
        if self.region is not None or reads < _MIN_READS or not region or set(regions) != {region}:
            return None
        least_pages = -(-len(regions) // page_size)  # what is watched is on the list
        known = self._page_counts[region] = max(self._page_counts.get(region, 0), least_pages)
        if known >= reads:
            return None
        self._page_counts[region] = reads  # until its list shows the real number
        return region

    def enter(self, region: str, page_count: int, regions: Collection[str], reads: int) -> bool:
        """Read this region's list from now on, if that takes fewer reads."""
        self._page_counts[region] = page_count
        if self.region is not None or page_count >= reads or set(regions) != {region}:
            return False
        self.region = region
        return True

    def leave_if_outside(self, regions: Collection[str]) -> bool:
        """Return to the account's list if something watched is known to be elsewhere."""
        if self.region is None or set(regions) <= {self.region, ""}:
            return False
        self.region = None
        return True

    def forget(self) -> None:
        """Drop what was learned: nothing is watched any more."""
        self._page_counts.clear()
