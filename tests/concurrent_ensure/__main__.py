"""Run it and print a line for each cloud; the exit code is 1 if any run went wrong."""

import argparse
import asyncio
import sys

from tests.clouds.ensuring import ENSURABLE
from tests.concurrent_ensure.runs import Run, runs

NEEDED_SHARE = 0.5


def summary(name: str, found: list[Run]) -> str:
    """Return what happened, in one line."""
    actions = sorted("+".join(sorted(r.get("action", "error") for r in x.reports)) for x in found)
    counts = ", ".join(f"{actions.count(kind)} {kind}" for kind in dict.fromkeys(actions))
    return (
        f"{name}: {len(found)} runs, {sum(run.overlapped for run in found)} overlapped, "
        f"{sum(run.lost for run in found)} with lost responses, "
        f"{sum(run.existing == 1 for run in found)} with exactly one instance, "
        f"{sum(run.good for run in found)} in which both calls returned it ({counts})"
    )


async def main(count: int, seed: int) -> int:
    """Run on each cloud with unique names."""
    clouds = ENSURABLE[:2]
    both = await asyncio.gather(*(runs(cloud, count, seed) for cloud in clouds))
    bad = 0
    for cloud, found in zip(clouds, both, strict=True):
        print(summary(cloud.name, found))  # noqa: T201 - a report
        for run in found:
            if not run.good:
                print("  not good:", run)  # noqa: T201
        enough = sum(run.overlapped for run in found) >= NEEDED_SHARE * len(found)
        bad += not (enough and all(run.good for run in found))
    return 1 if bad else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.runs, arguments.seed)))
