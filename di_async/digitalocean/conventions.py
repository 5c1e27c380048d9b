"""How DigitalOcean's API talks: bearer tokens, error bodies, rate headers.

https://docs.digitalocean.com/reference/api/reference/ (authentication, errors, rate limit)
"""

import re
from collections.abc import Mapping
from typing import Any

from di_async.core.answers import cleaned, integer, is_page, number, retry_after, texts, told_in
from di_async.core.budget import RateNews
from di_async.core.errors import APIError, NotFoundError, api_error
from di_async.core.secret import Secret
from di_async.core.wire import Request, Response

__all__ = ["DigitalOceanConventions"]

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
        if isinstance(error, NotFoundError) and code is None and is_page(response):
            # A gateway's page, not the API's word: no proof that anything is gone.
            error.transient = True
        return error

    def rate(self, response: Response, wall: float) -> RateNews:
        """The quota headers. `ratelimit-reset` is when the oldest request expires, no refill."""
        headers = response.headers
        reset = number(headers.get("ratelimit-reset"))
        return RateNews(
            limited=response.status == 429,
            retry_after=None if response.status < 400 else retry_after(headers, wall),
            limit=integer(headers.get("ratelimit-limit")),
            remaining=integer(headers.get("ratelimit-remaining")),
            reset_in=None if reset is None else reset - wall,
        )

    def _read_error(self, response: Response) -> tuple[str | None, str, str | None]:
        told = told_in(response)
        if not isinstance(told, Mapping):
            return None, self._clean(str(told)), None
        # https://docs.digitalocean.com/reference/api/reference/ (error_with_root_causes)
        parts = [*texts(told.get("messages")), *texts(told.get("root_causes"))]
        message = told.get("message") or "; ".join(parts)
        return (
            self._word(told.get("id") or told.get("error")),
            self._clean(str(message or "")),
            self._word(told.get("request_id")),
        )

    def _word(self, value: Any) -> str | None:
        return self._clean(str(value)) if value else None

    def _clean(self, text: str) -> str:
        return cleaned(text, [self._token.reveal()], _TOKENS)
