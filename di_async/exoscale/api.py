"""Exoscale's HTTP conventions: endpoints, signatures and errors.

Errors come in several shapes: RFC 9457 problems (`title`, `detail`, and `errors` of objects or
texts), a lone `error` or `message`, the 403 with `code` and `error`, and the 412 of a model in use,
with `deployments`. No rate limit is documented.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from di_async.core.errors import APIError, InvalidInputError, api_error
from di_async.core.http import Endpoint, Request, Response, endpoint_table
from di_async.core.http_time import parse_http_date, retry_after
from di_async.core.protocols import ApiDialect
from di_async.core.redaction import redact, sent_secrets
from di_async.core.responses import error_body, fits_status, string_list, texts_under
from di_async.core.secret import Secret, SecretHeaders, reveal

__all__ = ["ENDPOINTS", "ExoscaleDialect", "authorization"]


# --- endpoints -------------------------------------------------------------------------------

# Paths include the version, because signatures cover it.
_DEPLOYMENTS = "/v2/ai/deployment"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{deployment_id}}"
_API_KEYS = "/v2/ai/api-key"
_MODELS = "/v2/ai/model"
_MODEL = f"{_MODELS}/{{model_id}}"
_ENGINE_HELP = "/v2/ai/help/inference-engine-parameters"

ENDPOINTS = endpoint_table(
    Endpoint("list_deployments", "GET", _DEPLOYMENTS, "deployments"),
    Endpoint("create_deployment", "POST", _DEPLOYMENTS),
    Endpoint("get_deployment", "GET", _DEPLOYMENT),
    Endpoint("update_deployment", "PATCH", _DEPLOYMENT),
    Endpoint("scale_deployment", "POST", f"{_DEPLOYMENT}/scale"),
    Endpoint("delete_deployment", "DELETE", _DEPLOYMENT),
    Endpoint("reveal_api_key", "GET", f"{_DEPLOYMENT}/api-key", "api-key"),
    Endpoint("logs", "GET", f"{_DEPLOYMENT}/logs", "logs"),
    Endpoint("list_models", "GET", _MODELS, "models"),
    Endpoint("create_model", "POST", _MODELS),
    Endpoint("get_model", "GET", _MODEL),
    Endpoint("delete_model", "DELETE", _MODEL),
    Endpoint("get_operation", "GET", "/v2/operation/{operation_id}"),
    Endpoint("instance_types", "GET", "/v2/ai/instance-type", "instance-types"),
    Endpoint("inference_engine_help", "GET", _ENGINE_HELP, "parameters"),
    Endpoint("zones", "GET", "/v2/zone", "zones"),
    Endpoint("list_ai_api_keys", "GET", _API_KEYS, "ai-api-keys"),
    Endpoint("create_ai_api_key", "POST", _API_KEYS),
    Endpoint("get_ai_api_key", "GET", f"{_API_KEYS}/{{api_key_id}}"),
    Endpoint("delete_ai_api_key", "DELETE", f"{_API_KEYS}/{{api_key_id}}"),
    Endpoint("quota", "GET", "/v2/ai/quota"),
)

# --- signatures ------------------------------------------------------------------------------

SIGNATURE_LIFETIME_S = 600


def authorization(
    method: str,
    path: str,
    params: Iterable[tuple[str, str]],
    body: bytes | None,
    *,
    expires: int,
    key: str,
    secret: str | Secret,
) -> str:
    """Return the EXO2-HMAC-SHA256 Authorization header of a request.

    The signature covers what is sent: the path of the request line (percent-encoded, without host
    and query), the body, and the decoded query values.
    https://openapi-v2.exoscale.com/topic/topic-api-request-signature

    Raises:
        InvalidInputError: A query parameter is blank or repeated. The API and the vendor's signers
            disagree on how to sign these.
    """
    pairs = list(params)
    query = dict(sorted(pairs))
    if len(query) < len(pairs) or not all(name and value for name, value in pairs):
        del body, secret  # tracebacks may show local variables
        raise InvalidInputError("A blank or repeated query parameter cannot be signed.")
    lines = (
        f"{method} {path}".encode(),
        body or b"",
        "".join(query.values()).encode(),
        b"",  # header values: the API signs none today
        str(expires).encode(),
    )
    digest = hmac.digest(reveal(secret).encode(), b"\n".join(lines), hashlib.sha256)
    names = [f"signed-query-args={';'.join(query)}"] if query else []
    parts = [f"credential={key}", *names, f"expires={expires}"]
    parts.append(f"signature={base64.b64encode(digest).decode()}")
    return f"EXO2-HMAC-SHA256 {','.join(parts)}"


# --- authentication and errors ---------------------------------------------------------------

# The Date header has whole seconds, and a response takes a while.
_CLOCK_TOLERANCE_S = 30.0
# The vendor's own clients do not sign this request, because a restricted key may not send it.
_UNSIGNED = {("GET", ENDPOINTS["zones"].path)}


_WORD = r"\w+"
_PHRASES = {one.value: one.phrase for one in HTTPStatus}
# A denied operation is not always shown with its code.
_DENIED = "(?i)not allowed|IAM policy"
_ACCESS_MESSAGE = "(?i)authentication failed|signature|api.?key|expired"


class ExoscaleDialect(ApiDialect):
    """The conventions for one API key, in every zone."""

    def __init__(self, key: str, secret: Secret, base_url: str) -> None:
        self._key = key
        self._secret = secret
        self._base_url = base_url

    def headers(self, request: Request, wall: float) -> SecretHeaders:
        """Return media types, and a signature that is valid for ten minutes."""
        headers = {"Accept": "application/json"}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if (request.method, request.path) not in _UNSIGNED:
            headers["Authorization"] = authorization(
                request.method,
                urlsplit(request.base or self._base_url).path + request.path,
                request.params,
                request.body,
                expires=int(wall) + SIGNATURE_LIFETIME_S,
                key=self._key,
                secret=self._secret,
            )
        return SecretHeaders(headers)

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """Return the error in a response, whatever its body is."""
        body = error_body(response)
        fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        message = _message(response.status, fields) if isinstance(body, Mapping) else str(body)
        code = _text(fields.get("code")) or None
        hint = self._hint(request, response, wall, code, message)
        error = api_error(
            response.status,
            self.redact(request, "; ".join(filter(None, (message, hint)))),
            method=request.method,
            path=request.path,
            code=code and self.redact(request, code),
            request_id=response.headers.get("x-request-id"),
            retry_after=retry_after(response.headers, wall),
        )
        if response.status == 409:
            # The API only returns 409 while another operation runs, so this one did not begin.
            error.transient = error.never_processed = True
        return error

    def is_error(self, status: int, body: Any) -> bool:
        """Return whether a decoded body is a problem, a denied operation, or a model in use.

        A lone `error` or `message` is also what gateways send. Of these only a 401 or 403 about
        signatures and keys counts.
        """
        if status == 412 and isinstance(body, Mapping):
            return isinstance(body.get("deployments"), list) or texts_under(body, "title", "detail")
        if status in {401, 403} and isinstance(body, Mapping) and len(body) == 1:
            text = _text(body.get("message") or body.get("error"))
            return re.search(_ACCESS_MESSAGE, text) is not None
        if texts_under(body, "title", "detail"):
            return body.get("status", status) in (status, str(status))
        return texts_under(body, "code", "error") and fits_status(status, body["code"])

    def _hint(
        self, request: Request, response: Response, wall: float, code: str | None, message: str
    ) -> str | None:
        match response.status:
            case 401 | 403:
                return _access_hint(response, wall, code, message)
            case 404:
                url = request.base or self._base_url
                return f"everything is zone-local; searched at {url}; see in_zone(...)"
            case 409:
                return "another operation on it is under way"
            case 412 if request.method == "POST":
                return "probably too few free GPUs of that type in this zone; nothing was begun"
            case _:
                return None

    def redact(self, request: Request, text: str) -> str:
        """Return text without the API secret and the tokens that the request held."""
        return redact(text, [self._secret.reveal(), *sent_secrets(request)])


def _access_hint(response: Response, wall: float, code: str | None, message: str) -> str:
    """Return the likely cause: bad signature, wrong clock and denied operation look alike."""
    date = parse_http_date(response.headers.get("date"))
    ahead = 0.0 if date is None else wall - date
    if abs(ahead) > _CLOCK_TOLERANCE_S:
        return (
            f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
            f"the API's, and signatures are valid for {SIGNATURE_LIFETIME_S} s; set the clock"
        )
    if code == "forbidden_operation" or re.search(_DENIED, message):
        return "the role of this API key does not allow it"
    return "the API key or its secret is wrong, or the key's role does not allow this"


def _message(status: int, fields: Mapping[str, Any]) -> str:
    """Return what the API says, each thing once, without the words that every status has."""
    parts = [_text(fields.get(name)) for name in ("title", "detail", "error", "message")]
    parts += _details(fields.get("errors"))
    if users := string_list(fields.get("deployments")):
        parts.append(f"in use by the deployments {', '.join(users)}")
    found = {_words(part) or part: part for part in reversed(parts) if part}
    if len(found) > 1:
        found.pop(_words(_PHRASES.get(status, "")), None)
    return "; ".join(reversed(found.values()))


def _words(text: str) -> str:
    """Return what makes two texts say the same."""
    return " ".join(re.findall(_WORD, text.lower()))


def _details(errors: Any) -> Iterator[str]:
    """Yield the single faults, which are objects with a path, or texts."""
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, Mapping):
            places = (error.get(key) for key in ("path", "pointer", "location"))
            place = next(filter(None, places), None)
            yield ": ".join(str(part) for part in (place, error.get("detail")) if part)
        else:
            yield _text(error)


def _text(value: Any) -> str:
    """Return a scalar as text; for a nested error (`{"error": {"message": ...}}`), its message."""
    if isinstance(value, Mapping):
        return _text(value.get("message") or value.get("detail"))
    return "" if value is None else str(value)
