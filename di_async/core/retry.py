"""May this be sent again, and when? One pure decision; the sleeping is done by engine.session.

A request is repeated only where repeating is harmless: it is repeatable by its method, or the
provider surely did nothing (never connected, 429). Everything else is the caller's to settle.
"""

from attrs import frozen

from di_async.core.errors import DIError, InvalidInputError, RateLimitError

__all__ = ["RetryPolicy", "decide_retry"]


@frozen
class RetryPolicy:
    """How often one call is sent, and how long it may be held back, in seconds.

    `attempts` counts all sends (1 = never repeat); delays double from `initial_delay` up to
    `max_delay`, with jitter. A delay named by the server wins; one longer than `max_delay` raises
    `RateLimitError` with `.retry_after` instead of blocking.
    """

    attempts: int = 4
    initial_delay: float = 0.5
    max_delay: float = 30.0

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.attempts, int) and self.attempts >= 1):
            raise InvalidInputError("attempts counts all sends: 1 or more")
        seconds = self.initial_delay, self.max_delay
        if not all(isinstance(value, int | float) and value > 0 for value in seconds):
            raise InvalidInputError("initial_delay and max_delay are in seconds: above 0")

    def backoff(self, attempt: int, random: float) -> float:
        """Seconds before the send after `attempt`, for a random number in [0, 1)."""
        ceiling = min(self.max_delay, self.initial_delay * 2.0 ** min(attempt - 1, 60))
        return ceiling * (0.5 + random / 2)


def decide_retry(
    policy: RetryPolicy, error: DIError, *, attempt: int, repeatable: bool, random: float
) -> float | None:
    """Seconds until the next send after `attempt` sends failed with `error`; None: give up."""
    if attempt >= policy.attempts or not error.transient:
        return None
    if not (repeatable or error.never_processed):
        return None
    told = error.retry_after if isinstance(error, RateLimitError) else None
    if told is not None:
        return told + random * policy.initial_delay if told <= policy.max_delay else None
    return policy.backoff(attempt, random)
