"""One process that uses a blocking client: `python -m tests.blocking.worker TASK ARGUMENTS`."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import orjson

from tests.blocking.support import connect
from tests.concurrent_ensure.worker import api


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - the report


def main(task: str, arguments: str) -> None:
    """Run one task."""
    config, body = orjson.loads(arguments)
    client = connect(*config).open()
    deployments = api(config[0], client)
    if task == "leave_open":
        leave_open(client, deployments, [config, body])
    elif task != "open":
        with_client = {
            "wait": wait,
            "temporary": temporary,
            "fork": fork,
            "fork_inside": fork_inside,
            "end_a_child": end_a_child,
        }[task]
        try:
            with_client(client, deployments, [config, body])
        finally:
            client.close()


def say_when_waiting(client: Any) -> None:
    """Report once the other thread waits."""
    while not client.stats().awaited:
        time.sleep(0.01)
    say("waiting")


def wait(client: Any, deployments: Any, given: Any) -> None:
    """Wait for a create until a signal comes."""
    change = deployments.create(given[1])
    threading.Thread(target=say_when_waiting, args=[client]).start()
    try:
        change.wait()
    except KeyboardInterrupt as interrupt:
        say("interrupted")
        say(" ".join(interrupt.__notes__))
    say(f"{client.stats().awaited} awaited, {len(list(deployments.list()))} listed")


def temporary(client: Any, deployments: Any, given: Any) -> None:
    """Stay in a temporary block until a signal comes."""
    with deployments.temporary(given[1]):
        say("inside")
        time.sleep(60)


def fork(client: Any, deployments: Any, given: Any) -> None:
    """Use the client in the child of a fork, then a new one."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    try:
        deployments.list().collect()
    except RuntimeError as error:
        raised = type(error).__name__
    with connect(*given[0]) as own:
        say(f"child: {raised}, then {len(api(given[0][0], own).list().collect())} listed")
    os._exit(0)


def fork_inside(client: Any, deployments: Any, given: Any) -> None:
    """Fork in a temporary block; the child exits, which ends its copies of all blocks."""
    with deployments.temporary(given[1]):
        child = os.fork()
        if not child:
            # It drops its copies of the parent's connections, and leaves them open.
            warnings.simplefilter("ignore", ResourceWarning)
            sys.exit(3)
        _, status = os.waitpid(child, 0)
        say(f"child: {os.waitstatus_to_exitcode(status)}, {len(list(deployments.list()))} listed")
    handler = signal.getsignal(signal.SIGTERM)
    say(f"after it: {len(list(deployments.list()))} listed, default: {handler == signal.SIG_DFL}")


def end_a_child(client: Any, deployments: Any, given: Any) -> None:
    """Fork in a temporary block, and end the child by SIGTERM."""
    with deployments.temporary(given[1]):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=[5])
        child.start()
        child.terminate()
        child.join()
        say(f"child: {child.exitcode}, {len(list(deployments.list()))} listed")


class Service:
    """An object that closes its client when it is dropped."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __del__(self) -> None:
        self.client.close()


LEFT: list[Any] = []
"""What the program still refers to at its end."""


def leave_open(client: Any, deployments: Any, given: Any) -> None:
    """Leave two generators and an object to the end of the program, all in the middle of a use."""

    def in_block() -> Iterator[Any]:
        with deployments.temporary(given[1]) as found:
            yield found

    def in_client() -> Iterator[Any]:
        with connect(*given[0]) as own:
            yield from api(given[0][0], own).list()

    LEFT.extend([in_block(), in_client(), Service(client)])
    say(f"{next(LEFT[0]).name} {next(LEFT[1]).name}")


if __name__ == "__main__":
    # The parent may ignore SIGINT, and its children then do, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(*sys.argv[1:])
