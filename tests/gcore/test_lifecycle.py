"""Gcore's words in the waiter's words."""

from typing import Any

import pytest

from di_async.core.waiting.observation import Action, Expectation, Observation, Phase
from di_async.gcore.desired_state import DesiredState, desired_state
from di_async.gcore.lifecycle import (
    FAILURE_GRACE_S,
    desired_is_proof,
    duration_key,
    is_pending,
    observe,
    observe_task,
    row_key,
    shows_desired,
    update_expectation,
)
from di_async.gcore.models import CODEC, Accepted, Task
from tests.gcore.helpers import a_container, a_task, an_instance, deployment, instance, shown

CREATE = Expectation(action=Action.CREATE, accepted_at=0.0)
ASLEEP = [a_container(scale={"min": 0, "max": 3})]
BROKEN = [a_container(error_message="ImagePullBackOff"), a_container(region_id=8)]
WORDS = {
    "NEW": Phase.WORKING,
    "DEPLOYING": Phase.WORKING,
    "PARTIALLYDEPLOYED": Phase.WORKING,
    "ACTIVE": Phase.READY,
    "PENDING": Phase.READY,
    "DISABLED": Phase.FAILED,
    "ERROR": Phase.FAILED,
    "FAILED": Phase.FAILED,
    "DELETING": Phase.DELETING,
    "DELETED": Phase.DELETING,
}


def seen(status: str, desired: DesiredState | None = None, **fields: Any) -> Observation:
    """A look at a v3 deployment."""
    expectation = CREATE
    if desired is not None:
        expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=desired.encode())
    return observe(deployment(shown(status, **fields)), expectation)


@pytest.mark.parametrize(("word", "phase"), WORDS.items())
def test_ten_words(word: str, phase: Phase) -> None:
    """Each documented word, in v3 and (scaled to zero) in v2."""
    assert (seen(word).phase, seen(word).documented) == (phase, True)
    assert observe(instance(an_instance(word, containers=ASLEEP)), CREATE).phase is phase


@pytest.mark.parametrize("word", ["", "HIBERNATED"])
def test_unknown_words(word: str) -> None:
    """Pending, and told."""
    assert (seen(word).phase, seen(word).documented) == (Phase.WORKING, False)


def test_scaled_to_zero_says_so() -> None:
    """PENDING is settled, with a note for the history."""
    told = seen("PENDING").reason
    assert told is not None
    assert told.startswith("scaled to zero")


def test_v2_pending_without_leave_to_sleep() -> None:
    """v2 does not say what PENDING means: with a least of one replica it is not settled."""
    assert observe(instance(an_instance("PENDING")), CREATE).phase is Phase.WORKING


def test_error_message_is_a_failure_for_the_patient() -> None:
    """Where the failure story is told, and that it may yet end well."""
    found = seen("PARTIALLYDEPLOYED", containers=BROKEN)
    assert (found.phase, found.failure_grace) == (Phase.FAILED, FAILURE_GRACE_S)
    assert found.reason == "region 7: ImagePullBackOff"


def test_stopped_does_not_start_by_itself() -> None:
    """A wait for it to serve ends, but not before somebody's start could show."""
    found = seen("DISABLED")
    assert (found.phase, found.failure_grace) == (Phase.FAILED, FAILURE_GRACE_S)


@pytest.mark.parametrize("word", ["ERROR", "FAILED"])
def test_failure_story(word: str) -> None:
    """The containers' messages, or that there are none; no patience."""
    found = observe(instance(an_instance(word, containers=BROKEN)), CREATE)
    assert (found.reason, found.failure_grace) == ("region 7: ImagePullBackOff", None)
    assert seen(word).reason == "the API gives no reason"


def test_progress() -> None:
    """While containers come up the history tells how many are ready."""
    status = {"deploy_status": {"ready": 1, "total": 3}}
    found = seen("PARTIALLYDEPLOYED", containers=[a_container(**status)] * 2)
    assert found.reason == "2 of 6 replicas ready"


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("ACTIVE", Phase.WORKING),
        ("PENDING", Phase.WORKING),
        ("PARTIALLYDEPLOYED", Phase.WORKING),
        ("ERROR", Phase.WORKING),
        ("DISABLED", Phase.READY),
        ("DELETING", Phase.DELETING),
    ],
)
def test_stopping(word: str, phase: Phase) -> None:
    """After a stop only DISABLED is the end."""
    found = seen(word, DesiredState("stop"))
    assert (found.phase, found.matches_sent) == (phase, phase is Phase.READY)


@pytest.mark.parametrize("word", ["ACTIVE", "PENDING"])
def test_starting(word: str) -> None:
    """After a start it serves or sleeps."""
    assert seen(word, DesiredState("start")).matches_sent is True
    assert seen("DISABLED", DesiredState("start")).matches_sent is False


def test_update_of_what_is_stopped() -> None:
    """It may stay stopped; then DISABLED is where it settles."""
    assert seen("DISABLED", DesiredState(was_stopped=True)).phase is Phase.READY
    assert seen("ACTIVE", DesiredState(was_stopped=True)).phase is Phase.READY


def test_as_sent() -> None:
    """An update's sights tell whether they show it; other sights do not."""
    desired = DesiredState("update", {"image": "new"})
    assert seen("ACTIVE", desired, image="new").matches_sent is True
    assert seen("ACTIVE", desired, image="old").matches_sent is False
    assert seen("ACTIVE").matches_sent is None


def test_update_case() -> None:
    """It knows where the resource stood before, in the desired's own terms."""
    before = deployment(shown("ACTIVE"))
    expectation = update_expectation(before, DesiredState("stop"), 5.0, differed_before=True)
    assert (expectation.action, expectation.accepted_at, expectation.differed_before) == (
        Action.UPDATE,
        5.0,
        True,
    )
    assert expectation.before_phase is Phase.WORKING
    assert (
        update_expectation(before, DesiredState("start"), 5.0, differed_before=False).before_phase
        is Phase.READY
    )


def test_what_proves_a_v3_update() -> None:
    """A change of what is shown, once the task is over; else nothing does by itself."""
    before = deployment(shown())
    assert (
        desired_is_proof(desired_state({"image": "new"}, before), before, Accepted(("t",))) is True
    )
    assert (
        desired_is_proof(desired_state({"image": before.image}, before), before, Accepted(("t",)))
        is None
    )


@pytest.mark.parametrize(("status", "proof"), [("DEPLOYING", True), ("ACTIVE", False)])
def test_what_proves_a_v2_update(status: str, proof: bool) -> None:
    """PUT's answer shows the new fields at once, so that it must show work as well."""
    before = instance(an_instance())
    desired = desired_state({"image": "new"}, before)
    assert desired_is_proof(desired, before, instance(an_instance(status, image="new"))) is proof


@pytest.mark.parametrize(("status", "proof"), [("ACTIVE", True), ("DISABLED", False)])
def test_what_proves_a_stop(status: str, proof: bool) -> None:
    """DISABLED says nothing if it was so before."""
    assert desired_is_proof(DesiredState("stop"), deployment(shown(status)), Accepted()) is proof


def test_shows() -> None:
    """A read shows a desired, or it does not, or it cannot tell."""
    assert shows_desired(DesiredState("stop"), deployment(shown("DISABLED")))
    assert not shows_desired(DesiredState("update", {"image": "new"}), deployment(shown()))
    assert not shows_desired(DesiredState("update", {}), deployment(shown()))


@pytest.mark.parametrize(
    ("state", "phase", "known"),
    [
        ("NEW", Phase.WORKING, True),
        ("RUNNING", Phase.WORKING, True),
        ("FINISHED", Phase.READY, True),
        ("ERROR", Phase.FAILED, True),
        ("PAUSED", Phase.WORKING, False),
    ],
)
def test_task(state: str, phase: Phase, known: bool) -> None:
    """NEW is no end; a word nobody knows is none either."""
    found = observe_task(CODEC.structure(a_task(state), Task))
    assert (found.phase, found.documented) == (phase, known)


@pytest.mark.parametrize(
    ("error", "why"), [("no space", "no space"), (None, "the API gives no reason")]
)
def test_failed_task_tells_why(error: str | None, why: str) -> None:
    """Its error is the story."""
    assert observe_task(CODEC.structure(a_task("ERROR", error=error), Task)).reason == why


def test_place() -> None:
    """Regions and flavour."""
    found = deployment(shown(containers=BROKEN))
    assert duration_key(found) == ("7,8", "inference-16vcpu-232gib-1xh100-80gb")
    assert duration_key(instance(an_instance()))[1] == "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def test_row_key() -> None:
    """A row's id, and a fingerprint that changes with any field."""
    assert row_key(shown(), "name")[0] == "my-instance"
    assert row_key(an_instance(), "id")[0] == an_instance()["id"]
    assert row_key(shown(), "name") == row_key(shown(), "name")
    assert row_key(shown(), "name") != row_key(shown(timeout=1), "name")


@pytest.mark.parametrize("row", [None, [], "x", {}])
def test_row_key_of_an_odd_row(row: Any) -> None:
    """A row that is not an object, or has no id, has the key ""."""
    assert row_key(row, "name")[0] == ""


@pytest.mark.parametrize(
    ("status", "pending"),
    [("DEPLOYING", True), ("DELETING", True), ("ACTIVE", False), ("DISABLED", False)],
)
def test_is_pending(status: str, pending: bool) -> None:
    """What will end by itself."""
    assert is_pending(deployment(shown(status))) is pending
