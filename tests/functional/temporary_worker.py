"""One process that enters a temporary deployment, reports it, and stays in the block."""

import asyncio
import json
import multiprocessing
import signal
import sys
import time

from tests.concurrent_ensure.worker import api, connect


def end_a_child() -> int | None:
    """Fork a process and send it SIGTERM; return its exit code."""
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[5])
    child.start()
    child.terminate()
    child.join()
    return child.exitcode


async def main() -> None:
    """Read the cloud and the arguments of `temporary` from stdin, a JSON line each."""
    config, arguments = (json.loads(sys.stdin.readline()) for _ in range(2))
    forks = arguments.pop("forks", False)
    async with (
        connect(*config) as client,
        api(config[0], client).temporary(**arguments) as found,
    ):
        models = found.models if arguments.get("connect") else None
        print(json.dumps({"models": models}), flush=True)  # noqa: T201 - the report
        if forks:
            print(json.dumps({"child": end_a_child()}), flush=True)  # noqa: T201 - the report
        await asyncio.Event().wait()


if __name__ == "__main__":
    # The parent may ignore SIGINT, and its children then do, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(main())
