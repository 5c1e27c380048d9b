"""Faults in tasks, containers, reads and responses."""

import pytest

from .helpers import V3, ApiClient, a_deployment

CREATE, UPDATE, DELETE = f"POST {V3}", f"PATCH {V3}/{{name}}", f"DELETE {V3}/{{name}}"


def test_failed_task_of_a_create_leaves_nothing(api: ApiClient) -> None:
    """The task is ERROR with its message, the deployment does not exist, the name is free."""
    api.world.fault("operation_failed", on=CREATE, message="no nodes", now=api.now)
    task = api.create()
    assert (api.task(task)["state"], api.task(task)["error"]) == ("NEW", None)
    found = api.after(100).task(task)
    assert (found["state"], found["error"], found["created_resources"]) == (
        "ERROR",
        "no nodes",
        None,
    )
    assert api.status() == "404"
    assert api.create()


def test_failed_task_of_an_update_changes_nothing(api: ApiClient) -> None:
    """The old fields and the old status are back."""
    api.active(description="old")
    api.world.fault("operation_failed", on=UPDATE, now=api.now)
    task = api.task_of(api.update(description="new"))
    assert api.after(50).task(task)["state"] == "ERROR"
    it = api.get()
    assert (it["status"], it["description"]) == ("ACTIVE", "old")
    assert api.world.truth("my-instance", api.now).version == 1


def test_failed_update_lets_the_interrupted_create_continue(api: ApiClient) -> None:
    """The create continues after the update's task has failed, and settles as planned."""
    api.create()
    api.world.fault("operation_failed", on=UPDATE, now=api.now)
    task = api.task_of(api.after(600).update(description="new"))
    assert api.after(51).task(task)["state"] == "ERROR"
    assert (api.status(), api.get()["address"]) == ("PARTIALLYDEPLOYED", None)
    assert api.after(349).status() == "ACTIVE"


def test_failed_delete_leaves_it_running(api: ApiClient) -> None:
    """The deployment still runs, and costs money."""
    api.active()
    api.world.fault("error", on=DELETE, now=api.now)
    task = api.task_of(api.request("DELETE", f"{V3}/my-instance"))
    assert api.after(100).task(task)["state"] == "ERROR"
    assert api.status() == "ACTIVE"


@pytest.mark.parametrize("kind", ["operation_stuck", "operation_timeout"])
def test_task_that_hangs_or_times_out(api: ApiClient, kind: str) -> None:
    """One is RUNNING for ever, the other ends as ERROR."""
    api.world.fault(kind, on=CREATE, now=api.now)
    task = api.create()
    api.after(1e6)
    if kind == "operation_stuck":
        assert (api.task(task)["state"], api.status()) == ("RUNNING", "DEPLOYING")
        assert not api.world.truth("my-instance", api.now).settled
    else:
        assert (api.task(task)["state"], api.task(task)["error"]) == ("ERROR", "Task timed out")


def test_containers_that_do_not_start(api: ApiClient) -> None:
    """The task finishes all the same; each container has the error message for ever."""
    api.world.fault("error", on=CREATE, message="bad image", now=api.now)
    task = api.create()
    assert api.after(299).get()["containers"][0]["error_message"] is None
    it = api.after(1e6).get()
    assert it["status"] == "PARTIALLYDEPLOYED"
    assert it["containers"][0]["error_message"] == "bad image"
    assert api.task(task)["state"] == "FINISHED"


def test_containers_that_recover(api: ApiClient) -> None:
    """With `seconds` they have the message for that long, then become ACTIVE."""
    api.world.fault("error", on=CREATE, seconds=900, now=api.now)
    api.create()
    assert api.after(301).get()["containers"][0]["error_message"]
    assert api.after(898).status() == "PARTIALLYDEPLOYED"
    it = api.after(2).get()
    assert (it["status"], it["containers"][0]["error_message"]) == ("ACTIVE", None)


def test_stuck_without_a_message(api: ApiClient) -> None:
    """It is PARTIALLYDEPLOYED for ever, without an error message."""
    api.world.fault("stuck", on=CREATE, now=api.now)
    api.create()
    it = api.after(1e6).get()
    assert (it["status"], it["containers"][0]["error_message"]) == ("PARTIALLYDEPLOYED", None)


def test_regress_fails_after_it_served(api: ApiClient) -> None:
    """It is ACTIVE for `seconds` first; the next update repairs it."""
    api.world.fault("regress", on=CREATE, seconds=50, now=api.now)
    api.active()
    assert api.status() == "ACTIVE"
    it = api.after(50).get()
    assert (it["status"], it["address"] is not None) == ("PARTIALLYDEPLOYED", True)
    assert it["containers"][0]["error_message"] == "Failed to pull image"
    api.update(image="nginx:2")
    assert api.after(500).status() == "ACTIVE"


def test_outcome_fault_with_an_id_applies_at_once(api: ApiClient) -> None:
    """It changes a pending write, and fails a settled deployment."""
    api.active()
    with pytest.raises(ValueError, match="nothing is under way"):
        api.world.fault("stuck", id="my-instance", now=api.now)
    api.world.fault("error", id="my-instance", message="lost", now=api.now)
    assert api.get()["containers"][0]["error_message"] == "lost"
    api.create(name="second")
    api.world.fault("stuck", id="second", now=api.now)
    assert api.after(1e6).status("second") == "PARTIALLYDEPLOYED"


def test_outcome_fault_on_a_pending_delete_fails_its_task(api: ApiClient) -> None:
    """The task of the delete ends as ERROR."""
    api.active()
    task = api.task_of(api.request("DELETE", f"{V3}/my-instance"))
    api.world.fault("error", id="my-instance", message="held", now=api.now)
    assert api.after(100).task(task)["error"] == "held"


def test_response_without_a_task(api: ApiClient) -> None:
    """The list is empty although the update happens: the SDK tolerates it."""
    api.active()
    api.world.fault("no_reference", on=UPDATE, now=api.now)
    assert api.update(description="new").json == {"tasks": []}
    assert api.after(500).get()["description"] == "new"


def test_response_with_several_tasks(api: ApiClient) -> None:
    """The second one continues after the first is over."""
    api.active()
    api.world.fault("many_tasks", on=UPDATE, now=api.now)
    first, second = api.update(description="new").json["tasks"]
    api.after(50)
    assert [api.task(id)["state"] for id in (first, second)] == ["FINISHED", "RUNNING"]
    assert api.after(450).task(second)["state"] == "FINISHED"


def test_stale_reads_after_an_update(api: ApiClient) -> None:
    """GET and list are ACTIVE with the old fields for the given time."""
    api.active(description="old")
    api.world.fault("stale", on=UPDATE, seconds=60, now=api.now)
    api.update(description="new")
    for row in (api.get(), api.request("GET", V3).json["results"][0]):
        assert (row["status"], row["description"]) == ("ACTIVE", "old")
    it = api.after(60).get()
    assert (it["status"], it["description"]) == ("DEPLOYING", "new")


@pytest.mark.parametrize(
    ("kind", "found", "listed"), [("not_found", False, True), ("list_lag", True, False)]
)
def test_reads_lag_after_a_create(api: ApiClient, kind: str, found: bool, listed: bool) -> None:
    """A GET may be 404 while the list has the row, and the reverse."""
    api.world.fault(kind, on=CREATE, seconds=60, now=api.now)
    api.create()
    assert (api.status() != "404", api.request("GET", V3).json["count"] == 1) == (found, listed)
    api.after(60)
    assert (api.status() != "404", api.request("GET", V3).json["count"] == 1) == (True, True)


@pytest.mark.parametrize(("region", "applies"), [("7", True), ("26", False)])
@pytest.mark.parametrize("kind", ["unknown_status", "not_found", "no_reference", "many_tasks"])
def test_faults_of_a_region(api: ApiClient, kind: str, region: str, applies: bool) -> None:
    """A fault of a region applies to the deployments that run there."""
    fault = api.world.fault(kind, region=region, now=api.now)
    api.request("POST", V3, a_deployment())
    api.status()
    assert fault.hits == applies


def test_unknown_status(api: ApiClient) -> None:
    """It applies to the named operation only."""
    api.active()
    api.world.fault("unknown_status", on=f"GET {V3}/{{name}}", word="MOVING", now=api.now)
    assert [api.status(), api.status()] == ["MOVING", "ACTIVE"]


def test_create_with_a_lost_response_is_executed(api: ApiClient) -> None:
    """After a reset with `after_commit` the deployment exists."""
    api.world.fault("reset", on=CREATE, after_commit=True, now=api.now)
    assert api.request("POST", V3, a_deployment()).raw.drop
    assert api.status() == "DEPLOYING"


@pytest.mark.parametrize(
    ("status", "name"),
    [(500, "InternalServerError"), (503, "InternalServerError"), (429, "TooManyRequests")],
)
def test_injected_errors_have_the_vendors_format(api: ApiClient, status: int, name: str) -> None:
    """Their body has an exception_class and a request_id, too."""
    api.world.fault("status", on=f"GET {V3}", status=status, now=api.now)
    reply = api.request("GET", V3)
    assert (reply.status, reply.json["exception_class"]) == (status, name)
    assert reply.json["request_id"]


def test_rate_limit_fault_sends_retry_after(api: ApiClient) -> None:
    """It is a 429 with retry-after, without other rate headers."""
    api.world.fault("rate_limit", on=f"GET {V3}", retry_after=7, now=api.now)
    reply = api.request("GET", V3)
    assert (reply.status, reply.raw.headers["retry-after"]) == (429, "7")
    assert "ratelimit-remaining" not in reply.raw.headers
