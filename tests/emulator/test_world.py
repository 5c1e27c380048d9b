"""A request's fate: authority, windows, headers, tally."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from di_async.emulator import World

from .helpers import BASE, NOW, Desk, a_spec

Make = Callable[..., Desk]


def test_request_without_a_known_token_is_401_with_the_vendors_body(desk: Desk) -> None:
    """The error body has id, message and request_id, and the id is in the header, too."""
    reply = desk.ask("GET", "", Authorization="Bearer dop_v1_wrong")
    assert reply.status == 401
    assert reply.json == {
        "id": "unauthorized",
        "message": "Unable to authenticate you.",
        "request_id": reply.headers["x-request-id"],
    }


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer"])
def test_other_authorization_is_401(desk: Desk, header: str) -> None:
    """Only a bearer token counts."""
    assert desk.ask("GET", "", Authorization=header).status == 401


def test_read_only_token_may_look_but_not_touch(desk: Desk) -> None:
    """A token without the scope gets 403 on writes."""
    desk.token = desk.world.read_only_token
    assert desk.ask("GET", "").status == 200
    assert desk.ask("POST", "", {"spec": a_spec()}).json["id"] == "forbidden"
    assert desk.world.created == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/droplets", 404), ("PUT", "", 405), ("PATCH", "/sizes", 405)],
)
def test_unknown_operation_is_refused(desk: Desk, method: str, path: str, status: int) -> None:
    """A foreign path is 404, a foreign method on a known path 405."""
    assert desk.ask(method, path).status == status


def test_empty_id_reads_the_list(desk: Desk) -> None:
    """A trailing slash is no id: a client that loses its id gets the list, as at the vendor."""
    assert "dedicated_inferences" in desk.ask("GET", "/").json


def test_every_answer_carries_the_rate_headers(make_desk: Make) -> None:
    """Limit and remaining of the hour, reset in epoch seconds; refusals have them, too."""
    desk = make_desk()
    assert desk.ask("GET", "").headers["ratelimit-remaining"] == "4999"
    for reply in (desk.ask("GET", "/nope"), desk.ask("GET", "", Authorization="")):
        assert reply.headers["ratelimit-limit"] == "5000"
        assert int(reply.headers["ratelimit-reset"]) == NOW + 3600


def test_251st_request_of_a_minute_is_429_with_retry_after(make_desk: Make) -> None:
    """The burst refusal tells when to come back, and coming back then works."""
    desk = make_desk(rate_limits=True)
    assert {desk.ask("GET", "/sizes").status for _ in range(250)} == {200}
    desk.now += 0.5
    reply = desk.ask("GET", "/sizes")
    assert (reply.status, reply.json["id"]) == (429, "too_many_requests")
    assert reply.headers["ratelimit-remaining"] == "0"
    assert reply.headers["retry-after"] == "60"
    desk.now += 60
    assert desk.ask("GET", "/sizes").status == 200


def test_5001st_request_of_an_hour_is_429_without_retry_after(make_desk: Make) -> None:
    """The hourly refusal only tells when the oldest request expires."""
    desk = make_desk(rate_limits=True, per_minute=10_000)
    assert {desk.ask("GET", "/sizes").status for _ in range(5000)} == {200}
    desk.now += 1
    reply = desk.ask("GET", "/sizes")
    assert reply.status == 429
    assert "retry-after" not in reply.headers
    desk.now = float(reply.headers["ratelimit-reset"])
    assert desk.ask("GET", "/sizes").status == 200


def test_each_token_has_windows_of_its_own(make_desk: Make) -> None:
    """One token's burst leaves another's alone."""
    desk = make_desk(rate_limits=True, per_minute=1)
    assert [desk.ask("GET", "").status for _ in range(2)] == [200, 429]
    desk.token = desk.world.read_only_token
    assert desk.ask("GET", "").status == 200


def test_rate_times_are_told_in_real_time_when_scaled(make_desk: Make) -> None:
    """At scale 60 a window of a minute is over in a second, and the headers say so."""
    desk = make_desk(rate_limits=True, per_minute=1, time_scale=60.0)
    desk.ask("GET", "")
    reply = desk.ask("GET", "")
    assert reply.headers["retry-after"] == "1"
    assert int(reply.headers["ratelimit-reset"]) == NOW + 60


def test_tally_counts_operations_refusals_and_busiest_windows(make_desk: Make) -> None:
    """The stats know every arrival, refused ones included."""
    desk = make_desk(rate_limits=True, per_minute=2)
    for _ in range(3):
        desk.ask("GET", "")
    desk.now += 120
    desk.ask("DELETE", "/some-id")
    desk.ask("GET", "/v2/droplets")
    stats = desk.world.stats
    assert (stats.total, stats.refused, stats.max_60s, stats.max_3600s) == (5, 1, 3, 5)
    assert stats.by_operation == {
        f"GET {BASE}": 3,
        f"DELETE {BASE}/{{id}}": 1,
        "GET (unknown)": 1,
    }


def test_request_log_has_moment_method_path_and_status(desk: Desk) -> None:
    """Whoever measures lags can read when what was asked."""
    desk.ask("GET", "?page=1")
    assert list(desk.world.requests) == [(NOW, "GET", f"{BASE}?page=1", 200)]


def test_equal_worlds_give_equal_answers() -> None:
    """Same seed, same calls, same bytes."""
    one, two = (Desk(World(seed=7)).ask("POST", "", {"spec": a_spec()}) for _ in range(2))
    assert one.raw == two.raw


@pytest.mark.parametrize("bad", [{"dialect": "spoken"}, {"status_case": "title"}])
def test_senseless_world_is_refused(bad: Any) -> None:
    """A misspelt option is an error at once."""
    with pytest.raises(ValueError, match="must be in"):
        World(**bad)


def test_listing_thousands_is_fast_enough_to_sweep(make_desk: Make) -> None:
    """A fleet of 5000 can be placed, and paged through by 200, all of it."""
    desk = make_desk()
    placed = [desk.world.add_instance(now=NOW).id for _ in range(5000)]
    pages = [desk.listed(f"?per_page=200&page={page}") for page in range(1, 26)]
    assert [row["id"] for rows in pages for row in rows] == placed
    assert math.isclose(len(placed) / 200, 25)
