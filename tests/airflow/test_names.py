"""Tests of the names and digests that every try of a task computes again."""

import re

import pytest

from di_async.airflow.names import deployment_name, digest


@pytest.mark.parametrize(
    "task_id", ["deploy", "Deploy_West.create", "9to5", "___", "a" * 200, "größe", "x.y.z"]
)
def test_name_is_valid_everywhere(task_id: str) -> None:
    """A name has 4 to 30 lower-case letters, digits and dashes, and begins with a letter."""
    name = deployment_name("dag", "manual__2026-01-01T00:00:00+00:00", task_id)
    assert re.fullmatch(r"[a-z][a-z0-9-]{2,28}[a-z0-9]", name), name


def test_name_is_the_same_in_every_try() -> None:
    """Equal arguments give equal names, today and in a year."""
    assert deployment_name("dag", "run", "deploy", 3) == "deploy-pghemy3hxx"
    assert deployment_name("dag", "run", "deploy") == deployment_name("dag", "run", "deploy", -1)


def test_each_task_instance_has_its_own_name() -> None:
    """DAG, run, task, map index and item all count, and do not run into each other."""
    names = [
        deployment_name("dag", "run", "deploy"),
        deployment_name("dag2", "run", "deploy"),
        deployment_name("dag", "run2", "deploy"),
        deployment_name("dag", "run", "group.deploy"),
        deployment_name("dag", "run", "deploy", 0),
        deployment_name("dag", "run", "deploy", 1),
        deployment_name("dag", "run", "deploy", None, 0),
        deployment_name("dag", "run", "deploy", 0, 1),
        deployment_name("da", "grun", "deploy"),
    ]
    assert len(set(names)) == len(names)


def test_digest_of_a_write() -> None:
    """The order of keys does not count; operation, values and zone do."""
    assert digest("create", {"a": 1, "b": [1, 2]}) == digest("create", {"b": [1, 2], "a": 1})
    others = [
        digest("create", {"a": 1}),
        digest("create", {"a": 2}),
        digest("update", {"a": 1}),
        digest("create", {"a": 1}, "ch-gva-2"),
    ]
    assert len(set(others)) == 4
