"""What status words mean, and what a read proves."""

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
from tests.builders.gcore import (
    a_container,
    a_deployment,
    a_task,
    an_instance,
    read_deployment,
    read_instance,
)

CREATE = Expectation(action=Action.CREATE, accepted_at=0.0)
ASLEEP = [a_container(scale={"min": 0, "max": 3})]
BROKEN = [a_container(error_message="ImagePullBackOff"), a_container(region_id=8)]
PHASES = {
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


def observed(status: str, desired: DesiredState | None = None, **fields: Any) -> Observation:
    """Return the observation of a v3 deployment."""
    expectation = CREATE
    if desired is not None:
        expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=desired.encode())
    return observe(read_deployment(a_deployment(status, **fields)), expectation)


@pytest.mark.parametrize(("status", "phase"), PHASES.items())
def test_phases(status: str, phase: Phase) -> None:
    """Each documented word has a phase, in v3 and in v2."""
    assert (observed(status).phase, observed(status).documented) == (phase, True)
    assert observe(read_instance(an_instance(status, containers=ASLEEP)), CREATE).phase is phase


@pytest.mark.parametrize("status", ["", "HIBERNATED"])
def test_undocumented_words(status: str) -> None:
    """An undocumented word counts as in progress."""
    assert (observed(status).phase, observed(status).documented) == (Phase.WORKING, False)


def test_scaled_to_zero() -> None:
    """PENDING is ready, with a reason for the history."""
    reason = observed("PENDING").reason
    assert reason is not None
    assert reason.startswith("scaled to zero")


def test_v2_pending_that_may_not_scale_to_zero() -> None:
    """In v2, PENDING with a minimum of one replica is not ready."""
    assert observe(read_instance(an_instance("PENDING")), CREATE).phase is Phase.WORKING


def test_error_message_fails_after_a_grace() -> None:
    """A container's error message is a failure once the grace has passed."""
    found = observed("PARTIALLYDEPLOYED", containers=BROKEN)
    assert (found.phase, found.failure_grace) == (Phase.FAILED, FAILURE_GRACE_S)
    assert found.reason == "region 7: ImagePullBackOff"


def test_stopped_fails_after_a_grace() -> None:
    """DISABLED fails a wait for serving, after time for a start to show."""
    found = observed("DISABLED")
    assert (found.phase, found.failure_grace) == (Phase.FAILED, FAILURE_GRACE_S)


@pytest.mark.parametrize("status", ["ERROR", "FAILED"])
def test_failure_reason(status: str) -> None:
    """ERROR and FAILED fail at once, with the containers' messages."""
    found = observe(read_instance(an_instance(status, containers=BROKEN)), CREATE)
    assert (found.reason, found.failure_grace) == ("region 7: ImagePullBackOff", None)
    assert observed(status).reason == "the API gives no reason"


def test_progress() -> None:
    """PARTIALLYDEPLOYED shows how many replicas are ready."""
    status = {"deploy_status": {"ready": 1, "total": 3}}
    found = observed("PARTIALLYDEPLOYED", containers=[a_container(**status)] * 2)
    assert found.reason == "2 of 6 replicas ready"


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("ACTIVE", Phase.WORKING),
        ("PENDING", Phase.WORKING),
        ("PARTIALLYDEPLOYED", Phase.WORKING),
        ("ERROR", Phase.WORKING),
        ("DISABLED", Phase.READY),
        ("DELETING", Phase.DELETING),
    ],
)
def test_stopping(status: str, phase: Phase) -> None:
    """After a stop, only DISABLED is ready."""
    found = observed(status, DesiredState("stop"))
    assert (found.phase, found.matches_sent) == (phase, phase is Phase.READY)


@pytest.mark.parametrize("status", ["ACTIVE", "PENDING"])
def test_starting(status: str) -> None:
    """After a start, ACTIVE and PENDING match."""
    assert observed(status, DesiredState("start")).matches_sent is True
    assert observed("DISABLED", DesiredState("start")).matches_sent is False


def test_update_of_a_stopped_deployment() -> None:
    """After an update of a stopped deployment, DISABLED and ACTIVE are ready."""
    assert observed("DISABLED", DesiredState(was_stopped=True)).phase is Phase.READY
    assert observed("ACTIVE", DesiredState(was_stopped=True)).phase is Phase.READY


def test_matches_sent() -> None:
    """Only the observation of an update is compared with the fields sent."""
    desired = DesiredState("update", {"image": "new"})
    assert observed("ACTIVE", desired, image="new").matches_sent is True
    assert observed("ACTIVE", desired, image="old").matches_sent is False
    assert observed("ACTIVE").matches_sent is None


def test_update_expectation() -> None:
    """The phase before the write depends on the desired state."""
    before = read_deployment(a_deployment("ACTIVE"))
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


def test_proof_of_a_v3_update() -> None:
    """The new fields prove an update; one that changes nothing has no proof."""
    before = read_deployment(a_deployment())
    assert (
        desired_is_proof(desired_state({"image": "new"}, before), before, Accepted(("t",))) is True
    )
    assert (
        desired_is_proof(desired_state({"image": before.image}, before), before, Accepted(("t",)))
        is None
    )


@pytest.mark.parametrize(("status", "proof"), [("DEPLOYING", True), ("ACTIVE", False)])
def test_proof_of_a_v2_update(status: str, proof: bool) -> None:
    """The PUT's answer shows the new fields, so it must show progress as well."""
    before = read_instance(an_instance())
    desired = desired_state({"image": "new"}, before)
    assert (
        desired_is_proof(desired, before, read_instance(an_instance(status, image="new"))) is proof
    )


@pytest.mark.parametrize(("status", "proof"), [("ACTIVE", True), ("DISABLED", False)])
def test_proof_of_a_stop(status: str, proof: bool) -> None:
    """DISABLED proves nothing if it was shown before the stop."""
    assert (
        desired_is_proof(DesiredState("stop"), read_deployment(a_deployment(status)), Accepted())
        is proof
    )


def test_shows_desired() -> None:
    """A desired state is shown only if it can be compared and matches."""
    assert shows_desired(DesiredState("stop"), read_deployment(a_deployment("DISABLED")))
    assert not shows_desired(
        DesiredState("update", {"image": "new"}), read_deployment(a_deployment())
    )
    assert not shows_desired(DesiredState("update", {}), read_deployment(a_deployment()))


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
    """Only FINISHED and ERROR end a task."""
    found = observe_task(CODEC.structure(a_task(state), Task))
    assert (found.phase, found.documented) == (phase, known)


@pytest.mark.parametrize(
    ("error", "reason"), [("no space", "no space"), (None, "the API gives no reason")]
)
def test_reason_of_a_failed_task(error: str | None, reason: str) -> None:
    """The reason is the task's error."""
    assert observe_task(CODEC.structure(a_task("ERROR", error=error), Task)).reason == reason


def test_duration_key() -> None:
    """Regions and flavor decide how long changes take."""
    found = read_deployment(a_deployment(containers=BROKEN))
    assert duration_key(found) == ("7,8", "inference-16vcpu-232gib-1xh100-80gb")
    assert duration_key(read_instance(an_instance()))[1] == "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def test_row_key() -> None:
    """A row's id, and a fingerprint that changes with any field."""
    assert row_key(an_instance())[0] == an_instance()["id"]
    assert row_key(an_instance()) == row_key(an_instance())
    assert row_key(an_instance()) != row_key(an_instance(timeout=1))


@pytest.mark.parametrize("row", [None, [], "x", {}])
def test_row_key_of_an_odd_row(row: Any) -> None:
    """A row that is not an object, or has no id, has the key ""."""
    assert row_key(row)[0] == ""


@pytest.mark.parametrize(
    ("status", "pending"),
    [("DEPLOYING", True), ("DELETING", True), ("ACTIVE", False), ("DISABLED", False)],
)
def test_is_pending(status: str, pending: bool) -> None:
    """Only changes that end by themselves are pending."""
    assert is_pending(read_deployment(a_deployment(status))) is pending
