"""What each cloud's list rows show, and other decisions of its lifecycle, by value."""

import orjson
import pytest

from di_async.core.waiting.observation import Action, Expectation, Phase
from di_async.digitalocean import lifecycle as digitalocean
from di_async.exoscale import lifecycle as exoscale
from di_async.gcore import lifecycle as gcore
from di_async.gcore.desired_state import DesiredState
from tests.builders.digitalocean import read as read_digitalocean
from tests.builders.exoscale import a_row
from tests.builders.exoscale import read as read_exoscale
from tests.builders.gcore import a_container
from tests.builders.gcore import a_deployment as gcore_deployment
from tests.builders.gcore import read_deployment as read_gcore
from tests.digitalocean.helpers import an_instance

ANY = Expectation(action=Action.ACTIVE, accepted_at=0.0)


@pytest.mark.parametrize("status", ["deleting", "active", "gone"])
def test_digitalocean_deletion(status: str) -> None:
    """Only the documented word shows a deletion."""
    found = read_digitalocean(an_instance(status=status))
    assert digitalocean.is_deleting(found) is (status == "deleting")


@pytest.mark.parametrize(
    ("state", "url", "phase", "complete", "partial"),
    [
        ("ready", "https://x.exo.io", Phase.READY, True, False),
        ("ready", "", Phase.READY, False, False),
        ("ready", None, Phase.READY, True, True),
        ("deploying", None, Phase.WORKING, True, False),
        ("", None, Phase.READY, True, True),
    ],
)
def test_exoscale_row(
    state: str, url: str | None, phase: Phase, complete: bool, partial: bool
) -> None:
    """A row without a state, or ready without the key of a URL, may be settled: a GET shows it."""
    row = a_row(state)
    del row["deployment-url"]
    if url is not None:
        row["deployment-url"] = url
    seen = exoscale.observe_row(read_exoscale(row), row, ANY)
    assert (seen.phase, seen.complete, seen.partial) == (phase, complete, partial)
    assert (seen.reason is None) is (complete or partial)


def test_exoscale_stored_fields() -> None:
    """All fields that a deployment shows may be stored, and no others."""
    fields = dict.fromkeys(("name", "replicas", "inference-engine-version"))
    stored = {**fields, "inference-engine-parameters": None}
    assert exoscale.read_sent(orjson.dumps(stored).decode()) == stored
    assert exoscale.read_sent(orjson.dumps({**stored, "gpu": 1}).decode()) is None


@pytest.mark.parametrize(("shown", "differs"), [(1, False), (2, True)])
def test_exoscale_gpu_count(shown: int, differs: bool) -> None:
    """A create without a number of GPUs asks for one."""
    row = a_row(gpu_count=shown)
    body = {"model": {}, "gpu-type": row["gpu-type"]}
    found = exoscale.spec_differences(read_exoscale(row), body)
    assert [one.path for one in found] == (["gpu-count"] if differs else [])


@pytest.mark.parametrize(
    ("status", "lacking", "partial"),
    [("ACTIVE", (), False), ("ACTIVE", ("image",), True), ("", (), True)],
)
def test_gcore_row(status: str, lacking: tuple[str, ...], partial: bool) -> None:
    """A row that lacks a field that was sent, or its status, may be settled: a GET shows it."""
    row = gcore_deployment(status)
    sent = DesiredState(fields={"image": row["image"], "timeout": row["timeout"]}).encode()
    about = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=sent)
    shown = {name: value for name, value in row.items() if name not in lacking}
    seen = gcore.observe_row(read_gcore(shown), shown, about)
    assert (seen.phase, seen.partial) == (Phase.READY, partial)


def test_gcore_failure() -> None:
    """The reason of a failure is that of its containers, if the API gives one."""
    broken = [a_container(error_message="ImagePullBackOff")]
    bare, known = gcore_deployment("ERROR"), gcore_deployment("ERROR", containers=broken)
    assert gcore.failure_reason(read_gcore(bare)) == "the API gives no reason"
    assert "ImagePullBackOff" in str(gcore.failure_reason(read_gcore(known)))


@pytest.mark.parametrize("status", ["DISABLED", "ACTIVE"])
def test_gcore_stopped(status: str) -> None:
    """Only the documented word shows that it was stopped."""
    assert gcore.is_stopped(read_gcore(gcore_deployment(status))) is (status == "DISABLED")
