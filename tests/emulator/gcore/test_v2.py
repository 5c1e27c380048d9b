"""Instances (v2): keyed by UUID, writes answer with the object, PUT replaces it."""

import uuid
from pathlib import Path

import orjson
import pytest

from .helpers import V2, V3, ApiClient, a_container, an_instance


def create(api: ApiClient, **changes: object) -> str:
    """Return the id of a new instance."""
    reply = api.request("POST", V2, an_instance(**changes))
    assert reply.status == 200, reply.json
    return str(reply.json["id"])


def active(api: ApiClient, **changes: object) -> str:
    """Return the id of an instance whose create has settled."""
    id = create(api, **changes)
    api.after(1000)
    return id


def status(api: ApiClient, id: str) -> str:
    """Return the status that a GET shows, or `404`."""
    reply = api.request("GET", f"{V2}/{id}")
    return str(reply.json["status"]) if reply.status == 200 else str(reply.status)


def test_create_answers_with_the_object(api: ApiClient) -> None:
    """Its id is a UUID, its status NEW, and it has no task."""
    made = api.request("POST", V2, an_instance()).json
    assert uuid.UUID(made["id"]).version == 4
    assert (made["status"], made["name"]) == ("NEW", "my-instance")
    assert "tasks" not in made
    assert api.request("GET", "/cloud/v1/tasks").json["count"] == 0


def test_status_sequence(api: ApiClient) -> None:
    """NEW, DEPLOYING, PARTIALLYDEPLOYED, ACTIVE; DELETING, DELETED, 404."""
    id = create(api)
    words = [status(api.after(seconds), id) for seconds in (0, 101, 200, 700)]
    assert words == ["NEW", "DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"]
    assert api.request("DELETE", f"{V2}/{id}").json["status"] == "DELETING"
    assert [status(api.after(seconds), id) for seconds in (89, 2, 10)] == [
        "DELETING",
        "DELETED",
        "404",
    ]


def test_scaled_to_zero_is_pending(api: ApiClient) -> None:
    """As in v3, an instance scaled to zero is PENDING."""
    assert status(api, active(api, containers=[a_container(min=0)])) == "PENDING"


def test_put_drops_omitted_fields(api: ApiClient) -> None:
    """Omitted fields return to their defaults: environment, command, keys, timeout."""
    key = str(uuid.uuid4())
    id = active(
        api,
        auth_enabled=True,
        api_key_ids=[key],
        command=["serve"],
        description="mine",
        envs={"A": "1"},
        timeout=7,
        probes={"liveness_probe": {"enabled": False}},
        image_registry_id=key,
    )
    api.request("PUT", f"{V2}/{id}", an_instance(image="nginx:2"))
    it = api.after(500).request("GET", f"{V2}/{id}").json
    assert it["image"] == "nginx:2"
    assert it["api_key_ids"] == []
    assert it["auth_enabled"] is False
    assert it["timeout"] == 120
    dropped = ("command", "description", "envs", "probes", "image_registry_id")
    assert [it[name] for name in dropped] == [None] * 5


def test_put_rolls_out_again(api: ApiClient) -> None:
    """The response has the new fields, and the instance is DEPLOYING."""
    id = active(api)
    found = api.request("PUT", f"{V2}/{id}", an_instance(name="renamed", listening_port=81)).json
    assert (found["status"], found["name"], found["listening_port"]) == ("DEPLOYING", "renamed", 81)
    assert status(api.after(500), id) == "ACTIVE"


def test_put_cannot_take_anothers_name(api: ApiClient) -> None:
    """It can keep its own."""
    id = active(api)
    create(api, name="second")
    assert api.request("PUT", f"{V2}/{id}", an_instance(name="second")).status == 409
    assert api.request("PUT", f"{V2}/{id}", an_instance()).status == 200


@pytest.mark.parametrize("missing", ["containers", "flavor_id", "image", "listening_port", "name"])
def test_put_needs_all_required_fields(api: ApiClient, missing: str) -> None:
    """Without one of the five required fields nothing changes."""
    id = active(api)
    request = an_instance(description="new")
    del request[missing]
    refused = api.request("PUT", f"{V2}/{id}", request)
    assert refused.status == 400
    assert refused.json["invalid_fields"] == {missing: ["Field required"]}
    assert api.request("GET", f"{V2}/{id}").json["description"] is None


def test_concurrent_writes_are_locked(api: ApiClient) -> None:
    """The second is 409 while the first one's task runs."""
    id = create(api)
    assert api.request("PUT", f"{V2}/{id}", an_instance()).status == 409
    assert api.after(101).request("PUT", f"{V2}/{id}", an_instance()).status == 200


def test_generations_do_not_see_each_other(api: ApiClient) -> None:
    """v2 and v3 may have the same name; lists and GETs are separate."""
    id = active(api)
    api.create()
    assert api.request("GET", V2).json["count"] == api.request("GET", V3).json["count"] == 1
    assert api.request("GET", f"{V3}/{id}").status == 404
    assert api.request("GET", f"{V2}/my-instance").status == 404


def test_project_of_the_body_must_be_ours(api: ApiClient) -> None:
    """An omitted project is the default one, another is not found."""
    ours = api.world.gcore.project_id
    assert "project_id" not in api.request("POST", V2, an_instance(project_id=ours)).json
    refused = api.request("POST", V2, an_instance(name="other", project_id=ours + 1))
    assert (refused.status, refused.json["exception_class"]) == (404, "NotFoundError")


@pytest.mark.parametrize(
    ("kind", "word"), [("error", "ERROR"), ("regress", "FAILED"), ("stuck", "PARTIALLYDEPLOYED")]
)
def test_faults_have_their_own_status(api: ApiClient, kind: str, word: str) -> None:
    """v2 has ERROR and FAILED, v3 neither."""
    api.world.fault(kind, on=f"POST {V2}", now=api.now)
    assert status(api, active(api)) == word


def test_vendors_sample_is_accepted_and_returned(api: ApiClient) -> None:
    """The reference's PUT is accepted, and its response has the sample's values."""
    samples = Path(__file__).parents[2] / "data" / "samples" / "gcore"
    request = orjson.loads((samples / "update_request.json").read_bytes())
    shown = orjson.loads((samples / "update_200.json").read_bytes())
    request["project_id"] = api.world.gcore.project_id
    id = active(api)
    api.request("PUT", f"{V2}/{id}", request)
    found = api.after(500).request("GET", f"{V2}/{id}").json
    assert found.keys() == shown.keys()
    ours = ("id", "address", "created_at", "containers")
    assert {k: found[k] for k in found if k not in ours} == {
        k: shown[k] for k in shown if k not in ours
    }
    (container,), (sample,) = found["containers"], shown["containers"]
    assert container["scale"] == sample["scale"]
    assert container.keys() == sample.keys()
    assert container["deploy_status"].keys() == sample["deploy_status"].keys()
