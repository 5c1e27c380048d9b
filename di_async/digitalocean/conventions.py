"""How DigitalOcean's API talks: bearer tokens, error bodies, rate headers.

https://docs.digitalocean.com/reference/api/reference/ (authentication, errors, rate limit)
"""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from di_async.core.budget import RateNews
from di_async.core.codec import loads
from di_async.core.errors import APIError, DecodeError, NotFoundError, api_error
from di_async.core.secret import Secret
from di_async.core.wire import Request, Response

__all__ = ["DigitalOceanConventions"]

_MAX_MESSAGE = 500
# A gateway may echo what it was sent: account, refresh, endpoint and Hugging Face tokens.
_TOKENS = re.compile(r"\b(?:do[opr]_v1_|di_|do_dedicated_|hf_)[A-Za-z0-9_\-]{6,}")


class DigitalOceanConventions:
    """Speaks for one token."""

    def __init__(self, token: Secret) -> None:
        self._token = token
        self._headers = {
            "Authorization": f"Bearer {token.reveal()}",
            "Accept": "application/json",
        }
        self._with_body = {**self._headers, "Content-Type": "application/json"}

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        """Authentication and media types."""
        return self._headers if request.body is None else self._with_body

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """The error in an answer that is no success, whatever its body is."""
        code, message, request_id = self._read_error(response)
        news = self.rate(response, wall)
        wait = news.retry_after
        if wait is None and news.limited:
            wait = None if news.reset_in is None else max(1.0, news.reset_in)
        error = api_error(
            response.status,
            message,
            method=request.method,
            path=request.path,
            code=code,
            request_id=request_id or self._word(response.headers.get("x-request-id")),
            retry_after=wait,
        )
        if isinstance(error, NotFoundError) and code is None and _is_html(response):
            # A gateway's page, not the API's word: no proof that anything is gone.
            error.transient = True
        return error

    def rate(self, response: Response, wall: float) -> RateNews:
        """The quota headers. `ratelimit-reset` is when the oldest request expires, no refill."""
        headers = response.headers
        reset, after = _number(headers.get("ratelimit-reset")), headers.get("retry-after")
        return RateNews(
            limited=response.status == 429,
            retry_after=None if after is None else _retry_after(after, wall),
            limit=_integer(headers.get("ratelimit-limit")),
            remaining=_integer(headers.get("ratelimit-remaining")),
            reset_in=None if reset is None else reset - wall,
        )

    def _read_error(self, response: Response) -> tuple[str | None, str, str | None]:
        if 300 <= response.status < 400:
            return None, "redirected: check base_url (redirects are not followed)", None
        try:
            told = loads(response.body)
        except DecodeError as error:
            return None, self._unjson(response, error), None
        if not isinstance(told, Mapping):
            return None, self._clean(str(told)), None
        # https://docs.digitalocean.com/reference/api/reference/ (error_with_root_causes)
        parts = [*_texts(told.get("messages")), *_texts(told.get("root_causes"))]
        message = told.get("message") or "; ".join(parts)
        return (
            self._word(told.get("id") or told.get("error")),
            self._clean(str(message or "")),
            self._word(told.get("request_id")),
        )

    def _word(self, value: Any) -> str | None:
        return self._clean(str(value)) if value else None

    def _unjson(self, response: Response, error: DecodeError) -> str:
        if _is_html(response) or not response.body.strip():
            return error.message
        return self._clean(response.body.decode(errors="replace").strip())

    def _clean(self, text: str) -> str:
        text = _TOKENS.sub("**********", text.replace(self._token.reveal(), "**********"))
        return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "..."


def _is_html(response: Response) -> bool:
    return response.body.lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _integer(value: str | None) -> int | None:
    if value is not None and value.isdecimal() and len(value) < 20:
        return int(value)
    number = _number(value)
    return None if number is None else int(number)


def _retry_after(value: str, wall: float) -> float | None:
    """Seconds, told as such or as an HTTP date (RFC 9110, 10.2.3)."""
    number = _number(value)
    if number is None:
        try:
            number = parsedate_to_datetime(value).timestamp() - wall
        except (TypeError, ValueError):
            return None
    return max(0.0, number)
