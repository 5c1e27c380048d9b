"""What comes over the wire as values: kebab-case, light rows, old names, what is missing."""

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
from tests.exoscale.helpers import ID, MODEL, a_deployment, in_full, read

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def test_full_deployment() -> None:
    """Each documented field under its own name."""
    assert read(in_full(state_details="all is well")) == Deployment(
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


def test_row_lacks_the_engine() -> None:
    """None is "not shown", and never "none"."""
    row = read(a_deployment())
    assert (row.inference_engine_version, row.inference_engine_parameters) == (None, None)
    assert row.state_details is None


def test_no_parameters_are_shown_as_none_at_all() -> None:
    """An empty list is a list."""
    assert read(in_full(inference_engine_parameters=[])).inference_engine_parameters == ()


@pytest.mark.parametrize("key", ["state", "status"])
def test_status_is_an_alias_of_state(key: str) -> None:
    """Third-party pages and older answers say `status`; case does not matter."""
    deployment = read({"id": ID, "name": "web", key: " Ready "})
    assert (deployment.state, deployment.status) == ("ready", "ready")


def test_state_wins_over_status() -> None:
    """Where both are told."""
    assert read({"state": "ready", "status": "old"}).state == "ready"


def test_nothing_is_required_of_a_deployment() -> None:
    """Fields became optional before, and nulls stand for what is missing."""
    bare = read(dict.fromkeys(in_full()))
    assert bare == read({}) == Deployment()
    assert (bare.id, bare.deployment_url, bare.replicas) == ("", None, None)


def test_zero_replicas_are_zero() -> None:
    """And not "unknown"."""
    assert read(a_deployment(replicas=0)).replicas == 0


@pytest.mark.parametrize("raw", [[], "text", None, 5])
def test_what_is_no_object_is_told(raw: Any) -> None:
    """Nothing could go on with it."""
    with pytest.raises(DecodeError, match="no Deployment"):
        read(raw)


def test_model() -> None:
    """With its size in bytes; null while it is not known."""
    told = {"id": "m", "name": MODEL, "state": "ready", "model-size": 65_000_000_000}
    model = CODEC.structure(told, Model)
    assert (model.model_size, model.status) == (65_000_000_000, "ready")
    assert CODEC.structure({**told, "model-size": None}, Model).model_size is None


def test_operation_needs_none_of_its_fields() -> None:
    """The schema requires none: without a state it is not over."""
    assert CODEC.structure({}, Operation) == Operation()
    assert Operation().state == "pending"


def test_small_things() -> None:
    """GPU families, engine arguments, log lines and zones."""
    family = CODEC.structure({"family": "gpua5000", "authorized": True}, InstanceType)
    assert family == InstanceType("gpua5000", authorized=True)
    argument = {"name": "dtype", "flags": ["--dtype"], "allowed-values": ["auto", "half"]}
    assert CODEC.structure(argument, EngineParameter).allowed_values == ("auto", "half")
    line = {"time": "2026-01-01T00:00:00Z", "node": "n1", "message": "up"}
    assert CODEC.structure(line, LogEntry) == LogEntry(THEN, "n1", "up")
    zone = {"name": "ch-gva-2", "api-endpoint": "https://api-ch-gva-2.exoscale.com/v2"}
    assert CODEC.structure(zone, Zone).api_endpoint == "https://api-ch-gva-2.exoscale.com/v2"


def test_revealed_key_is_masked() -> None:
    """In every repr."""
    key = CODEC.structure({"api-key": "k3y-0f-endpoint"}, RevealedKey)
    assert key.api_key is not None
    assert key.api_key.reveal() == "k3y-0f-endpoint"
    assert "k3y" not in f"{key!r}{key.api_key!r}{key.api_key}"
