"""What can go wrong, by code: with the task, with the containers, with reads and answers."""

import pytest

from .helpers import V3, Desk, a_deployment

CREATE, UPDATE, DELETE = f"POST {V3}", f"PATCH {V3}/{{name}}", f"DELETE {V3}/{{name}}"


def test_failed_task_of_a_create_leaves_nothing(desk: Desk) -> None:
    """ERROR with its story, and no deployment; the name is free again."""
    desk.world.fault("operation_failed", on=CREATE, message="no nodes", now=desk.now)
    task = desk.create()
    assert (desk.task(task)["state"], desk.task(task)["error"]) == ("NEW", None)
    told = desk.after(100).task(task)
    assert (told["state"], told["error"], told["created_resources"]) == ("ERROR", "no nodes", None)
    assert desk.status() == "404"
    assert desk.create()


def test_failed_task_of_an_update_changes_nothing(desk: Desk) -> None:
    """The old fields and the old word are back."""
    desk.active(description="old")
    desk.world.fault("operation_failed", on=UPDATE, now=desk.now)
    task = desk.task_of(desk.update(description="new"))
    assert desk.after(50).task(task)["state"] == "ERROR"
    it = desk.get()
    assert (it["status"], it["description"]) == ("ACTIVE", "old")
    assert desk.world.truth("my-instance", desk.now).version == 1


def test_failed_update_lets_the_create_it_interrupted_go_on(desk: Desk) -> None:
    """Still rolling out after the update's task has failed, and served when it would have been."""
    desk.create()
    desk.world.fault("operation_failed", on=UPDATE, now=desk.now)
    task = desk.task_of(desk.after(600).update(description="new"))
    assert desk.after(51).task(task)["state"] == "ERROR"
    assert (desk.status(), desk.get()["address"]) == ("PARTIALLYDEPLOYED", None)
    assert desk.after(349).status() == "ACTIVE"


def test_failed_delete_leaves_it_running(desk: Desk) -> None:
    """And it keeps costing."""
    desk.active()
    desk.world.fault("error", on=DELETE, now=desk.now)
    task = desk.task_of(desk.ask("DELETE", f"{V3}/my-instance"))
    assert desk.after(100).task(task)["state"] == "ERROR"
    assert desk.status() == "ACTIVE"


@pytest.mark.parametrize("kind", ["operation_stuck", "operation_timeout"])
def test_task_that_hangs_or_times_out(desk: Desk, kind: str) -> None:
    """One runs for ever, the other ends as ERROR."""
    desk.world.fault(kind, on=CREATE, now=desk.now)
    task = desk.create()
    desk.after(1e6)
    if kind == "operation_stuck":
        assert (desk.task(task)["state"], desk.status()) == ("RUNNING", "DEPLOYING")
        assert not desk.world.truth("my-instance", desk.now).settled
    else:
        assert (desk.task(task)["state"], desk.task(task)["error"]) == ("ERROR", "Task timed out")


def test_containers_that_do_not_come_up(desk: Desk) -> None:
    """The task finishes all the same; the story is told by each container, for ever."""
    desk.world.fault("error", on=CREATE, message="bad image", now=desk.now)
    task = desk.create()
    assert desk.after(299).get()["containers"][0]["error_message"] is None
    it = desk.after(1e6).get()
    assert it["status"] == "PARTIALLYDEPLOYED"
    assert it["containers"][0]["error_message"] == "bad image"
    assert desk.task(task)["state"] == "FINISHED"


def test_containers_that_get_over_it(desk: Desk) -> None:
    """With `seconds` the story is told for that long, and then it goes on to ACTIVE."""
    desk.world.fault("error", on=CREATE, seconds=900, now=desk.now)
    desk.create()
    assert desk.after(301).get()["containers"][0]["error_message"]
    assert desk.after(898).status() == "PARTIALLYDEPLOYED"
    it = desk.after(2).get()
    assert (it["status"], it["containers"][0]["error_message"]) == ("ACTIVE", None)


def test_stuck_without_a_story(desk: Desk) -> None:
    """PARTIALLYDEPLOYED for ever, and nothing is told."""
    desk.world.fault("stuck", on=CREATE, now=desk.now)
    desk.create()
    it = desk.after(1e6).get()
    assert (it["status"], it["containers"][0]["error_message"]) == ("PARTIALLYDEPLOYED", None)


def test_regress_fails_after_it_served(desk: Desk) -> None:
    """ACTIVE for so many seconds first; the next update heals it."""
    desk.world.fault("regress", on=CREATE, seconds=50, now=desk.now)
    desk.active()
    assert desk.status() == "ACTIVE"
    it = desk.after(50).get()
    assert (it["status"], it["address"] is not None) == ("PARTIALLYDEPLOYED", True)
    assert it["containers"][0]["error_message"] == "Failed to pull image"
    desk.update(image="nginx:2")
    assert desk.after(500).status() == "ACTIVE"


def test_strikes_at_once_by_name(desk: Desk) -> None:
    """An outcome fault with an id needs no write: under way it bends, settled it breaks."""
    desk.active()
    with pytest.raises(ValueError, match="nothing is under way"):
        desk.world.fault("stuck", id="my-instance", now=desk.now)
    desk.world.fault("error", id="my-instance", message="lost", now=desk.now)
    assert desk.get()["containers"][0]["error_message"] == "lost"
    desk.create(name="second")
    desk.world.fault("stuck", id="second", now=desk.now)
    assert desk.after(1e6).status("second") == "PARTIALLYDEPLOYED"


def test_strike_of_a_delete_under_way_fails_its_task(desk: Desk) -> None:
    """The task that the caller holds tells it."""
    desk.active()
    task = desk.task_of(desk.ask("DELETE", f"{V3}/my-instance"))
    desk.world.fault("error", id="my-instance", message="held", now=desk.now)
    assert desk.after(100).task(task)["error"] == "held"


def test_answer_without_a_task(desk: Desk) -> None:
    """The list is empty, and the update happens all the same: the SDK tolerates it."""
    desk.active()
    desk.world.fault("no_reference", on=UPDATE, now=desk.now)
    assert desk.update(description="new").json == {"tasks": []}
    assert desk.after(500).get()["description"] == "new"


def test_answer_with_several_tasks(desk: Desk) -> None:
    """The second goes on after the first is over."""
    desk.active()
    desk.world.fault("many_tasks", on=UPDATE, now=desk.now)
    first, second = desk.update(description="new").json["tasks"]
    desk.after(50)
    assert [desk.task(id)["state"] for id in (first, second)] == ["FINISHED", "RUNNING"]
    assert desk.after(450).task(second)["state"] == "FINISHED"


def test_stale_reads_after_an_update(desk: Desk) -> None:
    """ACTIVE with the old fields, in GET and list, for as long as asked."""
    desk.active(description="old")
    desk.world.fault("stale", on=UPDATE, seconds=60, now=desk.now)
    desk.update(description="new")
    for row in (desk.get(), desk.ask("GET", V3).json["results"][0]):
        assert (row["status"], row["description"]) == ("ACTIVE", "old")
    it = desk.after(60).get()
    assert (it["status"], it["description"]) == ("DEPLOYING", "new")


@pytest.mark.parametrize(
    ("kind", "found", "listed"), [("not_found", False, True), ("list_lag", True, False)]
)
def test_reads_lag_after_a_create(desk: Desk, kind: str, found: bool, listed: bool) -> None:
    """A GET may be 404 while the list has it, and the other way round."""
    desk.world.fault(kind, on=CREATE, seconds=60, now=desk.now)
    desk.create()
    assert (desk.status() != "404", desk.ask("GET", V3).json["count"] == 1) == (found, listed)
    desk.after(60)
    assert (desk.status() != "404", desk.ask("GET", V3).json["count"] == 1) == (True, True)


def test_unknown_word(desk: Desk) -> None:
    """For the operation asked for alone."""
    desk.active()
    desk.world.fault("unknown_status", on=f"GET {V3}/{{name}}", word="MOVING", now=desk.now)
    assert [desk.status(), desk.status()] == ["MOVING", "ACTIVE"]


def test_lost_answer_has_made_it(desk: Desk) -> None:
    """A reset after the commit: the deployment is there, and the caller does not know."""
    desk.world.fault("reset", on=CREATE, after_commit=True, now=desk.now)
    assert desk.ask("POST", V3, a_deployment()).raw.drop
    assert desk.status() == "DEPLOYING"


@pytest.mark.parametrize(
    ("status", "name"),
    [(500, "InternalServerError"), (503, "InternalServerError"), (429, "TooManyRequests")],
)
def test_faults_answer_in_the_vendors_shape(desk: Desk, status: int, name: str) -> None:
    """Their body has an exception_class and a request_id, too."""
    desk.world.fault("status", on=f"GET {V3}", status=status, now=desk.now)
    reply = desk.ask("GET", V3)
    assert (reply.status, reply.json["exception_class"]) == (status, name)
    assert reply.json["request_id"]


def test_storm_tells_when_to_come_back(desk: Desk) -> None:
    """429 with retry-after, and without any window of ours."""
    desk.world.fault("rate_limit", on=f"GET {V3}", retry_after=7, now=desk.now)
    reply = desk.ask("GET", V3)
    assert (reply.status, reply.raw.headers["retry-after"]) == (429, "7")
    assert "ratelimit-remaining" not in reply.raw.headers
