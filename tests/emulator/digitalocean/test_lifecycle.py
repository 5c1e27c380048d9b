"""The lifecycle of creates, updates and deletes."""

from collections.abc import Callable

import pytest

from di_async.emulator import Lifecycle

from ..helpers import BASE, NOW, ApiClient, a_model, a_spec  # noqa: TID252

Make = Callable[..., ApiClient]
DELETE = f"DELETE {BASE}/{{id}}"


def test_create_goes_from_new_through_provisioning_to_active(api: ApiClient) -> None:
    """A small share of the 600 s is `new`; at 600 s, not earlier, it is `active`."""
    id = api.create()
    seen = []
    for moment in (0, 11.999, 12, 599.999, 600):
        api.now = NOW + moment
        seen.append(api.status(id))
    assert seen == ["new", "new", "provisioning", "provisioning", "active"]


def test_endpoints_replace_the_pending_spec_when_the_create_settles(api: ApiClient) -> None:
    """Before, there is a pending spec and no endpoints; afterwards the reverse."""
    id = api.create()
    before = api.request("GET", f"/{id}").one
    api.now += 600
    after = api.request("GET", f"/{id}").one
    assert "pending_deployment_spec" in before
    assert "endpoints" not in before
    assert "pending_deployment_spec" not in after
    assert after["endpoints"].keys() == {"public_endpoint_fqdn", "private_endpoint_fqdn"}


def test_private_instance_has_no_public_endpoint(api: ApiClient) -> None:
    """Without enable_public_endpoint only the private endpoint exists."""
    id = api.active(enable_public_endpoint=False)
    assert api.request("GET", f"/{id}").one["endpoints"].keys() == {"private_endpoint_fqdn"}


def test_active_early_shows_active_with_a_pending_spec(make_api: Make) -> None:
    """As in the vendor's own sample: active, endpoints, and a pending spec."""
    api = make_api(lifecycle=Lifecycle(create=600, update=300, active_early=60))
    id = api.create()
    api.now += 540
    one = api.request("GET", f"/{id}").one
    assert one["status"] == "active"
    assert {"pending_deployment_spec", "endpoints"} <= one.keys()
    assert not api.world.truth(id, api.now).settled
    assert api.update(id).status == 403


def test_update_rolls_out_and_advances_the_version(api: ApiClient) -> None:
    """It is `updating` with the next version pending, then `active` with it."""
    id = api.active()
    reply = api.update(id)
    assert (reply.status, reply.one["status"]) == (202, "updating")
    assert reply.one["pending_deployment_spec"]["version"] == 2
    api.now += 300
    after = api.request("GET", f"/{id}").one
    assert (after["status"], after["spec"]["version"]) == ("active", 2)
    assert after["updated_at"] > reply.one["updated_at"]


@pytest.mark.parametrize("waiting", [0, 300])
def test_update_during_another_write_is_403(api: ApiClient, waiting: float) -> None:
    """A provisioning or updating instance does not accept updates."""
    id = api.create()
    api.now += waiting
    reply = api.update(id)
    assert (reply.status, reply.json["id"]) == (403, "forbidden")
    assert "not yet accepting updates" in reply.json["message"]


def test_update_of_a_failed_or_deleting_instance_is_403(api: ApiClient) -> None:
    """Only an active instance accepts updates."""
    failed = api.world.add_instance(now=api.now, status="error").id
    deleting = api.world.add_instance(now=api.now, status="deleting").id
    assert [api.update(id).status for id in (failed, deleting)] == [403, 403]


@pytest.mark.parametrize(("version", "status"), [(1, 202), (0, 202), (2, 409), (7, 409)])
def test_update_must_name_the_current_version(api: ApiClient, version: int, status: int) -> None:
    """Another version is a conflict; 0 is accepted, since Go clients send it."""
    assert api.update(api.active(), version=version).status == status


@pytest.mark.parametrize(
    "change",
    [
        {"region": "nyc2"},
        {"vpc": {"uuid": "00000000-0000-4000-8000-000000000001"}},
        {"enable_public_endpoint": False},
    ],
)
def test_update_of_a_fixed_field_is_422(api: ApiClient, change: dict[str, object]) -> None:
    """Region, VPC and public endpoint cannot change."""
    reply = api.update(api.active(), **change)
    assert (reply.status, "cannot be changed" in reply.json["message"]) == (422, True)


def test_update_may_omit_the_vpc(api: ApiClient) -> None:
    """An update without a VPC keeps the current one."""
    assert api.update(api.active(), vpc=None).status == 202


def test_known_model_id_keeps_the_deployment_and_its_gpus(api: ApiClient) -> None:
    """With its model_id a deployment is changed in place, and may omit unchanged fields."""
    id = api.active()
    old = api.request("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"]
    gpus = api.request("GET", f"/{id}/accelerators").json["accelerators"]
    api.update(id, model_deployments=[{"model_id": old}])
    api.now += 300
    new = api.request("GET", f"/{id}").one["spec"]["model_deployments"][0]
    assert (new["model_id"], new["accelerators"][0]["scale"]) == (old, 2)
    assert api.request("GET", f"/{id}/accelerators").json["accelerators"] == gpus


def test_absent_model_id_makes_a_new_deployment(api: ApiClient) -> None:
    """Without a model_id the deployment is replaced: another id, other GPUs."""
    id = api.active()
    old = api.request("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"]
    api.update(id)
    api.now += 300
    assert api.request("GET", f"/{id}").one["spec"]["model_deployments"][0]["model_id"] != old


def test_unknown_model_id_is_422(api: ApiClient) -> None:
    """A model_id of another instance is rejected."""
    assert api.update(api.active(), model_deployments=[a_model(model_id="x")]).status == 422


@pytest.mark.parametrize("key", ["access_tokens", "secrets"])
def test_update_of_the_secret_alone_rolls_out_again(api: ApiClient, key: str) -> None:
    """A PATCH with only a provider token is `updating` like any other."""
    id = api.active()
    reply = api.request("PATCH", f"/{id}", {key: {"hugging_face_token": "hf_x"}})
    assert (reply.status, reply.one["status"]) == (202, "updating")
    api.now += 300
    assert api.request("GET", f"/{id}").one["spec"]["version"] == 2


def test_empty_update_is_400(api: ApiClient) -> None:
    """An update needs a spec or a secret."""
    assert api.request("PATCH", f"/{api.active()}", {}).json["message"] == "spec is required"


def test_failed_update_keeps_the_current_spec(api: ApiClient) -> None:
    """The instance is in `error`, its spec the old one, the failed one still pending."""
    id = api.active()
    api.world.fault("error")
    api.update(id)
    api.now += 300
    one = api.request("GET", f"/{id}").one
    assert (one["status"], one["spec"]["version"]) == ("error", 1)
    assert one["pending_deployment_spec"]["version"] == 2


def test_delete_goes_through_deleting_to_404(api: ApiClient) -> None:
    """The response is an empty 202; the instance is visible until the end."""
    id = api.active()
    reply = api.request("DELETE", f"/{id}")
    assert (reply.status, reply.raw.body) == (202, b"")
    api.now += 59
    assert (api.status(id), api.rows()[0]["status"]) == ("deleting", "deleting")
    api.now += 1
    assert (api.status(id), api.rows()) == ("404", [])
    assert api.request("DELETE", f"/{id}").status == 404


def test_delete_while_deleting_is_accepted_and_changes_nothing(api: ApiClient) -> None:
    """The second DELETE is 202 and does not restart the deletion."""
    id = api.active()
    api.request("DELETE", f"/{id}")
    api.now += 50
    assert api.request("DELETE", f"/{id}").status == 202
    api.now += 10
    assert api.status(id) == "404"


def test_delete_supersedes_a_pending_create(api: ApiClient) -> None:
    """An instance deleted while provisioning never becomes active."""
    id = api.create()
    api.now += 590
    api.request("DELETE", f"/{id}")
    api.now += 30
    assert api.status(id) == "deleting"
    api.now += 30
    assert [w.outcome for w in api.world.truth(id, api.now).writes] == ["superseded", "deleted"]


def test_name_is_taken_until_deletion_has_finished(api: ApiClient) -> None:
    """A second create of the name is 409 until the deletion has settled."""
    id = api.create()
    for elapsed in (0, 600, 0):
        api.now += elapsed
        reply = api.request("POST", "", {"spec": a_spec()})
        assert (reply.status, reply.json["id"]) == (409, "conflict")
        if elapsed:
            api.request("DELETE", f"/{id}")
    api.now += 60
    assert api.create() != id
    assert api.world.created["new-dedicated-inference"] == 2


def test_rename_frees_the_old_name_and_takes_the_new(api: ApiClient) -> None:
    """An update may change the name, unless another instance has it."""
    id, other = api.create(name="one"), api.create(name="two")
    api.now += 600
    assert api.update(id, name="two").status == 409
    assert api.update(id, name="three").status == 202
    assert api.update(other, name="one").status == 202


def test_truth_has_the_time_when_the_latest_write_settles(api: ApiClient) -> None:
    """`settled_at` is correct whatever responses show."""
    id = api.create()
    truth = api.world.truth(id, api.now)
    assert (truth.exists, truth.settled, truth.settled_at, truth.version) == (
        True, False, NOW + 600, 0,
    )  # fmt: skip
    api.now += 600
    truth = api.world.truth(id, api.now)
    assert (truth.settled, truth.status, truth.version) == (True, "active", 1)
    api.request("DELETE", f"/{id}")
    api.now += 60
    truth = api.world.truth(id, api.now)
    assert (truth.exists, truth.status, truth.settled) == (False, "deleted", True)


def test_truth_of_an_unknown_id_does_not_exist(api: ApiClient) -> None:
    """`truth` of an unknown id is not an error."""
    assert not api.world.truth("nobody").exists


def test_upper_case_and_running_are_options(make_api: Make) -> None:
    """Status words may be upper case, and `running` instead of `active`."""
    api = make_api("observed", status_case="upper", active_word="running")
    id = api.create()
    first = api.request("GET", f"/{id}").one
    assert (first["status"], first["pending_deployment_spec"]["state"]) == ("NEW", "PENDING")
    api.now += 600
    assert api.status(id) == "RUNNING"
