"""The table of mutated modules names modules and tests that exist."""

import tomllib

import pytest

from tests.mutation.targets import DECISIONS, ROOT, SAMPLED, Target


@pytest.mark.parametrize("target", [*DECISIONS, *SAMPLED], ids=lambda target: target.modules)
def test_modules_and_tests_exist(target: Target) -> None:
    """A module that was renamed is renamed in the table as well."""
    for path in target.paths():
        assert target.stages(path), f"no test for {path}"


def test_no_module_is_decided_twice() -> None:
    """Each decision module has one set of tests."""
    paths = [path for target in DECISIONS for path in target.paths()]
    assert len(paths) == len(set(paths))


def test_accepted_survivors_have_a_reason() -> None:
    """And are about modules of which all mutants are tried."""
    decided = {path for target in DECISIONS for path in target.paths()}
    text = (ROOT / "tests/mutation/accepted.toml").read_text(encoding="utf-8")
    for entry in tomllib.loads(text)["accepted"]:
        assert entry.keys() == {"file", "within", "old", "new", "reason"}
        assert entry["reason"].endswith(".")
        assert entry["file"] in decided
