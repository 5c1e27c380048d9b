"""Run a soak and print its figures: `python -m tests.soak --days 30 --resources 1000 [CLOUD]`."""

import argparse
import sys
import time

from tests.clouds.support import CLOUDS
from tests.soak.soak import MOST_GROWTH, soak


def main() -> int:
    """Return 1 if memory or a map grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [cloud.name for cloud in CLOUDS]
    parser.add_argument("cloud", nargs="?", choices=names, default="digitalocean")
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--resources", type=int, default=1_000)
    parser.add_argument("--pause", type=float, default=600.0, help="mean seconds between actions")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    cloud = CLOUDS[names.index(options.cloud)]
    figures = soak(cloud, options.days, options.resources, options.pause, options.seed)
    print(f"{figures}; {time.monotonic() - began:.0f} s")  # noqa: T201 - a report
    for problem in figures.problems:
        print(problem)  # noqa: T201
    return 1 if figures.problems or figures.growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
