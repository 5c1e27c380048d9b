"""Decide whether and when a request is sent again. Pure; `engine.session` does the sleeping.

A request is sent again only where that does no harm: its method is idempotent, or the provider
cannot have processed it (no connection, 429). `engine.writes.lost_writes` resolves other writes.
"""

from attrs import frozen

from di_async.core.errors import APIError, DIError, InvalidInputError, RateLimitError
from di_async.core.seconds import checked_seconds

__all__ = ["RetryPolicy", "decide_retry"]


@frozen
class RetryPolicy:
    """How often one call is sent, and how long it may be held back.

    Delays double from `initial_delay` up to `max_delay`, with jitter. A delay of up to `max_delay`
    that the server sends takes precedence.

    Args:
        attempts: the number of attempts, the first included; 1: no retries.
        initial_delay: seconds before the second attempt.
        max_delay: seconds; a longer delay because of a rate limit raises `RateLimitError` with
            `.retry_after`.

    Raises:
        InvalidInputError: a value is out of range.
    """

    attempts: int = 4
    initial_delay: float = 0.5
    max_delay: float = 30.0

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.attempts, int) and self.attempts >= 1):
            raise InvalidInputError("attempts: expected 1 or more")
        checked_seconds(self.initial_delay, "initial_delay", positive=True)
        checked_seconds(self.max_delay, "max_delay", positive=True)

    def backoff(self, attempt: int, random: float) -> float:
        """Return the seconds before the attempt after `attempt`; `random` is in [0, 1)."""
        ceiling = min(self.max_delay, self.initial_delay * 2.0 ** min(attempt - 1, 60))
        return ceiling * (0.5 + random / 2)


def decide_retry(
    policy: RetryPolicy, error: DIError, *, attempt: int, repeatable: bool, random: float
) -> float | None:
    """Return the seconds until the next attempt after `attempt` failed; None: give up."""
    if attempt >= policy.attempts or not error.transient:
        return None
    if not (repeatable or error.never_processed):
        return None
    wait = error.retry_after if isinstance(error, APIError) else None
    if wait is not None and wait <= policy.max_delay:
        return wait + random * policy.initial_delay
    if wait is not None and isinstance(error, RateLimitError):
        return None
    return policy.backoff(attempt, random)
