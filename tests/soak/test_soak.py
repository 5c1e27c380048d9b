"""Half a day of churn leaves no map behind; `python -m tests.soak` runs thirty days."""

import pytest

from tests.clouds.support import CLOUDS, Cloud
from tests.soak.soak import soak

# So short a run still fills what is bounded, such as the times of last reads (0.3 kB a write). A
# change that is kept with its history takes more than 1 kB.
MOST_KB_A_WRITE = 0.6


@pytest.mark.exhaustive
@pytest.mark.timeout(300)
@pytest.mark.parametrize("cloud", [CLOUDS[0], *CLOUDS[2:]], ids=lambda cloud: cloud.name)
def test_memory_stays_flat(cloud: Cloud) -> None:
    """Memory hardly grows from the second to the last quarter, and every map is bounded."""
    figures = soak(cloud, days=0.5, resources=30, pause_s=90.0)
    assert figures.writes > 100
    assert not figures.problems
    later_writes = figures.writes / 2  # those between the second and the last quarter
    assert (figures.memory[3] - figures.memory[1]) / later_writes < MOST_KB_A_WRITE, figures
