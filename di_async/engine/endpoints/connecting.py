"""Connect to the endpoint of a settled change: read its key, then wait until its models answer.

Meanwhile the resource is read only now and then: others may stop or delete it. A delete by this
client ends the call at once, as it ends waits.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from di_async.core.errors import (
    APIError,
    ClientClosedError,
    DIError,
    InvalidInputError,
    NotFoundError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.http import Priority
from di_async.core.redaction import one_line
from di_async.core.secret import Secret
from di_async.core.serving import ConnectOptions, ServingTarget, api_base, as_secret, pauses
from di_async.core.waiting.evidence import BEING_DELETED, Failed, Settled, Superseded, Vanished
from di_async.core.waiting.observation import NO_EXPECTATION, Action, Phase
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.engine.concurrency import cancellation_behind
from di_async.engine.endpoints.serving import Probe, ServingEndpoint, checked_probe
from di_async.engine.waiting.failures import DETAILS_S, name_of, notes_of
from di_async.engine.waiting.new_resources import resource_key
from di_async.engine.waiting.tracker import ChangeTracker
from di_async.engine.waiting.waiters import WaitClosedError

__all__ = ["Connector", "MakeEndpoint", "checked_options"]

MakeEndpoint = Callable[[str, ServingTarget, str, Probe], ServingEndpoint]
"""Takes the id, where it serves, the client's base URL and the probe; returns the endpoint."""
Deleted = Superseded | Vanished

# Between two reads of what is needed to call a deployment.
_LONGEST_PAUSE_S = 10.0
# Before the first read of the state while probing, between the next ones, and before one that
# confirms the last one.
_FIRST_CHECK_S, _LONGEST_CHECK_S, _SECOND_CHECK_S = 30.0, 300.0, 10.0
# A replica that lags behind may answer 404 for what belongs to an active deployment.
_LAG_S = 30.0


def checked_options(
    *, access_token: Any, private: bool, probe: Probe, mint_token: str | None
) -> ConnectOptions:
    """Return the options of a `connect`. Raises `InvalidInputError`."""
    if not isinstance(private, bool):
        raise InvalidInputError("private: expected True or False")
    if access_token is not None and mint_token is not None:
        raise InvalidInputError("access_token, mint_token: pass one of them")
    checked_probe(probe)
    return ConnectOptions(
        private=private, access_token=as_secret(access_token), mint_token=mint_token
    )


class _OpenConnect(Struct, eq=False):
    """A call of `connect` that is under way."""

    tracker: ChangeTracker[Any]
    scope: asyncio.Timeout
    ended_by: Deleted | WaitClosedError | None = None

    def end(self, reason: Deleted | WaitClosedError) -> None:
        """End the call for this reason."""
        if self.ended_by is None:
            self.ended_by = reason
            self.scope.reschedule(asyncio.get_running_loop().time())


class Connector:
    """Connects to the endpoints of one client's deployments."""

    def __init__(self, make_endpoint: MakeEndpoint) -> None:
        self._make_endpoint = make_endpoint
        self._open: list[_OpenConnect] = []

    def close(self) -> None:
        """End all calls under way with `ClientClosedError`."""
        for call in self._open:
            call.end(WaitClosedError("the client was closed while this wait was open"))

    def record_delete(self, deleting: ChangeTracker[Any]) -> None:
        """End the calls whose deployment this client deletes, once its delete is accepted."""
        if isinstance(deleting.decision, Failed):
            return
        reason: Deleted = BEING_DELETED
        if isinstance(deleting.decision, Settled):
            reason = Vanished(never_seen=False, own_delete=True)
        deleted = resource_key(deleting.adapter, deleting.target.id)
        for call in self._open:
            same = resource_key(call.tracker.adapter, call.tracker.target.id) == deleted
            if same and call.tracker.started_at <= deleting.started_at:
                call.end(reason)

    def check(
        self,
        tracker: ChangeTracker[Any],
        *,
        access_token: Any,
        own_token: Any,
        private: bool,
        probe: Probe,
        mint_token: str | None,
    ) -> ConnectOptions:
        """Return the options of a `connect`, checked before anything is awaited.

        `own_token` is the one that the create's answer showed, if any.

        Raises:
            InvalidInputError: one is invalid, or the change leaves no endpoint.
        """
        options = checked_options(
            access_token=access_token, private=private, probe=probe, mint_token=mint_token
        )
        if options.access_token is None:
            options = replace(options, access_token=as_secret(own_token))
        if tracker.expectation.action is Action.DELETE:
            raise InvalidInputError("what is deleted has no endpoint to connect to")
        tracker.adapter.check_connect(options)
        return options

    async def connect(
        self,
        tracker: ChangeTracker[Any],
        resource: Any,
        options: ConnectOptions,
        probe: Probe,
        until: float | None,
        *,
        on_key: Callable[[Secret | None], object],
    ) -> ServingEndpoint | Deleted:
        """Return the endpoint of a settled resource once its models answer.

        Return the decision instead where a delete by this client ends it.

        Args:
            tracker: its change, whose history records the steps.
            resource: the resource as read last.
            options: what `check` returned.
            probe: what counts as an answer.
            until: the loop time at which this gives up; None: never.
            on_key: called with the key of `mint_token`, once it is created.

        Raises:
            InvalidInputError: no key is known, or nothing serves.
            WaitTimeoutError: the endpoint did not answer in time.
            WaitRefusedError: the endpoint refuses, or its key or CA cannot be read.
            ClientClosedError: the client was closed.
        """

        async def work(call: _OpenConnect) -> ServingEndpoint | Deleted:
            target = await _serving_target(tracker, resource, options, until)
            if isinstance(target, Vanished):
                return target
            if options.mint_token is not None:
                on_key(target.access_token)
            base_url = tracker.adapter.base_url
            endpoint = self._make_endpoint(tracker.target.id, target, base_url, probe)
            if target.note:
                tracker.add_note(target.note)
            left = None if until is None else max(0.0, until - tracker.clock.now())
            await endpoint.probe_until(left, tracker.add_note, _StateCheck(call, until).run)
            return endpoint

        return await self._unless_ended(tracker, work)

    async def _unless_ended(
        self,
        tracker: ChangeTracker[Any],
        work: Callable[[_OpenConnect], Awaitable[ServingEndpoint | Deleted]],
    ) -> ServingEndpoint | Deleted:
        """Return the result of `work`, or the delete that ends it."""
        call = _OpenConnect(tracker, asyncio.timeout(None))
        try:
            async with call.scope:
                self._open.append(call)
                try:
                    return await work(call)
                finally:
                    self._open.remove(call)
        except TimeoutError as ended:
            if call.ended_by is None:
                raise
            notes = notes_of(cancellation_behind(ended))
        if isinstance(call.ended_by, WaitClosedError):
            raise WaitClosedError("; ".join(filter(None, (call.ended_by.message, notes))))
        return call.ended_by


class _StateCheck:
    """Reads the deployment now and then while its endpoint does not answer.

    What has stopped or deleted it counts only if a second read shows it: replicas lag.
    """

    def __init__(self, call: _OpenConnect, until: float | None) -> None:
        self._call = call
        self._until = until
        self._pause = _FIRST_CHECK_S
        self._due = call.tracker.clock.now() + self._pause
        self._was_seen = False
        """The last read has shown that it cannot answer."""

    async def run(self) -> None:
        """Read the deployment if a read is due.

        Raises:
            InvalidInputError: it is stopped, so that its endpoint does not answer.
        """
        now = self._call.tracker.clock.now()
        if now < self._due:
            return
        try:
            until = math.inf if self._until is None else self._until
            async with asyncio.timeout_at(min(now + DETAILS_S, until)):
                ended = await self._read()
        except InvalidInputError:
            if self._was_seen:
                raise
            self._was_seen = True
        except (DIError, TimeoutError) as error:  # the endpoint may answer all the same
            if isinstance(error, ClientClosedError):
                raise
            self._was_seen = False
        else:
            if ended is not None and self._was_seen:
                self._call.end(ended)
            self._was_seen = ended is not None
        if not self._was_seen:
            self._pause = min(2 * self._pause, _LONGEST_CHECK_S)
        self._due = now + (_SECOND_CHECK_S if self._was_seen else self._pause)

    async def _read(self) -> Deleted | None:
        tracker = self._call.tracker
        try:
            found = await _read(tracker, Priority.SCHEDULED)
        except NotFoundError:
            return Vanished(never_seen=False)
        tracker.adapter.check_serving(found)
        leaving = tracker.adapter.observe(found, NO_EXPECTATION).phase is Phase.DELETING
        return Superseded("it is being deleted") if leaving else None


async def _serving_target(
    tracker: ChangeTracker[Any], resource: Any, options: ConnectOptions, until: float | None
) -> ServingTarget | Vanished:
    """Return where a deployment serves; read its key and CA until they are shown.

    Return the decision instead if it is gone.
    """
    limit, last, notes = asyncio.timeout_at(until), None, ""
    lag_until, was_read = tracker.clock.now() + _LAG_S, False
    try:
        async with limit:
            for pause in pauses(_LONGEST_PAUSE_S):
                try:
                    if last is not None:
                        was_read = False
                        resource = await _read(tracker, Priority.READ)
                    was_read = True
                    return await _checked_target(tracker.adapter, resource, options)
                except DIError as error:
                    missing = isinstance(error, NotFoundError)
                    lags = missing and tracker.clock.now() < lag_until
                    if missing and not (lags or was_read):
                        return Vanished(never_seen=False)
                    if not (error.transient or lags):
                        raise _final(tracker, error) from error
                    last = error
                    tracker.add_note(one_line(str(error)))
                    wait = error.retry_after if isinstance(error, APIError) else None
                await asyncio.sleep(max(pause, wait or 0.0))
    except TimeoutError as late:
        if not limit.expired():
            raise
        notes = notes_of(cancellation_behind(late))
    reason = f": {last}".rstrip(".") if last else ""
    raise WaitTimeoutError(
        f"{name_of(tracker)} is settled, but its endpoint's address, key or CA was not read in "
        f"time{reason}. {notes}".rstrip(),
        id=tracker.target.id,
        last_error=last,
    )


async def _checked_target(
    adapter: ResourceAdapter[Any], resource: Any, options: ConnectOptions
) -> ServingTarget:
    adapter.check_serving(resource)
    target = await adapter.serving_target(resource, options)
    api_base(target.url)  # raises for a URL that cannot be used
    return target


async def _read(tracker: ChangeTracker[Any], priority: Priority) -> Any:
    call = CallRecord()
    try:
        return await tracker.adapter.get(tracker.target, priority, call)
    finally:
        tracker.record_requests(call.requests)


def _final(tracker: ChangeTracker[Any], error: DIError) -> DIError:
    """Return the error to raise where reading again does not help."""
    if not isinstance(error, APIError):
        return error
    return WaitRefusedError(
        f"The key or CA of {name_of(tracker)} cannot be read: {error}",
        id=tracker.target.id,
        last_error=error,
    )
