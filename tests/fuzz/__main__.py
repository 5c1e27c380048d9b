"""Play seeds and print the findings: `python -m tests.fuzz [--seeds 20000] [--from 0] [TARGET]`."""

import argparse
import sys
import time

from tests.fuzz.targets import TARGETS


def main() -> int:
    """Return 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []], help="default: all")
    parser.add_argument("--seeds", type=int, default=20_000, help="how many for each target")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    failed = 0
    for name in options.target or TARGETS:
        began, found = time.monotonic(), 0
        for seed in range(options.first, options.first + options.seeds):
            problem = TARGETS[name](seed)
            if problem is not None:
                found += 1
                print(f"{name} seed {seed}: {problem}")  # noqa: T201 - a report
        failed += found
        took = time.monotonic() - began
        print(f"{name}: {options.seeds} seeds, {found} problems, {took:.0f} s")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
