"""Messages of wait errors, and what is read once after a failure: the log and the spec.

The reads after a failure are at most two, and take at most `DETAILS_S` seconds. Their own errors
are logged and change nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from di_async.core.errors import (
    DeploymentFailedError,
    DIError,
    ResourceVanishedError,
    SupersededError,
    WaitError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.http import Priority
from di_async.core.redaction import mask, secret_texts
from di_async.core.waiting.evidence import (
    BEING_DELETED,
    Decision,
    Expired,
    Failed,
    Pending,
    Refused,
    Settled,
    Superseded,
    Vanished,
)
from di_async.core.waiting.observation import Action, Phase
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.log import Log
from di_async.engine.waiting.tracker import ChangeTracker

__all__ = [
    "DETAILS_S",
    "LOG_LINES",
    "FailureDetails",
    "add_advice",
    "advice",
    "failure_text",
    "is_resumable",
    "name_of",
    "notes_of",
    "replace_advice",
]

logger = Log("di_async.poller")

LOG_LINES = 50
"""How many lines of a log are fetched at most."""
DELETING = "Its deletion is under way"
"""How the advice begins where this client, or a read, has shown that it is being deleted."""
DETAILS_S = 3.0
"""Seconds that all reads after a failure may take together."""


class FailureDetails:
    """What is read once after a change has failed."""

    def __init__(
        self, tracker: ChangeTracker[Any], redact: Callable[[str], str], *, updates_spec: bool
    ) -> None:
        self._tracker = tracker
        self._redact = redact
        """Masks the secrets of the client and of the write."""
        self._updates_spec = updates_spec
        self._reading: asyncio.Lock | None = None
        self._is_read = False
        self.logs: tuple[str, ...] = ()
        """The last lines of the log, the oldest first, each on one line and without secrets."""

    async def read(self, until: float | None) -> None:
        """Read the log, and the resource if only its operation was read, before this loop time.

        Several callers share one reading. If it is cancelled, the next caller reads again.
        """
        if self._reading is None:
            self._reading = asyncio.Lock()
        async with self._reading:
            now = self._tracker.clock.now()
            seconds = DETAILS_S if until is None else min(DETAILS_S, until - now)
            if self._is_read or seconds <= 0:
                return
            try:
                async with asyncio.timeout(seconds):
                    if self._updates_spec and self._tracker.operations:
                        await self._attempt(self._read_resource)
                    await self._attempt(self._read_logs)
            except TimeoutError:
                logger.info("the log of %s was not read in time", self._tracker.target.id)
            self._is_read = True

    async def _attempt(self, read: Callable[[CallRecord], Any]) -> None:
        call = CallRecord()
        try:
            await read(call)
        except DIError as error:
            logger.info("reading the failed %s: %s", self._tracker.target.id, error)
        finally:
            self._tracker.record_requests(call.requests)

    async def _read_resource(self, call: CallRecord) -> None:
        tracker = self._tracker
        found = await tracker.adapter.get(tracker.target, Priority.READ, call)
        tracker.record_failed_resource(found)

    async def _read_logs(self, call: CallRecord) -> None:
        tracker = self._tracker
        lines = await tracker.adapter.recent_logs(tracker.target.id, LOG_LINES, call)
        shown = self._secrets
        self.logs = tuple(self._redact(mask(line, shown)) for line in lines[-LOG_LINES:])

    @property
    def _secrets(self) -> set[str]:
        """What the resource shows of itself that may be secret."""
        return secret_texts(self._tracker.latest)

    def add_to(self, error: DeploymentFailedError) -> None:
        """Add the log, and which spec a failed update has left in place."""
        error.logs = self.logs
        # The provider's reason may quote what the deployment was given.
        error.message = mask(error.message, self._secrets) + self._story
        error.args = (error.message,)
        error.advice = self._advice + error.advice

    @property
    def _story(self) -> str:
        if not self._updates_spec:
            return ""
        tracker = self._tracker
        if tracker.latest is None:
            return " The spec in place was not read."
        seen = tracker.adapter.observe(tracker.latest, tracker.expectation)
        if seen.matches_sent is None:
            return " The API does not show which spec is in place."
        state = "still serves" if seen.phase is Phase.READY else "is in place"
        spec = "new spec" if seen.matches_sent else "spec from before the update"
        return f" The {spec} {state}."

    @property
    def _advice(self) -> str:
        before = "`change.previous_spec` is the spec to go back to. " if self._updates_spec else ""
        if not self.logs:
            return before
        return f"{before}The last of {len(self.logs)} lines in `.logs`: {self.logs[-1]!r}. "


def name_of(tracker: ChangeTracker[Any]) -> str:
    """Return the name of the resource with its id, or its id if that is all that is known."""
    id = tracker.target.id
    return f"{tracker.name} ({id})" if tracker.name not in (None, "", id) else id


def is_resumable(tracker: ChangeTracker[Any]) -> bool:
    """Return whether another process could go on with the wait."""
    return tracker.expectation.action is not Action.PREDICATE


def failure_text(tracker: ChangeTracker[Any], decision: Decision) -> tuple[type[WaitError], str]:
    """Return the class and the message of the error for a decision that is not a success."""
    kind, story = _story(decision, tracker.expectation.action)
    return kind, (
        f"{tracker.adapter.noun} {name_of(tracker)} {story}. "
        f"Last status: {_last_status(decision, tracker)}; "
        f"{tracker.elapsed:.1f} s, {_requests(tracker.requests)}.{_failing(decision, tracker)}"
    )


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def advice(tracker: ChangeTracker[Any], decision: Decision | None = None) -> str:
    """Return whether the resource bills, and what to do; without a decision the wait was left."""
    if isinstance(decision, Vanished):
        if not decision.is_unknown or tracker.expectation.action is Action.UPDATE:
            return "Nothing is left to delete."
        missing = "It may still appear, and would bill then: look for it by name in the list"
        return f"{missing}{_resume_hint(tracker, '; ')}."
    if _is_deletion_under_way(tracker) or decision == BEING_DELETED:
        how = _resume_hint(tracker, "; ") if tracker.expectation.action is Action.DELETE else ""
        how = how or "; `wait_until_deleted(id)` returns once it is gone"
        return f"{DELETING}, and it bills until it is gone{how}."
    state = "was left alone and"
    if tracker.status == "not found":
        state = "was not found; it"
    elif tracker.expectation.action is Action.DELETE:
        state = "still exists, as far as is known, and"
    resume = "" if isinstance(decision, Superseded) else _resume_hint(tracker, "", ", ")
    return f"The resource {state} bills as long as it exists; {resume}`delete(id)` ends the cost."


class _Advice(str):
    """A note with the advice of a wait that was cancelled."""

    __slots__ = ()


def add_advice(cancelled: BaseException, tracker: ChangeTracker[Any]) -> None:
    """Add a note to what cancels a wait: whether the resource bills, and what to do."""
    cancelled.add_note(_Advice(advice(tracker)))


def notes_of(error: BaseException | None) -> str:
    """Return the notes of an exception, such as what a write that was cut off may have done."""
    notes = getattr(error, "__notes__", [])
    return " ".join(note for note in notes if not isinstance(note, _Advice))


def replace_advice(cancelled: BaseException, text: str) -> None:
    """Replace the advice in an exception's notes, as it is no longer true."""
    notes = getattr(cancelled, "__notes__", [])
    notes[:] = [note for note in notes if not isinstance(note, _Advice)]
    cancelled.add_note(text)


def _resume_hint(tracker: ChangeTracker[Any], before: str, after: str = "") -> str:
    return f"{before}`.resume_token` continues the wait{after}" if is_resumable(tracker) else ""


def _is_deletion_under_way(tracker: ChangeTracker[Any]) -> bool:
    """Return whether this client has deleted it, or the last read shows that somebody has."""
    seen = tracker.evidence.observation
    shown = seen is not None and seen.phase is Phase.DELETING
    return shown or tracker.evidence.own_delete is not None


def _last_status(decision: Decision, tracker: ChangeTracker[Any]) -> str:
    """Return the last status, and after a timeout what the resource still lacks."""
    seen = tracker.evidence.observation
    status = tracker.status or "none shown"
    if not isinstance(decision, Expired) or seen is None or not seen.reason:
        return status
    return f"{status} ({seen.reason.rstrip('.')})"


def _failing(decision: Decision, tracker: ChangeTracker[Any]) -> str:
    """Return the last error of a wait that ran out of time while its reads failed."""
    last = tracker.history.last
    if not isinstance(decision, Expired) or tracker.last_error is None or last is None:
        return ""
    error, failed = str(tracker.last_error), last.note is not None and last.times
    times = f" came {failed} times in a row" if failed and failed > 1 else ""
    since = f", since {last.at:%H:%M:%S} UTC" if times else ""
    return f" The last error{times}{since}: {error.rstrip('.')}."


def _goal(action: Action) -> str:
    """Return what a wait that has run out of time did not see."""
    if action is Action.DELETE:
        return "was not gone"
    if action is Action.PREDICATE:
        return "did not satisfy the predicate"
    if action is Action.UPDATE:
        return "did not show this change"
    return "did not become active"


def _story(decision: Decision, action: Action) -> tuple[type[WaitError], str]:
    match decision:
        case Expired():
            return WaitTimeoutError, f"{_goal(action)} within the timeout"
        case Failed(reason=reason):
            return DeploymentFailedError, f"failed: {reason}"
        case Superseded(reason=reason):
            return SupersededError, f"was superseded: {reason}"
        case Refused(error=error):
            return WaitRefusedError, f"cannot be read: {error}"
        case Vanished(own_delete=True):
            return ResourceVanishedError, "was deleted by this client"
        case Vanished(never_seen=True) if action is not Action.UPDATE:
            return ResourceVanishedError, "never appeared: GET answered 404"
        case Vanished():
            return ResourceVanishedError, "vanished: GET answered 404"
        case Settled() | Pending():  # pragma: no cover - these are not failures
            raise AssertionError(decision)
