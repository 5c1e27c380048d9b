"""Lower bounds of the delay of any policy, each under its own assumption.

Keller: the distribution of the durations is known, poll times are fixed beforehand, every page
has K = requests / pages polls, and all waits begin together. The minimal mean delay is
(integral of sqrt f)^2 / (2 K); log-normal: 2 sqrt(2 pi) sigma E[T] / (2 K) (Keller 1974,
https://doi.org/10.1287/mnsc.21.3.256). All requests count, confirming GETs too. The bound saves no
requests after a page's last settle, so that a policy which stops there can be below it.

Clairvoyant pages: knows every settle and places each page's K polls best (dynamic programming),
without rate windows. Clairvoyant ids: one GET each, at its settle, as the windows permit.
"""

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.settle.worlds import MEDIAN_S, SIGMA

__all__ = ["clairvoyant_pages", "keller_mean"]


def keller_mean(polls: float, median: float = MEDIAN_S, sigma: float = SIGMA) -> float:
    """Return the minimal mean delay in seconds with this many polls of each page."""
    mean = median * math.exp(sigma**2 / 2)
    return 2 * math.sqrt(2 * math.pi) * sigma * mean / (2 * polls)


def clairvoyant_pages(pages: Sequence[Sequence[float]], polls: int) -> list[float]:
    """Return the delays if every page is read `polls` times, at the best times for its settles."""
    return [delay for page in pages for delay in _best(sorted(page), polls)]


def _best(settles: Sequence[float], polls: int) -> list[float]:
    """Return the delays of one page: each poll is best at a settle, and serves all since the last.

    `least[j]` is the minimal total delay of the first j settles with the polls placed so far.
    """
    n = len(settles)
    if polls >= n:
        return [0.0] * n
    times = np.array(settles)
    before = np.concatenate(([0.0], np.cumsum(times)))
    first, last = np.meshgrid(np.arange(n), np.arange(1, n + 1), indexing="ij")
    wait = times[last - 1] * (last - first) - (before[last] - before[first])
    wait = np.where(last > first, wait, np.inf)
    least, choices = wait[0], []
    for _ in range(polls - 1):
        total = np.concatenate(([np.inf], least[:-1]))[:, None] + wait
        choice = total.argmin(axis=0)
        choices.append(choice)
        least = total[choice, np.arange(n)]
    return _delays(settles, choices, n)


def _delays(settles: Sequence[float], choices: list[np.ndarray], n: int) -> list[float]:
    end, delays = n, []
    for choice in reversed(choices):
        start = int(choice[end - 1])
        delays += [settles[end - 1] - settle for settle in settles[start:end]]
        end = start
        if end == 0:
            return delays
    return delays + [settles[end - 1] - settle for settle in settles[:end]]
