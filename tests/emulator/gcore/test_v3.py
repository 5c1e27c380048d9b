"""Deployments (v3): writes, and what reads show."""

from collections.abc import Callable

import pytest

from .helpers import V3, ApiClient, a_container, a_deployment


def test_create_goes_through_its_task_and_its_containers(api: ApiClient) -> None:
    """Its task is FINISHED before the deployment is ACTIVE."""
    task = api.create()
    seen = []
    for seconds in (0, 21, 80, 200, 698, 2):
        api.after(seconds)
        seen.append((api.task(task)["state"], api.status()))
    assert seen == [
        ("NEW", "DEPLOYING"),
        ("RUNNING", "DEPLOYING"),
        ("FINISHED", "DEPLOYING"),
        ("FINISHED", "PARTIALLYDEPLOYED"),
        ("FINISHED", "PARTIALLYDEPLOYED"),
        ("FINISHED", "ACTIVE"),
    ]


def test_replicas_and_address_come_with_serving(api: ApiClient) -> None:
    """Before it serves it has no address and no ready replicas."""
    api.create(containers=[a_container(min=2)])
    before = api.get()
    assert before["address"] is None
    assert before["containers"][0]["address"] is None
    assert before["containers"][0]["deploy_status"] == {"ready": 0, "total": 2}
    after = api.after(1000).get()
    assert after["address"].startswith("https://")
    assert after["containers"][0]["deploy_status"] == {"ready": 2, "total": 2}


def test_scaled_to_zero_settles_as_pending(api: ApiClient) -> None:
    """A deployment that may have 0 replicas settles as PENDING."""
    api.active(containers=[a_container(min=0)])
    it = api.get()
    assert it["status"] == "PENDING"
    assert it["address"]
    assert it["containers"][0]["deploy_status"] == {"ready": 0, "total": 0}


def test_one_region_that_never_scales_to_zero_keeps_it_active(api: ApiClient) -> None:
    """PENDING needs every container to scale to zero."""
    api.active(containers=[a_container(min=0), a_container(min=1) | {"region_id": 26}])
    assert api.status() == "ACTIVE"


def test_update_goes_back_to_deploying_and_keeps_omitted_fields(api: ApiClient) -> None:
    """A PATCH is partial, answers with a task, and the deployment rolls out again."""
    api.active(description="first", envs={"A": "1"})
    task = api.task_of(api.update(description="second"))
    assert api.status() == "DEPLOYING"
    it = api.after(500).get()
    assert (it["status"], it["description"], it["envs"]) == ("ACTIVE", "second", {"A": "1"})
    assert api.task(task)["task_type"] == "update_inference_instance"


def test_update_to_scale_to_zero_and_back(api: ApiClient) -> None:
    """The status follows the scale."""
    api.active()
    api.update(containers=[a_container(min=0)])
    assert api.after(500).status() == "PENDING"
    api.update(containers=[a_container(min=1)])
    assert api.after(500).status() == "ACTIVE"


def test_null_in_an_update_resets_nullable_fields(api: ApiClient) -> None:
    """Null removes a description or a command, and leaves required fields unchanged."""
    api.active(description="first", command=["serve"], timeout=7)
    api.update(description=None, command=None, timeout=None, image=None, containers=None)
    it = api.after(500).get()
    assert (it["description"], it["command"], it["timeout"]) == ("", None, 120)
    assert it["image"] == "nginx:latest"
    assert len(it["containers"]) == 1


def test_delete_is_404_once_its_task_is_over(api: ApiClient) -> None:
    """It is DELETING until then; afterwards the name is free."""
    api.active()
    task = api.task_of(api.request("DELETE", f"{V3}/my-instance"))
    assert api.status() == "DELETING"
    assert api.after(99).status() == "DELETING"
    assert api.task(task)["state"] == "RUNNING"
    assert api.after(2).status() == "404"
    assert api.task(task)["state"] == "FINISHED"
    assert api.create()


def test_stop_and_start_have_no_task(api: ApiClient) -> None:
    """Both are 204; DISABLED within seconds, then ACTIVE again."""
    api.active()
    assert api.request("POST", f"{V3}/my-instance/stop").status == 204
    assert api.status() == "ACTIVE"
    assert api.after(30).status() == "DISABLED"
    assert api.get()["containers"][0]["deploy_status"] == {"ready": 0, "total": 0}
    assert api.request("POST", f"{V3}/my-instance/start").raw.body == b""
    words = [api.after(seconds).status() for seconds in (0, 200, 300)]
    assert words == ["DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"]
    assert api.request("GET", "/cloud/v1/tasks").json["count"] == 1


@pytest.mark.parametrize(("seconds", "word"), [(150, "DEPLOYING"), (400, "PARTIALLYDEPLOYED")])
def test_stop_of_a_pending_deployment(api: ApiClient, seconds: float, word: str) -> None:
    """It keeps its status until it is DISABLED: it never was ACTIVE, and does not serve."""
    api.create()
    assert api.after(seconds).request("POST", f"{V3}/my-instance/stop").status == 204
    assert api.status() == word
    assert api.request_dataplane("my-instance", "/v1/models").status == 503
    assert api.get()["containers"][0]["deploy_status"]["ready"] == 0
    assert api.after(30).status() == "DISABLED"


def test_start_with_scale_to_zero_ends_pending(api: ApiClient) -> None:
    """A started deployment with a minimum scale of 0 is PENDING."""
    api.active(containers=[a_container(min=0)])
    api.request("POST", f"{V3}/my-instance/stop")
    api.after(30).request("POST", f"{V3}/my-instance/start")
    assert api.after(500).status() == "PENDING"


@pytest.mark.parametrize("action", ["start", "stop"])
def test_start_and_stop_twice_change_nothing_more(api: ApiClient, action: str) -> None:
    """A second start or stop changes nothing."""
    api.active()
    api.request("POST", f"{V3}/my-instance/{action}")
    word = api.after(500).status()
    assert api.request("POST", f"{V3}/my-instance/{action}").status == 204
    assert api.status() == word == ("ACTIVE" if action == "start" else "DISABLED")


def test_update_of_a_stopped_deployment_leaves_it_stopped(api: ApiClient) -> None:
    """It has the new fields and stays DISABLED."""
    api.active()
    api.request("POST", f"{V3}/my-instance/stop")
    task = api.task_of(api.after(30).update(description="new"))
    assert api.status() == "DISABLED"
    it = api.after(60).get()
    assert (it["status"], it["description"]) == ("DISABLED", "new")
    assert api.task(task)["state"] == "FINISHED"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop")],
)
def test_task_locks_its_deployment(api: ApiClient, method: str, path: str) -> None:
    """Writes are 409 while a task runs, and accepted afterwards, settled or not."""
    api.create()
    refused = api.after(99).request(method, f"{V3}/my-instance{path}", {})
    assert (refused.status, refused.json["exception_class"]) == (409, "ConflictError")
    assert "exists" not in refused.json["message"]
    assert api.after(2).request(method, f"{V3}/my-instance{path}", {}).status in (200, 204)


def test_update_while_deploying_supersedes(api: ApiClient) -> None:
    """The deployment settles when the later write does."""
    api.create()
    api.after(600)
    api.update(description="later")
    assert api.after(399).status() == "PARTIALLYDEPLOYED"
    assert api.after(101).status() == "ACTIVE"
    outcomes = [write.outcome for write in api.world.truth("my-instance", api.now).writes]
    assert outcomes == ["superseded", "running"]


def test_name_is_taken_until_the_delete_is_over(api: ApiClient) -> None:
    """A second create of the name is refused until then."""
    api.active()
    api.request("DELETE", f"{V3}/my-instance")
    refused = api.request("POST", V3, a_deployment())
    assert refused.status == 409
    assert "already exists" in refused.json["message"]
    assert api.world.created["my-instance"] == 1


def test_list_pages_by_limit_and_offset(api: ApiClient) -> None:
    """`count` is the total; rows are oldest first; pages past the end are empty."""
    for number in range(5):
        api.create(name=f"number-{number}")
    page = api.request("GET", f"{V3}?limit=2&offset=2").json
    assert page["count"] == 5
    assert [row["name"] for row in page["results"]] == ["number-2", "number-3"]
    assert api.request("GET", f"{V3}?offset=5").json["results"] == []
    for limit in ("two", "-1", "1_0", "9" * 5000):
        reply = api.request("GET", f"{V3}?limit={limit}")
        assert (reply.status, reply.json["invalid_fields"].keys()) == (400, {"limit"})


def test_list_row_equals_a_get(api: ApiClient) -> None:
    """Rows have all fields."""
    api.active()
    assert api.request("GET", V3).json["results"] == [api.get()]


@pytest.mark.parametrize(
    ("dialect", "command", "created_at", "policy"),
    [
        ("documented", ["nginx", "-g", "daemon off;"], "2024-01-09T20:44:32Z", {"period": 45}),
        ("observed", "nginx -g daemon off;", "2024-01-09T20:44:32.500000", 45),
    ],
)
def test_dialects(
    make_api: Callable[..., ApiClient],
    dialect: str,
    command: object,
    created_at: str,
    policy: object,
) -> None:
    """The dialects differ in command, timestamps and retention policy."""
    api = make_api(dialect)
    logging = {"enabled": True, "retention_policy": {"period": 45}}
    api.create(command=["nginx", "-g", "daemon off;"], logging=logging)
    it = api.get()
    assert (it["command"], it["created_at"]) == (command, created_at)
    assert it["logging"]["retention_policy"] == policy


def test_logs_have_the_events_so_far(api: ApiClient) -> None:
    """Empty before the containers exist; sorted either way, filtered by region."""
    api.create(containers=[a_container(), a_container() | {"region_id": 26}])
    path = f"{V3}/my-instance/logs"
    assert api.request("GET", path).json == {"count": 0, "results": []}
    api.after(1000)
    found = api.request("GET", f"{path}?region_id=26").json["results"]
    assert [(line["region_id"], line["pod"]) for line in found] == [(26, "my-instance-1-0")] * 2
    assert "Pulling image nginx:latest" in found[0]["message"]
    newest = api.request("GET", f"{path}?order_by=time.desc&limit=1").json
    assert newest["count"] == 4
    assert "Listening on port 80" in newest["results"][0]["message"]
    assert api.request("GET", f"{path}?order_by=pod").status == 400
