"""Exoscale's HTTP conventions: endpoints, signatures, errors, and the requests of one zone.

Errors come in several shapes: RFC 9457 problems (`title`, `detail`, and `errors` of objects or
texts), a lone `error` or `message`, the 403 with `code` and `error`, and the 412 of a model in use,
with `deployments`. No rate limit is documented.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import Factory, evolve, field, frozen
from msgspec.structs import replace

from di_async.core.errors import APIError, DecodeError, InvalidInputError, api_error
from di_async.core.http import Endpoint, Request, Response
from di_async.core.http_time import parse_http_date, read_hold, retry_after
from di_async.core.pagination import Page, read_page, rows_under
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.redaction import redact, sent_secrets
from di_async.core.responses import (
    error_body,
    fits_status,
    own_id,
    resource_body,
    string_list,
    texts_under,
)
from di_async.core.secret import Secret, SecretHeaders, reveal
from di_async.engine.engine import Engine
from di_async.engine.environment import ZONE, is_loopback
from di_async.engine.listing import Listing
from di_async.exoscale.models import CODEC, AIAPIKey, Deployment, Model, Operation

__all__ = [
    "ENDPOINTS",
    "ExoscaleDialect",
    "ZoneRequests",
    "authorization",
    "decode_with_id",
    "read_list",
    "zone_template",
    "zone_url",
]

A = TypeVar("A")
T = TypeVar("T", bound=AIAPIKey | Deployment | Model | Operation)

# --- endpoints -------------------------------------------------------------------------------

# Paths include the version, because signatures cover it.
_DEPLOYMENTS = "/v2/ai/deployment"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{deployment_id}}"
_API_KEYS = "/v2/ai/api-key"
_MODELS = "/v2/ai/model"
_MODEL = f"{_MODELS}/{{model_id}}"
_ENGINE_HELP = "/v2/ai/help/inference-engine-parameters"

ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
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
}

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


class ExoscaleDialect:
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

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """Return whether a request was refused for its rate, and the seconds to wait."""
        hold = read_hold(response.headers, wall)
        return RateLimitInfo(
            limited=response.status == 429, retry_after=hold.seconds, absurd=hold.absurd
        )

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


# --- zones -----------------------------------------------------------------------------------


def zone_template(url: str, name: str) -> str:
    """Return a base URL with `{zone}` in it; to that of an emulator, add the zone's path.

    Raises:
        InvalidInputError: (a `ValueError`) the URL is that of one zone, or of another provider.
    """
    parts = urlsplit(url)
    if ZONE in url:
        return url
    if is_loopback(parts.hostname or "") and parts.path in {"", "/"}:
        return f"{url.rstrip('/')}/zones/{ZONE}"
    raise InvalidInputError(
        f"{name} {url} names one zone, or another provider; write {ZONE} in place of the zone's "
        "name"
    )


def zone_url(template: str, zone: str) -> str:
    """Return the base URL of a zone, from a checked template.

    Raises:
        InvalidInputError: (a `ValueError`) The zone's name is invalid.
    """
    letters = zone.replace("-", "") if isinstance(zone, str) else ""
    if not (letters.isascii() and letters.isalnum() and zone == zone.lower()):
        raise InvalidInputError(f"Invalid zone {zone!r} (expected a name such as 'ch-gva-2').")
    return template.replace(ZONE, zone)


@frozen
class ZoneRequests:
    """Requests to one zone. All zones of a client share its engine."""

    engine: Engine = field(repr=False)
    template: str
    zone: str
    account: str = field(repr=False)
    """The id of the API key."""
    base_url: str = field(
        init=False,
        default=Factory(lambda self: zone_url(self.template, self.zone), takes_self=True),
    )

    def in_zone(self, zone: str) -> "ZoneRequests":
        """Return the requests to another zone.

        Raises:
            InvalidInputError: The base URL belongs to one zone.
        """
        if zone != self.zone and not self.has_other_zones:
            raise InvalidInputError(
                f"base_url {self.template} is the URL of one zone; write {ZONE} in place "
                "of the zone's name."
            )
        return ZoneRequests(self.engine, self.template, zone, self.account)

    @property
    def has_other_zones(self) -> bool:
        """Whether the base URL leaves the zone open."""
        return ZONE in self.template

    def request(
        self, name: str, *ids: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Request:
        """Return a request to one of the endpoints."""
        return evolve(ENDPOINTS[name].request(*ids, params=params, json=json), base=self.base_url)

    async def json(
        self,
        name: str,
        read: Callable[[Any], A],
        *ids: str,
        params: Mapping[str, Any] | None = None,
    ) -> A:
        """Return what `read` returns for the response of an endpoint without a request body."""
        return await self.engine.json(self.request(name, *ids, params=params), read)

    async def read(self, name: str, id: str, into: type[T]) -> T:
        """Return one resource or operation."""
        return await self.json(name, partial(decode_with_id, id=id, into=into), id)

    def listing(
        self,
        name: str,
        into: type[T],
        params: Mapping[str, Any] | None = None,
        predicate: Callable[[T], bool] | None = None,
    ) -> Listing[T]:
        """Return an iterator over a list."""

        async def fetch(_: int) -> Page:
            read = partial(read_list, key=str(ENDPOINTS[name].key))
            return await self.json(name, read, params=params)

        return Listing(fetch, partial(CODEC.structure, into=into), page_size=1, predicate=predicate)

    async def rows(self, name: str, into: type[A], *ids: str, **params: Any) -> list[A]:
        """Return all rows of a list."""
        key = str(ENDPOINTS[name].key)

        def read(body: Any) -> list[A]:
            return [CODEC.structure(row, into) for row in rows_under(body, key)]

        return await self.json(name, read, *ids, params=params)

    async def operation(self, id: str) -> Operation:
        """Return one operation."""
        return await self.read("get_operation", id, Operation)


# A status page of a gateway has a name, a status and a message, too.
_TELLING_FIELDS = (
    *("created-at", "visibility", "gpu-type", "model", "replicas", "model-size"),
    *("scope", "reference"),
)


def read_list(body: Any, key: str) -> Page:
    """Return all rows of a list: the API has no pages, so this is the last one."""
    return replace(read_page(body, key), last=1)


def decode_with_id(body: Any, id: str, into: type[T]) -> T:
    """Decode the resource of this id, and fill in the id: the schemas do not require it.

    Raises:
        DecodeError: (transient) it has no id, and no other field that only the API sends.
    """
    names = ("state",) if into is Operation else ("name",)
    found = CODEC.structure(resource_body(body, *names), into)
    if not found.id:
        if not any(body.get(name) is not None for name in _TELLING_FIELDS):
            raise DecodeError("the answer has no 'id' @ $", transient=True)
        return evolve(found, id=id)
    own_id(found.id, id)
    return found
