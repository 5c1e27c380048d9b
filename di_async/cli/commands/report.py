"""The end of every write: finish or wait, and report the outcome, also when the wait fails."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from di_async import DeploymentFailedError, DIError, InvalidInputError
from di_async.cli.hints import error_line, resume_lines
from di_async.cli.run import Cli

if TYPE_CHECKING:
    from di_async import Change, StatusChange
    from di_async.cli.clouds.base import Cloud
    from di_async.digitalocean import AccessToken

__all__ = [
    "Report",
    "delete_and_report",
    "document_of_failure",
    "finish_and_report",
    "report_stored",
    "token_document",
    "wait_and_report",
]

R = TypeVar("R")
_OUTCOMES = {
    "CancelledError": "interrupted",
    "DeploymentFailedError": "failed",
    "ResourceVanishedError": "vanished",
    "SupersededError": "superseded",
    "WaitRefusedError": "refused",
    "WaitTimeoutError": "timed_out",
}


def token_document(token: "AccessToken | None", file: Path | None) -> dict[str, Any] | None:
    """Return a new token as a document; its value is left out if a file holds it."""
    if token is None:
        return None
    value = token.value.reveal() if token.value and file is None else None
    document = {"id": token.id, "name": token.name, "value": value}
    return document if file is None else {**document, "file": str(file)}


def report_stored(cli: Cli, what: str, file: Path | None, failure: str | None) -> None:
    """Print whether a one-time value is in its file; without a file it was printed."""
    if failure:
        cli.message(f"cannot write the {what} to {file}: {failure}")
    elif file:
        cli.message(f"the {what} is in {file}")
    else:
        cli.message("Store the value now: the API never returns it again.")


async def finish_and_report(
    cli: Cli, write: Awaitable[Any], done: str, document: Mapping[str, Any]
) -> None:
    """Finish a write that needs no wait, and report it before a signal takes effect."""
    await cli.finish(write)
    _report_done(cli, done, document)


def _report_done(cli: Cli, done: str, document: Mapping[str, Any]) -> None:
    cli.message(done)
    if not cli.out.is_table:
        cli.out.document(document, keep=True)


async def delete_and_report(
    cli: Cli, deleting: "Awaitable[Change[None]]", *, timeout: float | None
) -> None:
    """Finish the delete of a model or key, wait until it is gone, and report it."""
    deletion = await cli.finish(deleting)
    await wait_and_report(cli, deletion, timeout=timeout)
    _report_done(cli, f"deleted {deletion.id}", {"id": deletion.id, "deleted": True})


async def wait_and_report(cli: Cli, change: "Change[R]", *, timeout: float | None) -> R:
    """Return what a change of a model or key leads to; if the wait fails, print a document."""
    from di_async.cli.progress import follow

    with document_of_failure(cli, change):
        return await follow(cli, change, timeout=timeout)


@contextmanager
def document_of_failure(
    cli: Cli, change: "Change[Any]", more: Callable[[], Mapping[str, Any]] = dict
) -> Iterator[None]:
    """Print a document if the wait in this block fails: every command that waits prints one.

    `more` returns further fields.

    Raises:
        InvalidInputError: nothing was read: a usage error, without a document.
        DIError: the wait has found what the library refuses, such as 0 replicas.
    """

    def report(error: BaseException) -> None:
        if not cli.out.is_table:
            found = {"id": change.id, "action": change.action, **_failure(cli, error), **more()}
            cli.out.document(found, keep=True)

    try:
        yield
    except InvalidInputError as error:
        if not change.history:
            raise
        failure = DIError(error.message)
        report(failure)
        raise failure from error
    except (DIError, asyncio.CancelledError) as error:
        report(error)
        raise


def _failure(cli: Cli, error: BaseException) -> dict[str, Any]:
    """Return how a wait ended, and its error in one line."""
    outcome = _OUTCOMES.get(type(error).__name__, "error")
    text = error_line(error, cli.settings) if isinstance(error, DIError) else None
    return {"outcome": outcome, "error": text}


@frozen
class Report:
    """Waits for a change and reports its outcome on stdout."""

    cli: Cli
    cloud: "Cloud[Any, Any]"
    change: "Change[Any]"
    token_file: Path | None = None
    ensured: Mapping[str, Any] = field(factory=dict)
    """What `ensure` did, for the document."""

    async def conclude(self, *, wait: bool, timeout: float | None) -> None:
        """Wait if `wait` is set, then report; a failed wait is reported and raised."""
        from di_async.cli.progress import follow

        ended: dict[str, Any] = {"outcome": self.change.outcome or "accepted", "error": None}
        try:
            if wait:
                await follow(self.cli, self.change, timeout=timeout)
            ended["outcome"] = self.change.outcome or ended["outcome"]
        except (DIError, asyncio.CancelledError) as error:
            ended = _failure(self.cli, error)
            if logs := getattr(error, "logs", ()):
                ended["logs"] = logs
            if isinstance(error, DeploymentFailedError):
                advice = await self.cloud.failure_advice(self.change.latest)
                if advice is not None:
                    error.add_note(advice)
            raise
        finally:
            self._report(ended)

    def _report(self, ended: Mapping[str, Any]) -> None:
        outcome = ended["outcome"]
        if not self.cli.out.is_table:
            self.cli.out.document({**self._document(outcome), **ended}, keep=True)
        elif outcome == "settled":
            self._report_settled()
        elif outcome == "accepted":
            if self.change.action != "create":  # a create's id was printed with its token
                self.cli.out.one(None, [("id", self.change.id)])
            lines = resume_lines(self.cli.settings, self.change)
            self.cli.message("Accepted; not waiting.", *lines, keep=True)

    def _report_settled(self) -> None:
        change = self.change
        if change.action == "delete":
            if not change.already_gone:
                evidence = _evidence(change.history[-1] if change.history else None)
                if evidence is None or "404" in evidence:
                    evidence = "the API returned 404"
                self.cli.message(f"{change.id} is deleted: {evidence}")
        elif (resource := self.cloud.resource_of(change)) is not None:
            self.cli.out.one(None, self.cloud.fields(resource))

    def _document(self, outcome: str) -> dict[str, Any]:
        change = self.change
        last = change.history[-1] if change.history else None
        resource = None if change.action == "delete" else self.cloud.resource_of(change)
        document = {
            **self.ensured,
            "id": change.id,
            "action": change.action,
            "outcome": outcome,
            "evidence": _evidence(last) if outcome == "settled" else None,
            "elapsed": round(change.elapsed, 3) if last else None,
            "requests": last.requests if last else 0,
            self.cloud.document_key: resource,
            "resume_token": change.resume_token,
        }
        if change.action == "create":
            document["adopted"] = change.adopted
            document["access_token"] = token_document(change.access_token, self.token_file)
        if change.action == "delete":
            document["already_gone"] = change.already_gone
        return document


def _evidence(last: "StatusChange | None") -> str | None:
    return last.note.removeprefix("settled: ") if last and last.note else None
