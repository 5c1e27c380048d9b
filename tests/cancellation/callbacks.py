"""Cancel a call of several steps before the k-th callback of the loop, and look for what is lost.

`sweep.py` cancels one coroutine at each of its awaits. Calls such as `apply` work in tasks of their
own, so here the moment is any callback of the loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from attrs import frozen

from benchmarks.settle.virtual import VirtualLoop, run_virtual
from di_async import CleanupError, Fleet, apply
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import Cloud
from tests.clouds.test_first_available import PLACES
from tests.clouds.test_temporary import spec_of
from tests.faults.scene import PLACED, Scene, leftover_tasks, scene
from tests.fleet.fleets import an_entry

__all__ = ["CALLS", "Call", "cancel_at_callbacks"]

_MOST_CALLBACKS = 2_000


@frozen
class Call:
    """A call of several steps."""

    name: str
    cloud: Cloud
    run: Callable[[Scene], Coroutine[Any, Any, Any]]
    leaves_nothing: bool = False
    """What it creates is deleted if it is cancelled."""

    def __str__(self) -> str:
        return f"{self.cloud.name}:{self.name}"


async def _ensure(stage: Scene) -> None:
    done = await stage.api.ensure(a_body(stage.cloud))
    stage.extra["known"] = done.id
    await done.change


async def _apply(stage: Scene) -> None:
    entries = [an_entry(stage.cloud, name) for name in ("web-1", "web-2")]
    await apply(
        Fleet.from_dict({"fleet": "chat", "deployments": entries}, source="f"), stage.client
    )


async def _temporary(stage: Scene) -> None:
    async with stage.api.temporary(spec_of(stage.cloud)):
        await asyncio.sleep(5)


async def _first_available(stage: Scene) -> None:
    places = list(PLACES[stage.cloud.name])
    stage.world.add_exoscale_model(name="openai/gpt-oss-20b", zone=PLACES["exoscale"][1])
    if stage.cloud.name == "gcore-v3":  # where a failure has to last for ten minutes
        stage.world.fault("no_capacity", on=stage.cloud.POST, region=places[0])
    else:
        stage.world.fault("error", on=stage.cloud.POST, message="no capacity left")
    await stage.api.create_first_available(spec_of(stage.cloud), regions=places)


CALLS = tuple(
    Call(name, cloud, run, leaves_nothing)
    for name, run, leaves_nothing in (
        ("ensure", _ensure, False),
        ("apply", _apply, False),
        ("temporary", _temporary, True),
        ("first_available", _first_available, True),
    )
    for cloud in ENSURABLE
)


class _Ready(deque[Any]):
    """The loop's queue, which calls something before its k-th callback."""

    left = 0
    action: Callable[[], object] | None = None

    def popleft(self) -> Any:
        if self.action is not None:
            self.left -= 1
            if not self.left:
                self.action()
        return super().popleft()


def cancel_at_callbacks(call: Call, stride: int) -> Iterator[str]:
    """Yield what a cancellation breaks, tried before every `stride`-th callback."""
    for at in range(1, _MOST_CALLBACKS, stride):
        problems = run_virtual(partial(_play, call, at))
        if problems is None:
            return
        yield from (f"cancelled at callback {at}: {problem}" for problem in problems)
    raise AssertionError(f"{call} has too many callbacks")


async def _play(call: Call, at: int) -> list[str] | None:
    """Return the problems; None if the call ended before."""
    loop: Any = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    ready = loop._ready = _Ready(loop._ready)  # type: ignore[attr-defined]  # noqa: SLF001
    async with scene(call.cloud) as stage:
        task = loop.create_task(call.run(stage))
        cancelled: list[bool] = []
        ready.left, ready.action = at, lambda: cancelled.append(task.cancel())
        await asyncio.wait([task])
        ready.action = None
        error = _error_of(task)
        if not any(cancelled):
            return None
        problems = []
        if not isinstance(error, asyncio.CancelledError | CleanupError):
            problems.append(f"it ended with {error!r}")
        await stage.calm()
        problems += [f"left a task: {left}" for left in leftover_tasks()]
        texts = " ".join([str(error), *getattr(error, "__notes__", ())])
        rows = [row for row in await stage.api.list() if row.name != PLACED]
        for row in rows:
            known = stage.extra.get("known") == getattr(row, "id", row.name)
            if call.leaves_nothing or not (known or row.name in texts or row.id in texts):
                problems.append(f"{row.name} exists, and {error!r} does not name it")
        problems += [
            f"{count} of {name} were created"
            for name, count in stage.world.created.items()
            if name in {row.name for row in rows} and count > 1
        ]
    problems += [f"left a task after close: {left}" for left in leftover_tasks()]
    return problems


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    try:
        task.result()
    except BaseException as error:
        return error
    return None
