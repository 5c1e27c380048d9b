"""Writes of a task that another try of the task goes on with, instead of sending them twice.

A worker may die at any moment. So a create is stored before it is sent, and a try that finds it
passes the time of the first one to `create(..., first_attempt_at=)`.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from di_async.airflow.deployments import api_of, delete_accepted, phase_of, resume, zone_of
from di_async.airflow.names import digest
from di_async.airflow.record import Record
from di_async.airflow.wall_clock import utc_now
from di_async.core.errors import (
    DeploymentFailedError,
    DIError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    WaitError,
)
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.core.waiting.observation import Phase
from di_async.engine.client import Client
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.deployments.temporary import made_nothing
from di_async.engine.frames import clears_frames
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change

__all__ = ["Attempts"]


@frozen(kw_only=True)
class Attempts:
    """The tries of one write of a task, as a store keeps them."""

    load: Callable[[], Record | None]
    save: Callable[[Record], None]
    clear: Callable[[], None]
    log: Any = field(factory=lambda: Log("di_async"))
    now: Callable[[], datetime] = utc_now

    @clears_frames
    async def create(
        self,
        client: Client,
        api: DeployableApi[Any],
        spec: Mapping[str, Any],
        *,
        adopt_only_candidate: bool = False,
        **options: Any,
    ) -> Change[Any]:
        """Send a create, or return the change of the one that an earlier try has sent.

        What an earlier try has made and a read shows as failed is deleted, and created again.

        Args:
            client: an entered client.
            api: its deployments.
            spec: with a name.
            adopt_only_candidate: where names are not unique, wait for the only deployment of the
                name that an earlier try may have made, and do not raise.
            options: of `create`, such as `name_timeout`.

        Raises:
            OutcomeUnknownError: an earlier try may have made one of `.candidates`.
            InvalidInputError: an earlier try has made the name with another spec.
            Everything that `create` raises.
        """
        record, name = self.load(), str(spec.get("name", ""))
        if record is not None and record.state == "failed":
            record = await self._without_failed(client, record)
        if record is not None and record.name != name:
            made = f"created {record.id}" if record.id else "may have created it"
            self.log.warning(
                "an earlier try used the name %s and %s; it is left alone, and bills as long as it "
                "exists",
                record.name,
                made,
            )
            record = None
        written = digest("create", spec, api.deployable().zone)
        if record is not None and record.resume_token:
            change = await self._continue(client, record, written)
            if change is not None:
                return change
            record = None
        return await self._send(api, record, dict(spec), written, adopt_only_candidate, options)

    async def write(
        self, client: Client, send: Callable[[], Awaitable[Change[Any]]], *, written: str
    ) -> Change[Any]:
        """Send a write that does no harm if it is sent twice, or continue an earlier try's wait.

        Args:
            client: an entered client.
            send: sends the write.
            written: a digest of the write and its arguments; another one is sent.
        """
        record = self.load()
        if record is not None and record.state == "accepted" and record.digest == written:
            self.log.info("continuing the wait for %s of an earlier try", record.id)
            return resume(client, record.resume_token)
        change = await send()
        token = change.resume_token
        self.save(Record(state="accepted", digest=written, id=change.id, resume_token=token))
        return change

    def mark_failed(self) -> None:
        """Record that a wait has proven the write to have failed."""
        record = self.load()
        if record is not None:
            self.save(evolve(record, state="failed"))

    def mark_token_written(self) -> None:
        """Record that the one-time token is stored where the user wanted it."""
        record = self.load()
        if record is not None:
            self.save(evolve(record, token_written=True))

    async def _send(
        self,
        api: DeployableApi[Any],
        earlier: Record | None,
        spec: dict[str, Any],
        written: str,
        adopt_only_candidate: bool,
        options: dict[str, Any],
    ) -> Change[Any]:
        name = str(spec.get("name", ""))
        record = earlier or Record(
            state="sending", name=name, digest=written, first_attempt_at=self.now().isoformat()
        )
        if earlier is None:
            self.save(record)
        else:
            self.log.info(
                "an earlier try may have sent the create of %s, since %s: looking for it first",
                name,
                earlier.first_attempt_at,
            )
            if earlier.digest != written:
                self.log.warning("the spec of %s has changed since that try", name)
        first = earlier.first_attempt if earlier is not None else None
        try:
            change = await api.deployable().create(spec, first_attempt_at=first, **options)
        except OutcomeUnknownError as error:
            if earlier is None or not adopt_only_candidate or len(error.candidates) != 1:
                raise
            (found,) = error.candidates
            change = api.begin_wait(found.id, seen=found)
            self.log.warning("%s: waiting for the only candidate %s", name, change.id)
            _check_unchanged(self._accepted(record, change, adopted=True), written)
            return change
        except DIError as error:
            if earlier is None and made_nothing(error):
                self.clear()
            raise
        if change.adopted:
            self.log.info("%s (%s) was made by an earlier try, and is adopted", name, change.id)
        else:
            record = evolve(record, digest=written)
        _check_unchanged(self._accepted(record, change, adopted=change.adopted), written)
        return change

    def _accepted(self, record: Record, change: Change[Any], *, adopted: bool) -> Record:
        """Save what is known once a create is accepted, and return it."""
        token = change.resume_token
        accepted = evolve(
            record, state="accepted", id=change.id, resume_token=token, adopted=adopted
        )
        self.save(accepted)
        return accepted

    async def _continue(self, client: Client, record: Record, written: str) -> Change[Any] | None:
        """Return the change of an earlier try; None if what it made was deleted since.

        Raises:
            InvalidInputError: it was made with other arguments, and exists.
        """
        first = record.first_attempt
        age = (self.now() - first).total_seconds() if first is not None else 0.0
        if age > CREATE_GRACE_S:
            try:
                await _api_of(client, record).deployable().read(record.id)
            except NotFoundError:
                self.log.warning("%s of an earlier try is gone; creating another", record.id)
                return None
        _check_unchanged(record, written)
        self.log.info("continuing the wait for %s of an earlier try", record.id)
        return resume(client, record.resume_token)

    async def _without_failed(self, client: Client, record: Record) -> Record | None:
        """Delete what an earlier try has made, if a read shows that it has failed.

        Returns its record with a new wait if it has not failed (any more), else None.
        """
        api = _api_of(client, record)
        try:
            found = await api.deployable().read(record.id)
            phase = phase_of(client, found.resource)
            if phase is Phase.DELETING:
                self.log.info("%s of an earlier try is being deleted already", record.id)
                return None
            if phase is Phase.FAILED or (
                phase is Phase.WORKING and await _failed_operation(client, record)
            ):
                self.log.warning("%s of an earlier try has failed: deleting it first", record.id)
                await delete_accepted(api.deployable(), record.id)
                return None
        except NotFoundError:
            self.log.info("%s of an earlier try is gone already", record.id)
            return None
        self.log.warning("%s had failed in an earlier try, but is %s now", record.id, phase.value)
        token = api.begin_wait(record.id).resume_token
        recovered = evolve(record, state="accepted", resume_token=token)
        self.save(recovered)
        return recovered


def _check_unchanged(record: Record, written: str) -> None:
    if record.digest != written:
        raise InvalidInputError(
            f"the arguments of this task have changed since it created {record.name} "
            f"({record.id}), which exists unchanged, and bills; nothing was sent. Update it "
            "(UpdateDeploymentOperator), delete it and clear this task, or give the spec another "
            "name"
        )


async def _failed_operation(client: Client, record: Record) -> bool:
    """Return whether the operation that made it has failed; its own status need not show that."""
    try:
        await resume(client, record.resume_token).wait(timeout=0)
    except DeploymentFailedError:
        return True
    except WaitError:
        return False
    return False


def _api_of(client: Client, record: Record) -> DeployableApi[Any]:
    return api_of(client, zone_of(record.resume_token))
