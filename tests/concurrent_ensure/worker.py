"""One process that runs `ensure` of the specs it reads from stdin, a JSON line each."""

import asyncio
import json
import sys
import time
from typing import Any

from di_async import DIError, DigitalOcean, Exoscale, Gcore, PollPolicy
from di_async.emulator import Emulator

POLLING = PollPolicy(target_lag=0.05)


def access(cloud: str, emu: Emulator) -> list[Any]:
    """Return what `connect` needs: the cloud, its credentials and its URL."""
    found: dict[str, list[Any]] = {
        "digitalocean": [cloud, emu.token, emu.url],
        "gcore-v3": [cloud, emu.gcore_api_key, emu.gcore_project_id, emu.url],
        "exoscale": [cloud, emu.exoscale_api_key, emu.exoscale_api_secret, emu.exoscale_url],
    }
    return found[cloud]


def connect(cloud: str, *rest: Any) -> Any:
    """Return a client of a running emulator."""
    *credentials, url = rest
    options: dict[str, Any] = {"base_url": url, "polling": POLLING, "budget": None}
    if cloud == "digitalocean":
        return DigitalOcean(*credentials, **options)
    if cloud == "gcore-v3":
        return Gcore(*credentials, **options)
    return Exoscale(*credentials, **options)


def api(cloud: str, client: Any) -> Any:
    """Return the part of a client that has `ensure`."""
    names = {"digitalocean": "dedicated_inferences", "gcore-v3": "inference_deployments"}
    return getattr(client, names.get(cloud, "deployments"))


async def _ensure(target: Any, body: dict[str, Any], delay: float, wait: bool) -> dict[str, Any]:
    await asyncio.sleep(delay)
    began = time.monotonic()
    try:
        done = await target.ensure(body)
    except DIError as error:
        return {"began": began, "ended": time.monotonic(), "error": repr(error)}
    ended = time.monotonic()
    if wait:
        await done.change
    return {
        "began": began,
        "ended": ended,
        "action": done.action,
        "id": done.id,
        "diff": done.diff,
        "duplicates": done.duplicates,
    }


async def main() -> None:
    """Run until stdin ends."""
    loop = asyncio.get_running_loop()
    config = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    async with connect(*config) as client:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            done = await _ensure(api(config[0], client), **json.loads(line))
            print(json.dumps(done), flush=True)  # noqa: T201 - the report


if __name__ == "__main__":
    asyncio.run(main())
