"""A line of a deployment's log as text, the same for all clouds."""

from datetime import datetime

__all__ = ["log_text"]


def log_text(time: datetime | None, source: str | None, message: str) -> str:
    """Return time, pod or node, and message of a log line, as far as they are known."""
    moment = "" if time is None else f"{time.isoformat(timespec='seconds')} "
    return f"{moment}{source}: {message}" if source else f"{moment}{message}"
