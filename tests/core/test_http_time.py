"""Tests of the times in HTTP headers: every form, reckoned with the answer's date, and bounded."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async.core.http_time import (
    LONGEST_HOLD_S,
    Hold,
    parse_http_date,
    read_hold,
    retry_after,
    seconds_until_reset,
    server_date,
)

WALL = 1_767_225_600.0  # 2026-01-01
MOMENT = 784_111_777.0


@pytest.fixture(autouse=True)
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run each test in a zone whose local time is not GMT."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000",
        "Sun, 06 Nov 1994 03:49:37 -0500",
        "Sun, 06 Nov 1994 14:34:37 +0545",
        "Sun, 06 Nov 1994 22:49:37 +1400",
        "Sat, 05 Nov 1994 20:49:37 -1200",
    ],
)
def test_forms_of_dates(text: str) -> None:
    """All forms of RFC 9110 are read, and a date without a zone is GMT."""
    assert parse_http_date(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "yesterday",
        "120",
        "\x00",
        "x" * 100_000,
        "Thu, 99 Oct 2025 99:53:25 GMT",
        "Thu, 01 Jan 99999 00:00:00 GMT",
        "Sat, 31 Dec 2016 23:59:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 +2500",
        "Sun, 06 Nov 1994 08:49:37 +1415",
        "Sun, 06 Nov 1994 08:49:37 -1215",
        "Sun, 06 Nov 1994 08:49:37 +0099",
        "Sun, 06 Nov 1994 08:49:37 +240000",
    ],
)
def test_what_is_no_date(text: str | None) -> None:
    """What is not a date, or is in a zone that does not exist, is None."""
    assert parse_http_date(text) is None


def test_leap_second() -> None:
    """A leap second is the second before the next minute."""
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == 1_483_228_800.0


@pytest.mark.parametrize(
    ("headers", "date"),
    [
        ({}, None),
        ({"date": formatdate(WALL, usegmt=True)}, WALL),
        ({"date": formatdate(WALL, usegmt=True), "age": "40"}, WALL + 40),
        ({"date": formatdate(WALL, usegmt=True), "age": "1e9"}, None),
        ({"date": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({"date": "Fri, 31 Dec 2999 23:59:59 GMT"}, None),
    ],
)
def test_server_date(headers: dict[str, str], date: float | None) -> None:
    """A cached answer's age is added; a date of a clock that was never set is ignored."""
    assert server_date(headers) == date


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": formatdate(WALL + 90, usegmt=True)}, 90.0),
        ({"retry-after": time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(WALL + 90))}, 90.0),
        ({"retry-after": formatdate(WALL - 90, usegmt=True)}, 0.0),
        ({"retry-after": "Thu, 99 Oct 2025 99:53:25 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """`retry-after` may be milliseconds, seconds or a date; a past date means now."""
    assert retry_after(headers, WALL) == seconds


def test_retry_after_is_reckoned_with_the_date_of_the_answer() -> None:
    """Where the server's clock is an hour ahead, its "in two seconds" is two seconds."""
    ahead = WALL + 3600
    headers = {
        "date": formatdate(ahead, usegmt=True),
        "retry-after": formatdate(ahead + 2, usegmt=True),
        "ratelimit-reset": str(ahead + 3),
    }
    assert retry_after(headers, WALL) == 2.0
    assert seconds_until_reset(headers, WALL) == 3.0


@pytest.mark.parametrize("text", ["1e12", "3601", "9" * 30, "Fri, 31 Dec 2999 23:59:59 GMT"])
def test_absurd_retry_after(text: str) -> None:
    """A time longer than any quota's window names no time, and is reported as absurd."""
    assert read_hold({"retry-after": text}, WALL) == Hold(absurd=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (str(WALL + 30), 30.0),
        (str((WALL + 30) * 1e3), 30.0),
        (str((WALL + 30) * 1e6), 30.0),
        (str((WALL + 30) * 1e9), 30.0),
        ("30", 30.0),
        (str(WALL - 30), None),
        ("-5", None),
        (str(WALL * 3), LONGEST_HOLD_S),
        ("inf", None),
        ("soon", None),
    ],
)
def test_reset(value: str, seconds: float | None) -> None:
    """A reset is an epoch time of any unit or the seconds left; at most an hour, never past."""
    found = seconds_until_reset({"ratelimit-reset": value}, WALL)
    assert found == (None if seconds is None else pytest.approx(seconds, abs=0.001))


HEADERS = st.dictionaries(
    st.sampled_from(["date", "age", "retry-after", "retry-after-ms", "ratelimit-reset"]),
    st.text() | st.floats().map(str) | st.integers().map(str) | st.datetimes().map(str),
)


@given(HEADERS, st.floats(0, 4e9))
def test_any_header_is_bounded(headers: dict[str, str], now: float) -> None:
    """Whatever headers hold, a waiting time is None or between 0 and an hour."""
    for found in (retry_after(headers, now), seconds_until_reset(headers, now)):
        assert found is None or 0 <= found <= LONGEST_HOLD_S
    date = server_date(headers)
    assert date is None or date > 0
