"""A PUT replaces everything, so fields that do not change are read and sent again."""

from typing import Any

import pytest

from di_async.gcore.spec import merged_body, unknown_fields
from tests.gcore.helpers import an_instance, sample

TWO = [
    {"region_id": 7, "scale": {"min": 1, "max": 3, "triggers": {"cpu": {"threshold": 80}}}},
    {"region_id": 12, "scale": {"min": 2, "max": 4}},
]


def merged(live: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body that changes these fields."""
    return merged_body(an_instance() if live is None else live, fields)


def test_one_field() -> None:
    """The other fields are kept."""
    kept = {k: v for k, v in sample("update_request").items() if k != "project_id"}
    assert merged(image="nginx:2") == {**kept, "image": "nginx:2"}


def test_scaling_one_region_keeps_its_triggers_and_the_other_region() -> None:
    """Containers are merged region by region, key by key."""
    body = merged(
        an_instance(containers=TWO),
        containers=[
            {"region_id": 7, "scale": {"max": 9, "triggers": {"memory": {"threshold": 5}}}}
        ],
    )
    triggers = {"cpu": {"threshold": 80}, "memory": {"threshold": 5}}
    assert body["containers"] == [
        {"region_id": 7, "scale": {"min": 1, "max": 9, "triggers": triggers}},
        TWO[1],
    ]


def test_new_region() -> None:
    """A new region is added at the end."""
    new = {"region_id": 9, "scale": {"min": 0, "max": 1}}
    assert merged(an_instance(containers=TWO), containers=[new])["containers"] == [*TWO, new]


def test_null_removes_a_key() -> None:
    """Null removes a trigger or an environment variable."""
    body = merged(
        an_instance(containers=TWO),
        containers=[{"region_id": 7, "scale": {"triggers": {"cpu": None}}}],
        envs={"KEY": None, "NEW": "1"},
        description=None,
    )
    assert body["containers"][0]["scale"]["triggers"] == {}
    assert body["envs"] == {"DEBUG_MODE": "False", "NEW": "1"}
    assert body["description"] is None


def test_unknown_keys_are_kept() -> None:
    """A trigger unknown to our models is sent back unchanged."""
    container = {"region_id": 7, "scale": {"min": 1, "max": 3, "triggers": {"fpga": {"rate": 1}}}}
    body = merged(an_instance(containers=[container]), image="nginx:2")
    assert body["containers"] == [container]


def test_read_only_fields_are_not_sent() -> None:
    """Read-only fields of the instance and of its containers are dropped."""
    body = merged(an_instance(containers=[{**TWO[0], "error_message": "x", "address": "y"}]))
    assert body["containers"] == [TWO[0]]
    assert not {"id", "status", "address", "created_at"} & set(body)


@pytest.mark.parametrize("name", ["envs", "api_key_ids"])
def test_null_that_cannot_be_sent_is_omitted(name: str) -> None:
    """A field that is shown as null but not nullable is omitted, which means the same."""
    assert name not in merged({**an_instance(), name: None})


def test_nullable_null_is_kept() -> None:
    """A nullable null is sent: omitting `timeout` would make it 120."""
    assert merged(an_instance(timeout=None))["timeout"] is None


def test_the_live_answer_is_not_changed() -> None:
    """Merging copies values."""
    live = an_instance()
    merged(live, envs={"KEY": "x"}, containers=[{"region_id": 7, "scale": {"max": 9}}])
    assert live == an_instance()


@pytest.mark.parametrize("odd", [None, "7", [7]])
def test_odd_containers_shown(odd: Any) -> None:
    """Invalid live containers are ignored; the caller's are sent."""
    given = [{"region_id": 7, "scale": {"min": 1, "max": 1}}]
    assert merged({**an_instance(), "containers": odd}, containers=given)["containers"] == given


def test_unknown_fields() -> None:
    """Undocumented fields, which a PUT cannot keep, are listed."""
    assert unknown_fields(an_instance()) == ()
    assert unknown_fields(an_instance(region="x", nothing=None)) == ("region",)
