"""The programs as a hypothesis strategy, which shrinks a failing program to its few steps."""

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.programs.program import ACTIONS, RESTART, STEPS, play

__all__ = ["check_programs"]

# Lists of one length, whose steps shrink to nothing one by one.
_NOTHING = ""
_PROGRAMS = st.lists(st.sampled_from((_NOTHING, *ACTIONS, RESTART)), min_size=STEPS, max_size=STEPS)


def check_programs(examples: int) -> None:
    """Play so many programs of up to 50 steps; raise AssertionError with the smallest that fails.

    The seed decides the cloud, the durations and the faults.
    """

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(seed=st.integers(0, 2**32), steps=_PROGRAMS)
    def check(seed: int, steps: list[str]) -> None:
        result = play(seed, [step for step in steps if step != _NOTHING])
        assert not result.problems, str(result)

    check()
