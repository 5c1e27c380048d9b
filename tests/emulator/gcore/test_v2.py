"""Instances (v2): keyed by UUID, answered with the object, replaced as a whole."""

import uuid
from pathlib import Path

import orjson
import pytest

from .helpers import V2, V3, Desk, a_container, an_instance


def create(desk: Desk, **changes: object) -> str:
    """The id of a new instance."""
    reply = desk.ask("POST", V2, an_instance(**changes))
    assert reply.status == 200, reply.json
    return str(reply.json["id"])


def active(desk: Desk, **changes: object) -> str:
    """The id of an instance whose create has settled."""
    id = create(desk, **changes)
    desk.after(1000)
    return id


def status(desk: Desk, id: str) -> str:
    """The word that a GET tells, or `404`."""
    reply = desk.ask("GET", f"{V2}/{id}")
    return str(reply.json["status"]) if reply.status == 200 else str(reply.status)


def test_create_answers_with_the_object(desk: Desk) -> None:
    """Its id is a UUID, its status NEW, and there is no task."""
    made = desk.ask("POST", V2, an_instance()).json
    assert uuid.UUID(made["id"]).version == 4
    assert (made["status"], made["name"]) == ("NEW", "my-instance")
    assert "tasks" not in made
    assert desk.ask("GET", "/cloud/v1/tasks").json["count"] == 0


def test_words_on_the_way(desk: Desk) -> None:
    """NEW, DEPLOYING, PARTIALLYDEPLOYED, ACTIVE; DELETING, DELETED, gone."""
    id = create(desk)
    words = [status(desk.after(seconds), id) for seconds in (0, 101, 200, 700)]
    assert words == ["NEW", "DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"]
    assert desk.ask("DELETE", f"{V2}/{id}").json["status"] == "DELETING"
    assert [status(desk.after(seconds), id) for seconds in (89, 2, 10)] == [
        "DELETING",
        "DELETED",
        "404",
    ]


def test_scaled_to_zero_is_pending(desk: Desk) -> None:
    """As in v3."""
    assert status(desk, active(desk, containers=[a_container(min=0)])) == "PENDING"


def test_put_drops_what_it_leaves_out(desk: Desk) -> None:
    """All that is not sent goes back to its default: environment, command, keys, timeout."""
    key = str(uuid.uuid4())
    id = active(
        desk,
        auth_enabled=True,
        api_key_ids=[key],
        command=["serve"],
        description="mine",
        envs={"A": "1"},
        timeout=7,
        probes={"liveness_probe": {"enabled": False}},
        image_registry_id=key,
    )
    desk.ask("PUT", f"{V2}/{id}", an_instance(image="nginx:2"))
    it = desk.after(500).ask("GET", f"{V2}/{id}").json
    assert it["image"] == "nginx:2"
    assert it["api_key_ids"] == []
    assert it["auth_enabled"] is False
    assert it["timeout"] == 120
    dropped = ("command", "description", "envs", "probes", "image_registry_id")
    assert [it[name] for name in dropped] == [None] * 5


def test_put_rolls_out_again(desk: Desk) -> None:
    """Its answer is the object with the new fields, on its way."""
    id = active(desk)
    told = desk.ask("PUT", f"{V2}/{id}", an_instance(name="renamed", listening_port=81)).json
    assert (told["status"], told["name"], told["listening_port"]) == ("DEPLOYING", "renamed", 81)
    assert status(desk.after(500), id) == "ACTIVE"


def test_put_cannot_take_anothers_name(desk: Desk) -> None:
    """Its own it keeps."""
    id = active(desk)
    create(desk, name="second")
    assert desk.ask("PUT", f"{V2}/{id}", an_instance(name="second")).status == 409
    assert desk.ask("PUT", f"{V2}/{id}", an_instance()).status == 200


@pytest.mark.parametrize("missing", ["containers", "flavor_id", "image", "listening_port", "name"])
def test_put_needs_the_whole(desk: Desk, missing: str) -> None:
    """The five required fields are required each time, and nothing is changed without."""
    id = active(desk)
    request = an_instance(description="new")
    del request[missing]
    refused = desk.ask("PUT", f"{V2}/{id}", request)
    assert refused.status == 400
    assert refused.json["invalid_fields"] == {missing: ["Field required"]}
    assert desk.ask("GET", f"{V2}/{id}").json["description"] is None


def test_two_writes_at_once_are_a_lock(desk: Desk) -> None:
    """409 until the first has got going."""
    id = create(desk)
    assert desk.ask("PUT", f"{V2}/{id}", an_instance()).status == 409
    assert desk.after(101).ask("PUT", f"{V2}/{id}", an_instance()).status == 200


def test_generations_do_not_see_each_other(desk: Desk) -> None:
    """One name may be in both; lists and GETs keep them apart."""
    id = active(desk)
    desk.create()
    assert desk.ask("GET", V2).json["count"] == desk.ask("GET", V3).json["count"] == 1
    assert desk.ask("GET", f"{V3}/{id}").status == 404
    assert desk.ask("GET", f"{V2}/my-instance").status == 404


def test_project_of_the_body_must_be_ours(desk: Desk) -> None:
    """Left out it is the default one, another is not found; no answer tells project_id."""
    ours = desk.world.gcore.project_id
    assert "project_id" not in desk.ask("POST", V2, an_instance(project_id=ours)).json
    refused = desk.ask("POST", V2, an_instance(name="other", project_id=ours + 1))
    assert (refused.status, refused.json["exception_class"]) == (404, "NotFoundError")


@pytest.mark.parametrize(
    ("kind", "word"), [("error", "ERROR"), ("regress", "FAILED"), ("stuck", "PARTIALLYDEPLOYED")]
)
def test_faults_have_words_of_their_own(desk: Desk, kind: str, word: str) -> None:
    """v2 knows ERROR and FAILED, where v3 has neither."""
    desk.world.fault(kind, on=f"POST {V2}", now=desk.now)
    assert status(desk, active(desk)) == word


def test_vendors_sample_is_taken_and_told_back(desk: Desk) -> None:
    """The reference's PUT is accepted, and all that it shows in its answer is what it shows."""
    samples = Path(__file__).parents[2] / "data" / "samples" / "gcore"
    request = orjson.loads((samples / "update_request.json").read_bytes())
    shown = orjson.loads((samples / "update_200.json").read_bytes())
    request["project_id"] = desk.world.gcore.project_id
    id = active(desk)
    desk.ask("PUT", f"{V2}/{id}", request)
    told = desk.after(500).ask("GET", f"{V2}/{id}").json
    assert told.keys() == shown.keys()
    ours = ("id", "address", "created_at", "containers")
    assert {k: told[k] for k in told if k not in ours} == {
        k: shown[k] for k in shown if k not in ours
    }
    (container,), (sample,) = told["containers"], shown["containers"]
    assert container["scale"] == sample["scale"]
    assert container.keys() == sample.keys()
    assert container["deploy_status"].keys() == sample["deploy_status"].keys()
