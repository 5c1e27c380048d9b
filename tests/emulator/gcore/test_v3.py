"""Deployments (v3): the ways of a write, and what is told on them."""

from collections.abc import Callable

import pytest

from .helpers import V3, Desk, a_container, a_deployment


def test_create_goes_through_its_task_and_its_containers(desk: Desk) -> None:
    """NEW, RUNNING, FINISHED; and DEPLOYING, PARTIALLYDEPLOYED, ACTIVE: FINISHED is not serving."""
    task = desk.create()
    seen = []
    for seconds in (0, 21, 80, 200, 698, 2):
        desk.after(seconds)
        seen.append((desk.task(task)["state"], desk.status()))
    assert seen == [
        ("NEW", "DEPLOYING"),
        ("RUNNING", "DEPLOYING"),
        ("FINISHED", "DEPLOYING"),
        ("FINISHED", "PARTIALLYDEPLOYED"),
        ("FINISHED", "PARTIALLYDEPLOYED"),
        ("FINISHED", "ACTIVE"),
    ]


def test_replicas_and_address_come_with_serving(desk: Desk) -> None:
    """Until it serves there is no address and nothing ready; afterwards both are there."""
    desk.create(containers=[a_container(min=2)])
    before = desk.get()
    assert before["address"] is None
    assert before["containers"][0]["address"] is None
    assert before["containers"][0]["deploy_status"] == {"ready": 0, "total": 2}
    after = desk.after(1000).get()
    assert after["address"].startswith("https://")
    assert after["containers"][0]["deploy_status"] == {"ready": 2, "total": 2}


def test_scaled_to_zero_settles_as_pending(desk: Desk) -> None:
    """A deployment that may have no replica is PENDING once it is healthy."""
    desk.active(containers=[a_container(min=0)])
    it = desk.get()
    assert it["status"] == "PENDING"
    assert it["address"]
    assert it["containers"][0]["deploy_status"] == {"ready": 0, "total": 0}


def test_one_region_that_never_sleeps_keeps_it_active(desk: Desk) -> None:
    """PENDING needs every container to scale to zero."""
    desk.active(containers=[a_container(min=0), a_container(min=1) | {"region_id": 26}])
    assert desk.status() == "ACTIVE"


def test_update_goes_back_to_deploying_and_keeps_what_it_does_not_name(desk: Desk) -> None:
    """A PATCH is partial, answers with a task, and the deployment rolls out again."""
    desk.active(description="first", envs={"A": "1"})
    task = desk.task_of(desk.update(description="second"))
    assert desk.status() == "DEPLOYING"
    it = desk.after(500).get()
    assert (it["status"], it["description"], it["envs"]) == ("ACTIVE", "second", {"A": "1"})
    assert desk.task(task)["task_type"] == "update_inference_instance"


def test_update_to_scale_to_zero_and_back(desk: Desk) -> None:
    """The word follows the scale."""
    desk.active()
    desk.update(containers=[a_container(min=0)])
    assert desk.after(500).status() == "PENDING"
    desk.update(containers=[a_container(min=1)])
    assert desk.after(500).status() == "ACTIVE"


def test_null_in_an_update_resets_what_has_a_null(desk: Desk) -> None:
    """Null takes a description or a command away, and leaves what must be there alone."""
    desk.active(description="first", command=["serve"], timeout=7)
    desk.update(description=None, command=None, timeout=None, image=None, containers=None)
    it = desk.after(500).get()
    assert (it["description"], it["command"], it["timeout"]) == ("", None, 120)
    assert it["image"] == "nginx:latest"
    assert len(it["containers"]) == 1


def test_delete_is_404_once_its_task_is_over(desk: Desk) -> None:
    """DELETING until then; the name is free afterwards."""
    desk.active()
    task = desk.task_of(desk.ask("DELETE", f"{V3}/my-instance"))
    assert desk.status() == "DELETING"
    assert desk.after(99).status() == "DELETING"
    assert desk.task(task)["state"] == "RUNNING"
    assert desk.after(2).status() == "404"
    assert desk.task(task)["state"] == "FINISHED"
    assert desk.create()


def test_stop_and_start_have_no_task(desk: Desk) -> None:
    """204 and nothing else; DISABLED in seconds, then all of the way to ACTIVE again."""
    desk.active()
    assert desk.ask("POST", f"{V3}/my-instance/stop").status == 204
    assert desk.status() == "ACTIVE"
    assert desk.after(30).status() == "DISABLED"
    assert desk.get()["containers"][0]["deploy_status"] == {"ready": 0, "total": 0}
    assert desk.ask("POST", f"{V3}/my-instance/start").raw.body == b""
    words = [desk.after(seconds).status() for seconds in (0, 200, 300)]
    assert words == ["DEPLOYING", "PARTIALLYDEPLOYED", "ACTIVE"]
    assert desk.ask("GET", "/cloud/v1/tasks").json["count"] == 1


def test_start_of_what_sleeps_ends_pending(desk: Desk) -> None:
    """Started with a least scale of zero it is PENDING."""
    desk.active(containers=[a_container(min=0)])
    desk.ask("POST", f"{V3}/my-instance/stop")
    desk.after(30).ask("POST", f"{V3}/my-instance/start")
    assert desk.after(500).status() == "PENDING"


@pytest.mark.parametrize("action", ["start", "stop"])
def test_start_and_stop_twice_change_nothing_more(desk: Desk, action: str) -> None:
    """What runs goes on, what is stopped stays so."""
    desk.active()
    desk.ask("POST", f"{V3}/my-instance/{action}")
    word = desk.after(500).status()
    assert desk.ask("POST", f"{V3}/my-instance/{action}").status == 204
    assert desk.status() == word == ("ACTIVE" if action == "start" else "DISABLED")


def test_update_of_a_stopped_one_leaves_it_stopped(desk: Desk) -> None:
    """The new fields are there, and it costs nothing."""
    desk.active()
    desk.ask("POST", f"{V3}/my-instance/stop")
    task = desk.task_of(desk.after(30).update(description="new"))
    assert desk.status() == "DISABLED"
    it = desk.after(60).get()
    assert (it["status"], it["description"]) == ("DISABLED", "new")
    assert desk.task(task)["state"] == "FINISHED"


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop")],
)
def test_task_locks_its_deployment(desk: Desk, method: str, path: str) -> None:
    """409 while a task runs; once it is over the next write is taken, settled or not."""
    desk.create()
    refused = desk.after(99).ask(method, f"{V3}/my-instance{path}", {})
    assert (refused.status, refused.json["exception_class"]) == (409, "ConflictError")
    assert "exists" not in refused.json["message"]
    assert desk.after(2).ask(method, f"{V3}/my-instance{path}", {}).status in (200, 204)


def test_update_while_deploying_supersedes(desk: Desk) -> None:
    """The deployment settles when the later write does."""
    desk.create()
    desk.after(600)
    desk.update(description="later")
    assert desk.after(399).status() == "PARTIALLYDEPLOYED"
    assert desk.after(101).status() == "ACTIVE"
    outcomes = [write.outcome for write in desk.world.truth("my-instance", desk.now).writes]
    assert outcomes == ["superseded", "running"]


def test_name_is_taken_until_the_delete_is_over(desk: Desk) -> None:
    """A second create of a name is refused, and says that it exists."""
    desk.active()
    desk.ask("DELETE", f"{V3}/my-instance")
    refused = desk.ask("POST", V3, a_deployment())
    assert refused.status == 409
    assert "already exists" in refused.json["message"]
    assert desk.world.created["my-instance"] == 1


def test_list_pages_by_limit_and_offset(desk: Desk) -> None:
    """`count` is of all; rows come oldest first, and beyond the end there are none."""
    for number in range(5):
        desk.create(name=f"number-{number}")
    page = desk.ask("GET", f"{V3}?limit=2&offset=2").json
    assert page["count"] == 5
    assert [row["name"] for row in page["results"]] == ["number-2", "number-3"]
    assert desk.ask("GET", f"{V3}?offset=5").json["results"] == []
    assert desk.ask("GET", f"{V3}?limit=two").json["invalid_fields"].keys() == {"limit"}


def test_list_row_is_what_a_get_shows(desk: Desk) -> None:
    """There are no light rows here."""
    desk.active()
    assert desk.ask("GET", V3).json["results"] == [desk.get()]


@pytest.mark.parametrize(
    ("dialect", "command", "created_at", "policy"),
    [
        ("documented", ["nginx", "-g", "daemon off;"], "2024-01-09T20:44:32Z", {"period": 45}),
        ("observed", "nginx -g daemon off;", "2024-01-09T20:44:32.500000", 45),
    ],
)
def test_dialects(
    make_desk: Callable[..., Desk], dialect: str, command: object, created_at: str, policy: object
) -> None:
    """A command is a list or one text, a stamp has a Z or is naive, a policy is told two ways."""
    desk = make_desk(dialect)
    logging = {"enabled": True, "retention_policy": {"period": 45}}
    desk.create(command=["nginx", "-g", "daemon off;"], logging=logging)
    it = desk.get()
    assert (it["command"], it["created_at"]) == (command, created_at)
    assert it["logging"]["retention_policy"] == policy


def test_logs_tell_what_has_happened_so_far(desk: Desk) -> None:
    """Nothing before the containers are there; in either order, of one region if asked."""
    desk.create(containers=[a_container(), a_container() | {"region_id": 26}])
    path = f"{V3}/my-instance/logs"
    assert desk.ask("GET", path).json == {"count": 0, "results": []}
    desk.after(1000)
    told = desk.ask("GET", f"{path}?region_id=26").json["results"]
    assert [(line["region_id"], line["pod"]) for line in told] == [(26, "my-instance-1-0")] * 2
    assert "Pulling image nginx:latest" in told[0]["message"]
    newest = desk.ask("GET", f"{path}?order_by=time.desc&limit=1").json
    assert newest["count"] == 4
    assert "Listening on port 80" in newest["results"][0]["message"]
    assert desk.ask("GET", f"{path}?order_by=pod").status == 400
