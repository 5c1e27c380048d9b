"""Log lines as text."""

from datetime import UTC, datetime

from di_async.core.log_text import log_text


def test_what_is_known_is_shown() -> None:
    """Time, source and message, each only if it is known."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    assert log_text(at, "pod-0", "ready") == "2026-01-02T03:04:05+00:00 pod-0: ready"
    assert log_text(None, "pod-0", "ready") == "pod-0: ready"
    assert log_text(at, "", "ready") == "2026-01-02T03:04:05+00:00 ready"
    assert log_text(None, None, "ready") == "ready"
