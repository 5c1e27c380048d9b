"""Whatever comes in, a value or a named error comes out; `python -m tests.fuzz` plays more."""

import pytest

from tests.fuzz.targets import TARGETS

SEEDS = {"answers": 1_000, "emulator": 1_000, "specs": 1_000, "tokens": 500, "durations": 200}
CHUNK = 100


@pytest.mark.half
@pytest.mark.parametrize(
    ("target", "first"),
    [(name, first) for name, seeds in SEEDS.items() for first in range(0, seeds, CHUNK)],
)
def test_junk_ends_in_a_value_or_a_named_error(target: str, first: int) -> None:
    """Damaged and arbitrary input raises `DIError` at most, in bounded time, and leaves nothing."""
    problems = {seed: TARGETS[target](seed) for seed in range(first, first + CHUNK)}
    assert not {seed: problem for seed, problem in problems.items() if problem}
