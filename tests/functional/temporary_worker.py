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


def handle_sigterm(with_loop: bool) -> asyncio.Queue[None]:
    """Install a handler as programs do; return a queue that gets an item for each SIGTERM."""
    loop, received = asyncio.get_running_loop(), asyncio.Queue[None]()

    def on_signal(*_: object) -> None:
        loop.call_soon_threadsafe(received.put_nowait, None)

    if with_loop:
        loop.add_signal_handler(signal.SIGTERM, on_signal)
    else:
        signal.signal(signal.SIGTERM, on_signal)
    return received


async def main() -> None:
    """Read the cloud and the arguments of `temporary` from stdin, a JSON line each."""
    config, arguments = (json.loads(sys.stdin.readline()) for _ in range(2))
    forks = arguments.pop("forks", False)
    own_handler = arguments.pop("own_handler", None)
    sigterm = asyncio.Queue[None]()
    async with (
        connect(*config) as client,
        api(config[0], client).temporary(**arguments) as found,
    ):
        models = found.models if arguments.get("connect") else None
        print(json.dumps({"models": models}), flush=True)  # noqa: T201 - the report
        if forks:
            print(json.dumps({"child": end_a_child()}), flush=True)  # noqa: T201 - the report
        if own_handler is not None:
            sigterm = handle_sigterm(with_loop=own_handler == "loop")
            print(json.dumps({"ready": True}), flush=True)  # noqa: T201 - the report
        await sigterm.get()
    print(json.dumps({"left": True}), flush=True)  # noqa: T201 - the report
    await sigterm.get()


if __name__ == "__main__":
    # The parent may ignore SIGINT, and its children then do, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asyncio.run(main())
