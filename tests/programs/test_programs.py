"""Random programs lose nothing and prove nothing wrong; `python -m tests.programs` plays more."""

from collections.abc import Sequence

import pytest

from tests.programs import properties
from tests.programs.program import Result, play

# `.ci/run` plays 200.
EXAMPLES, CHUNK = 15, 3


@pytest.mark.parametrize("first", range(0, EXAMPLES, CHUNK))
def test_programs(first: int) -> None:
    """50 steps among faults, crashes and restarts: one create is one resource, known or named.

    No wait ends wrongly, request windows hold, all waits and tasks end.
    """
    results = map(play, range(first, first + CHUNK))
    assert not [str(result) for result in results if result.problems]


def test_failing_program_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that fails, the steps that matter are reported."""

    def broken(seed: int, steps: Sequence[str]) -> Result:
        problems = ("broken",) if "cancel" in steps else ()
        return Result(seed, "a cloud", tuple(steps), problems)

    monkeypatch.setattr(properties, "play", broken)
    with pytest.raises(AssertionError, match=r"broken \(cancel\)"):
        properties.check_programs(50)


def test_programs_of_hypothesis() -> None:
    """The same holds for programs that hypothesis draws."""
    properties.check_programs(4)
