"""A moment by the clocks of this machine."""

from msgspec import Struct

__all__ = ["Moment"]


class Moment(Struct, frozen=True):
    """One moment by both clocks of this machine."""

    loop: float
    """Seconds of the event loop."""
    wall: float
    """Epoch seconds."""
