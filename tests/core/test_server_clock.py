"""Tests of the reckoning of a server's time, and of when a call began by it."""

from datetime import UTC, datetime

import pytest

from di_async.core.moment import Moment
from di_async.core.server_clock import CallWindow, ServerClock

WALL = 1_767_225_600.0


def at(seconds: float, step: float = 0.0) -> Moment:
    """Return the moment `seconds` after the start; the wall clock has stepped by `step`."""
    return Moment(1000.0 + seconds, WALL + seconds + step)


def test_without_an_answer_it_is_this_machines_time() -> None:
    """Before any `Date` was seen, the machine's wall clock counts."""
    assert ServerClock().time(at(5)) == WALL + 5


def test_every_answer_corrects_it() -> None:
    """The latest `Date` counts, whatever earlier ones showed."""
    clock = ServerClock()
    clock.learn(at(0), WALL + 600)
    assert clock.time(at(5)) == WALL + 605
    clock.learn(at(10), WALL + 10)
    assert clock.time(at(12)) == WALL + 12
    clock.forget()
    assert clock.time(at(12, step=30)) == WALL + 42


def test_suspend_is_seen_by_the_wall_clock() -> None:
    """While the machine sleeps only the wall clock goes on, and the server's time with it."""
    clock = ServerClock()
    clock.learn(at(0), WALL + 1)
    assert clock.time(at(1, step=3600)) == WALL + 3602


def test_window_by_the_server() -> None:
    """When a call began is reckoned back from the answers since then."""
    clock = ServerClock()
    clock.learn(at(-50), WALL - 9999)  # before the call: of no use
    clock.learn(at(2), WALL + 602)
    window = clock.window(at(0), at(3))
    assert (window.earliest, window.latest, window.now) == (WALL + 600, WALL + 600, WALL + 603)
    assert window.by_server


def test_window_widens_where_answers_disagree() -> None:
    """A date from a cache or of a wrong clock makes the window wider, never certain."""
    clock = ServerClock()
    clock.learn(at(1), WALL + 1 - 5000)
    clock.learn(at(2), WALL + 2)
    window = clock.window(at(0), at(3))
    assert (window.earliest, window.latest) == (WALL - 5000, WALL)


def test_window_widens_where_the_wall_clock_stepped() -> None:
    """After a step during the call both clocks' views are in the window."""
    window = ServerClock().window(at(0), at(3, step=3600))
    assert (window.earliest, window.latest) == (WALL, WALL + 3600)
    assert not window.by_server


def test_window_from_an_earlier_answer() -> None:
    """Without an answer since, the one before the call is used."""
    clock = ServerClock()
    clock.learn(at(-50), WALL - 50 + 600)
    window = clock.window(at(0), at(3))
    assert (window.earliest, window.latest) == (WALL + 600, WALL + 600)


def test_memory_is_bounded() -> None:
    """However many answers come, only the last few are kept."""
    clock = ServerClock()
    for second in range(1000):
        clock.learn(at(second), WALL + second)
    assert len(clock._samples) == 8  # noqa: SLF001


def test_window_of_an_attempt_on_another_machine() -> None:
    """An earlier attempt is as old as this machine's clock says, counted in the server's time."""
    clock = ServerClock()
    clock.learn(at(590), WALL + 7200 + 590)
    window = clock.attempt_window(WALL, at(600))
    assert (window.earliest, window.latest, window.now) == (
        WALL + 7200, WALL + 7200, WALL + 7800
    )  # fmt: skip
    assert not window.by_server


def test_attempt_in_the_future_is_now() -> None:
    """A clock that was ahead moves no attempt into the future."""
    assert ServerClock().attempt_window(WALL + 999, at(0)).latest == WALL


@pytest.mark.parametrize(
    ("by_server", "after", "expected"),
    [
        (True, 2.5, True),
        (True, 1.5, False),
        (True, -60.0, False),
        (False, 121.0, True),
        (False, 119.0, False),
        (True, 40_000_000.0, False),
        (True, None, False),
    ],
)
def test_created_after_a_call_began(by_server: bool, after: float | None, expected: bool) -> None:
    """A stamp counts as later only beyond what the clocks may be wrong."""
    window = CallWindow(WALL - 5, WALL, WALL + 300, by_server)
    stamp = None if after is None else datetime.fromtimestamp(WALL + after, UTC)
    assert window.surely_before(stamp) is expected
