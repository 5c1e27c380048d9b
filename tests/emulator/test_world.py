"""Authorization, rate limits, headers and statistics."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from di_async.emulator import Lifecycle, World

from .helpers import BASE, NOW, ApiClient, a_spec

Make = Callable[..., ApiClient]


def test_request_without_a_known_token_is_401_with_the_vendors_body(api: ApiClient) -> None:
    """The error body has id, message and request_id, and the id is in the header, too."""
    reply = api.request("GET", "", Authorization="Bearer dop_v1_wrong")
    assert reply.status == 401
    assert reply.json == {
        "id": "unauthorized",
        "message": "Unable to authenticate you.",
        "request_id": reply.headers["x-request-id"],
    }


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer"])
def test_other_authorization_is_401(api: ApiClient, header: str) -> None:
    """Only a bearer token is accepted."""
    assert api.request("GET", "", Authorization=header).status == 401


def test_read_only_token_may_only_read(api: ApiClient) -> None:
    """A write with a read-only token is 403."""
    api.token = api.world.read_only_token
    assert api.request("GET", "").status == 200
    assert api.request("POST", "", {"spec": a_spec()}).json["id"] == "forbidden"
    assert api.world.created == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/droplets", 404), ("PUT", "", 405), ("PATCH", "/sizes", 405)],
)
def test_unknown_operation_is_404_or_405(
    api: ApiClient, method: str, path: str, status: int
) -> None:
    """An unknown path is 404, an unknown method on a known path 405."""
    assert api.request(method, path).status == status


def test_405_names_the_allowed_methods(api: ApiClient) -> None:
    """A 405 has an `Allow` header (RFC 9110, 15.5.6)."""
    assert api.request("PUT", "").headers["allow"] == "GET, POST"
    assert api.request("PATCH", "/sizes").headers["allow"] == "GET"


def test_name_of_a_deleted_instance_stays_taken() -> None:
    """With `name_lag`, a create of a name that was just deleted is 409 for that long."""
    api = ApiClient(World(seed=0, lifecycle=Lifecycle(create=60, delete=30, name_lag=120)))
    id = api.active()
    api.request("DELETE", f"/{id}")
    api.now += 31
    assert api.request("GET", f"/{id}").status == 404
    assert api.request("POST", "", {"spec": a_spec()}).status == 409
    api.now += 120
    assert api.request("POST", "", {"spec": a_spec()}).status == 202


def test_empty_id_reads_the_list(api: ApiClient) -> None:
    """A trailing slash is not an id: the vendor returns the list."""
    assert "dedicated_inferences" in api.request("GET", "/").json


def test_every_response_has_the_rate_headers(make_api: Make) -> None:
    """Limit and remaining of the hour, reset in epoch seconds; refusals have them, too."""
    api = make_api()
    assert api.request("GET", "").headers["ratelimit-remaining"] == "4999"
    for reply in (api.request("GET", "/nope"), api.request("GET", "", Authorization="")):
        assert reply.headers["ratelimit-limit"] == "5000"
        assert int(reply.headers["ratelimit-reset"]) == NOW + 3600


def test_251st_request_of_a_minute_is_429_with_retry_after(make_api: Make) -> None:
    """The burst refusal has retry-after, and a request after it succeeds."""
    api = make_api(rate_limits=True)
    assert {api.request("GET", "/sizes").status for _ in range(250)} == {200}
    api.now += 0.5
    reply = api.request("GET", "/sizes")
    assert (reply.status, reply.json["id"]) == (429, "too_many_requests")
    assert reply.headers["ratelimit-remaining"] == "0"
    assert reply.headers["retry-after"] == "60"
    api.now += 60
    assert api.request("GET", "/sizes").status == 200


def test_5001st_request_of_an_hour_is_429_without_retry_after(make_api: Make) -> None:
    """The hourly refusal only has the time when the oldest request expires."""
    api = make_api(rate_limits=True, per_minute=10_000)
    assert {api.request("GET", "/sizes").status for _ in range(5000)} == {200}
    api.now += 1
    reply = api.request("GET", "/sizes")
    assert reply.status == 429
    assert "retry-after" not in reply.headers
    api.now = float(reply.headers["ratelimit-reset"])
    assert api.request("GET", "/sizes").status == 200


def test_each_token_has_its_own_rate_limits(make_api: Make) -> None:
    """A burst of one token does not affect another."""
    api = make_api(rate_limits=True, per_minute=1)
    assert [api.request("GET", "").status for _ in range(2)] == [200, 429]
    api.token = api.world.read_only_token
    assert api.request("GET", "").status == 200


def test_rate_headers_are_real_time_when_scaled(make_api: Make) -> None:
    """At scale 60 a minute's window is over in a second, and the headers agree."""
    api = make_api(rate_limits=True, per_minute=1, time_scale=60.0)
    api.request("GET", "")
    reply = api.request("GET", "")
    assert reply.headers["retry-after"] == "1"
    assert int(reply.headers["ratelimit-reset"]) == NOW + 60


def test_stats_count_operations_refusals_and_peak_windows(make_api: Make) -> None:
    """The statistics include refused requests."""
    api = make_api(rate_limits=True, per_minute=2)
    for _ in range(3):
        api.request("GET", "")
    api.now += 120
    api.request("DELETE", "/some-id")
    api.request("GET", "/v2/droplets")
    stats = api.world.stats
    assert (stats.total, stats.refused, stats.max_60s, stats.max_3600s) == (5, 1, 3, 5)
    assert stats.by_operation == {
        f"GET {BASE}": 3,
        f"DELETE {BASE}/{{id}}": 1,
        "GET (unknown)": 1,
    }


def test_request_log_has_time_method_path_and_status(api: ApiClient) -> None:
    """The log allows to measure when each request came."""
    api.request("GET", "?page=1")
    assert list(api.world.requests) == [(NOW, "GET", f"{BASE}?page=1", 200)]


def test_equal_worlds_return_equal_responses() -> None:
    """The same seed and calls return the same bytes."""
    one, two = (ApiClient(World(seed=7)).request("POST", "", {"spec": a_spec()}) for _ in range(2))
    assert one.raw == two.raw


@pytest.mark.parametrize("bad", [{"dialect": "spoken"}, {"status_case": "title"}])
def test_invalid_options_of_a_world_are_rejected(bad: Any) -> None:
    """An invalid option is an error at once."""
    with pytest.raises(ValueError, match="must be in"):
        World(**bad)


def test_listing_thousands_is_fast(make_api: Make) -> None:
    """5000 instances can be added, and listed by pages of 200."""
    api = make_api()
    placed = [api.world.add_instance(now=NOW).id for _ in range(5000)]
    pages = [api.rows(f"?per_page=200&page={page}") for page in range(1, 26)]
    assert [row["id"] for rows in pages for row in rows] == placed
    assert math.isclose(len(placed) / 200, 25)


@pytest.mark.parametrize("add_time", [0, 600], ids=["at once", "after it has settled"])
@pytest.mark.parametrize("reads", [0, 3])
def test_seed_fixes_ids_however_often_a_test_polls(reads: int, add_time: float) -> None:
    """Equal seeds return equal ids: neither reads nor the time between two creates change them."""

    def ids(reads: int, add_time: float) -> list[str]:
        api = ApiClient(World(seed=0, lifecycle=Lifecycle(create=600)))
        first = api.create(name="first")
        for _ in range(reads):
            api.request("GET", f"/{first}")
        api.now += add_time
        return [first, api.create(name="second")]

    assert ids(reads, add_time) == ids(0, 0)
