"""Whether an inference endpoint answers: where it is, and what one answer of it proves. Pure.

An API calls a deployment active before its models answer. vLLM answers `/health` before its weights
are loaded, and lists its models before they complete anything, so only a completion is proof.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from attrs import field, frozen
from msgspec import Struct

from di_async.core.codec import loads
from di_async.core.errors import APIError, DecodeError, DIError, InvalidInputError, api_error
from di_async.core.http import Request, Response
from di_async.core.redaction import redact
from di_async.core.secret import Secret, hidden

__all__ = [
    "MAX_PROBED_MODELS",
    "PROBE_INTERVAL_S",
    "ConnectOptions",
    "NotServingYetError",
    "NotYet",
    "Refusal",
    "ServingTarget",
    "api_base",
    "as_secret",
    "chat_request",
    "error_message",
    "has_failed",
    "is_completion",
    "judge_status",
    "list_request",
    "listed_models",
    "pauses",
]

PROBE_INTERVAL_S = 3.0
"""The longest pause between two probes."""
MAX_PROBED_MODELS = 16
_FIRST_PAUSE_S, _GROWTH = 0.75, 1.5
_NOT_YET = frozenset({404, 408, 409, 410, 421, 425, 429})
_MAX_MODEL_NAME = 256
_NOT_COMPLETED = ("error", "abort")


@frozen(kw_only=True)
class ServingTarget:
    """Where a deployment serves, and what a client needs to be let in."""

    url: str
    """As the API shows it, with or without a scheme."""
    access_token: Secret | None = None
    """None: anyone may call it."""
    ca_pem: str | None = field(default=None, repr=False)
    """The only CA to trust; None: the usual ones."""
    note: str | None = None
    """What the history should say before the first probe."""


class NotServingYetError(DIError):
    """What is needed to call a deployment is not shown yet; reading again may help."""

    transient = True


class ConnectOptions(Struct, frozen=True, kw_only=True):
    """What a caller passes to `connect`."""

    private: bool = False
    access_token: Secret | None = None
    mint_token: str | None = None


class NotYet(Struct, frozen=True):
    """The endpoint does not answer yet, but may soon."""

    reason: str
    status: int | None = None


class Refusal(Struct, frozen=True):
    """The endpoint refuses; asking again would not help."""

    error: APIError
    is_sure: bool = True
    """It has the form of an error. Else a gateway may have sent it, for a moment."""


def api_base(url: str) -> str:
    """Return the base URL for OpenAI clients, which ends in `/v1`.

    Raises:
        NotServingYetError: what the API shows is not the URL of an endpoint.
    """
    text = url.strip()
    whole = (text if "://" in text else f"https://{text}").rstrip("/")
    try:
        parts = urlsplit(whole)
        plain = parts.username is None and not (parts.query or parts.fragment)
        plain &= whole.isprintable() and " " not in whole
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and plain
        parts.port  # noqa: B018 - raises if it is not one
    except ValueError:
        valid = False
    if not valid:
        raise NotServingYetError(f"{redact(url)!r} is not the URL of an endpoint")
    return whole if whole.endswith("/v1") else f"{whole}/v1"


def as_secret(token: Any) -> Secret | None:
    """Return the secret in a token: text, a `Secret`, or the answer to a call that created one.

    Raises:
        InvalidInputError: it is something else, or holds no key that a header can carry.
    """
    key = hidden(token)
    del token
    if key is None:
        return None
    problem = _key_problem(key.reveal())
    if problem:
        raise InvalidInputError(f"access_token: {problem}")
    return Secret(key.reveal().strip())


def _key_problem(key: Any) -> str | None:
    """Return what is wrong with the value of a key."""
    if not isinstance(key, str):
        return "expected text, a Secret, or a token with one"
    if not key.isascii() or not key.isprintable() or not key.strip():
        return "expected printable ASCII text"
    return None


def list_request() -> Request:
    """Return the request that lists the models."""
    return Request("GET", "/models")


def chat_request(model: str) -> Request:
    """Return the request for a completion of one token."""
    hello = [{"role": "user", "content": "Hi"}]
    body = {"model": model, "messages": hello, "max_tokens": 1}
    return Request("POST", "/chat/completions", body=orjson.dumps(body))


def judge_status(request: Request, answer: Response, key: Secret | None) -> NotYet | Refusal | None:
    """Return what the status of an answer means; None if it is a success.

    401 and 403 are final. So is any other refusal of the request itself, such as a 400: a model
    that is loading answers 404 or 503. It is not sure where the body is not a JSON object.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    message = error_message(_json(answer.body))
    text = answer.body[:2000].decode(errors="replace") if message is None else message
    text = redact(text, [key.reveal()] if key else ())
    if status < 400 or status >= 500 or status in _NOT_YET:
        return NotYet(f"{request.method} {request.path}: {status} {text}".rstrip(), status)
    error = api_error(status, text, method=request.method, path=request.path)
    return Refusal(error, is_sure=isinstance(_json(answer.body), Mapping))


def error_message(body: Any) -> str | None:
    """Return the message of a decoded error in one of the usual forms; None without."""
    for key in ("error", "message", "detail"):
        body = body.get(key, body) if isinstance(body, Mapping) else body
    return body if isinstance(body, str) else None


def _json(body: bytes) -> Any:
    try:
        return loads(body)
    except DecodeError:
        return None


def listed_models(answer: Response) -> tuple[str, ...]:
    """Return the names in a list of models; none if it lists none, or is not a list.

    Longer texts than any name are left out.
    """
    body = _json(answer.body)
    rows = body.get("data") if isinstance(body, Mapping) else None
    rows = rows if isinstance(rows, list) else []
    found = (row.get("id") for row in rows if isinstance(row, Mapping))
    names = (id for id in found if isinstance(id, str) and 0 < len(id) <= _MAX_MODEL_NAME)
    return tuple(dict.fromkeys(names))


def is_completion(answer: Response) -> bool:
    """Return whether an answer holds a completion, and not an error or a page of a gateway."""
    body = _json(answer.body)
    if not isinstance(body, Mapping) or body.get("error"):
        return False
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping) or has_failed(first):
        return False
    return isinstance(first.get("message"), Mapping) or isinstance(first.get("text"), str)


def has_failed(choice: Mapping[str, Any]) -> bool:
    """Return whether a choice ends as vLLM and others end one that did not come about."""
    return choice.get("finish_reason") in _NOT_COMPLETED


def pauses(longest: float = PROBE_INTERVAL_S) -> Iterator[float]:
    """Yield the seconds to wait after each probe: short ones first, then `longest`."""
    pause = min(_FIRST_PAUSE_S, longest)
    while True:
        yield pause
        pause = min(pause * _GROWTH, longest)
