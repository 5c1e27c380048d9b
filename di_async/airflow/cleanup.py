"""Delete what a task has made, or may have made, when the task is ended."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import define, field, frozen

from di_async.airflow.attempts import Attempts
from di_async.airflow.deployments import delete_accepted
from di_async.airflow.record import Record
from di_async.core.errors import DIError, NotFoundError
from di_async.core.server_clock import Age
from di_async.engine.deployments.cleanup import find_made
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.deployments.deployable_api import DeployableApi

__all__ = ["Cleanup", "Create", "delete_all"]


@frozen
class Create:
    """A create that a task has sent, or is about to send."""

    attempts: Attempts
    own_name: bool
    """The name was made of DAG, run and task, so that nothing else has it."""


@define
class Cleanup:
    """What became of what a task has made."""

    deleted: list[str] = field(factory=list)
    """Their deletes are accepted."""
    left: list[str] = field(factory=list)
    """What may exist and bill, each with the reason."""

    def __str__(self) -> str:
        lines = [f"the delete of {', '.join(self.deleted)} is accepted"] if self.deleted else []
        return "; ".join([*lines, *self.left]) or "it had made nothing"


async def delete_all(
    api: DeployableApi[Any], ids: Iterable[str], creates: Mapping[str, Create]
) -> Cleanup:
    """Delete what a task has made; creates without an answer are looked up by name.

    Args:
        api: of the deployments.
        ids: what is known to be made.
        creates: by name.
    """
    done, found = Cleanup(), dict.fromkeys(ids)
    new = []  # while these exist, a 404 of a replica that lags proves nothing

    async def look_up(name: str, create: Create) -> None:
        try:
            record = create.attempts.load()
            if record is None or record.name != name:
                return
            if record.id:
                new.append(api.resume(record.resume_token))
                found[record.id] = None
            else:
                made = await _made_by(api, create, record, done)
                found.update(dict.fromkeys(made))
        except Exception as error:  # of the state store, too: the others must be deleted
            done.left.append(f"{name} may exist and bill, as it could not be looked up: {error}")

    async def delete(id: str) -> None:
        try:
            await delete_accepted(api.deployable(), id)
            done.deleted.append(id)
        except DIError as error:
            done.left.append(f"{id} could not be deleted and bills: {error}")

    await asyncio.gather(*(look_up(name, create) for name, create in creates.items()))
    await asyncio.gather(*map(delete, found))
    if not done.left:
        for create in creates.values():  # the next try is a first one
            create.attempts.clear()
    return done


async def _made_by(
    api: DeployableApi[Any], create: Create, record: Record, done: Cleanup
) -> list[str]:
    """Return the ids of what a create without an answer has made."""
    target = api.deployable()
    found = await find_made(target, record.name)
    if create.own_name:
        return found
    surely = []
    for id in found:
        age = await _age(target, id, record.first_attempt)
        if age is Age.SINCE and api.capabilities.unique_names:
            surely.append(id)
        elif age is not Age.BEFORE:
            done.left.append(f"{record.name} ({id}) may be of this task, was left alone, and bills")
    return surely


async def _age(target: Deployable[Any], id: str, first: datetime | None) -> Age:
    """Return whether a deployment is older than the first attempt of a create."""
    try:
        resource = (await target.read(id)).resource
    except NotFoundError:
        return Age.BEFORE
    if first is None:
        return Age.UNKNOWN
    window = target.engine.attempt_window(target.request, first.timestamp())
    return window.age(resource.created_at)
