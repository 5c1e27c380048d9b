"""What becomes of a create, an update and a delete, and when."""

from collections.abc import Callable

import pytest

from di_async.emulator import Lifecycle

from ..helpers import BASE, NOW, Desk, a_model, a_spec  # noqa: TID252

Make = Callable[..., Desk]
DELETE = f"DELETE {BASE}/{{id}}"


def test_create_goes_from_new_through_provisioning_to_active(desk: Desk) -> None:
    """A small share of the 600 s is spent as new; at 600 s, not earlier, it is active."""
    id = desk.create()
    seen = []
    for moment in (0, 11.999, 12, 599.999, 600):
        desk.now = NOW + moment
        seen.append(desk.status(id))
    assert seen == ["new", "new", "provisioning", "provisioning", "active"]


def test_endpoints_come_and_pending_goes_when_the_create_settles(desk: Desk) -> None:
    """Before: a pending spec, no endpoints. After: endpoints, a spec, nothing pending."""
    id = desk.create()
    before = desk.ask("GET", f"/{id}").one
    desk.now += 600
    after = desk.ask("GET", f"/{id}").one
    assert "pending_deployment_spec" in before
    assert "endpoints" not in before
    assert "pending_deployment_spec" not in after
    assert after["endpoints"].keys() == {"public_endpoint_fqdn", "private_endpoint_fqdn"}


def test_private_instance_has_no_public_endpoint(desk: Desk) -> None:
    """Without enable_public_endpoint there is the private one alone."""
    id = desk.active(enable_public_endpoint=False)
    assert desk.ask("GET", f"/{id}").one["endpoints"].keys() == {"private_endpoint_fqdn"}


def test_active_early_shows_active_with_something_pending(make_desk: Make) -> None:
    """The oddity of the vendor's own sample: active, endpoints, and a pending spec."""
    desk = make_desk(lifecycle=Lifecycle(create=600, update=300, active_early=60))
    id = desk.create()
    desk.now += 540
    one = desk.ask("GET", f"/{id}").one
    assert one["status"] == "active"
    assert {"pending_deployment_spec", "endpoints"} <= one.keys()
    assert not desk.world.truth(id, desk.now).settled
    assert desk.update(id).status == 403


def test_update_rolls_out_and_advances_the_version(desk: Desk) -> None:
    """Updating with the next version pending, then active with it."""
    id = desk.active()
    reply = desk.update(id)
    assert (reply.status, reply.one["status"]) == (202, "updating")
    assert reply.one["pending_deployment_spec"]["version"] == 2
    desk.now += 300
    after = desk.ask("GET", f"/{id}").one
    assert (after["status"], after["spec"]["version"]) == ("active", 2)
    assert after["updated_at"] > reply.one["updated_at"]


@pytest.mark.parametrize("waiting", [0, 300])
def test_update_while_something_is_under_way_is_403(desk: Desk, waiting: float) -> None:
    """An instance that is provisioning or updating does not accept updates yet."""
    id = desk.create()
    desk.now += waiting
    reply = desk.update(id)
    assert (reply.status, reply.json["id"]) == (403, "forbidden")
    assert "not yet accepting updates" in reply.json["message"]


def test_update_of_a_failed_or_deleting_instance_is_403(desk: Desk) -> None:
    """Only an active instance takes updates."""
    failed = desk.world.add_instance(now=desk.now, status="error").id
    deleting = desk.world.add_instance(now=desk.now, status="deleting").id
    assert [desk.update(id).status for id in (failed, deleting)] == [403, 403]


@pytest.mark.parametrize(("version", "status"), [(1, 202), (0, 202), (2, 409), (7, 409)])
def test_update_must_name_the_current_version(desk: Desk, version: int, status: int) -> None:
    """Another version is a conflict; 0 is let through, since Go clients send it."""
    assert desk.update(desk.active(), version=version).status == status


@pytest.mark.parametrize(
    "change",
    [
        {"region": "nyc2"},
        {"vpc": {"uuid": "00000000-0000-4000-8000-000000000001"}},
        {"enable_public_endpoint": False},
    ],
)
def test_update_of_what_is_fixed_is_422(desk: Desk, change: dict[str, object]) -> None:
    """Region, VPC and public endpoint stay as they were created."""
    reply = desk.update(desk.active(), **change)
    assert (reply.status, "cannot be changed" in reply.json["message"]) == (422, True)


def test_update_may_leave_the_vpc_out(desk: Desk) -> None:
    """No VPC in an update means the one there is."""
    assert desk.update(desk.active(), vpc=None).status == 202


def test_known_model_id_keeps_the_deployment_and_its_gpus(desk: Desk) -> None:
    """With its model_id a deployment is changed in place, and may leave out what stays."""
    id = desk.active()
    old = desk.ask("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"]
    gpus = desk.ask("GET", f"/{id}/accelerators").json["accelerators"]
    desk.update(id, model_deployments=[{"model_id": old}])
    desk.now += 300
    new = desk.ask("GET", f"/{id}").one["spec"]["model_deployments"][0]
    assert (new["model_id"], new["accelerators"][0]["scale"]) == (old, 2)
    assert desk.ask("GET", f"/{id}/accelerators").json["accelerators"] == gpus


def test_absent_model_id_makes_a_new_deployment(desk: Desk) -> None:
    """Without a model_id the deployment is replaced: another id, other GPUs."""
    id = desk.active()
    old = desk.ask("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"]
    desk.update(id)
    desk.now += 300
    assert desk.ask("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"] != old


def test_unknown_model_id_is_422(desk: Desk) -> None:
    """A model_id of another instance is refused."""
    assert desk.update(desk.active(), model_deployments=[a_model(model_id="x")]).status == 422


@pytest.mark.parametrize("key", ["access_tokens", "secrets"])
def test_update_of_the_secret_alone_rolls_out_again(desk: Desk, key: str) -> None:
    """A PATCH with only a provider token goes through updating like any other."""
    id = desk.active()
    reply = desk.ask("PATCH", f"/{id}", {key: {"hugging_face_token": "hf_x"}})
    assert (reply.status, reply.one["status"]) == (202, "updating")
    desk.now += 300
    assert desk.ask("GET", f"/{id}").one["spec"]["version"] == 2


def test_update_with_nothing_in_it_is_400(desk: Desk) -> None:
    """Neither a spec nor a secret: there is nothing to do."""
    assert desk.ask("PATCH", f"/{desk.active()}", {}).json["message"] == "spec is required"


def test_failed_update_keeps_what_ran_before(desk: Desk) -> None:
    """The instance is in error, its spec the old one, the failed one still pending."""
    id = desk.active()
    desk.world.fault("error")
    desk.update(id)
    desk.now += 300
    one = desk.ask("GET", f"/{id}").one
    assert (one["status"], one["spec"]["version"]) == ("error", 1)
    assert one["pending_deployment_spec"]["version"] == 2


def test_delete_goes_through_deleting_to_404(desk: Desk) -> None:
    """The answer is an empty 202; the instance is seen until the end."""
    id = desk.active()
    reply = desk.ask("DELETE", f"/{id}")
    assert (reply.status, reply.raw.body) == (202, b"")
    desk.now += 59
    assert (desk.status(id), desk.listed()[0]["status"]) == ("deleting", "deleting")
    desk.now += 1
    assert (desk.status(id), desk.listed()) == ("404", [])
    assert desk.ask("DELETE", f"/{id}").status == 404


def test_delete_while_deleting_is_accepted_and_changes_nothing(desk: Desk) -> None:
    """The second DELETE is 202 and does not start the deletion anew."""
    id = desk.active()
    desk.ask("DELETE", f"/{id}")
    desk.now += 50
    assert desk.ask("DELETE", f"/{id}").status == 202
    desk.now += 10
    assert desk.status(id) == "404"


def test_delete_supersedes_a_create_under_way(desk: Desk) -> None:
    """Deleted while provisioning it never becomes active."""
    id = desk.create()
    desk.now += 590
    desk.ask("DELETE", f"/{id}")
    desk.now += 30
    assert desk.status(id) == "deleting"
    desk.now += 30
    assert [w.outcome for w in desk.world.truth(id, desk.now).writes] == ["superseded", "deleted"]


def test_name_is_taken_until_deletion_has_finished(desk: Desk) -> None:
    """Through provisioning, active and deleting a second create of the name is 409."""
    id = desk.create()
    for elapsed in (0, 600, 0):
        desk.now += elapsed
        reply = desk.ask("POST", "", {"spec": a_spec()})
        assert (reply.status, reply.json["id"]) == (409, "conflict")
        if elapsed:
            desk.ask("DELETE", f"/{id}")
    desk.now += 60
    assert desk.create() != id
    assert desk.world.created["new-dedicated-inference"] == 2


def test_rename_frees_the_old_name_and_takes_the_new(desk: Desk) -> None:
    """An update may change the name, unless another instance has it."""
    id, other = desk.create(name="one"), desk.create(name="two")
    desk.now += 600
    assert desk.update(id, name="two").status == 409
    assert desk.update(id, name="three").status == 202
    assert desk.update(other, name="one").status == 202


def test_truth_knows_when_the_latest_write_settles(desk: Desk) -> None:
    """Tests measure lag against settled_at, whatever the wire says."""
    id = desk.create()
    truth = desk.world.truth(id, desk.now)
    assert (truth.exists, truth.settled, truth.settled_at, truth.version) == (
        True, False, NOW + 600, 0,
    )  # fmt: skip
    desk.now += 600
    truth = desk.world.truth(id, desk.now)
    assert (truth.settled, truth.status, truth.version) == (True, "active", 1)
    desk.ask("DELETE", f"/{id}")
    desk.now += 60
    truth = desk.world.truth(id, desk.now)
    assert (truth.exists, truth.status, truth.settled) == (False, "deleted", True)


def test_truth_of_an_unknown_id_is_that_it_does_not_exist(desk: Desk) -> None:
    """Asking for what never was is no error."""
    assert not desk.world.truth("nobody").exists


def test_upper_case_and_running_are_options(make_desk: Make) -> None:
    """Fixtures of the vendor's CLI speak in upper case, its provider accepts `running`."""
    desk = make_desk("observed", status_case="upper", active_word="running")
    id = desk.create()
    first = desk.ask("GET", f"/{id}").one
    assert (first["status"], first["pending_deployment_spec"]["state"]) == ("NEW", "PENDING")
    desk.now += 600
    assert desk.status(id) == "RUNNING"
