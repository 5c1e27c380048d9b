"""The lifecycle of operations and resources."""

import math

import pytest

from .helpers import MODEL, ZoneClient, a_deployment


def test_create_answers_with_an_operation_that_names_the_deployment(zone: ZoneClient) -> None:
    """The response is 200 and pending; only its reference has the new id."""
    zone.world.add_exoscale_model(name=MODEL, now=zone.now)
    operation = zone.accepted("POST", "/deployment", a_deployment())
    id = operation["reference"]["id"]
    assert operation == {
        "id": operation["id"],
        "state": "pending",
        "reference": {"id": id, "link": f"/v2/ai/deployment/{id}", "command": "get-deployment"},
    }
    assert zone.state(id) == "creating"


def test_create_goes_through_its_states_after_the_operation(zone: ZoneClient) -> None:
    """The operation takes a tenth of the time; its success does not mean ready."""
    id = zone.create()
    (operation,) = zone.world.exoscale.store.operations
    seen: list[tuple[int, str, str]] = []
    for at in (0, 59, 60, 276, 599, 600):
        zone.now += at - (seen[-1][0] if seen else 0)
        seen.append((at, zone.operation(operation)["state"], zone.state(id)))
    assert seen == [
        (0, "pending", "creating"),
        (59, "pending", "creating"),
        (60, "success", "preparing"),
        (276, "success", "deploying"),
        (599, "success", "deploying"),
        (600, "success", "ready"),
    ]


def test_update_changes_nothing_until_its_operation_ends(zone: ZoneClient) -> None:
    """Old and `ready`, then new and `updating`, then new and `ready`."""
    id = zone.ready()
    was = zone.get(id)
    body = {"name": "new", "inference-engine-parameters": ["--dtype=auto"]}
    zone.accepted("PATCH", f"/deployment/{id}", body)
    zone.now += 29
    assert zone.get(id) == was
    zone.now += 1
    now = zone.get(id)
    assert (now["state"], now["name"]) == ("updating", "new")
    zone.now += 270
    now = zone.get(id)
    assert (now["state"], now["inference-engine-parameters"]) == ("ready", ["--dtype=auto"])
    assert now["inference-engine-version"] == was["inference-engine-version"]
    assert now["updated-at"] > was["updated-at"]


def test_empty_parameters_are_not_the_same_as_none(zone: ZoneClient) -> None:
    """[] clears them, omitting them keeps them."""
    id = zone.ready(inference_engine_parameters=["--a"])
    for body, then in (({"name": "b"}, ["--a"]), ({"inference-engine-parameters": []}, [])):
        zone.accepted("PATCH", f"/deployment/{id}", body)
        zone.now += 300
        assert zone.get(id)["inference-engine-parameters"] == then


def test_scale_to_zero_is_ready_with_no_replicas(zone: ZoneClient) -> None:
    """0 replicas are `ready`, and can be scaled up again."""
    id = zone.ready()
    for replicas in (0, 3):
        zone.accepted("POST", f"/deployment/{id}/scale", {"replicas": replicas})
        zone.now += 30
        assert zone.state(id) == "scaling"
        zone.now += 270
        shown = zone.get(id)
        assert (shown["state"], shown["replicas"]) == ("ready", replicas)


def test_deleted_is_404_once_the_operation_has_succeeded(zone: ZoneClient) -> None:
    """No state shows the deletion: it is `ready` until the end, then 404."""
    id = zone.ready()
    operation = zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 59
    assert (zone.state(id), zone.operation(operation["id"])["state"]) == ("ready", "pending")
    zone.now += 1
    assert (zone.state(id), zone.operation(operation["id"])["state"]) == ("404", "success")
    assert zone.rows() == []
    truth = zone.world.truth(id, zone.now)
    assert (truth.exists, truth.settled, truth.writes[-1].outcome) == (False, True, "deleted")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PATCH", "", {"name": "b"}), ("POST", "/scale", {"replicas": 2}), ("DELETE", "", None)],
)
def test_second_write_waits_for_the_first_operation_only(
    zone: ZoneClient, method: str, path: str, body: object
) -> None:
    """It is 409 while the operation is pending, then accepted."""
    id = zone.create()
    refused = zone.request(method, f"/deployment/{id}{path}", body)
    assert (refused.status, refused.json["status"]) == (409, 409)
    zone.now += 60
    assert zone.state(id) == "preparing"
    zone.accepted(method, f"/deployment/{id}{path}", body)
    assert zone.world.truth(id, zone.now).writes[0].outcome == "superseded"


def test_names_need_not_be_unique(zone: ZoneClient) -> None:
    """Two creates of one name are two deployments, and both are counted."""
    assert zone.create() != zone.create()
    assert zone.world.created["web"] == 2
    assert [row["name"] for row in zone.rows()] == ["web", "web"]


def test_model_is_downloaded_before_it_can_be_deployed(zone: ZoneClient) -> None:
    """creating, downloading, ready; a deployment of a model that is not ready is 400."""
    id = zone.accepted("POST", "/model", {"name": MODEL})["reference"]["id"]
    states = []
    for wait in (0, 30, 270):
        zone.now += wait
        states.append(zone.request("GET", f"/model/{id}").json["state"])
        made = zone.request("POST", "/deployment", a_deployment(model={"id": id}))
        states.append(made.status)
    assert states == ["creating", 400, "downloading", 400, "ready", 200]


@pytest.mark.parametrize(("token", "ends"), [({}, "error"), ({"huggingface-token": "t"}, "ready")])
def test_gated_model_needs_a_token(zone: ZoneClient, token: dict[str, str], ends: str) -> None:
    """Its create is accepted, its operation succeeds and the download fails."""
    body = {"name": "meta-llama/Llama-3.1-8B-Instruct", **token}
    operation = zone.accepted("POST", "/model", body)
    zone.now += 300
    assert zone.operation(operation["id"])["state"] == "success"
    assert zone.request("GET", f"/model/{operation['reference']['id']}").json["state"] == ends


def test_model_is_named_by_one_that_is_ready(zone: ZoneClient) -> None:
    """A failed import of the name does not prevent a deployment; nor does a list that lags."""
    zone.world.add_exoscale_model(zone=zone.zone, name=MODEL, state="error", now=zone.now)
    assert zone.request("POST", "/deployment", a_deployment()).status == 400
    zone.world.fault("list_lag", seconds=1e6)
    zone.accepted("POST", "/model", {"name": MODEL})
    zone.now += 300
    assert len(zone.rows("models")) == 1
    assert zone.request("POST", "/deployment", a_deployment()).status == 200


def test_model_in_use_cannot_be_deleted(zone: ZoneClient) -> None:
    """412 lists the deployments; once they are deleted the model can be, too."""
    id = zone.ready()
    (model,) = zone.rows("models")
    refused = zone.request("DELETE", f"/model/{model['id']}")
    assert (refused.status, refused.json) == (412, {"deployments": [id]})
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    zone.accepted("DELETE", f"/model/{model['id']}")
    zone.now += 60
    assert zone.request("GET", f"/model/{model['id']}").status == 404


def test_zones_are_separate(zone: ZoneClient) -> None:
    """An id, operation or model of one zone is not found in another."""
    id = zone.ready()
    (operation,) = zone.world.exoscale.store.operations
    zone.zone = "de-fra-1"
    assert (zone.state(id), zone.rows(), zone.rows("models")) == ("404", [], [])
    for method, path, body in (
        ("GET", f"/v2/operation/{operation}", None),
        ("DELETE", f"/deployment/{id}", None),
        ("POST", f"/deployment/{id}/scale", {"replicas": 2}),
        ("GET", f"/deployment/{id}/api-key", None),
    ):
        assert zone.request(method, path, body).status == 404
    assert zone.request("POST", "/deployment", a_deployment()).status == 400


def test_added_resources_settle_at_the_given_time(zone: ZoneClient) -> None:
    """A deployment and its model can be added in any state."""
    made = zone.world.add_exoscale_deployment(
        name="placed", state="updating", settles_in=50, now=zone.now
    )
    never = zone.world.add_exoscale_deployment(
        state="deploying", settles_in=math.inf, zone="de-fra-1", now=zone.now
    )
    assert [row["name"] for row in zone.rows()] == ["placed"]
    assert [row["state"] for row in zone.rows("models")] == ["ready"]
    zone.now += 50
    assert zone.state(made.id) == "ready"
    assert not zone.world.truth(never.id, zone.now + 1e6).settled


def test_added_deployment_without_a_time_settles_like_a_create(zone: ZoneClient) -> None:
    """Its duration is drawn; while it is `creating`, other writes are 409."""
    made = zone.world.add_exoscale_deployment(state="creating", created=5, now=zone.now)
    assert zone.get(made.id)["created-at"] == "1970-01-01T00:00:05Z"
    zone.now += 599
    assert zone.request("DELETE", f"/deployment/{made.id}").status == 409
    zone.now += 1
    assert zone.state(made.id) == "ready"
