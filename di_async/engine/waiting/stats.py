"""A client's polling at one moment, as a value."""

from attrs import frozen

from di_async.core.waiting.observation import DurationKey

__all__ = ["Stats"]


@frozen(kw_only=True)
class Stats:
    """A client's polling at one moment; `str()` returns one line.

    Attributes:
        awaited: resources that are being waited for.
        pages: list pages known; None before the first list was read.
        gets: GETs that polling has sent so far, silent repeats included.
        lists: list pages that polling has read so far, silent repeats included.
        confirms: confirming GETs that are queued.
        period: seconds between two reads of a page or a resource, at the current pace.
        distributions: the kinds (action, region, accelerator) of which 20 or more durations are
            known, so that reads are planned with them.
        minute: requests counted by the budget in the last minute; None without a budget.
        hour: requests counted by the budget in the last hour; None without a budget.
        refused: 429 answers.
    """

    awaited: int = 0
    pages: int | None = None
    gets: int = 0
    lists: int = 0
    confirms: int = 0
    period: float | None = None
    distributions: tuple[DurationKey, ...] = ()
    minute: int | None = None
    hour: int | None = None
    refused: int = 0

    def __str__(self) -> str:
        paced = f" every {self.period:.0f} s" if self.awaited and self.period else ""
        used = ""
        if self.hour is not None:
            used = f", {self.minute} requests in the last minute, {self.hour} in the last hour"
        return (
            f"{self.awaited} awaited{paced}, {self.lists} lists, {self.gets} GETs, "
            f"{self.confirms} to confirm{used}, {self.refused} refused"
        )
