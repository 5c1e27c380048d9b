"""Play one operation under one fault and compare the outcome with the table."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from attrs import frozen

from benchmarks.settle.virtual import run_virtual
from di_async import DIError
from di_async.core.http import Request
from tests.fake_network import Answer
from tests.faults.expected import expected
from tests.faults.faults import FAULTS, Fault
from tests.faults.operations import NEW, OPERATIONS, Operation
from tests.faults.scene import Alter, Scene, leftover_tasks, scene

__all__ = ["MODES", "Cell", "cells", "play_cell", "play_operation"]

Mode = Literal["once", "lasting"]
MODES: tuple[Mode, ...] = ("once", "lasting")
# Calls retry for some minutes at most; waits have a timeout of 300 s.
_LONGEST_S = 700.0
_CREATES = {"create", "unnamed", "token"}


@frozen
class Cell:
    """One operation under one fault: what came out, and what breaks the rules."""

    operation: Operation
    fault: Fault
    mode: Mode
    outcome: str
    problems: tuple[str, ...]

    @property
    def allowed(self) -> frozenset[str]:
        """What may come out."""
        return expected(self.operation, self.fault, self.mode)

    @property
    def is_right(self) -> bool:
        """Whether the outcome is the expected one, and no rule is broken."""
        return self.outcome in self.allowed and not self.problems

    def __str__(self) -> str:
        wrong = (
            "" if self.outcome in self.allowed else f", expected {'/'.join(sorted(self.allowed))}"
        )
        problems = "".join(f"; {problem}" for problem in self.problems)
        return f"{self.operation} | {self.fault} | {self.mode}: {self.outcome}{wrong}{problems}"


def cells(operations: tuple[Operation, ...] = OPERATIONS) -> Iterator[Cell]:
    """Yield every cell of the matrix, played."""
    for operation in operations:
        yield from play_operation(operation)


def play_operation(operation: Operation, faults: Iterable[Fault] = FAULTS) -> Iterator[Cell]:
    """Yield all cells of one operation, or those of some faults."""
    for fault in faults:
        for mode in MODES:
            if expected(operation, fault, mode):
                yield play_cell(operation, fault, mode)


def play_cell(operation: Operation, fault: Fault, mode: Mode) -> Cell:
    """Play one cell on a loop and a clock of its own."""
    outcome, problems = run_virtual(lambda: _play(operation, fault, mode))
    return Cell(operation, fault, mode, outcome, tuple(problems))


async def _play(operation: Operation, fault: Fault, mode: Mode) -> tuple[str, list[str]]:
    wall, step = time.time, 0.0
    time.time = lambda: wall() + step
    try:
        async with scene(operation.cloud) as stage:
            if operation.prepare is not None:
                await operation.prepare(stage)
            before, began = len(stage.network.writes), stage.now
            step = fault.clock_step_s
            stage.network.alter = _struck(operation, fault, mode, stage)
            outcome, result, problems = await _outcome(operation, stage)
            if stage.now - began > _LONGEST_S:
                problems.append(f"took {stage.now - began:.0f} s")
            stage.network.alter = None
            problems += await _aftermath(operation, stage, outcome, result, before)
            if fault.family == "not found" and (mode == "lasting" or not operation.writes):
                # All reads answer 404: it is the API's own word, though it is wrong.
                problems = [one for one in problems if "the truth is" not in one]
        problems += [f"left a task: {task}" for task in leftover_tasks()]
    finally:
        time.time = wall
    return outcome, problems


def _struck(operation: Operation, fault: Fault, mode: Mode, stage: Scene) -> Alter:
    """Return what alters the first answer of the operation's kind, or all from there on."""
    begun = False

    def alter(request: Request, execute: Callable[[], Answer]) -> Answer:
        nonlocal begun
        if begun and mode == "once":
            return execute()
        if not begun and operation.writes and request.method == "GET":
            return execute()
        begun = True
        return fault.strike(stage, request, execute)

    return alter


async def _outcome(operation: Operation, stage: Scene) -> tuple[str, Any, list[str]]:
    try:
        result = await operation.run(stage)
    except DIError as error:
        return type(error).__name__, error, []
    except TimeoutError:
        return "silent", None, []  # a stream had nothing to show in its 300 s
    except Exception as error:
        return type(error).__name__, error, [f"raised {error!r}, which is not a DIError"]
    if operation.check(stage, result):
        return "ok", result, []
    return "wrong", result, [f"returned {str(result)[:200]}"]


async def _aftermath(
    operation: Operation, stage: Scene, outcome: str, result: Any, before: int
) -> list[str]:
    """Check what holds in every cell, once the fault is over."""
    problems = []
    written = stage.network.writes[before:]
    made = [request for request, _ in written if request.method == "POST"]
    if operation.group in _CREATES and len(made) > 1:
        problems.append(f"{len(made)} were created")
    if operation.group in {"create", "unnamed"} and made and outcome != "ok":
        name = NEW if operation.name == "create" else "new/model"
        texts = " ".join((str(result), *stage.records.texts))
        if name not in texts:
            problems.append("exists, and neither the error nor a log names it")
    if outcome == "ok" and operation.exists is not None and operation.exists(stage):
        problems.append("returned, but the truth is that it exists")
    if outcome == "ok" and operation.writes and hasattr(result, "wait"):
        problems += await _settles(stage, result)
    elif outcome == "ok" and operation.waits and operation.name.startswith("wait for"):
        problems += _is_settled(stage, stage.extra["change"])
    await stage.calm()
    problems += [f"left a task: {task}" for task in leftover_tasks()]
    return problems


async def _settles(stage: Scene, change: Any) -> list[str]:
    try:
        async with asyncio.timeout(600):
            await change.wait(timeout=300)
    except Exception as error:
        return [f"its wait then raised {type(error).__name__}: {str(error)[:200]}"]
    return _is_settled(stage, change)


def _is_settled(stage: Scene, change: Any) -> list[str]:
    truth = stage.world.truth(change.id)
    if truth.status == "unknown":  # keys and the like have no record
        return []
    right = truth.settled and truth.exists != (change.action == "delete")
    return [] if right else [f"its wait ended, but the truth is {truth.status}"]
