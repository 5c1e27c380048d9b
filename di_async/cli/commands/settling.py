"""The end of every write: wait for it, and report how it came out, whatever came."""

import asyncio
from pathlib import Path
from typing import Any

from attrs import frozen

from di_async import Change, DIError, StatusChange
from di_async.cli.clouds import Cloud
from di_async.cli.hints import resume_line
from di_async.cli.live import follow
from di_async.cli.run import Cli
from di_async.digitalocean import AccessToken

__all__ = ["Report", "token_document"]

_OUTCOMES = {
    "CancelledError": "interrupted",
    "DeploymentFailedError": "failed",
    "ResourceVanishedError": "vanished",
    "SupersededError": "superseded",
    "WaitRefusedError": "refused",
    "WaitTimeoutError": "timed_out",
}


def token_document(token: AccessToken | None, file: Path | None) -> dict[str, Any] | None:
    """A new token for a program, its value included unless a file holds it."""
    if token is None:
        return None
    value = token.value.reveal() if token.value and file is None else None
    kept = {} if file is None else {"file": str(file)}
    return {"id": token.id, "name": token.name, "value": value, **kept}


@frozen
class Report:
    """What becomes of one change, told on stdout."""

    cli: Cli
    cloud: Cloud[Any, Any]
    change: Change[Any]
    token_file: Path | None = None

    async def conclude(self, *, wait: bool, timeout: float | None) -> None:
        """Wait, if so wished, and report; the report comes even when the wait fails."""
        outcome = self.change.outcome or "accepted"
        try:
            if wait:
                await follow(self.cli, self.change, timeout=timeout)
            outcome = self.change.outcome or outcome
        except (DIError, asyncio.CancelledError) as error:
            outcome = _OUTCOMES.get(type(error).__name__, "error")
            raise
        finally:
            self._tell(outcome)

    def _tell(self, outcome: str) -> None:
        if not self.cli.out.for_people:
            self.cli.out.document(self._document(outcome))
        elif outcome == "settled":
            self._settled()
        elif outcome == "accepted":
            self.cli.out.one(None, [("id", self.change.id)])
            resume = resume_line(self.cli.settings, self.change.resume_token)
            self.cli.say(f"accepted, not waited for. {resume}")

    def _settled(self) -> None:
        change = self.change
        if change.action == "delete":
            if not change.already_gone:
                self.cli.say(f"{change.id} is deleted: the API answers 404")
        elif (found := self.cloud.seen(change)) is not None:
            self.cli.out.one(None, self.cloud.fields(found))

    def _document(self, outcome: str) -> dict[str, Any]:
        change = self.change
        last = change.history[-1] if change.history else None
        document = {
            "id": change.id,
            "action": change.action,
            "outcome": outcome,
            "evidence": _evidence(last) if outcome == "settled" else None,
            "elapsed": round(last.elapsed, 3) if last else None,
            "requests": last.requests if last else 0,
            self.cloud.key: None if change.action == "delete" else self.cloud.seen(change),
            "resume_token": change.resume_token,
        }
        if change.action == "create":
            document["adopted"] = change.adopted
            document["access_token"] = token_document(change.access_token, self.token_file)
        if change.action == "delete":
            document["already_gone"] = change.already_gone
        return document


def _evidence(last: StatusChange | None) -> str | None:
    return last.note.removeprefix("settled: ") if last and last.note else None
