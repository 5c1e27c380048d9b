"""Tests that the table of mutated modules names modules and tests that exist."""

import tomllib

import pytest

from tests.mutation.targets import DECISIONS, ROOT, SAMPLED, Target


@pytest.mark.parametrize("target", [*DECISIONS, *SAMPLED], ids=lambda target: target.modules)
def test_modules_and_tests_exist(target: Target) -> None:
    """The table names existing modules and tests."""
    for path in target.paths():
        assert target.stages(path), f"no test for {path}"


def test_no_module_is_decided_twice() -> None:
    """Each decision module has one set of tests."""
    paths = [path for target in DECISIONS for path in target.paths()]
    assert len(paths) == len(set(paths))


def test_accepted_survivors_have_a_reason() -> None:
    """Accepted survivors have a reason and belong to modules tried completely."""
    decided = {path for target in DECISIONS for path in target.paths()}
    text = (ROOT / "tests/mutation/accepted.toml").read_text(encoding="utf-8")
    for entry in tomllib.loads(text)["accepted"]:
        assert entry.keys() == {"file", "within", "old", "new", "reason"}
        assert entry["reason"].endswith(".")
        assert entry["file"] in decided


def test_accepted_survivors_are_lines_of_the_code() -> None:
    """What an accepted mutant replaces stands in its module; else the entry is out of date."""
    text = (ROOT / "tests/mutation/accepted.toml").read_text(encoding="utf-8")
    for entry in tomllib.loads(text)["accepted"]:
        lines = [line.strip() for line in (ROOT / entry["file"]).read_text().splitlines()]
        assert entry["old"].splitlines()[0].strip() in lines, entry
