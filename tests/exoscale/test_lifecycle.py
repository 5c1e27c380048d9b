"""What states mean, and what reads must show after a write."""

from typing import Any

import pytest

from di_async.core.waiting.observation import Action, Expectation, Phase
from di_async.exoscale import Model, Operation
from di_async.exoscale.lifecycle import (
    differs,
    duration_key,
    is_pending,
    observe,
    observe_model,
    observe_operation,
    row_key,
    update_expectation,
)
from tests.builders.exoscale import ID, LATE, a_deployment, a_row, read

PLANTED = "planted-PLANTED-99"
ANY = Expectation(action=Action.ACTIVE, accepted_at=0.0)
WORKING = ("creating", "preparing", "deploying", "scaling", "updating")


@pytest.mark.parametrize(
    ("state", "phase"),
    [*((word, Phase.WORKING) for word in WORKING), ("ready", Phase.READY), ("error", Phase.FAILED)],
)
def test_documented_states(state: str, phase: Phase) -> None:
    """Each of the seven documented states has its phase."""
    seen = observe(read(a_row(state)), ANY)
    assert (seen.phase, seen.documented, seen.status) == (phase, True, state)
    assert is_pending(state) is (phase is Phase.WORKING)


@pytest.mark.parametrize("state", ["hibernating", ""])
def test_unknown_state_is_pending(state: str) -> None:
    """An unknown state is pending and marked as undocumented."""
    seen = observe(read(a_row(state)), ANY)
    assert (seen.phase, seen.documented) == (Phase.WORKING, False)


def test_failure_details() -> None:
    """A failure names its details and where to find the log."""
    seen = observe(read(a_deployment("error", state_details="CUDA out of memory")), ANY)
    assert seen.reason is not None
    assert "CUDA out of memory" in seen.reason
    assert f"logs('{ID}')" in seen.reason
    bare = observe(read(a_row("error")), ANY)
    assert "no details" in str(bare.reason)


@pytest.mark.parametrize("url", [None, ""])
def test_ready_without_a_url_is_not_complete(url: str | None) -> None:
    """A ready deployment without a URL is not complete."""
    seen = observe(read(a_row(deployment_url=url)), ANY)
    assert (seen.complete, seen.reason) == (False, "it has no deployment-url yet")


def test_zero_replicas_need_no_url() -> None:
    """With 0 replicas no URL is required."""
    assert observe(read(a_row(deployment_url=None, replicas=0)), ANY).complete is True


def test_only_full_responses_have_the_spec() -> None:
    """Only a full response has the spec."""
    assert observe(read(a_deployment()), ANY).has_spec is True
    assert observe(read(a_row()), ANY).has_spec is False


# --- comparison with what was sent ------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "sent", "expected"),
    [
        (a_row(replicas=2), {"replicas": 2}, False),
        (a_row(replicas=2), {"replicas": 3}, True),
        (a_row(replicas=0), {"replicas": 0}, False),
        (a_row(replicas=None), {"replicas": 0}, None),
        (a_row(), {"name": "web", "inference-engine-version": "0.19.0"}, None),
        (a_row(), {"name": "new", "inference-engine-version": "0.19.0"}, True),
        (a_deployment(), {"name": "web", "inference-engine-version": "0.19.0"}, False),
        (a_deployment(), {"inference-engine-version": "0.20.0"}, True),
        (a_deployment(), {"inference-engine-parameters": ["--x", "1"]}, False),
        (a_deployment(), {"inference-engine-parameters": []}, True),
        (
            a_deployment(inference_engine_parameters=None),
            {"inference-engine-parameters": []},
            False,
        ),
        (
            a_deployment(inference_engine_parameters=None),
            {"inference-engine-parameters": ["a"]},
            True,
        ),
        (a_row(), {"inference-engine-parameters": []}, None),
    ],
)
def test_differs(raw: dict[str, Any], sent: dict[str, Any], expected: bool | None) -> None:
    """Values differ, agree, or cannot be compared."""
    assert differs(read(raw), sent) is expected


@pytest.mark.parametrize(("replicas", "as_sent"), [(1, False), (3, True), (None, None)])
def test_observation_compares_with_what_was_sent(
    replicas: int | None, as_sent: bool | None
) -> None:
    """A stale read does not match what was sent."""
    expectation = update_expectation(read(a_row()), {"replicas": 3}, 5.0)
    assert observe(read(a_row(replicas=replicas)), expectation).matches_sent is as_sent


def test_update_expectation_records_the_state_before() -> None:
    """The expectation records the deployment's version and phase, and whether it differed."""
    before = read(a_deployment("error"))
    expectation = update_expectation(before, {"replicas": 3}, 5.0)
    assert (expectation.action, expectation.accepted_at, expectation.differed_before) == (
        Action.UPDATE,
        5.0,
        True,
    )
    assert (expectation.before.updated_at, expectation.before_phase) == (
        before.updated_at,
        Phase.FAILED,
    )
    assert update_expectation(before, {"replicas": 1}, 5.0).differed_before is False
    assert update_expectation(read({}), {"replicas": 1}, 5.0).differed_before is None


def test_update_expectation_contains_no_arguments() -> None:
    """Arguments are stored as a digest, and still compared."""
    sent = {"inference-engine-parameters": ["--api-key", PLANTED], "name": "web"}
    expectation = update_expectation(read(a_deployment()), sent, 5.0)
    assert PLANTED not in repr(expectation)
    assert expectation.differed_before is True
    assert observe(read(a_deployment()), expectation).matches_sent is False
    there = read(a_deployment(inference_engine_parameters=["--api-key", PLANTED]))
    assert observe(there, expectation).matches_sent is True
    assert update_expectation(there, sent, 5.0).differed_before is False


def test_expectation_of_an_older_token() -> None:
    """Tokens with plain arguments are still accepted."""
    text = '{"inference-engine-parameters":["--x","1"]}'
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=text)
    assert observe(read(a_deployment()), expectation).matches_sent is True
    assert (
        observe(read(a_deployment(inference_engine_parameters=["--y"])), expectation).matches_sent
        is False
    )


# --- operations and models --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "phase", "known"),
    [
        ("pending", Phase.WORKING, True),
        ("success", Phase.READY, True),
        ("failure", Phase.FAILED, True),
        ("timeout", Phase.FAILED, True),
        ("paused", Phase.WORKING, False),
    ],
)
def test_operation(state: str, phase: Phase, known: bool) -> None:
    """Each operation state has its phase; `timeout` is a failure."""
    seen = observe_operation(Operation("op-1", state, "busy", "try later"))
    assert (seen.phase, seen.documented) == (phase, known)
    failed = f"op-1 ended in {state}: busy: try later"
    assert seen.reason == (failed if phase is Phase.FAILED else None)


def test_operation_that_fails_without_a_reason() -> None:
    """An operation may fail without reason and message."""
    seen = observe_operation(Operation("op-1", "failure"))
    assert seen.reason == "op-1 ended in failure: the API returned no reason"


@pytest.mark.parametrize("token", ["hf_" + "Ab1" * 11, "api_org_" + "Ab1" * 11])
def test_failure_masks_tokens(token: str) -> None:
    """Tokens in a message are masked."""
    operation = Operation("op-1", "failure", f"bad {token}", f"401 for {token}!")
    seen = observe_operation(operation)
    assert seen.reason == "op-1 ended in failure: bad **********: 401 for **********!"
    failed = read(a_deployment("error", state_details=f"401 for {token}"))
    assert token not in f"{operation!r} {failed!r} {observe(failed, ANY).reason}"


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("created", Phase.WORKING),
        ("creating", Phase.WORKING),
        ("downloading", Phase.WORKING),
        ("ready", Phase.READY),
        ("error", Phase.FAILED),
        ("scanning", Phase.WORKING),
    ],
)
def test_model(state: str, phase: Phase) -> None:
    """`created` is a state of work, not the end."""
    seen = observe_model(Model("m", state=state))
    assert (seen.phase, seen.documented) == (phase, state != "scanning")


# --- rows -------------------------------------------------------------------------------------


def test_row_key_changes_with_the_state() -> None:
    """The fingerprint changes with state, replicas, name, URL and timestamp."""
    row = a_row()
    id, stamp = row_key(row)
    assert (id, row_key(dict(row))) == (ID, (ID, stamp))
    others: list[dict[str, Any]] = [
        {"state": "scaling"},
        {"replicas": 2},
        {"updated-at": LATE},
        {"deployment-url": None},
        {"name": "x"},
    ]
    for fields in others:
        assert row_key({**row, **fields})[1] != stamp


@pytest.mark.parametrize("row", [None, 5, [], {"id": None}, {"state": []}])
def test_malformed_row_has_no_key(row: Any) -> None:
    """A malformed row has no key and does not stop a sweep."""
    assert row_key(row)[0] == ""


def test_duration_key() -> None:
    """The duration key is zone and GPU family."""
    assert duration_key("ch-gva-2", read(a_row())) == ("ch-gva-2", "gpua5000")
    assert duration_key("ch-gva-2", read({})) == ("ch-gva-2", "")
