"""One of those who are awaited, as far as it matters when and where to look for it. Pure."""

import math

from msgspec import Struct

from di_async.core.waiting.durations import Key
from di_async.core.waiting.pacing import ReadSchedule

__all__ = ["PollEntry", "Shown"]


class Shown(Struct, eq=False, gc=False):
    """What the reads of a page say of everybody whose row is as it was."""

    at: float = -math.inf
    """When it was read last."""
    sends: int = 0
    """Requests, all in all."""


class PollEntry(ReadSchedule):
    """One resource that somebody waits for."""

    id: str = ""
    started_at: float = 0.0
    kind: Key = ("", "", "")
    listed: bool = True
    """A list row may say something about it."""
    page: int | None = None
    place: int = 0
    """Where its row was on that page."""
    generation: int = 0
    """Pages asked for before it was added need not show it."""
    looked_at: float = -math.inf
    """When it was really read; a unit's `read_at` is what the pace goes by. See `catch_up`."""
    unsettled_at: float | None = None
    """The last look of its own that found it unsettled: see `last_unsettled_at`."""
    shown: Shown | None = None
    """What its page's reads say of it, while its row is as it was."""
    sent: int = 0
    """What `sends` tells, but for those of `shown`."""
    wanted_at: float = math.inf
    """When somebody wants a look, whatever the pace."""
    strayed_at: float = 0.0
    """When it was missing from its page, if it is a stray."""
    stamp: int = 0
    """What its row looked like last: an unchanged one costs nothing."""

    @property
    def sends(self) -> int:
        """Requests for rows of it that were as before."""
        return self.sent if self.shown is None else self.sent + self.shown.sends

    @property
    def last_unsettled_at(self) -> float | None:
        """The last look that found it unsettled, its own or one at its page."""
        own, shown = self.unsettled_at, self.shown
        if shown is None or (own is not None and own >= shown.at):
            return own
        return shown.at

    def catch_up(self) -> None:
        """Take from its page's reads when it was looked at last."""
        if self.shown is not None and (at := self.shown.at) > self.looked_at:
            self.unsettled_at = self.last_unsettled_at
            self.looked_at, self.read_at = at, max(at, self.read_at)

    def sit(self, shown: Shown) -> None:
        """From now on its page's reads say all there is to say."""
        self.shown, self.sent = shown, self.sent - shown.sends

    def rise(self) -> None:
        """No longer."""
        self.catch_up()
        self.sent, self.shown = self.sends, None
