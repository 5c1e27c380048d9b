"""Tests of small lifecycle rules of the three providers that no wait shows."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from di_async.core.waiting.observation import Action, Expectation
from di_async.digitalocean import lifecycle as digitalocean
from di_async.digitalocean.row_summaries import RowSummary
from di_async.exoscale import Model
from di_async.exoscale import lifecycle as exoscale
from di_async.exoscale.models import CODEC as EXOSCALE
from di_async.gcore import lifecycle as gcore
from di_async.gcore.desired_state import DesiredState
from tests.builders import digitalocean as do
from tests.builders import exoscale as exo
from tests.builders import gcore as gc
from tests.builders.digitalocean import a_spec

ANY = Expectation(action=Action.ACTIVE, accepted_at=0.0)

# --- DigitalOcean ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp", "real"),
    [
        ("1999-06-01T00:00:00Z", False),
        ("2000-01-01T00:00:00Z", False),
        ("2000-01-01T12:00:00Z", True),
        ("2000-01-15T00:00:00Z", True),
        ("2000-06-01T00:00:00Z", True),
    ],
)
def test_times_up_to_2000_are_placeholders(stamp: str, real: bool) -> None:
    """A date up to 2000 is a placeholder: the vendor returns 1970 where there is none."""
    version = digitalocean.resource_version(do.read(do.an_instance(updated_at=stamp)))
    assert (version.updated_at == datetime.fromisoformat(stamp)) is real
    assert (version.updated_at is None) is not real


def test_list_row_without_spec() -> None:
    """An observation of a list row without a spec has `has_spec` unset."""
    assert digitalocean.observe(do.read(do.an_instance()), ANY).has_spec is True
    assert digitalocean.observe(do.read(do.an_instance(spec=None)), ANY).has_spec is False


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ({"pending_deployment_spec": {"version": 7}}, 7),
        ({}, 3),
        ({"spec": None}, 1),
        ({"spec": None, "pending_deployment_spec": {"version": 0}}, 1),
    ],
)
def test_spec_version_that_a_create_makes(answer: dict[str, Any], version: int) -> None:
    """A create's spec version is the pending one, else the shown one, else the one sent."""
    spec = a_spec()
    assert spec.version == 1
    shown = do.an_instance(**{"version": 3, **answer})
    made = digitalocean.create_expectation(do.read(shown), spec, 0.0)
    assert made.target_spec_version == version


def test_duration_key() -> None:
    """A duration key has region and first GPU, each empty if not shown."""
    assert digitalocean.duration_key(do.read(do.an_instance())) == ("atl1", do.GPU)
    bare = do.an_instance(spec=None, region=None)
    assert digitalocean.duration_key(do.read(bare)) == ("", "")
    empty = do.an_instance(spec={**do.an_instance()["spec"], "model_deployments": []})
    assert digitalocean.duration_key(do.read(empty)) == ("atl1", "")


def test_row_key_is_the_same_for_both_forms_of_a_row() -> None:
    """The row key is the same for a decoded row and for a mapping."""
    row = {"id": "x", "status": "active", "updated_at": "2024-01-09T20:44:32Z", "name": "web"}
    short = RowSummary("x", "active", "2024-01-09T20:44:32Z")
    assert digitalocean.row_key(row) == digitalocean.row_key(short)
    assert digitalocean.row_key(short)[0] == "x"
    assert digitalocean.row_key(row) != digitalocean.row_key({**row, "status": "error"})


@pytest.mark.parametrize(
    ("status", "changing", "pending"),
    [
        ("active", False, False),
        ("active", True, True),
        ("provisioning", False, True),
        ("deleting", False, True),
        ("error", True, False),
        ("hibernating", False, True),
    ],
)
def test_pending_states(status: str, changing: bool, pending: bool) -> None:
    """Everything that ends by itself is pending; a failure is not."""
    assert digitalocean.is_pending(status, changing) is pending


@pytest.mark.parametrize(
    "row_key",
    [
        digitalocean.row_key,
        exoscale.row_key,
        gcore.row_key,
    ],
)
@pytest.mark.parametrize("row", [None, [], "x"])
def test_row_that_is_not_an_object_has_no_key(row_key: Any, row: Any) -> None:
    """A row that is not an object has no key."""
    assert row_key(row) == ("", 0)


# --- Gcore -------------------------------------------------------------------------------------


def test_failure_grace_is_ten_minutes() -> None:
    """The failure grace is ten minutes, the time for which an image is pulled again."""
    broken = gc.a_deployment(
        "PARTIALLYDEPLOYED", containers=[gc.a_container(error_message="no image")]
    )
    assert gcore.observe(gc.read_deployment(broken), ANY).failure_grace == 600.0


@pytest.mark.parametrize(
    ("status", "reason"), [("PARTIALLYDEPLOYED", "1 of 3 replicas ready"), ("DEPLOYING", None)]
)
def test_replicas_are_counted_while_some_are_ready(status: str, reason: str | None) -> None:
    """Replicas are counted only in the states that allow it."""
    counted = gc.a_container(deploy_status={"ready": 1, "total": 3})
    found = gc.read_deployment(gc.a_deployment(status, containers=[counted]))
    assert gcore.observe(found, ANY).reason == reason


@pytest.mark.parametrize(
    ("status", "deleting"),
    [("DELETING", True), ("DELETED", True), ("ACTIVE", False), ("HIBERNATED", False)],
)
def test_deleting_states(status: str, deleting: bool) -> None:
    """Two documented statuses mean a deletion."""
    assert gcore.is_deleting(gc.read_deployment(gc.a_deployment(status))) is deleting


@pytest.mark.parametrize(
    ("created_at", "status", "replaced"),
    [
        ("2026-01-01T00:00:01Z", "ACTIVE", True),
        ("2026-01-01T00:00:00Z", "ACTIVE", False),
        ("2025-12-31T23:59:59Z", "ACTIVE", False),
        ("2026-01-01T00:00:01Z", "DELETING", False),
        (None, "ACTIVE", False),
    ],
)
def test_created_after_the_delete_of_its_name(
    created_at: str | None, status: str, replaced: bool
) -> None:
    """What was created later than a delete by its name is another deployment."""
    deleted_at = datetime(2026, 1, 1, tzinfo=UTC)
    expectation = Expectation(action=Action.DELETE, accepted_at=0.0, deleted_at=deleted_at)
    row = gc.a_deployment(status, created_at=created_at)
    found = gc.read_deployment(row)
    assert gcore.observe(found, expectation).replaced is replaced
    assert gcore.observe_row(found, row, expectation).replaced is replaced


def test_shown_state_is_compared_whenever_it_was_read() -> None:
    """A stopped deployment shows that it was stopped, whichever read shows it."""
    assert gcore.shows_desired(
        DesiredState("stop"), gc.read_deployment(gc.a_deployment("DISABLED"))
    )
    assert not gcore.shows_desired(
        DesiredState("stop"), gc.read_deployment(gc.a_deployment("ACTIVE"))
    )


# --- Exoscale ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [("error", "state error: the API returned no reason"), ("downloading", None), ("ready", None)],
)
def test_model_failure_has_a_reason(state: str, reason: str | None) -> None:
    """Only a failure has a reason."""
    model = EXOSCALE.structure({"id": "m", "name": "web", "state": state}, Model)
    assert exoscale.observe_model(model).reason == reason


def test_digest_of_arguments_is_24_digits_of_sha256() -> None:
    """The digest must not change: resume tokens of earlier versions hold it."""
    arguments = ["--api-key", "secret"]
    digest = hashlib.sha256(orjson.dumps(arguments)).hexdigest()[:24]
    before = exo.read(exo.a_deployment())
    made = exoscale.update_expectation(before, {"inference-engine-parameters": arguments}, 0.0)
    assert made.sent is not None
    assert orjson.loads(made.sent) == {"inference-engine-parameters": digest}
    assert len(digest) == 24


def test_gcore_row_that_json_cannot_hold_is_compared_by_its_plain_fields() -> None:
    """Its status is one of them, so a change is noticed all the same."""
    nested: list[Any] = []
    for _ in range(300):  # orjson writes 254 levels
        nested = [nested]
    row = {"id": "x", "status": "DEPLOYING", "odd": nested}
    assert gcore.row_key(row) == gcore.row_key({**row})
    assert gcore.row_key(row) != gcore.row_key({**row, "status": "ACTIVE"})
