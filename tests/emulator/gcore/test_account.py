"""Tasks, keys, flavors, capacity, quotas, authorization."""

import pytest

from .helpers import FLAVOR, KEYS, TASKS, V2, V3, ApiClient, a_container, a_deployment, an_instance


@pytest.mark.parametrize("scheme", ["APIKey", "apikey", "APIKEY"])
def test_authorization_scheme_may_be_in_any_case(api: ApiClient, scheme: str) -> None:
    """Both spellings are documented."""
    api.scheme = scheme
    assert api.request("GET", V3).status == 200


@pytest.mark.parametrize(("scheme", "key"), [("APIKey", "1234"), ("Bearer", ""), ("", "")])
def test_all_failed_authorizations_are_401(api: ApiClient, scheme: str, key: str) -> None:
    """A wrong key, another scheme, or none is 401, and the error never has the whole key."""
    api.scheme, api.key = scheme, key
    refused = api.request("GET", V3)
    assert refused.status == 401
    assert refused.json.keys() == {"exception_class", "message", "request_id"}
    assert api.world.gcore.api_key not in refused.json["message"]


@pytest.mark.parametrize("path", [V3, f"{V3}/my-instance", KEYS])
def test_another_project_is_not_found(api: ApiClient, path: str) -> None:
    """Another project is 404, not 403."""
    api.active()
    refused = api.request("GET", path.replace("{project_id}", "7"))
    assert (refused.status, refused.json["exception_class"]) == (404, "NotFoundError")


def test_wrong_method_and_wrong_path(api: ApiClient) -> None:
    """405 is an HTTPError, an unknown path NotFoundError."""
    wrong = api.request("PUT", f"{V3}/my-instance", {})
    assert (wrong.status, wrong.json["exception_class"]) == (405, "HTTPError")
    assert api.request("GET", "/cloud/v9/inference").json["exception_class"] == "NotFoundError"


def test_finished_task_has_the_created_resource(api: ApiClient) -> None:
    """A finished create names its resource; timestamps are naive."""
    id = api.create()
    new = api.task(id)
    assert (new["state"], new["finished_on"], new["created_resources"]) == ("NEW", None, None)
    done = api.after(100).task(id)
    assert done["created_resources"]["inference_instances"] == ["my-instance"]
    assert done["created_on"] == "2024-01-09T20:44:32"
    assert done["finished_on"] == done["updated_on"] == "2024-01-09T20:46:12"
    assert done["project_id"] == api.world.gcore.project_id
    assert (done["task_type"], done["error"]) == ("create_inference_instance", None)
    deleting = api.task_of(api.after(900).request("DELETE", f"{V3}/my-instance"))
    assert api.after(100).task(deleting)["created_resources"] is None


def test_tasks_are_listed_newest_first_ten_a_page(api: ApiClient) -> None:
    """As documented: 10 rows by default, in either order."""
    ids = [api.create(name=f"number-{number}") for number in range(12)]
    page = api.request("GET", TASKS).json
    assert page["count"] == 12
    assert [task["id"] for task in page["results"]] == ids[:1:-1]
    oldest = api.request("GET", f"{TASKS}?order_by=asc&limit=1").json["results"]
    assert [task["id"] for task in oldest] == ids[:1]


def test_tasks_by_state_and_type(api: ApiClient) -> None:
    """A filter may be repeated."""
    old = api.create(name="first")
    api.after(100)
    new = api.create(name="second")

    def ids(query: str) -> set[str]:
        return {task["id"] for task in api.request("GET", f"{TASKS}?{query}").json["results"]}

    assert ids("state=FINISHED") == {old}
    assert ids("state=NEW&state=FINISHED") == {old, new}
    assert ids("task_type=delete_inference_instance") == set()


def test_task_is_acknowledged(api: ApiClient) -> None:
    """The response is the task, and lists filter by it."""
    id = api.create()
    found = api.request("POST", f"{TASKS}/{id}/acknowledge").json
    assert found["acknowledged_at"] == "2024-01-09T20:44:32"
    assert api.request("GET", f"{TASKS}?is_acknowledged=true").json["count"] == 1
    assert api.request("GET", f"{TASKS}/none").status == 404


def test_key_secret_is_shown_once(api: ApiClient) -> None:
    """Only the response to the create has it."""
    made = api.request("POST", KEYS, {"name": "mine", "description": "d"}).json
    secret = made.pop("secret")
    assert len(secret) > 20
    assert api.request("GET", f"{KEYS}/mine").json == made
    assert api.request("GET", KEYS).json == {"count": 1, "results": [made]}
    assert api.request("POST", KEYS, {"name": "mine"}).status == 409


def test_key_lists_its_deployments(api: ApiClient) -> None:
    """It cannot be deleted while a deployment uses it."""
    api.request("POST", KEYS, {"name": "mine"})
    api.active(api_keys=["mine"])
    assert api.get()["auth_enabled"] is True
    found = api.request("PATCH", f"{KEYS}/mine", {"description": "new"}).json
    assert (found["deployment_names"], found["description"]) == (["my-instance"], "new")
    assert api.request("DELETE", f"{KEYS}/mine").status == 409
    api.update(api_keys=[])
    assert api.request("DELETE", f"{KEYS}/mine").status == 204
    assert api.request("GET", f"{KEYS}/mine").status == 404


def test_empty_key_list_opens_the_endpoint(api: ApiClient) -> None:
    """`[]` removes every key and disables authentication; null changes nothing."""
    api.request("POST", KEYS, {"name": "mine"})
    api.active(api_keys=["mine"])
    api.update(api_keys=None)
    assert api.after(500).get()["api_keys"] == ["mine"]
    api.update(api_keys=[])
    it = api.get()
    assert (it["api_keys"], it["auth_enabled"]) == ([], False)


def test_flavors_and_capacity_agree(api: ApiClient) -> None:
    """Each region lists every flavor; one is sold out in one region."""
    flavors = api.request("GET", "/cloud/v3/inference/flavors").json
    names = [flavor["name"] for flavor in flavors["results"]]
    assert FLAVOR in names
    regions = api.request("GET", "/cloud/v3/inference/capacity").json["results"]
    assert {tuple(row["flavor_name"] for row in region["capacity"]) for region in regions} == {
        tuple(names)
    }
    one = api.request("GET", f"/cloud/v3/inference/flavors/{FLAVOR}").json
    assert (one["gpu"], one["gpu_model"]) == (1, "H100")
    assert api.request("GET", "/cloud/v3/inference/flavors/none").status == 404


@pytest.mark.parametrize("path", [V2, V3])
def test_sold_out_is_a_forbidden_error(api: ApiClient, path: str) -> None:
    """A sold-out flavor is a ForbiddenError, and nothing is created."""
    api.world.fault("no_capacity", region="7", now=api.now)
    request = a_deployment() if path == V3 else an_instance()
    refused = api.request("POST", path, request)
    assert (refused.status, refused.json["exception_class"]) == (403, "ForbiddenError")
    assert api.request("GET", path).json["count"] == 0


def test_update_keeps_its_capacity(api: ApiClient) -> None:
    """A sold-out region refuses a move there, but not a change of a deployment in it."""
    api.active()
    api.world.fault("no_capacity", region="7", now=api.now)
    api.world.fault("no_capacity", region="26", now=api.now)
    assert api.update(description="new").status == 200
    api.after(500)
    assert api.update(containers=[a_container() | {"region_id": 26}]).status == 403


def test_listed_capacity_is_enforced(api: ApiClient) -> None:
    """A create is refused where the list has 0, by flavor and region."""
    container = a_container() | {"region_id": 26}
    sold_out = "inference-16vcpu-232gib-1xl40s"
    refused = api.request("POST", V3, a_deployment(flavor_name=sold_out, containers=[container]))
    assert refused.status == 403
    assert api.create(flavor_name=sold_out)
    assert api.create(name="elsewhere", containers=[container])


def test_quota_error_has_its_attribute(api: ApiClient) -> None:
    """QuotaLimitExceed has the attribute, its usage, the request and the limit."""
    api.active()
    api.world.gcore.quota["inference_gpu_h100_count"] = 5
    found = api.request("POST", f"{V3}/check_limits", a_deployment()).json
    assert found["inference_gpu_h100_count_usage"] == 3
    assert found["inference_gpu_h100_count_requested"] == 3
    refused = api.request("POST", V3, a_deployment(name="second"))
    assert refused.json["exception_class"] == "QuotaLimitExceed"
    assert refused.json["info"] == {
        "attribute": "inference_gpu_h100_count_limit",
        "current_usage": 3,
        "requested_usage": 3,
        "limit": 5,
    }
    # Its own share counts once: an update to five fits.
    assert api.update(containers=[a_container(max=5)]).status == 200
