"""How Gcore's API talks: the `APIKey` scheme, error bodies, and what its errors really mean.

https://gcore.com/docs/developer-tools/rest-api/error-handling and .../authentication. No quota is
documented, and no header tells one.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from di_async.core.codec import loads
from di_async.core.errors import (
    APIError,
    ConflictError,
    DecodeError,
    NotFoundError,
    api_error,
)
from di_async.core.http import Request, Response
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.responses import error_body, is_html, redact, retry_after, string_list
from di_async.core.secret import Secret

__all__ = ["GcoreDialect"]

# A 409 is a lock that another task holds, unless it says that something is there already.
_TAKEN = re.compile(r"exist|duplicate|unique|taken|in use", re.IGNORECASE)
_FROM_SECRETS = frozenset({"envs", "headers"})


class GcoreDialect:
    """Speaks for one API key. `project` is only told in hints."""

    def __init__(self, key: Secret, project: str | None) -> None:
        self._key = key
        self._project = project
        self._headers = {
            "Authorization": f"APIKey {key.reveal()}",
            "Accept": "application/json",
        }
        self._with_body = {**self._headers, "Content-Type": "application/json"}

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        """Authentication and media types."""
        return self._headers if request.body is None else self._with_body

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """Whether it was refused for its pace, and for how long: nothing else is told."""
        wait = retry_after(response.headers, wall)
        return RateLimitInfo(limited=response.status == 429, retry_after=wait)

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """The error in an answer that is no success, whatever its body is.

        `.code` is the vendor's `exception_class`.
        """
        told, message = self._read(response)
        code = self._word(told.get("exception_class") or told.get("code"))
        story = self._clean("; ".join(filter(None, [message, *_details(told)])), request)
        hint = self._hint(response.status, code)
        error = api_error(
            response.status,
            f"{story} ({hint})" if hint else story,
            method=request.method,
            path=request.path,
            code=code,
            request_id=self._word(told.get("request_id") or response.headers.get("x-request-id")),
            retry_after=retry_after(response.headers, wall),
        )
        if isinstance(error, ConflictError) and not _TAKEN.search(f"{code} {message}"):
            error.never_processed = True
            # A PUT is made of what was read, so it has to be made anew, not sent again.
            error.transient = request.method != "PUT"
        if isinstance(error, NotFoundError) and is_html(response):
            # A gateway's page, not the API's word: no proof that anything is gone.
            error.transient = True
        return error

    def _read(self, response: Response) -> tuple[Mapping[str, Any], str]:
        """The error object (empty where there is none) and its message."""
        told = error_body(response)
        if not isinstance(told, Mapping):
            return {}, str(told)
        return told, str(told.get("message") or told.get("error") or told.get("detail") or "")

    def _hint(self, status: int, code: str | None) -> str | None:
        if status == 401:
            if "$" in self._key.reveal():
                return "the API key is wrong, expired or revoked"
            return (
                "this API key holds no '$', as permanent tokens do: a shell may have eaten a part "
                "of it; put it in single quotes"
            )
        if status == 404:
            where = f"project {self._project}" if self._project else "your default project"
            return f"looked for in {where}: in another one it is not seen; check project_id"
        if code == "ForbiddenError":
            return "Gcore says so where the flavour has no capacity left in the region"
        return None

    def _word(self, value: Any) -> str | None:
        return redact(str(value), [self._key.reveal()]) if value else None

    def _clean(self, text: str, request: Request) -> str:
        """`text` without the key and without what was sent as environment or header."""
        return redact(text, {self._key.reveal(), *_sent_secrets(request)})


def _details(told: Mapping[str, Any]) -> Iterator[str]:
    """What the vendor adds to some of its errors."""
    fields, info = told.get("invalid_fields"), told.get("info")
    if isinstance(fields, Mapping):
        for name, faults in fields.items():
            yield f"{name}: {', '.join(string_list(faults)) or faults}"
    if isinstance(info, Mapping):
        yield ", ".join(f"{name} {value}" for name, value in info.items())


def _sent_secrets(request: Request) -> set[str]:
    """Values of environment variables and headers in a request, long enough to be told apart."""
    try:
        return set(_texts_under(loads(request.body))) if request.body else set()
    except DecodeError:  # pragma: no cover - we wrote it
        return set()


def _texts_under(value: Any, *, secret: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts_under(inner, secret=secret or name in _FROM_SECRETS)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_under(inner, secret=secret)
    elif secret and isinstance(value, str) and len(value) >= 6:
        yield value
