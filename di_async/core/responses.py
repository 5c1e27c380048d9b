"""What all APIs' answers have in common: bodies that may be no JSON, times to wait, and echoes.

Nothing here raises: an error answer is told as well as it can be, whatever it holds.
"""

import math
import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from di_async.core.codec import loads
from di_async.core.errors import APIError, DecodeError, NotFoundError
from di_async.core.http import Response

__all__ = [
    "error_body",
    "is_html",
    "mark_foreign_404",
    "parse_http_date",
    "parse_integer",
    "parse_number",
    "redact",
    "retry_after",
    "string_list",
]

_MASK = "**********"
_MAX_LENGTH = 500


def is_html(response: Response) -> bool:
    """A page for people: a gateway's, not the API's word, so no proof that anything is gone."""
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
    """The value in the body of a refusal; in place of one that is no JSON, words for it."""
    if 300 <= response.status < 400:
        return "redirected: check base_url (redirects are not followed)"
    try:
        return loads(response.body)
    except DecodeError as error:
        text = response.body.decode(errors="replace").strip()
        return error.message if is_html(response) or not text else text


def string_list(value: Any) -> list[str]:
    """The items of a list as texts; none where it is no list."""
    return [str(item) for item in value] if isinstance(value, list) else []


def redact(text: str, secrets: Iterable[str], tokens: re.Pattern[str] | None = None) -> str:
    """`text` without these secrets and without what looks like a token, cut to a readable length.

    A gateway may echo what it was sent.
    """
    for secret in sorted(secrets, key=len, reverse=True):  # one may stand in another
        text = text.replace(secret, _MASK)
    text = tokens.sub(_MASK, text) if tokens else text
    return text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + "..."


def parse_number(text: str | None) -> float | None:
    """A header's number; None where it is none."""
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def parse_integer(text: str | None) -> int | None:
    """The same as a whole number."""
    if text is not None and text.isdecimal() and len(text) < 20:
        return int(text)
    found = parse_number(text)
    return None if found is None else int(found)


def parse_http_date(date: str | None) -> float | None:
    """Epoch seconds of an HTTP date (RFC 9110, 5.6.7); None where it is none."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Seconds to wait: told in milliseconds, in seconds or as an HTTP date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = parse_number(headers.get(name))
        if told is not None and told >= 0:
            return told * unit
    until = parse_http_date(headers.get("retry-after"))
    return None if until is None else max(0.0, until - wall)
