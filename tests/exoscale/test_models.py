"""Models: kebab-case names, list rows, old names and missing fields."""

from datetime import UTC, datetime
from typing import Any

import pytest

from di_async import DecodeError
from di_async.exoscale import (
    Deployment,
    EngineParameter,
    InstanceType,
    LogEntry,
    Model,
    ModelRef,
    Operation,
    Zone,
)
from di_async.exoscale.models import CODEC, RevealedKey
from tests.builders.exoscale import ID, MODEL, a_deployment, a_row, read

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def test_full_deployment() -> None:
    """Each documented field has an attribute of its name."""
    assert read(a_deployment(state_details="all is well")) == Deployment(
        id=ID,
        name="web",
        state="ready",
        state_details="all is well",
        gpu_type="gpua5000",
        gpu_count=2,
        replicas=1,
        service_level="pro",
        deployment_url="https://web.example/v1",
        model=ModelRef("00000000-0000-4000-8000-00000000000a", MODEL),
        inference_engine_version="0.19.0",
        inference_engine_parameters=("--x", "1"),
        visibility="private",
        created_at=THEN,
        updated_at=THEN,
    )


def test_list_row_lacks_the_engine() -> None:
    """None means that the response lacks the field."""
    row = read(a_row())
    assert (row.inference_engine_version, row.inference_engine_parameters) == (None, None)
    assert row.state_details is None


def test_no_parameters_are_an_empty_tuple() -> None:
    """An empty list is not a missing field."""
    assert read(a_deployment(inference_engine_parameters=[])).inference_engine_parameters == ()


@pytest.mark.parametrize("key", ["state", "status"])
def test_status_is_an_alias_of_state(key: str) -> None:
    """Older responses say `status`; case does not matter."""
    deployment = read({"id": ID, "name": "web", key: " Ready "})
    assert (deployment.state, deployment.status) == ("ready", "ready")


def test_state_wins_over_status() -> None:
    """If a response has both, `state` counts."""
    assert read({"state": "ready", "status": "old"}).state == "ready"


def test_nothing_is_required_of_a_deployment() -> None:
    """The schema requires no field, and null means missing."""
    bare = read(dict.fromkeys(a_deployment()))
    assert bare == read({}) == Deployment()
    assert (bare.id, bare.deployment_url, bare.replicas) == ("", None, None)


def test_zero_replicas_are_zero() -> None:
    """Zero is not a missing value."""
    assert read(a_row(replicas=0)).replicas == 0


@pytest.mark.parametrize("raw", [[], "text", None, 5])
def test_value_that_is_not_an_object(raw: Any) -> None:
    """It is a DecodeError that names the type."""
    with pytest.raises(DecodeError, match=r"body for Deployment: .*expected an object"):
        read(raw)


def test_model() -> None:
    """The size is in bytes, or None while it is unknown."""
    raw = {"id": "m", "name": MODEL, "state": "ready", "model-size": 65_000_000_000}
    model = CODEC.structure(raw, Model)
    assert (model.model_size, model.status) == (65_000_000_000, "ready")
    for unreadable in (None, "65 GB", "-"):
        assert CODEC.structure({**raw, "model-size": unreadable}, Model).model_size is None


def test_operation_requires_no_field() -> None:
    """An operation without a state is pending."""
    assert CODEC.structure({}, Operation) == Operation()
    assert Operation().state == "pending"


def test_other_models() -> None:
    """GPU families, engine arguments, log lines and zones are decoded."""
    family = CODEC.structure({"family": "gpua5000", "authorized": True}, InstanceType)
    assert family == InstanceType("gpua5000", authorized=True)
    argument = {"name": "dtype", "flags": ["--dtype"], "allowed-values": ["auto", "half"]}
    assert CODEC.structure(argument, EngineParameter).allowed_values == ("auto", "half")
    line = {"time": "2026-01-01T00:00:00Z", "node": "n1", "message": "up"}
    assert CODEC.structure(line, LogEntry) == LogEntry(THEN, "n1", "up")
    zone = {"name": "ch-gva-2", "api-endpoint": "https://api-ch-gva-2.exoscale.com/v2"}
    assert CODEC.structure(zone, Zone).api_endpoint == "https://api-ch-gva-2.exoscale.com/v2"


def test_revealed_key_is_masked() -> None:
    """No repr shows the key."""
    key = CODEC.structure({"api-key": "k3y-0f-endpoint"}, RevealedKey)
    assert key.api_key is not None
    assert key.api_key.reveal() == "k3y-0f-endpoint"
    assert "k3y" not in f"{key!r}{key.api_key!r}{key.api_key}"
