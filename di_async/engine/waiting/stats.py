"""What a client is doing about its waits, as one value."""

from msgspec import Struct

from di_async.core.waiting.durations import Key

__all__ = ["Stats"]


class Stats(Struct, frozen=True, kw_only=True):
    """A moment of a client's polling; `str()` is one line.

    Attributes:
        awaited: resources that somebody waits for.
        pages: list pages known; None where no list was read yet.
        gets, lists: reads that polling has sent so far, silent repeats included.
        confirms: resources whose row looks settled and whose proof is still to be asked for.
        period: seconds between two reads of a page or a resource, at the pace that holds.
        laws: the kinds (action, region, accelerator) whose durations are known well enough.
        minute, hour: requests of this client's budget in the last minute and hour, whoever sent
            them; None without a budget.
        refused: answers 429.
    """

    awaited: int = 0
    pages: int | None = None
    gets: int = 0
    lists: int = 0
    confirms: int = 0
    period: float | None = None
    laws: tuple[Key, ...] = ()
    minute: int | None = None
    hour: int | None = None
    refused: int = 0

    def __str__(self) -> str:
        paced = f" every {self.period:.0f} s" if self.awaited and self.period else ""
        used = f", budget {self.minute}/min {self.hour}/h" if self.hour is not None else ""
        return (
            f"{self.awaited} awaited{paced}, {self.lists} lists, {self.gets} GETs, "
            f"{self.confirms} to confirm{used}, {self.refused} refused"
        )
