"""What can be made to go wrong, kind by kind."""

from collections.abc import Callable
from typing import Any

import pytest

from .helpers import BASE, Desk, a_spec

Make = Callable[..., Desk]
CREATE = f"POST {BASE}"
GET = f"GET {BASE}/{{id}}"


# -- answers -----------------------------------------------------------------------------------


def test_reset_drops_the_connection_and_does_no_work(desk: Desk) -> None:
    """Nothing is answered, nothing happened, and the next request is served."""
    fault = desk.world.fault("reset", on=CREATE)
    assert desk.ask("POST", "", {"spec": a_spec()}).raw.drop
    assert (desk.world.created, fault.hits) == ({}, 1)
    assert desk.create()


def test_reset_after_commit_loses_only_the_answer(desk: Desk) -> None:
    """The work is done although nobody hears of it."""
    desk.world.fault("reset", on=CREATE, after_commit=True)
    assert desk.ask("POST", "", {"spec": a_spec()}).raw.drop
    assert desk.world.created == {"new-dedicated-inference": 1}


@pytest.mark.parametrize(("status", "slug"), [(500, "server_error"), (503, "server_error"),
                                              (409, "conflict"), (418, "bad_request")])  # fmt: skip
def test_status_answers_with_an_error_body(desk: Desk, status: int, slug: str) -> None:
    """Any status can be had, with the vendor's error body."""
    desk.world.fault("status", status=status)
    reply = desk.ask("GET", "")
    assert (reply.status, reply.json["id"]) == (status, slug)


def test_html_answers_as_a_proxy_does(desk: Desk) -> None:
    """A body that is no JSON, with 502 or whatever is asked for."""
    desk.world.fault("html")
    desk.world.fault("html", status=200)
    replies = [desk.ask("GET", "").raw for _ in range(2)]
    assert [reply.status for reply in replies] == [502, 200]
    assert all(reply.body.startswith(b"<html>") for reply in replies)


def test_slow_answers_honestly_but_late(desk: Desk) -> None:
    """The delay is told to the skin; the answer is the true one."""
    desk.world.fault("slow", delay_s=7.5)
    reply = desk.ask("GET", "")
    assert (reply.status, reply.raw.delay_s, reply.json["meta"]) == (200, 7.5, {"total": 0})


def test_cut_marks_an_honest_answer(desk: Desk) -> None:
    """The skin is told to send half of the true answer."""
    desk.world.fault("cut")
    assert desk.ask("GET", "").raw.cut


def test_redirect_points_elsewhere(desk: Desk) -> None:
    """A redirect names its target and does no work."""
    desk.world.fault("redirect", location="https://localhost:1/", status=302)
    reply = desk.ask("POST", "", {"spec": a_spec()})
    assert (reply.status, reply.headers["location"]) == (302, "https://localhost:1/")
    assert desk.world.created == {}


def test_storm_of_the_minute_window_tells_when_to_come_back(desk: Desk) -> None:
    """For as long as the storm lasts all is 429, with the seconds that are left."""
    desk.world.fault("rate_limit", now=desk.now, seconds=30)
    desk.now += 10
    reply = desk.ask("GET", "")
    assert (reply.status, reply.headers["retry-after"]) == (429, "20")
    assert reply.headers["ratelimit-remaining"] == "0"
    desk.now += 20
    assert desk.ask("GET", "").status == 200


def test_storm_of_the_hour_window_has_no_retry_after(desk: Desk) -> None:
    """An hourly refusal leaves the client with ratelimit-reset."""
    desk.world.fault("rate_limit", window="hour", times=2)
    replies = [desk.ask("GET", "") for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert "retry-after" not in replies[0].headers


# -- whom they strike --------------------------------------------------------------------------


def test_fault_strikes_only_its_operation_and_instance(desk: Desk) -> None:
    """`on` and `id` narrow a fault down."""
    one, two = desk.create(name="one"), desk.create(name="two")
    desk.world.fault("status", on=GET, id=two, times=None)
    assert [desk.status(one), desk.status(two), desk.status(two)] == ["new", "500", "500"]
    assert desk.ask("GET", f"/{two}/ca").status == 200


def test_literal_paths_are_operations_of_their_own(desk: Desk) -> None:
    """A fault on GET {id} leaves /sizes alone."""
    desk.world.fault("status", on=GET, times=None)
    assert desk.ask("GET", "/sizes").status == 200


def test_probability_strikes_about_so_often(desk: Desk) -> None:
    """Half of the requests fail at one half, the same ones for the same seed."""
    desk.world.fault("status", times=None, probability=0.5)
    failed = sum(desk.ask("GET", "/sizes").status == 500 for _ in range(400))
    assert 160 < failed < 240


def test_cleared_faults_strike_no_more(desk: Desk) -> None:
    """Clearing disarms what would have gone on for ever."""
    desk.world.fault("status", times=None)
    desk.world.faults.clear()
    assert desk.ask("GET", "").status == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "gremlin"}, "there are: reset, status"),
        ({"kind": "reset", "on": "GET /v2/droplets"}, "there are: GET /v2/dedicated"),
        ({"kind": "reset", "colour": "red"}, "colour"),
        ({"kind": "reset", "probability": 2}, "probability"),
        ({"kind": "rate_limit", "window": "day"}, "window"),
        ({"kind": "error", "id": "nobody"}, "nobody"),
    ],
)
def test_senseless_fault_is_a_value_error(desk: Desk, settings: dict[str, Any], says: str) -> None:
    """A misspelt kind, operation or setting is told at once, with what there is."""
    with pytest.raises(ValueError, match=says):
        desk.world.fault(**settings)


# -- bent views --------------------------------------------------------------------------------


def test_stale_read_after_update_shows_the_state_from_before(desk: Desk) -> None:
    """The 202 is true, reads lag behind for a while, the truth does not."""
    id = desk.active()
    desk.world.fault("stale", seconds=20)
    assert desk.update(id, version=1).one["status"] == "updating"
    reply = desk.ask("GET", f"/{id}")
    assert reply.one["status"] == "active"
    assert "pending_deployment_spec" not in reply.one
    assert desk.world.truth(id, desk.now).status == "updating"
    desk.now += 20
    assert desk.status(id) == "updating"


def test_stale_read_after_delete_may_outlive_the_instance(desk: Desk) -> None:
    """A read replica that lags shows `active` even after the deletion has finished."""
    id = desk.active()
    desk.world.fault("stale", seconds=100, on=f"DELETE {BASE}/{{id}}")
    desk.ask("DELETE", f"/{id}")
    desk.now += 70
    assert (desk.status(id), len(desk.listed())) == ("active", 1)
    assert not desk.world.truth(id, desk.now).exists
    desk.now += 30
    assert (desk.status(id), desk.listed()) == ("404", [])


def test_not_found_hides_a_new_instance_from_get_for_a_while(desk: Desk) -> None:
    """A GET right after the create is 404; the list has the row already."""
    desk.world.fault("not_found", seconds=5)
    id = desk.create()
    assert (desk.status(id), len(desk.listed())) == ("404", 1)
    desk.now += 5
    assert desk.status(id) == "new"


def test_list_lag_hides_writes_from_lists_alone(desk: Desk) -> None:
    """The list shows what was before the write; GET shows what is."""
    desk.world.fault("list_lag", times=None)
    id = desk.create()
    assert (desk.status(id), desk.listed()) == ("new", [])
    desk.now += 700
    desk.ask("DELETE", f"/{id}")
    assert desk.status(id) == "deleting"
    assert [row["status"] for row in desk.listed()] == ["active"]


def test_unknown_word_takes_the_place_of_the_status(desk: Desk) -> None:
    """The next reads speak of a state nobody has documented."""
    id = desk.create()
    desk.world.fault("unknown_status", word="warming", on=GET, times=2)
    assert [desk.status(id) for _ in range(3)] == ["warming", "warming", "new"]
    assert desk.listed()[0]["status"] == "new"


# -- bent outcomes -----------------------------------------------------------------------------


def test_error_ends_the_next_create_badly(desk: Desk) -> None:
    """The create goes on as usual and ends in `error`."""
    desk.world.fault("error", on=CREATE)
    id = desk.create()
    desk.now += 599
    assert desk.status(id) == "provisioning"
    desk.now += 1
    assert desk.status(id) == "error"
    assert desk.world.truth(id).writes[-1].outcome == "error"


def test_stuck_write_never_settles(desk: Desk) -> None:
    """A day later it is still provisioning."""
    desk.world.fault("stuck")
    id = desk.create()
    desk.now += 86400
    assert desk.status(id) == "provisioning"
    assert not desk.world.truth(id).settled


def test_regress_fails_an_instance_after_it_was_active(desk: Desk) -> None:
    """First `active`, then, so many seconds later, `error`."""
    desk.world.fault("regress", seconds=50)
    id = desk.create()
    desk.now += 600
    assert desk.status(id) == "active"
    desk.now += 50
    assert desk.status(id) == "error"


def test_no_capacity_strikes_creates_in_its_region_until_cleared(desk: Desk) -> None:
    """There are no GPUs in one region; creates there are accepted and end in `error`."""
    desk.world.fault("no_capacity", region="tor1")
    ids = [desk.active(name=f"in-{place}", region=place[:4]) for place in ("tor1", "nyc2", "tor1b")]
    assert [desk.status(id) for id in ids] == ["error", "active", "error"]


@pytest.mark.parametrize(("kind", "after_a_day"), [("stuck", "provisioning"), ("error", "error")])
def test_outcome_fault_with_an_id_strikes_what_is_under_way(
    desk: Desk, kind: str, after_a_day: str
) -> None:
    """A create that has begun can still be made to go wrong."""
    id = desk.create()
    desk.world.fault(kind, id=id)
    desk.now += 86400
    assert desk.status(id) == after_a_day


def test_outcome_fault_with_an_id_strikes_a_settled_instance_at_once(desk: Desk) -> None:
    """An active instance can be made to fail now; it cannot be made to get stuck."""
    id = desk.active()
    with pytest.raises(ValueError, match="nothing is under way"):
        desk.world.fault("stuck", id=id, now=desk.now)
    desk.world.fault("regress", id=id, now=desk.now)
    assert desk.status(id) == "error"


def test_regress_is_overtaken_by_a_newer_write(desk: Desk) -> None:
    """An instance that is being deleted when it was to fail is being deleted."""
    id = desk.active()
    desk.world.fault("regress", id=id, now=desk.now, seconds=10)
    desk.ask("DELETE", f"/{id}")
    desk.now += 10
    assert desk.status(id) == "deleting"
    desk.now += 100
    assert desk.status(id) == "404"


def test_regress_of_what_is_gone_by_then_does_nothing(desk: Desk) -> None:
    """A failure that comes due after the deletion has nothing left to strike."""
    id = desk.active()
    desk.world.fault("regress", id=id, now=desk.now, seconds=100)
    desk.ask("DELETE", f"/{id}")
    desk.now += 100
    assert desk.status(id) == "404"


def test_failed_delete_leaves_the_instance_in_error(desk: Desk) -> None:
    """A deletion can fail, too; asking again works."""
    id = desk.active()
    desk.world.fault("error", on=f"DELETE {BASE}/{{id}}")
    desk.ask("DELETE", f"/{id}")
    desk.now += 60
    assert desk.status(id) == "error"
    desk.ask("DELETE", f"/{id}")
    desk.now += 60
    assert desk.status(id) == "404"
