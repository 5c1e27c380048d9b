"""What a struck request gets instead of, or along with, its answer.

Rules of this file: from a fault and the honest answer to the answer given; no state.
"""

import math
from collections.abc import Callable

from attrs import evolve

from .faults import Fault
from .http import Refusal, Response

_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


def faulty_response(
    fault: Fault, honest: Response, refused: Callable[[Refusal], Response]
) -> Response:
    """The answer of a request that this fault struck."""
    match fault.kind:
        case "reset":
            return Response(0, drop=True)
        case "html":
            return Response(fault.status or 502, {"content-type": "text/html"}, _HTML)
        case "slow":
            return evolve(honest, delay_s=fault.delay_s)
        case "cut":
            return evolve(honest, cut=True)
        case "redirect":
            return Response(fault.status or 307, {"location": fault.location})
        case _:
            status = fault.status or 500
            return refused(Refusal(status, fault.message or _sentence(status)))


def storm(fault: Fault, now: float, scale: float, refused: Response, *, windowed: bool) -> Response:
    """The 429 of a storm; only the minute window's tells when to come back."""
    headers = dict(refused.headers)
    if windowed:
        headers["ratelimit-remaining"] = "0"
    if fault.window == "minute":
        wait = fault.retry_after if fault.until is None else fault.until - now
        headers["retry-after"] = whole_seconds(wait / scale)
    return evolve(refused, headers=headers)


def works_first(fault: Fault) -> bool:
    """Whether the request does its work although the answer is spoiled."""
    return fault.after_commit or fault.kind in ("slow", "cut")


def whole_seconds(seconds: float) -> str:
    """A header's whole seconds: never too few, never none."""
    return str(max(1, math.ceil(seconds)))


def _sentence(status: int) -> str:
    return "Unexpected server-side error" if status >= 500 else "some error message"
