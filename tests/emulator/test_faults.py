"""Faults, kind by kind."""

from typing import Any

import pytest

from di_async.emulator.cloud.faults import KINDS, RESPONSE_KINDS

from .helpers import BASE, ApiClient, a_spec

CREATE = f"POST {BASE}"
GET = f"GET {BASE}/{{id}}"
EXO, GCORE_V2 = "POST /v2/ai/deployment", "POST /cloud/v2/inference/deployments"
EXO_GET = "GET /v2/ai/deployment/{id}"
START = "POST /cloud/v3/inference/{project_id}/deployments/{deployment_name}/start"


# -- answers -----------------------------------------------------------------------------------


def test_reset_drops_the_connection_without_executing(api: ApiClient) -> None:
    """The request is not executed, and the next one is served."""
    fault = api.world.fault("reset", on=CREATE)
    assert api.request("POST", "", {"spec": a_spec()}).raw.drop
    assert (api.world.created, fault.hits) == ({}, 1)
    assert api.create()


def test_reset_after_commit_loses_only_the_response(api: ApiClient) -> None:
    """The request is executed although there is no response."""
    api.world.fault("reset", on=CREATE, after_commit=True)
    assert api.request("POST", "", {"spec": a_spec()}).raw.drop
    assert api.world.created == {"new-dedicated-inference": 1}


@pytest.mark.parametrize("kind", RESPONSE_KINDS)
def test_after_commit_executes_the_request(api: ApiClient, kind: str) -> None:
    """Whatever the response becomes, a 429 too, the request is carried out once."""
    api.world.fault(kind, on=CREATE, after_commit=True)
    api.request("POST", "", {"spec": a_spec()})
    assert api.world.created == {"new-dedicated-inference": 1}


@pytest.mark.parametrize(("status", "slug"), [(500, "server_error"), (503, "server_error"),
                                              (409, "conflict"), (418, "bad_request")])  # fmt: skip
def test_status_answers_with_an_error_body(api: ApiClient, status: int, slug: str) -> None:
    """Any status can be injected, with the vendor's error body."""
    api.world.fault("status", status=status)
    reply = api.request("GET", "")
    assert (reply.status, reply.json["id"]) == (status, slug)


def test_html_answers_as_a_proxy_does(api: ApiClient) -> None:
    """The body is HTML, with 502 or the given status."""
    api.world.fault("html")
    api.world.fault("html", status=200)
    replies = [api.request("GET", "").raw for _ in range(2)]
    assert [reply.status for reply in replies] == [502, 200]
    assert all(reply.body.startswith(b"<html>") for reply in replies)


def test_slow_delays_a_genuine_response(api: ApiClient) -> None:
    """The response is genuine and has a delay for the HTTP server."""
    api.world.fault("slow", delay_s=7.5)
    reply = api.request("GET", "")
    assert (reply.status, reply.raw.delay_s, reply.json["meta"]) == (200, 7.5, {"total": 0})


def test_cut_marks_a_genuine_response(api: ApiClient) -> None:
    """The HTTP server is to send half of a genuine response."""
    api.world.fault("cut")
    assert api.request("GET", "").raw.cut


def test_redirect_has_a_location(api: ApiClient) -> None:
    """A redirect names its target, and the request is not executed."""
    api.world.fault("redirect", location="https://localhost:1/", status=302)
    reply = api.request("POST", "", {"spec": a_spec()})
    assert (reply.status, reply.headers["location"]) == (302, "https://localhost:1/")
    assert api.world.created == {}


def test_rate_limit_of_the_minute_window_sends_retry_after(api: ApiClient) -> None:
    """All requests are 429 until it ends, with the remaining seconds."""
    api.world.fault("rate_limit", now=api.now, seconds=30)
    api.now += 10
    reply = api.request("GET", "")
    assert (reply.status, reply.headers["retry-after"]) == (429, "20")
    assert reply.headers["ratelimit-remaining"] == "0"
    api.now += 20
    assert api.request("GET", "").status == 200


def test_rate_limit_of_the_hour_window_has_no_retry_after(api: ApiClient) -> None:
    """An hourly refusal has only ratelimit-reset."""
    api.world.fault("rate_limit", window="hour", times=2)
    replies = [api.request("GET", "") for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert "retry-after" not in replies[0].headers


# -- which requests they apply to ----------------------------------------------------------------


def test_fault_applies_only_to_its_operation_and_instance(api: ApiClient) -> None:
    """`on` and `id` limit a fault."""
    one, two = api.create(name="one"), api.create(name="two")
    api.world.fault("status", on=GET, id=two, times=None)
    assert [api.status(one), api.status(two), api.status(two)] == ["new", "500", "500"]
    assert api.request("GET", f"/{two}/ca").status == 200


def test_literal_paths_are_operations_of_their_own(api: ApiClient) -> None:
    """A fault on GET {id} does not apply to /sizes."""
    api.world.fault("status", on=GET, times=None)
    assert api.request("GET", "/sizes").status == 200


def test_probability_applies_about_that_often(api: ApiClient) -> None:
    """With 0.5 half of the requests fail, the same ones for the same seed."""
    api.world.fault("status", times=None, probability=0.5)
    failed = sum(api.request("GET", "/sizes").status == 500 for _ in range(400))
    assert 160 < failed < 240


def test_cleared_faults_no_longer_apply(api: ApiClient) -> None:
    """Clearing disarms faults without a limit, too."""
    api.world.fault("status", times=None)
    api.world.faults.clear()
    assert api.request("GET", "").status == 200


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "gremlin"}, "there are: reset, status"),
        ({"kind": "reset", "on": "GET /v2/droplets"}, r"faults\.operations\(\)` .* returns all"),
        ({"kind": "reset", "on": "PUT /v2/dedicated-inferences"}, "similar: GET /v2/dedicated"),
        ({"kind": "reset", "on": "POST /v2/ai/deployments"}, "similar: POST /v2/ai/deployment;"),
        ({"kind": "reset", "colour": "red"}, "unknown setting 'colour'; there are: on, times, id"),
        ({"kind": "slow", "delay": 3}, r"unknown setting 'delay' \(similar: 'delay_s'\)"),
        ({"kind": "reset", "hits": 3}, "unknown setting 'hits'"),
        ({"kind": "reset", "on": 3}, "on: expected text"),
        ({"kind": "no_capacity", "region": "atl9"}, "no region 'atl9'; there are: atl1, nyc2"),
        ({"kind": "no_capacity", "region": "8"}, "no region '8'; there are: .*26"),
        ({"kind": "no_capacity", "region": "ch-gva-9"}, "no region .*ch-gva-2"),
        ({"kind": "no_capacity", "on": CREATE, "region": "7"}, "are: atl1, nyc2, tor1$"),
        ({"kind": "old_names", "on": GET}, "'old_names' has no effect on GET /v2/dedicated"),
        ({"kind": "operation_failed", "on": CREATE}, "has no effect on POST /v2/dedicated"),
        ({"kind": "many_tasks", "on": EXO}, "'many_tasks' has no effect on POST /v2/ai/deploy"),
        ({"kind": "no_reference", "on": GCORE_V2}, "has no effect on POST /cloud/v2/inference"),
        ({"kind": "operation_stuck", "on": START}, "has no effect on POST .*/start"),
        ({"kind": "operation_failed", "region": "atl1"}, "has no effect on DigitalOcean$"),
        ({"kind": "status", "region": "atl1"}, "a request of DigitalOcean names no region"),
        ({"kind": "status", "on": GCORE_V2, "region": "7"}, "a request of POST .* names no region"),
        ({"kind": "reset", "probability": 2}, "probability"),
        ({"kind": "rate_limit", "window": "day"}, "window"),
        ({"kind": "error", "id": "nobody"}, "nobody"),
        ({"kind": "reset", "times": -1}, "times: expected a whole number of 1 or more"),
        ({"kind": "reset", "times": 0}, "times: expected a whole number of 1 or more"),
        ({"kind": "reset", "times": True}, "times: expected a whole number of 1 or more"),
        ({"kind": "reset", "times": "2"}, "times: expected a whole number of 1 or more"),
    ],
)
def test_invalid_fault_is_a_value_error(
    api: ApiClient, settings: dict[str, Any], says: str
) -> None:
    """An unknown kind, operation or setting is an error that lists the known ones."""
    with pytest.raises(ValueError, match=says):
        api.world.fault(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_fault_of_a_write_is_not_armed_on_a_read(api: ApiClient, kind: str) -> None:
    """A fault that begins with a write would never apply, and its test would pass for nothing."""
    if kind in (*RESPONSE_KINDS, "unknown_status", "old_names"):
        on = EXO_GET if kind == "old_names" else GET
        assert api.world.fault(kind, on=on).on == on
        return
    with pytest.raises(ValueError, match=f"'{kind}': `on` must be the write .*not 'GET /v2/"):
        api.world.fault(kind, on=GET)


def test_fault_of_a_resource_of_another_cloud(api: ApiClient) -> None:
    """The id of a resource that exists tells which cloud is meant."""
    id = api.active()
    with pytest.raises(ValueError, match="is a resource of DigitalOcean, and 'POST /v2/ai/dep"):
        api.world.fault("error", on=EXO, id=id)
    with pytest.raises(ValueError, match="'operation_failed' has no effect on DigitalOcean"):
        api.world.fault("operation_failed", id=id)
    assert not api.world.faults.all()


def test_faults_that_need_no_operation(api: ApiClient) -> None:
    """A fault is armed if one cloud has it, and an id may belong to what does not exist yet."""
    api.world.fault("old_names", region="ch-gva-2")
    api.world.fault("many_tasks", id="web", region="7")
    api.world.fault("operation_failed")
    assert len(api.world.faults.all()) == 3


# -- bent views --------------------------------------------------------------------------------


def test_stale_read_after_update_shows_the_state_from_before(api: ApiClient) -> None:
    """Reads show the state before the update for a while; `truth` does not."""
    id = api.active()
    api.world.fault("stale", seconds=20)
    assert api.update(id, version=1).one["status"] == "updating"
    reply = api.request("GET", f"/{id}")
    assert reply.one["status"] == "active"
    assert "pending_deployment_spec" not in reply.one
    assert api.world.truth(id, api.now).status == "updating"
    api.now += 20
    assert api.status(id) == "updating"


def test_stale_read_after_delete_may_outlive_the_instance(api: ApiClient) -> None:
    """A stale read shows `active` even after the deletion has settled."""
    id = api.active()
    api.world.fault("stale", seconds=100, on=f"DELETE {BASE}/{{id}}")
    api.request("DELETE", f"/{id}")
    api.now += 70
    assert (api.status(id), len(api.rows())) == ("active", 1)
    assert not api.world.truth(id, api.now).exists
    api.now += 30
    assert (api.status(id), api.rows()) == ("404", [])


def test_not_found_hides_a_new_instance_from_get_for_a_while(api: ApiClient) -> None:
    """A GET right after the create is 404; the list has the row already."""
    api.world.fault("not_found", seconds=5)
    id = api.create()
    assert (api.status(id), len(api.rows())) == ("404", 1)
    api.now += 5
    assert api.status(id) == "new"


def test_list_lag_hides_writes_from_lists_only(api: ApiClient) -> None:
    """The list shows the state before the write; a GET the state after it."""
    api.world.fault("list_lag", times=None)
    id = api.create()
    assert (api.status(id), api.rows()) == ("new", [])
    api.now += 700
    api.request("DELETE", f"/{id}")
    assert api.status(id) == "deleting"
    assert [row["status"] for row in api.rows()] == ["active"]


def test_unknown_status_replaces_the_status(api: ApiClient) -> None:
    """The next reads show an undocumented status."""
    id = api.create()
    api.world.fault("unknown_status", word="warming", on=GET, times=2)
    assert [api.status(id) for _ in range(3)] == ["warming", "warming", "new"]
    assert api.rows()[0]["status"] == "new"


# -- bent outcomes -----------------------------------------------------------------------------


def test_error_fails_the_next_create(api: ApiClient) -> None:
    """The create proceeds as usual and ends in `error`."""
    api.world.fault("error", on=CREATE)
    id = api.create()
    api.now += 599
    assert api.status(id) == "provisioning"
    api.now += 1
    assert api.status(id) == "error"
    assert api.world.truth(id).writes[-1].outcome == "error"


def test_stuck_write_never_settles(api: ApiClient) -> None:
    """A day later it is still provisioning."""
    api.world.fault("stuck")
    id = api.create()
    api.now += 86400
    assert api.status(id) == "provisioning"
    assert not api.world.truth(id).settled


def test_regress_fails_an_instance_after_it_was_active(api: ApiClient) -> None:
    """It is first `active`, then, after `seconds`, in `error`."""
    api.world.fault("regress", seconds=50)
    id = api.create()
    api.now += 600
    assert api.status(id) == "active"
    api.now += 50
    assert api.status(id) == "error"


def test_no_capacity_fails_creates_in_its_region_until_cleared(api: ApiClient) -> None:
    """Creates in the region are accepted and end in `error`."""
    api.world.fault("no_capacity", region="tor1")
    ids = [api.active(name=f"in-{place}", region=place[:4]) for place in ("tor1", "nyc2", "tor1b")]
    assert [api.status(id) for id in ids] == ["error", "active", "error"]


@pytest.mark.parametrize(("kind", "after_a_day"), [("stuck", "provisioning"), ("error", "error")])
def test_outcome_fault_with_an_id_changes_a_pending_write(
    api: ApiClient, kind: str, after_a_day: str
) -> None:
    """A create that has begun can still fail."""
    id = api.create()
    api.world.fault(kind, id=id)
    api.now += 86400
    assert api.status(id) == after_a_day


def test_outcome_fault_with_an_id_fails_a_settled_instance(api: ApiClient) -> None:
    """An active instance fails at once; it cannot get stuck."""
    id = api.active()
    with pytest.raises(ValueError, match="nothing is under way"):
        api.world.fault("stuck", id=id, now=api.now)
    api.world.fault("regress", id=id, now=api.now)
    assert api.status(id) == "error"


def test_newer_write_cancels_a_regress(api: ApiClient) -> None:
    """An instance deleted before its failure is due does not fail."""
    id = api.active()
    api.world.fault("regress", id=id, now=api.now, seconds=10)
    api.request("DELETE", f"/{id}")
    api.now += 10
    assert api.status(id) == "deleting"
    api.now += 100
    assert api.status(id) == "404"


def test_regress_of_a_deleted_instance_does_nothing(api: ApiClient) -> None:
    """A failure due after the deletion has no effect."""
    id = api.active()
    api.world.fault("regress", id=id, now=api.now, seconds=100)
    api.request("DELETE", f"/{id}")
    api.now += 100
    assert api.status(id) == "404"


def test_failed_delete_leaves_the_instance_in_error(api: ApiClient) -> None:
    """A deletion can fail, too; a second one succeeds."""
    id = api.active()
    api.world.fault("error", on=f"DELETE {BASE}/{{id}}")
    api.request("DELETE", f"/{id}")
    api.now += 60
    assert api.status(id) == "error"
    api.request("DELETE", f"/{id}")
    api.now += 60
    assert api.status(id) == "404"


@pytest.mark.parametrize(
    ("add", "settings", "failed"),
    [
        ("add_instance", {"status": "provisioning"}, "error"),
        ("add_gcore_deployment", {"status": "DEPLOYING"}, "PARTIALLYDEPLOYED"),
        ("add_exoscale_deployment", {"state": "deploying"}, "error"),
    ],
)
def test_stuck_resource_can_be_failed(
    api: ApiClient, add: str, settings: dict[str, str], failed: str
) -> None:
    """With its id, `error` fails it at once; `regress` is refused, since it never settles."""
    it = getattr(api.world, add)(now=api.now, settles_in=600, **settings)
    api.world.fault("stuck", id=it.id, now=api.now + 10)
    assert not api.world.truth(it.id, api.now + 1e6).settled
    with pytest.raises(ValueError, match=f"{it.id}' is stuck"):
        api.world.fault("regress", id=it.id)
    api.world.fault("error", id=it.id)
    truth = api.world.truth(it.id)
    assert (truth.settled, truth.status) == (True, failed)
