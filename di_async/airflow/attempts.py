"""Writes of a task that another try of the task goes on with, instead of sending them twice.

A worker may die at any moment. So a create is stored before it is sent, and a try that finds it
passes the time of the first one to `create(..., first_attempt_at=)`.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from di_async.airflow.deployments import resume
from di_async.airflow.names import spec_digest
from di_async.airflow.record import Record
from di_async.airflow.wall_clock import utc_now
from di_async.core.errors import (
    APIError,
    ConnectError,
    DIError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    ServerError,
)
from di_async.core.waiting.evidence import CREATE_GRACE_S
from di_async.engine.client import Client
from di_async.engine.deployable_api import DeployableApi
from di_async.engine.frames import clears_frames
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change

__all__ = ["Attempts", "made_nothing"]


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

        What an earlier try has made and is proven to have failed is deleted, and created again.

        Args:
            client: an entered client.
            api: its deployments.
            spec: with a name.
            adopt_only_candidate: where names are not unique, wait for the only deployment of the
                name that an earlier try may have made, and do not raise.
            options: of `create`, such as `name_timeout`.

        Raises:
            OutcomeUnknownError: an earlier try may have made one of `.candidates`.
            Everything that `create` raises.
        """
        record = self.load()
        if record is not None and record.state == "failed":
            await self._delete_failed(api, record)
            record = None
        if record is not None and record.resume_token:
            change = await self._continue(client, api, record)
            if change is not None:
                return change
            record = None
        return await self._send(api, record, dict(spec), adopt_only_candidate, options)

    async def write(
        self, client: Client, send: Callable[[], Awaitable[Change[Any]]]
    ) -> Change[Any]:
        """Send a write that does no harm if it is sent twice, or continue an earlier try's wait."""
        record = self.load()
        if record is not None and record.state == "accepted" and record.resume_token:
            self.log.info("continuing the wait for %s of an earlier try", record.id)
            return resume(client, record.resume_token)
        change = await send()
        self.save(Record(state="accepted", id=change.id, resume_token=change.resume_token))
        return change

    def mark_failed(self) -> None:
        """Record that the provider has proven the write to have failed."""
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
        adopt_only_candidate: bool,
        options: dict[str, Any],
    ) -> Change[Any]:
        name, digest = str(spec.get("name", "")), spec_digest(spec)
        record = earlier or Record(
            state="sending", name=name, digest=digest, first_attempt_at=self.now().isoformat()
        )
        if earlier is None:
            self.save(record)
        else:
            self.log.info(
                "an earlier try may have sent the create of %s, since %s: looking for it first",
                name,
                earlier.first_attempt_at,
            )
            if earlier.digest != digest:
                self.log.warning("the spec of %s has changed since that try", name)
        first = earlier.first_attempt if earlier is not None else None
        try:
            change = await api.deployable().create(spec, first_attempt_at=first, **options)
        except OutcomeUnknownError as error:
            if earlier is None or not adopt_only_candidate or len(error.candidates) != 1:
                raise
            change = api.begin_wait(error.candidates[0].id)
            self.log.warning("%s: waiting for the only candidate %s", name, change.id)
            self._accepted(record, change, adopted=True)
            return change
        except DIError as error:
            if earlier is None and made_nothing(error):
                self.clear()
            raise
        if change.adopted:
            self.log.info("%s (%s) was made by an earlier try, and is adopted", name, change.id)
        self._accepted(record, change, adopted=change.adopted)
        return change

    def _accepted(self, record: Record, change: Change[Any], *, adopted: bool) -> None:
        token = change.resume_token
        self.save(
            evolve(record, state="accepted", id=change.id, resume_token=token, adopted=adopted)
        )

    async def _continue(
        self, client: Client, api: DeployableApi[Any], record: Record
    ) -> Change[Any] | None:
        """Return the change of an earlier try; None if what it made was deleted since."""
        first = record.first_attempt
        age = (self.now() - first).total_seconds() if first is not None else 0.0
        if age > CREATE_GRACE_S:
            try:
                await api.deployable().read(record.id)
            except NotFoundError:
                self.log.warning("%s of an earlier try is gone; making another", record.id)
                return None
        self.log.info("continuing the wait for %s of an earlier try", record.id)
        return resume(client, record.resume_token)

    async def _delete_failed(self, api: DeployableApi[Any], record: Record) -> None:
        self.log.warning("%s of an earlier try has failed: deleting it first", record.id)
        try:
            await api.deployable().delete(record.id)
        except NotFoundError:
            self.log.info("%s is gone already", record.id)


def made_nothing(error: BaseException) -> bool:
    """Return whether a create that failed cannot have made anything.

    Of a conflict, `create` has proven that the name belongs to something else.
    """
    if isinstance(error, InvalidInputError | ConnectError):
        return True
    return isinstance(error, APIError) and not isinstance(error, ServerError)
