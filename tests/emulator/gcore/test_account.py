"""Tasks, keys, flavours, capacity and quotas; who may ask."""

import pytest

from .helpers import FLAVOR, KEYS, TASKS, V2, V3, Desk, a_container, a_deployment, an_instance


@pytest.mark.parametrize("scheme", ["APIKey", "apikey", "APIKEY"])
def test_scheme_in_any_case(desk: Desk, scheme: str) -> None:
    """Both spellings are documented."""
    desk.scheme = scheme
    assert desk.ask("GET", V3).status == 200


@pytest.mark.parametrize(("scheme", "key"), [("APIKey", "1234"), ("Bearer", ""), ("", "")])
def test_all_failures_of_authority_are_401(desk: Desk, scheme: str, key: str) -> None:
    """A wrong key, another scheme, none: 401, with the vendor's body, and never the whole key."""
    desk.scheme, desk.key = scheme, key
    refused = desk.ask("GET", V3)
    assert refused.status == 401
    assert refused.json.keys() == {"exception_class", "message", "request_id"}
    assert desk.world.gcore.api_key not in refused.json["message"]


@pytest.mark.parametrize("path", [V3, f"{V3}/my-instance", KEYS])
def test_another_project_is_not_found(desk: Desk, path: str) -> None:
    """Not forbidden: what is there cannot be told from what is not."""
    desk.active()
    refused = desk.ask("GET", path.replace("{project_id}", "7"))
    assert (refused.status, refused.json["exception_class"]) == (404, "NotFoundError")


def test_wrong_method_and_wrong_path(desk: Desk) -> None:
    """405 is an HTTPError, an unknown path NotFoundError."""
    wrong = desk.ask("PUT", f"{V3}/my-instance", {})
    assert (wrong.status, wrong.json["exception_class"]) == (405, "HTTPError")
    assert desk.ask("GET", "/cloud/v9/inference").json["exception_class"] == "NotFoundError"


def test_task_tells_what_it_made(desk: Desk) -> None:
    """Only when finished; the resource is told by its name; stamps are naive."""
    id = desk.create()
    new = desk.task(id)
    assert (new["state"], new["finished_on"], new["created_resources"]) == ("NEW", None, None)
    done = desk.after(100).task(id)
    assert done["created_resources"]["inference_instances"] == ["my-instance"]
    assert done["created_on"] == "2024-01-09T20:44:32"
    assert done["finished_on"] == done["updated_on"] == "2024-01-09T20:46:12"
    assert done["project_id"] == desk.world.gcore.project_id
    assert (done["task_type"], done["error"]) == ("create_inference_instance", None)
    deleting = desk.task_of(desk.after(900).ask("DELETE", f"{V3}/my-instance"))
    assert desk.after(100).task(deleting)["created_resources"] is None


def test_tasks_are_listed_newest_first_ten_a_page(desk: Desk) -> None:
    """As documented: 10 rows unless asked otherwise; in either order."""
    ids = [desk.create(name=f"number-{number}") for number in range(12)]
    page = desk.ask("GET", TASKS).json
    assert page["count"] == 12
    assert [task["id"] for task in page["results"]] == ids[:1:-1]
    oldest = desk.ask("GET", f"{TASKS}?order_by=asc&limit=1").json["results"]
    assert [task["id"] for task in oldest] == ids[:1]


def test_tasks_by_state_and_type(desk: Desk) -> None:
    """A parameter may be given several times."""
    old = desk.create(name="first")
    desk.after(100)
    new = desk.create(name="second")

    def ids(query: str) -> set[str]:
        return {task["id"] for task in desk.ask("GET", f"{TASKS}?{query}").json["results"]}

    assert ids("state=FINISHED") == {old}
    assert ids("state=NEW&state=FINISHED") == {old, new}
    assert ids("task_type=delete_inference_instance") == set()


def test_task_is_acknowledged(desk: Desk) -> None:
    """The answer is the task, and lists can tell."""
    id = desk.create()
    told = desk.ask("POST", f"{TASKS}/{id}/acknowledge").json
    assert told["acknowledged_at"] == "2024-01-09T20:44:32"
    assert desk.ask("GET", f"{TASKS}?is_acknowledged=true").json["count"] == 1
    assert desk.ask("GET", f"{TASKS}/none").status == 404


def test_key_has_its_secret_once(desk: Desk) -> None:
    """In the answer to its making, and never again."""
    made = desk.ask("POST", KEYS, {"name": "mine", "description": "d"}).json
    secret = made.pop("secret")
    assert len(secret) > 20
    assert desk.ask("GET", f"{KEYS}/mine").json == made
    assert desk.ask("GET", KEYS).json == {"count": 1, "results": [made]}
    assert desk.ask("POST", KEYS, {"name": "mine"}).status == 409


def test_key_knows_its_deployments(desk: Desk) -> None:
    """It cannot go while one of them needs it."""
    desk.ask("POST", KEYS, {"name": "mine"})
    desk.active(api_keys=["mine"])
    assert desk.get()["auth_enabled"] is True
    told = desk.ask("PATCH", f"{KEYS}/mine", {"description": "new"}).json
    assert (told["deployment_names"], told["description"]) == (["my-instance"], "new")
    assert desk.ask("DELETE", f"{KEYS}/mine").status == 409
    desk.update(api_keys=[])
    assert desk.ask("DELETE", f"{KEYS}/mine").status == 204
    assert desk.ask("GET", f"{KEYS}/mine").status == 404


def test_empty_key_list_opens_the_endpoint(desk: Desk) -> None:
    """`[]` removes every key and switches authentication off; null leaves them alone."""
    desk.ask("POST", KEYS, {"name": "mine"})
    desk.active(api_keys=["mine"])
    desk.update(api_keys=None)
    assert desk.after(500).get()["api_keys"] == ["mine"]
    desk.update(api_keys=[])
    it = desk.get()
    assert (it["api_keys"], it["auth_enabled"]) == ([], False)


def test_flavors_and_capacity_agree(desk: Desk) -> None:
    """Each region tells of every flavour; one of them is sold out somewhere."""
    flavors = desk.ask("GET", "/cloud/v3/inference/flavors").json
    names = [flavor["name"] for flavor in flavors["results"]]
    assert FLAVOR in names
    regions = desk.ask("GET", "/cloud/v3/inference/capacity").json["results"]
    assert {tuple(row["flavor_name"] for row in region["capacity"]) for region in regions} == {
        tuple(names)
    }
    one = desk.ask("GET", f"/cloud/v3/inference/flavors/{FLAVOR}").json
    assert (one["gpu"], one["gpu_model"]) == (1, "H100")
    assert desk.ask("GET", "/cloud/v3/inference/flavors/none").status == 404


@pytest.mark.parametrize("path", [V2, V3])
def test_sold_out_is_a_forbidden_error(desk: Desk, path: str) -> None:
    """ForbiddenError is about capacity, and nothing is made."""
    desk.world.fault("no_capacity", region="7", now=desk.now)
    request = a_deployment() if path == V3 else an_instance()
    refused = desk.ask("POST", path, request)
    assert (refused.status, refused.json["exception_class"]) == (403, "ForbiddenError")
    assert desk.ask("GET", path).json["count"] == 0


def test_update_keeps_the_room_it_has(desk: Desk) -> None:
    """A region that sold out meanwhile refuses a move there, and not a change of what is there."""
    desk.active()
    desk.world.fault("no_capacity", region="7", now=desk.now)
    desk.world.fault("no_capacity", region="26", now=desk.now)
    assert desk.update(description="new").status == 200
    desk.after(500)
    assert desk.update(containers=[a_container() | {"region_id": 26}]).status == 403


def test_capacity_told_is_capacity_had(desk: Desk) -> None:
    """Where the table says 0 a create is refused, by flavour and region."""
    container = a_container() | {"region_id": 26}
    sold_out = "inference-16vcpu-232gib-1xl40s"
    refused = desk.ask("POST", V3, a_deployment(flavor_name=sold_out, containers=[container]))
    assert refused.status == 403
    assert desk.create(flavor_name=sold_out)
    assert desk.create(name="elsewhere", containers=[container])


def test_quota_is_told_by_attribute(desk: Desk) -> None:
    """QuotaLimitExceed says of what, how much is used, asked for and allowed."""
    desk.active()
    desk.world.gcore.quota["inference_gpu_h100_count"] = 5
    told = desk.ask("POST", f"{V3}/check_limits", a_deployment()).json
    assert told["inference_gpu_h100_count_usage"] == 3
    assert told["inference_gpu_h100_count_requested"] == 3
    refused = desk.ask("POST", V3, a_deployment(name="second"))
    assert refused.json["exception_class"] == "QuotaLimitExceed"
    assert refused.json["info"] == {
        "attribute": "inference_gpu_h100_count_limit",
        "current_usage": 3,
        "requested_usage": 3,
        "limit": 5,
    }
    # Its own share counts once: an update to five fits.
    assert desk.update(containers=[a_container(max=5)]).status == 200
