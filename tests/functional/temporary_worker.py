"""One process that enters a temporary deployment, reports it, and stays in the block."""

import asyncio
import json
import signal
import sys

from tests.concurrent_ensure.worker import api, connect


async def main() -> None:
    """Read the cloud and the arguments of `temporary` from stdin, a JSON line each."""
    config, arguments = (json.loads(sys.stdin.readline()) for _ in range(2))
    async with (
        connect(*config) as client,
        api(config[0], client).temporary(**arguments) as found,
    ):
        models = found.models if arguments.get("connect") else None
        print(json.dumps({"models": models}), flush=True)  # noqa: T201 - the report
        await asyncio.Event().wait()


if __name__ == "__main__":
    # The parent may ignore SIGINT, and its children then do, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(main())
