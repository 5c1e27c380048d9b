"""Tests of what Airflow reads of this provider before it imports anything else."""

from importlib.metadata import entry_points

import attrs
import pytest

from di_async.airflow.deployments import failure, story
from di_async.airflow.provider import get_provider_info
from di_async.airflow.record import Record
from di_async.airflow.settings import CONNECTION_TYPES
from di_async.core.errors import InvalidInputError, WaitTimeoutError


def test_entry_point() -> None:
    """The installed package has the entry point that Airflow looks for."""
    names = {one.value for one in entry_points(group="apache_airflow_provider")}
    if not names:
        pytest.skip("the package was installed before it had the entry point")
    assert "di_async.airflow.provider:get_provider_info" in names


def test_connection_types() -> None:
    """Each provider has a connection type with a hook."""
    types = {one["connection-type"] for one in get_provider_info()["connection-types"]}
    assert types == set(CONNECTION_TYPES)


def test_record_survives_the_store() -> None:
    """A record is read back as it was written; unknown keys of later versions are ignored."""
    record = Record(state="sending", name="web", first_attempt_at="2026-05-01T00:00:00+00:00")
    assert Record.from_json({**record.to_json(), "later": 1}) == record
    assert Record.from_json(None) is None
    assert record.first_attempt is not None
    assert attrs.evolve(record, first_attempt_at="").first_attempt is None
    for damaged in ("text", {}, {"state": "x"}, [1]):
        with pytest.raises(InvalidInputError, match="something else"):
            Record.from_json(damaged)


def test_events_tell_the_story() -> None:
    """A failure's event has the message, the cause and the resume token, and is plain JSON."""
    error = WaitTimeoutError("x is not active", id="x", resume_token="abc", advice="Delete it.")
    error.__cause__ = ValueError("why")
    event = failure(error)
    assert (event["status"], event["error"], event["id"]) == ("error", "WaitTimeoutError", "x")
    assert event["resume_token"] == "abc"
    assert event["story"] == [
        "WaitTimeoutError: x is not active Delete it.",
        "caused by ValueError: why",
    ]
    assert story(ValueError("why")) == ["ValueError: why"]
