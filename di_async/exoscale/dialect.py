"""How Exoscale's API talks: a signature for each attempt; errors in several shapes, read as one.

Seen: RFC 9457 problems (`title`, `detail`, `errors` of objects or of plain texts), a lone `error`
or `message`, the 403 with `code` and `error`, and the 412 of a model in use, with `deployments`.
No rate limit is documented. https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from di_async.core.codec import loads
from di_async.core.errors import APIError, api_error
from di_async.core.http import Request, Response
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.responses import error_body, parse_http_date, redact, retry_after, string_list
from di_async.core.secret import Secret
from di_async.exoscale.endpoints import ENDPOINTS
from di_async.exoscale.models import TOKENS
from di_async.exoscale.signing import LIFETIME_S, authorization

__all__ = ["ExoscaleDialect"]

# Answers carry whole seconds and take a while: a clock this close is right.
_CLOCK_TOLERANCE_S = 30.0
# The vendor's own clients ask for the zones unsigned: a restricted key may not.
_UNSIGNED = {("GET", ENDPOINTS["zones"].path)}
_FORBIDDEN = "forbidden_operation"


class ExoscaleDialect:
    """Speaks for one API key, in any zone."""

    def __init__(self, key: str, secret: Secret, base_url: str) -> None:
        self._key = key
        self._secret = secret
        self._base_url = base_url

    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        """Media types and a signature of what is sent, good for ten minutes."""
        told = {"Accept": "application/json"}
        if request.body is not None:
            told["Content-Type"] = "application/json"
        if (request.method, request.path) not in _UNSIGNED:
            told["Authorization"] = authorization(
                request.method,
                urlsplit(request.base or self._base_url).path + request.path,
                request.params,
                request.body,
                expires=int(wall) + LIFETIME_S,
                key=self._key,
                secret=self._secret.reveal(),
            )
        return told

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """A 429 and how long it asks to wait; there are no quota headers."""
        wait = retry_after(response.headers, wall)
        return RateLimitInfo(limited=response.status == 429, retry_after=wait)

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """The error in an answer that is no success, whatever its body is."""
        told = error_body(response)
        code, message = _told(told) if isinstance(told, Mapping) else (None, str(told))
        hint = self._hint(request, response, wall, code)
        error = api_error(
            response.status,
            self._clean(request, "; ".join(filter(None, (message, hint)))),
            method=request.method,
            path=request.path,
            code=code and self._clean(request, code),
            request_id=response.headers.get("x-request-id"),
            retry_after=retry_after(response.headers, wall),
        )
        if response.status == 409:
            # Nothing else but another operation still under way: it was not begun.
            error.transient = error.never_processed = True
        elif response.status == 404 and not isinstance(told, Mapping):
            # A gateway's page, not the API's word: no proof that anything is gone.
            error.transient = True
        return error

    def _hint(
        self, request: Request, response: Response, wall: float, code: str | None
    ) -> str | None:
        """What the status means here, and what can be done."""
        match response.status:
            case 401 | 403:
                return _about_access(response, wall, code)
            case 404:
                at = request.base or self._base_url
                return f"everything is zone-local and this asked {at}: see in_zone(...)"
            case 409:
                return "another operation on it is under way"
            case 412 if request.method == "POST":
                return "probably too few free GPUs of that type in this zone; nothing was begun"
            case _:
                return None

    def _clean(self, request: Request, text: str) -> str:
        return redact(text, [self._secret.reveal(), *_secrets_in(request)], TOKENS)


def _about_access(response: Response, wall: float, code: str | None) -> str:
    """A bad signature, a wrong clock and a denied operation all look alike: what it may be."""
    theirs = parse_http_date(response.headers.get("date"))
    ahead = 0.0 if theirs is None else wall - theirs
    if abs(ahead) > _CLOCK_TOLERANCE_S:
        return (
            f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
            f"the API's, and signatures are good for {LIFETIME_S} s: set it right first"
        )
    if code == _FORBIDDEN:
        return "the role of this API key does not allow it"
    return "the API key or its secret is wrong, or the key's role does not allow this"


def _told(body: Mapping[str, Any]) -> tuple[str | None, str]:
    """Code and message."""
    parts = [_text(body.get("title")), _text(body.get("detail"))]
    parts += [_text(body.get("error")), _text(body.get("message"))]
    parts += _details(body.get("errors"))
    if users := string_list(body.get("deployments")):
        parts.append(f"in use by the deployments {', '.join(users)}")
    return _text(body.get("code")) or None, "; ".join(dict.fromkeys(filter(None, parts)))


def _details(errors: Any) -> Iterator[str]:
    """The single faults: objects that name a place, or plain texts."""
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, Mapping):
            places = (error.get(key) for key in ("path", "pointer", "location"))
            place = next(filter(None, places), None)
            yield ": ".join(str(part) for part in (place, error.get("detail")) if part)
        else:
            yield _text(error)


def _text(value: Any) -> str:
    """A scalar as text; nested errors (`{"error": {"message": ...}}`) by their message."""
    if isinstance(value, Mapping):
        return _text(value.get("message") or value.get("detail"))
    return "" if value is None else str(value)


def _secrets_in(request: Request) -> Iterator[str]:
    """What a request carried that an echo of it must not show."""
    sent = loads(request.body) if request.body else None
    token = sent.get("huggingface-token") if isinstance(sent, Mapping) else None
    if isinstance(token, str) and token:
        yield token
