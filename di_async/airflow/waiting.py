"""Waits in a worker or a triggerer: steps are logged, and failures become events.

What a create has made may be changed before the wait ends, or between two tries of a task. It has
not failed then: the wait goes on until it is active as it is now.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from di_async.airflow.deployments import api_of, describe, failure, zone_of
from di_async.core.errors import SupersededError, WaitTimeoutError
from di_async.core.waiting.observation import Action
from di_async.engine.client import Client
from di_async.engine.waiting.change import Change, Default, Timeout
from di_async.fleet.waiting import wait_all

__all__ = ["follow", "follow_all"]


async def follow(client: Client, change: Change[Any], timeout: Timeout, log: Any) -> Change[Any]:
    """Wait for a change and log its steps; return the change that settled.

    Raises:
        DIError: what `Change.wait` raises.
    """
    began = _now()
    try:
        await _log_steps(change, timeout, log)
    except SupersededError as error:
        if not _is_changed_create(change):
            raise
        log.warning("%s Waiting until it is active with that change.", error)
        change = _present(client, change)
        await _log_steps(change, _left(timeout, began), log)
    return change


async def follow_all(
    client: Client, changes: Sequence[Change[Any]], timeout: Timeout, log: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Wait for many changes; return what XCom carries of each that settled, and the failures."""
    began = _now()
    report = await wait_all(changes, timeout=timeout)
    log.info("%s", report)
    settled, failed, pending = list(report.succeeded), list(report.failed), list(report.pending)
    changed = [
        one
        for one in failed
        if isinstance(one.error, SupersededError) and _is_changed_create(one.change)
    ]
    if changed:
        again = [_present(client, one.change) for one in changed]
        report = await wait_all(again, timeout=_left(timeout, began))
        log.info("waited for what was changed meanwhile: %s", report)
        failed = [one for one in failed if one not in changed] + list(report.failed)
        settled += report.succeeded
        pending += report.pending
    failures = [failure(one.error, id=one.change.id) for one in failed]
    for change in pending:
        late = WaitTimeoutError(
            f"{change.id} is not settled in time; it was left alone, and bills", id=change.id
        )
        late.resume_token, late.history = change.resume_token, change.history
        failures.append(failure(late))
    return [describe(client, change) for change in settled], failures


def _is_changed_create(change: Change[Any]) -> bool:
    return change.action == Action.CREATE.value


def _present(client: Client, change: Change[Any]) -> Change[Any]:
    """Return a wait for the same deployment, whatever its spec is now."""
    return api_of(client, zone_of(change.resume_token)).begin_wait(change.id)


async def _log_steps(change: Change[Any], timeout: Timeout, log: Any) -> None:
    async for step in change.events(timeout=timeout):
        log.info("%s", step)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _left(timeout: Timeout, began: float) -> Timeout:
    """Return what is left of a timeout that began at a loop time."""
    if timeout is None or isinstance(timeout, Default):
        return timeout
    return max(0.0, timeout - (_now() - began))
