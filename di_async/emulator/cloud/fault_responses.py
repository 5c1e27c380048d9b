"""The responses of requests that a fault applies to. Pure functions."""

import math
from collections.abc import Callable

from attrs import evolve

from .faults import Fault
from .http import ApiError, Response

_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head>"
    b"<body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


def faulty_response(
    fault: Fault, response: Response, render: Callable[[ApiError], Response]
) -> Response:
    """Return what this fault makes of a response."""
    match fault.kind:
        case "reset":
            return Response(0, drop=True)
        case "html":
            return Response(fault.status or 502, {"content-type": "text/html"}, _HTML)
        case "slow":
            return evolve(response, delay_s=fault.delay_s)
        case "cut":
            return evolve(response, cut=True)
        case "redirect":
            return Response(fault.status or 307, {"location": fault.location})
        case _:
            status = fault.status or 500
            default = "Unexpected server-side error" if status >= 500 else "some error message"
            return render(ApiError(status, fault.message or default))


def rate_limit_response(
    fault: Fault, now: float, scale: float, refused: Response, *, has_limits: bool
) -> Response:
    """Return the 429 of a `rate_limit` fault; only the minute window sends `retry-after`."""
    headers = dict(refused.headers)
    if has_limits:
        headers["ratelimit-remaining"] = "0"
    if fault.window == "minute":
        wait = fault.retry_after if fault.until is None else fault.until - now
        headers["retry-after"] = whole_seconds(wait / scale)
    return evolve(refused, headers=headers)


def is_executed(fault: Fault) -> bool:
    """Return whether the request is executed although its response is altered."""
    return fault.after_commit or fault.kind in ("slow", "cut")


def whole_seconds(seconds: float) -> str:
    """Return whole seconds for a header: rounded up, at least 1."""
    return str(max(1, math.ceil(seconds)))
