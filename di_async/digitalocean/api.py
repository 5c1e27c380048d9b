"""DigitalOcean's API: its 13 endpoints, how it authenticates, and how its errors and quotas read.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from di_async.core.errors import APIError, DecodeError, api_error
from di_async.core.http import Endpoint, Request, Response, endpoint_table
from di_async.core.http_time import NO_HOLD, read_hold, seconds_until_reset
from di_async.core.pagination import Page, check_page_size, read_page
from di_async.core.protocols import ApiDialect
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.redaction import redact, sent_secrets
from di_async.core.responses import error_body, fits_status, parse_integer, string_list, texts_under
from di_async.core.secret import Secret, SecretHeaders
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing

__all__ = ["ENDPOINTS", "RESERVED", "DigitalOceanDialect", "any_page", "list_rows", "unwrap"]

T = TypeVar("T")

MAX_PAGE = 200
_ROOT = "/v2/dedicated-inferences"
_ONE = f"{_ROOT}/{{dedicated_inference_id}}"
# These path segments are endpoints of their own, so they cannot be ids.
RESERVED = frozenset({"sizes", "gpu-model-config"})

ENDPOINTS = endpoint_table(
    Endpoint("list", "GET", _ROOT, "dedicated_inferences"),
    Endpoint("create", "POST", _ROOT, "dedicated_inference"),
    Endpoint("get", "GET", _ONE, "dedicated_inference", RESERVED),
    Endpoint("update", "PATCH", _ONE, "dedicated_inference", RESERVED),
    Endpoint("delete", "DELETE", _ONE, None, RESERVED),
    Endpoint("list_accelerators", "GET", f"{_ONE}/accelerators", "accelerators", RESERVED),
    Endpoint(
        "get_accelerator", "GET", f"{_ONE}/accelerators/{{accelerator_id}}", "accelerator", RESERVED
    ),
    Endpoint("ca_certificate", "GET", f"{_ONE}/ca", None, RESERVED),
    Endpoint("list_tokens", "GET", f"{_ONE}/tokens", "tokens", RESERVED),
    Endpoint("create_token", "POST", f"{_ONE}/tokens", "token", RESERVED),
    Endpoint("revoke_token", "DELETE", f"{_ONE}/tokens/{{token_id}}", None, RESERVED),
    Endpoint("sizes", "GET", f"{_ROOT}/sizes"),
    Endpoint("gpu_model_configs", "GET", f"{_ROOT}/gpu-model-config", "gpu_model_configs"),
)


def unwrap(body: Any, key: str) -> Any:
    """Return the value under `key` in a response body. Raises `DecodeError` if it has none."""
    if not isinstance(body, dict) or key not in body:
        raise DecodeError(f"the response has no {key!r} @ $", transient=True)
    return body[key]


def any_page(page: Page) -> Page:
    """Return the page as it is: it was checked when it was read from bytes."""
    return page


def list_rows(
    engine: Engine,
    name: str,
    decode: Callable[[Any], T],
    ids: tuple[str, ...] = (),
    *,
    params: Mapping[str, Any] = {},
    page_size: int = 200,
    predicate: Callable[[T], bool] | None = None,
    decode_page: Callable[[bytes], Page] | None = None,
) -> Listing[T]:
    """Return the rows of a list endpoint, each decoded by `decode`. No I/O.

    `decode_page` replaces the JSON decoder where pages need a special one.

    Raises:
        InvalidInputError: an id or the page size is not valid.
    """
    check_page_size(page_size, MAX_PAGE)
    endpoint = ENDPOINTS[name]
    endpoint.request(*ids)  # raises here for a bad id, not at the first row

    async def fetch(number: int) -> Page:
        page_params = {**params, "page": number, "per_page": page_size}
        request = endpoint.request(*ids, params=page_params)
        read = partial(read_page, key=str(endpoint.key)) if decode_page is None else any_page
        return await engine.json(request, read, decode=decode_page)

    return Listing(fetch, decode, page_size, predicate)


class DigitalOceanDialect(ApiDialect):
    """Authentication, error bodies and rate-limit headers, for one token.

    https://docs.digitalocean.com/reference/api/reference/ (authentication, errors, rate limit)
    """

    def __init__(self, token: Secret) -> None:
        self._token = token
        self._headers = SecretHeaders(
            {"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"}
        )
        self._headers_with_body = SecretHeaders(
            {**self._headers, "Content-Type": "application/json"}
        )

    def headers(self, request: Request, wall: float) -> SecretHeaders:
        """Return authentication and media types."""
        return self._headers if request.body is None else self._headers_with_body

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """Return the error in a response, whatever its body holds."""
        body = error_body(response)
        fields = body if isinstance(body, Mapping) else {"message": str(body)}
        # https://docs.digitalocean.com/reference/api/reference/ (error_with_root_causes)
        causes = [*string_list(fields.get("messages")), *string_list(fields.get("root_causes"))]
        limits = self.rate_limit(response, wall)
        wait = limits.retry_after
        # A reset in the past is wrong; the caller then decides, or the budget does.
        if wait is None and limits.limited and limits.reset_in is not None and limits.reset_in > 0:
            wait = max(1.0, limits.reset_in)
        return api_error(
            response.status,
            self._redact(request, fields.get("message") or "; ".join(causes)) or "",
            method=request.method,
            path=request.path,
            code=self._redact(request, fields.get("id") or fields.get("error")),
            request_id=self._redact(
                request, fields.get("request_id") or response.headers.get("x-request-id")
            ),
            retry_after=wait,
        )

    def is_error(self, status: int, body: Any) -> bool:
        """Return whether a decoded body has one of the two documented error forms."""
        if not isinstance(body, dict):
            return False
        if isinstance(body.get("root_causes"), list) and texts_under(body, "error"):
            return fits_status(status, body["error"])
        return texts_under(body, "id", "message") and fits_status(status, body["id"])

    def redact(self, request: Request, text: str) -> str:
        """Return text without tokens and the secrets that the request held."""
        return redact(text, [self._token.reveal(), *sent_secrets(request)])

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        """Return the quota headers.

        `ratelimit-reset` is when the oldest request expires; the quota is not refilled then.
        """
        headers = response.headers
        hold = NO_HOLD if response.status < 400 else read_hold(headers, wall)
        return RateLimitInfo(
            limited=response.status == 429,
            retry_after=hold.seconds,
            absurd=hold.absurd,
            limit=parse_integer(headers.get("ratelimit-limit")),
            remaining=parse_integer(headers.get("ratelimit-remaining")),
            reset_in=seconds_until_reset(headers, wall),
        )

    def _redact(self, request: Request, value: Any) -> str | None:
        return self.redact(request, str(value)) if value else None
