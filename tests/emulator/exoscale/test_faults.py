"""Faults in responses, reads, operations and deployments."""

from typing import Any

import pytest

from .helpers import DEPLOYMENTS, MODEL, ZoneClient, a_deployment, a_zone

CREATE = f"POST {DEPLOYMENTS}"
GET = f"GET {DEPLOYMENTS}/{{id}}"
UPDATE = f"PATCH {DEPLOYMENTS}/{{id}}"
SCALE = f"POST {DEPLOYMENTS}/{{id}}/scale"
DELETE = f"DELETE {DEPLOYMENTS}/{{id}}"


# -- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "status", "keys"),
    [
        ({"kind": "rate_limit"}, 429, {"error"}),
        ({"kind": "status", "status": 503}, 503, {"error"}),
        ({"kind": "status", "status": 403}, 403, {"code", "error"}),
        ({"kind": "status", "status": 412}, 412, {"type", "title", "status", "detail"}),
        ({"kind": "status", "status": 499}, 499, {"type", "title", "status", "detail"}),
    ],
)
def test_injected_errors_have_the_vendors_formats(
    settings: dict[str, Any], status: int, keys: set[str]
) -> None:
    """Any status of a fault has the vendor's body, and no other vendor's headers."""
    zone = a_zone(dialect="observed")
    zone.world.fault(**settings)
    reply = zone.request("GET", "/deployment")
    assert (reply.status, set(reply.json)) == (status, keys)
    assert "ratelimit-remaining" not in reply.headers


@pytest.mark.parametrize("status", [403, 412, 429, 499, 503])
def test_documented_errors_have_one_format(zone: ZoneClient, status: int) -> None:
    """In the documented dialect every error has the fields of RFC 9457."""
    zone.world.fault("status", status=status)
    reply = zone.request("GET", "/deployment")
    assert (reply.status, reply.json["status"]) == (status, status)
    assert set(reply.json) == {"type", "title", "status", "detail"}


def test_rate_limit_fault_may_send_retry_after(zone: ZoneClient) -> None:
    """Both kinds of 429 can be injected."""
    zone.world.fault("rate_limit", retry_after=7.0)
    zone.world.fault("rate_limit", window="hour")
    waits = [zone.request("GET", "/deployment").headers.get("retry-after") for _ in range(2)]
    assert waits == ["7", None]


@pytest.mark.parametrize("kind", ["reset", "status", "html", "redirect"])
@pytest.mark.parametrize("after_commit", [False, True])
def test_create_with_a_lost_response(zone: ZoneClient, kind: str, after_commit: bool) -> None:
    """The reset may come before or after the create; `created` shows which."""
    zone.world.add_exoscale_model(name=MODEL, now=zone.now)
    zone.world.fault(kind, on=CREATE, after_commit=after_commit)
    reply = zone.request("POST", "/deployment", a_deployment())
    assert reply.raw.drop or reply.status >= 300
    assert zone.world.created["web"] == int(after_commit)


def test_slow_and_cut_responses_are_genuine(zone: ZoneClient) -> None:
    """The HTTP server delays or cuts a genuine response."""
    zone.world.fault("slow", delay_s=3)
    zone.world.fault("cut")
    slow, cut = (zone.request("GET", "/deployment").raw for _ in range(2))
    assert (slow.delay_s, cut.cut, slow.status, cut.status) == (3, True, 200, 200)


def test_fault_in_a_zone_leaves_the_others_alone(zone: ZoneClient) -> None:
    """`region` limits a fault to a zone."""
    zone.world.fault("status", region="de-fra-1", times=None)
    assert zone.request("GET", "/deployment").status == 200
    zone.zone = "de-fra-1"
    assert zone.request("GET", "/deployment").status == 500


# -- views -------------------------------------------------------------------------------------


def test_stale_read_is_ready_and_old_although_the_operation_is_over(zone: ZoneClient) -> None:
    """After the operation's success reads may still show the old `ready` deployment."""
    id = zone.ready()
    zone.world.fault("stale", seconds=20)
    operation = zone.accepted("POST", f"/deployment/{id}/scale", {"replicas": 2})
    zone.now += 40
    assert zone.operation(operation["id"])["state"] == "success"
    shown = zone.get(id)
    assert (shown["state"], shown["replicas"]) == ("ready", 1)
    assert zone.world.truth(id, zone.now).status == "scaling"
    zone.now += 10
    assert (zone.state(id), zone.rows()[0]["replicas"]) == ("scaling", 2)


def test_new_deployment_may_be_404_for_a_while(zone: ZoneClient) -> None:
    """After the create a GET finds nothing while the list has the row."""
    zone.world.fault("not_found", seconds=5, on=CREATE)
    id = zone.create()
    assert (zone.state(id), len(zone.rows())) == ("404", 1)
    zone.now += 5
    assert zone.state(id) == "creating"


def test_list_may_lag_behind(zone: ZoneClient) -> None:
    """A list shows new and deleted rows late; a GET is up to date."""
    zone.world.fault("list_lag", seconds=5, times=None)
    id = zone.create()
    assert (zone.state(id), zone.rows()) == ("creating", [])
    zone.now += 600
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 62
    assert (zone.state(id), [row["id"] for row in zone.rows()]) == ("404", [id])


def test_unknown_status_replaces_the_state(zone: ZoneClient) -> None:
    """The next read shows an undocumented state."""
    id = zone.ready()
    zone.world.fault("unknown_status", word="resizing", on=GET)
    assert [zone.state(id), zone.state(id)] == ["resizing", "ready"]


def test_old_names_of_the_fields(zone: ZoneClient) -> None:
    """Fields have their names of before February 2026: `status` for `state`."""
    id = zone.ready()
    zone.world.fault("error", id=id, now=zone.now, message="out of memory")
    zone.world.fault("old_names", times=None)
    shown = zone.get(id)
    assert (shown["status"], shown["status-details"]) == ("error", "out of memory")
    assert "state" not in shown
    assert zone.rows()[0]["status"] == "error"


# -- operations --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ends", "reason"),
    [("operation_failed", "failure", "unavailable"), ("operation_timeout", "timeout", "busy")],
)
def test_failed_operation_has_a_reason_and_changes_nothing(
    zone: ZoneClient, kind: str, ends: str, reason: str
) -> None:
    """The deployment stays `ready`; the operation has the reason and the message."""
    id = zone.ready()
    was = zone.get(id)
    zone.world.fault(kind, reason=reason, message="no luck", on=SCALE)
    operation = zone.accepted("POST", f"/deployment/{id}/scale", {"replicas": 2})
    zone.now += 300
    shown = zone.operation(operation["id"])
    assert (shown["state"], shown["reason"], shown["message"]) == (ends, reason, "no luck")
    assert zone.get(id) == was
    truth = zone.world.truth(id, zone.now)
    assert (truth.settled, truth.version, truth.writes[-1].outcome) == (True, 1, ends)


@pytest.mark.parametrize("kind", ["operation_failed", "operation_timeout", "operation_stuck"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/scale", {"replicas": 2}), ("PATCH", "", {"name": "new"}), ("DELETE", "", None)],
)
def test_create_goes_on_after_a_failed_operation(
    zone: ZoneClient, kind: str, method: str, path: str, body: object
) -> None:
    """Nothing that was requested happens, so a deployment under way still becomes ready."""
    id = zone.create()
    zone.now += 200
    zone.world.fault(kind)
    zone.accepted(method, f"/deployment/{id}{path}", body)
    zone.now += 10
    assert not zone.world.truth(id, zone.now).settled
    zone.now += 500
    shown = zone.get(id)
    assert (shown["state"], shown["replicas"], shown["name"]) == ("ready", 1, "web")
    truth = zone.world.truth(id, zone.now)
    assert truth.writes[0].outcome == "ready"
    assert truth.settled == (kind != "operation_stuck")


def test_view_of_a_write_that_never_happens_ends(zone: ZoneClient) -> None:
    """A stale view of a stuck update does not hide for ever that the create has settled."""
    id = zone.create()
    zone.now += 200
    zone.world.fault("operation_stuck")
    zone.world.fault("stale")
    zone.accepted("PATCH", f"/deployment/{id}", {"name": "new"})
    zone.now += 400
    assert zone.state(id) == "ready"


def test_failed_create_leaves_its_deployment_in_error(zone: ZoneClient) -> None:
    """The failed deployment can be read and deleted."""
    zone.world.fault("operation_failed", message="no host", on=CREATE)
    id = zone.create()
    zone.now += 60
    shown = zone.get(id)
    assert (shown["state"], shown["state-details"]) == ("error", "no host")
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    assert zone.state(id) == "404"


def test_failed_delete_leaves_the_deployment(zone: ZoneClient) -> None:
    """A second delete succeeds."""
    id = zone.ready()
    zone.world.fault("error", on=DELETE)
    operation = zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    assert (zone.operation(operation["id"])["state"], zone.state(id)) == ("failure", "ready")
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    assert zone.state(id) == "404"


@pytest.mark.parametrize(("kind", "method"), [("operation_stuck", "PATCH"), ("stuck", "DELETE")])
def test_stuck_operation_is_pending_for_ever(zone: ZoneClient, kind: str, method: str) -> None:
    """Other writes are 409; a stuck delete means a stuck operation."""
    id = zone.ready()
    zone.world.fault(kind)
    operation = zone.accepted(method, f"/deployment/{id}", {"name": "b"})
    zone.now += 1e6
    assert zone.operation(operation["id"])["state"] == "pending"
    assert zone.state(id) == "ready"
    assert zone.request("DELETE", f"/deployment/{id}").status == 409
    assert not zone.world.truth(id, zone.now).settled


def test_operation_may_lack_its_reference(zone: ZoneClient) -> None:
    """An operation may omit the id of its deployment."""
    zone.world.add_exoscale_model(name=MODEL, now=zone.now)
    zone.world.fault("no_reference")
    operation = zone.accepted("POST", "/deployment", a_deployment())
    zone.now += 60
    assert zone.operation(operation["id"]) == {"id": operation["id"], "state": "success"}
    assert len(zone.rows()) == 1


# -- deployments -------------------------------------------------------------------------------


def test_error_after_a_successful_operation_has_details(zone: ZoneClient) -> None:
    """The operation succeeds, the deployment fails; its logs show why."""
    zone.world.fault("error", on=CREATE, message="CUDA out of memory")
    id = zone.ready()
    shown = zone.get(id)
    assert (shown["state"], shown["state-details"]) == ("error", "CUDA out of memory")
    logs = zone.request("GET", f"/deployment/{id}/logs").json["logs"]
    assert logs[-1]["message"] == "CUDA out of memory"


@pytest.mark.parametrize(("on", "word"), [(CREATE, "deploying"), (UPDATE, "updating")])
def test_stuck_deployment_stays_in_its_last_state(zone: ZoneClient, on: str, word: str) -> None:
    """The operation succeeds, and the deployment never settles."""
    zone.world.fault("stuck", on=on)
    id = zone.ready()
    if on == UPDATE:
        zone.accepted("PATCH", f"/deployment/{id}", {"name": "b"})
    zone.now += 1e6
    assert zone.state(id) == word
    assert not zone.world.truth(id, zone.now).settled


def test_regress_fails_a_deployment_after_it_was_ready(zone: ZoneClient) -> None:
    """It is first `ready`, then, after `seconds`, in `error`."""
    zone.world.fault("regress", seconds=50)
    id = zone.ready()
    assert zone.state(id) == "ready"
    zone.now += 50
    assert zone.state(id) == "error"


def test_no_capacity_is_412_in_its_zone_until_cleared(zone: ZoneClient) -> None:
    """Creates and scaling up are refused; scaling down is not."""
    id = zone.ready(replicas=2)
    zone.world.fault("no_capacity", region=zone.zone)
    assert zone.request("POST", "/deployment", a_deployment()).status == 412
    assert zone.request("POST", f"/deployment/{id}/scale", {"replicas": 3}).status == 412
    zone.accepted("POST", f"/deployment/{id}/scale", {"replicas": 1})
    zone.zone = "de-fra-1"
    assert zone.create()
    zone.world.faults.clear()
    zone.zone = "ch-gva-2"
    assert zone.create()


@pytest.mark.parametrize(
    ("kind", "after"), [("stuck", "deploying"), ("error", "error"), ("regress", "error")]
)
def test_outcome_fault_with_an_id_changes_a_pending_write(
    zone: ZoneClient, kind: str, after: str
) -> None:
    """A create that has begun can still fail."""
    id = zone.create()
    zone.world.fault(kind, id=id, now=zone.now)
    zone.now += 1e6
    assert zone.state(id) == after
    assert zone.world.truth(id, zone.now).settled == (kind != "stuck")


def test_outcome_fault_with_an_id_fails_a_settled_deployment(zone: ZoneClient) -> None:
    """A ready deployment fails at once; it cannot get stuck, and a deleted one cannot fail."""
    id = zone.ready()
    with pytest.raises(ValueError, match="nothing is under way"):
        zone.world.fault("stuck", id=id, now=zone.now)
    zone.world.fault("regress", id=id, now=zone.now)
    assert zone.state(id) == "error"
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    with pytest.raises(ValueError, match="gone"):
        zone.world.fault("error", id=id, now=zone.now)


def test_outcome_fault_can_name_a_model(zone: ZoneClient) -> None:
    """Its pending download ends in `error`."""
    id = zone.accepted("POST", "/model", {"name": MODEL})["reference"]["id"]
    zone.world.fault("error", id=id, now=zone.now)
    zone.now += 300
    assert zone.request("GET", f"/model/{id}").json["state"] == "error"
    assert zone.world.truth(id, zone.now).status == "error"


def test_state_endpoint_lists_models_and_deployments(zone: ZoneClient) -> None:
    """The control endpoint lists both, with their zone."""
    zone.ready()
    answer = zone.world.handle(zone.now, "GET", "/_emulator/state", {})
    assert answer.body.count(b'"region":"ch-gva-2"') == 2
