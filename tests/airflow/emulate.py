"""Run the emulator with short durations, for the Airflow tests: `python -m tests.airflow.emulate`.

Prints one line of JSON, its URL and credentials, and serves on 127.0.0.1 until it is ended. Its
time is real time, because an adoption compares times of the server with those of this machine.
"""

import argparse
import asyncio
import json
import random
import time
from typing import Any

from di_async.emulator import Lifecycle, running


async def serve(
    create_s: float, delete_s: float, placed: int, settle: tuple[float, float], never: int
) -> None:
    """Serve until cancelled."""
    lifecycle = Lifecycle(create=create_s, update=2, delete=delete_s, ready_lag=1)
    async with running(seed=1, time_scale=1, lifecycle=lifecycle) as emulator:
        world = emulator.world
        world.add_exoscale_model(name="openai/gpt-oss-20b")
        exoscale = {"key": world.exoscale.api_key, "secret": world.exoscale.api_secret}
        gcore = {"key": world.gcore.api_key, "project_id": world.gcore.project_id}
        started: dict[str, Any] = {
            "url": emulator.url,
            "token": world.token,
            "exoscale": exoscale,
            "gcore": gcore,
            "control_key": emulator.control_key,
            "placed": [],
        }
        rng, now = random.Random(1), time.time()
        for number in range(placed):
            settles_in = rng.uniform(*settle) if number >= never else 1e6
            made = world.add_instance(
                name=f"w{number}", status="provisioning", settles_in=settles_in, created=int(now)
            )
            started["placed"].append([made.id, now + settles_in])
        print(json.dumps(started), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--create", type=float, default=8.0, help="seconds that a create takes")
    parser.add_argument("--delete", type=float, default=2.0, help="seconds that a delete takes")
    parser.add_argument("--placed", type=int, default=0, help="deployments that exist already")
    parser.add_argument(
        "--settle", type=float, nargs=2, default=(60, 120), help="seconds: from, to"
    )
    parser.add_argument("--never", type=int, default=0, help="of these, how many never settle")
    given = parser.parse_args()
    asyncio.run(serve(given.create, given.delete, given.placed, tuple(given.settle), given.never))


if __name__ == "__main__":
    main()
