"""Read what all APIs' responses have in common: error bodies, waiting times, echoed secrets.

Nothing here raises: whatever an error response contains, its message is as good as possible.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from di_async.core import redaction
from di_async.core.codec import loads
from di_async.core.errors import APIError, DecodeError, NotFoundError
from di_async.core.http import Response

__all__ = [
    "error_body",
    "is_html",
    "mark_foreign_404",
    "parse_integer",
    "parse_number",
    "redact",
    "string_list",
]


def is_html(response: Response) -> bool:
    """Return whether the response is an HTML page, which a gateway sent and not the API."""
    return response.body.lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")


def mark_foreign_404(error: APIError, *, has_api_shape: bool) -> APIError:
    """Return `error`; a 404 without the API's own error shape becomes transient.

    The one rule for all providers: a gateway's text, HTML, empty or foreign-JSON 404 does not
    prove that anything is gone.
    """
    if isinstance(error, NotFoundError) and not has_api_shape:
        error.transient = True
    return error


def error_body(response: Response) -> Any:
    """Return the JSON value of an error body, or its text where it is not JSON."""
    if 300 <= response.status < 400:
        return "redirected; check base_url (redirects are not followed)"
    try:
        return loads(response.body)
    except DecodeError as error:
        text = response.body.decode(errors="replace").strip()
        return error.message if is_html(response) or not text else text


def string_list(value: Any) -> list[str]:
    """Return the items of a list as text; nothing for anything else."""
    return [str(item) for item in value] if isinstance(value, list) else []


def redact(text: str, secrets: Iterable[str], tokens: re.Pattern[str] | None = None) -> str:
    """Return `text` without these secrets and what looks like one; see `core.redaction`."""
    return redaction.redact(tokens.sub(redaction.MASK, text) if tokens else text, secrets)


def parse_number(text: str | None) -> float | None:
    """Return a header's number; None if it is not one."""
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def parse_integer(text: str | None) -> int | None:
    """Return a header's whole number; None if it is not one."""
    if text is not None and text.isdecimal() and len(text) < 20:
        return int(text)
    found = parse_number(text)
    return None if found is None else int(found)
