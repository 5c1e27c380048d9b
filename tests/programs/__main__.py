"""Play random programs and print what did not hold: `python -m tests.programs --examples 2000`."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.programs.program import STEPS, play
from tests.programs.properties import check_programs


def main() -> int:
    """Return 1 if something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2_000)
    parser.add_argument(
        "--shrink", action="store_true", help="draw them by hypothesis, which shrinks a failure"
    )
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    if options.shrink:
        check_programs(options.examples)
        print(f"{options.examples} programs of up to {STEPS} steps: none failed")  # noqa: T201
        return 0
    seeds = range(options.first, options.first + options.examples)
    began, failed, steps = time.monotonic(), 0, 0
    with ProcessPoolExecutor() as pool:
        for result in pool.map(play, seeds, chunksize=10):
            steps += len(result.steps)
            if result.problems:
                failed += 1
                print(result)  # noqa: T201 - a report
    what = f"{options.examples} programs of {STEPS} steps, {steps} steps in all"
    print(f"{what}: {failed} failed, {time.monotonic() - began:.0f} s")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
