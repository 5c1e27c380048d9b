"""How DigitalOcean's API talks: bearer tokens, error bodies, rate headers.

https://docs.digitalocean.com/reference/api/reference/ (authentication, errors, rate limit)
"""

import re
from collections.abc import Mapping
from typing import Any

from di_async.core.errors import APIError, NotFoundError, api_error
from di_async.core.http import Request, Response
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.responses import (
    error_body,
    is_html,
    parse_integer,
    parse_number,
    redact,
    retry_after,
    string_list,
)
from di_async.core.secret import Secret

__all__ = ["DigitalOceanDialect"]

# A gateway may echo what it was sent: account, refresh, endpoint and Hugging Face tokens.
_TOKENS = re.compile(r"\b(?:do[opr]_v1_|di_|do_dedicated_|hf_)[A-Za-z0-9_\-]{6,}")


class DigitalOceanDialect:
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
        news = self.rate_limit(response, wall)
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
        if isinstance(error, NotFoundError) and code is None and is_html(response):
            # A gateway's page, not the API's word: no proof that anything is gone.
            error.transient = True
        return error

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """The quota headers. `ratelimit-reset` is when the oldest request expires, no refill."""
        headers = response.headers
        reset = parse_number(headers.get("ratelimit-reset"))
        return RateLimitInfo(
            limited=response.status == 429,
            retry_after=None if response.status < 400 else retry_after(headers, wall),
            limit=parse_integer(headers.get("ratelimit-limit")),
            remaining=parse_integer(headers.get("ratelimit-remaining")),
            reset_in=None if reset is None else reset - wall,
        )

    def _read_error(self, response: Response) -> tuple[str | None, str, str | None]:
        told = error_body(response)
        if not isinstance(told, Mapping):
            return None, self._clean(str(told)), None
        # https://docs.digitalocean.com/reference/api/reference/ (error_with_root_causes)
        parts = [*string_list(told.get("messages")), *string_list(told.get("root_causes"))]
        message = told.get("message") or "; ".join(parts)
        return (
            self._word(told.get("id") or told.get("error")),
            self._clean(str(message or "")),
            self._word(told.get("request_id")),
        )

    def _word(self, value: Any) -> str | None:
        return self._clean(str(value)) if value else None

    def _clean(self, text: str) -> str:
        return redact(text, [self._token.reveal()], _TOKENS)
