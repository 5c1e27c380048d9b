"""Random programs lose nothing and prove nothing wrong; `python -m tests.programs` plays more."""

import pytest

from tests.programs.program import play

# `.ci/run` plays 200.
EXAMPLES, CHUNK = 15, 3


@pytest.mark.parametrize("first", range(0, EXAMPLES, CHUNK))
def test_programs(first: int) -> None:
    """50 steps among faults, crashes and restarts: one create is one resource, known or named.

    No wait ends wrongly, request windows hold, all waits and tasks end.
    """
    results = map(play, range(first, first + CHUNK))
    assert not [str(result) for result in results if result.problems]
