"""Gcore's HTTP conventions: endpoints, authentication, errors, and lists by limit and offset.

v2 keys an instance by its UUID, v3 a deployment by its name within a project. No quota is
documented, and no header shows one.
https://gcore.com/docs/developer-tools/rest-api (authentication, error-handling, pagination)
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from di_async.core.errors import APIError, ConflictError, NotFoundError, api_error
from di_async.core.http import Endpoint, Request, Response, endpoint_table
from di_async.core.http_time import retry_after
from di_async.core.pagination import Page, read_total, rows_under
from di_async.core.protocols import ApiDialect
from di_async.core.redaction import redact, sent_secrets
from di_async.core.responses import error_body, fits_status, string_list, texts_under
from di_async.core.secret import Secret, SecretHeaders

__all__ = [
    "ACCOUNT",
    "DEPLOYMENTS",
    "INSTANCES",
    "TASK",
    "FetchRows",
    "GcoreDialect",
    "find_named",
    "in_region",
    "read_page",
    "read_rows",
]

T = TypeVar("T")

# --- endpoints -------------------------------------------------------------------------------

_V2 = "/cloud/v2/inference/deployments"
_V2_ONE = f"{_V2}/{{instance_id}}"
_V3 = "/cloud/v3/inference/{project_id}/deployments"
_V3_ONE = f"{_V3}/{{deployment_name}}"
# Another endpoint has this segment in place of a name.
_RESERVED = frozenset({"check_limits"})
_KEYS = "/cloud/v3/inference/{project_id}/api_keys"
_KEY = f"{_KEYS}/{{api_key_name}}"
_SECRETS = "/cloud/v3/inference/{project_id}/secrets"
_SECRET = f"{_SECRETS}/{{secret_name}}"
_TASKS = "/cloud/v1/tasks"


INSTANCES = endpoint_table(
    Endpoint("list", "GET", _V2, "results"),
    Endpoint("create", "POST", _V2),
    Endpoint("get", "GET", _V2_ONE),
    Endpoint("update", "PUT", _V2_ONE),
    Endpoint("delete", "DELETE", _V2_ONE),
)

DEPLOYMENTS = endpoint_table(
    Endpoint("list", "GET", _V3, "results"),
    Endpoint("create", "POST", _V3, "tasks"),
    Endpoint("get", "GET", _V3_ONE, None, _RESERVED),
    Endpoint("update", "PATCH", _V3_ONE, "tasks", _RESERVED),
    Endpoint("delete", "DELETE", _V3_ONE, "tasks", _RESERVED, by_name=True),
    Endpoint("start", "POST", f"{_V3_ONE}/start", None, _RESERVED),
    Endpoint("stop", "POST", f"{_V3_ONE}/stop", None, _RESERVED),
    Endpoint("logs", "GET", f"{_V3_ONE}/logs", "results", _RESERVED),
    Endpoint("check_limits", "POST", f"{_V3}/check_limits", reads=True),
)

TASK = Endpoint("get_task", "GET", f"{_TASKS}/{{task_id}}", None, frozenset({"acknowledge_all"}))

ACCOUNT = endpoint_table(
    Endpoint("list_api_keys", "GET", _KEYS, "results"),
    Endpoint("create_api_key", "POST", _KEYS),
    Endpoint("get_api_key", "GET", _KEY),
    Endpoint("update_api_key", "PATCH", _KEY),
    Endpoint("delete_api_key", "DELETE", _KEY, by_name=True),
    Endpoint("list_secrets", "GET", _SECRETS, "results"),
    Endpoint("create_secret", "POST", _SECRETS),
    Endpoint("get_secret", "GET", _SECRET),
    Endpoint("replace_secret", "PUT", _SECRET),
    Endpoint("delete_secret", "DELETE", _SECRET, by_name=True),
    Endpoint("list_tasks", "GET", _TASKS, "results"),
    Endpoint("acknowledge_task", "POST", f"{_TASKS}/{{task_id}}/acknowledge"),
    Endpoint("acknowledge_all_tasks", "POST", f"{_TASKS}/acknowledge_all"),
    Endpoint("list_flavors", "GET", "/cloud/v3/inference/flavors", "results"),
    Endpoint("get_flavor", "GET", "/cloud/v3/inference/flavors/{flavor_name}"),
    Endpoint("capacity", "GET", "/cloud/v3/inference/capacity", "results"),
    Endpoint("price", "POST", "/cloud/v2/pricing/inference/deployments", reads=True),
)

# --- authentication and errors ---------------------------------------------------------------

_MIN_SECRET = 8
# A 409 is another task's lock, unless it says that something exists already.
_NAME_TAKEN = "(?i)exist|duplicate|unique|taken|in use"


class GcoreDialect(ApiDialect):
    """The conventions for one API key. `project` only appears in hints."""

    def __init__(self, key: Secret, project: str | None) -> None:
        self._key = key
        self._project = project
        self._headers = SecretHeaders(
            {"Authorization": f"APIKey {key.reveal()}", "Accept": "application/json"}
        )
        self._with_body = SecretHeaders({**self._headers, "Content-Type": "application/json"})

    def headers(self, request: Request, wall: float) -> SecretHeaders:
        """Return authentication and media types."""
        return self._headers if request.body is None else self._with_body

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        """Return the error in a response; `.code` is the vendor's `exception_class`."""
        body = error_body(response)
        fields: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        message = _message(fields) if isinstance(body, Mapping) else str(body)
        code = self._redacted(request, fields.get("exception_class") or fields.get("code"))
        text = "; ".join(filter(None, [message, *_details(fields)]))
        text = self.redact(request, text)
        hint = self._hint(response.status, code)
        request_id = fields.get("request_id") or response.headers.get("x-request-id")
        error = api_error(
            response.status,
            f"{text} ({hint})" if hint else text,
            method=request.method,
            path=request.path,
            code=code,
            request_id=self._redacted(request, request_id),
            retry_after=retry_after(response.headers, wall),
        )
        if isinstance(error, ConflictError) and not re.search(_NAME_TAKEN, f"{code} {message}"):
            error.never_processed = True
            # A PUT and a DELETE by name depend on a read, which the caller repeats with them.
            by_name = request.method == "DELETE" and request.by_name
            error.transient = request.method != "PUT" and not by_name
        return error

    def is_error(self, status: int, body: Any) -> bool:
        """Return whether a decoded body has the documented form of an error."""
        documented = texts_under(body, "exception_class", "message")
        return documented and fits_status(status, body["exception_class"])

    def redact(self, request: Request, text: str) -> str:
        """Return text without the API key and the secrets that the request held."""
        key = self._key.reveal()
        secret = key.partition("$")[2]  # a permanent token is `number$secret`
        own = {key, secret} if len(secret) >= _MIN_SECRET else {key}
        return redact(text, own | sent_secrets(request))

    def _hint(self, status: int, code: str | None) -> str | None:
        if status == 401 and "$" in self._key.reveal():
            return "the API key is wrong, expired or revoked"
        if status == 401:
            return (
                "the API key has no '$', which every permanent token has; a shell may have "
                "expanded part of it, so put it in single quotes"
            )
        if status == 404:
            where = f"project {self._project}" if self._project else "your default project"
            return f"searched in {where}; check project_id"
        if code == "ForbiddenError":
            return "Gcore returns this where the flavor has no capacity left in the region"
        return None

    def _redacted(self, request: Request, value: Any) -> str | None:
        return self.redact(request, str(value)) if value else None


def _message(fields: Mapping[str, Any]) -> str:
    return str(fields.get("message") or fields.get("error") or fields.get("detail") or "")


def _details(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield what some errors add: invalid fields, and the quota."""
    invalid, info = fields.get("invalid_fields"), fields.get("info")
    if isinstance(invalid, Mapping):
        for name, faults in invalid.items():
            yield f"{name}: {', '.join(string_list(faults)) or faults}"
    if isinstance(info, Mapping):
        yield ", ".join(f"{name} {value}" for name, value in info.items())


# --- lists -----------------------------------------------------------------------------------

MAX_PAGE = 1000

FetchRows = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Requests a list with these query parameters and returns the decoded body."""


async def read_rows(
    fetch: FetchRows, offset: int, limit: int, key: str | None = None
) -> tuple[list[Any], int | None]:
    """Return up to `limit` rows from `offset` on, and the total (None if unknown).

    A server may return fewer rows than requested. The rest is then requested as well; otherwise
    rows would be skipped between two pages. With `key`, the name of the id, this ends where the
    server repeats rows: it ignores the offset.
    """
    rows: list[Any] = []
    ids: set[str] = set()
    while True:
        body = await fetch({"limit": limit - len(rows), "offset": offset + len(rows)})
        served, count = rows_under(body, "results"), read_total(body.get("count"))
        new = _ids(served, key) - ids
        if key is not None and rows and not new:
            return rows, count
        ids |= new
        rows += served
        if not served or len(rows) >= limit or count is None or offset + len(rows) >= count:
            return rows, count


def _ids(rows: list[Any], key: str | None) -> set[str]:
    found = (row.get(key) for row in rows if isinstance(row, dict))
    return {id for id in found if isinstance(id, str)}


async def read_page(fetch: FetchRows, number: int, size: int, *, key: str = "id") -> Page:
    """Return page `number` of `size` rows, with the value of `key` as each row's `id`."""
    rows, count = await read_rows(fetch, (number - 1) * size, size, key)
    if key != "id":
        rows = [{**row, "id": row.get(key)} if isinstance(row, dict) else row for row in rows]
    more = "more" if count is None and len(rows) >= size else None
    last = None if count is None else max(1, -(-count // size))
    return Page(rows=tuple(rows), total=count, next=more, last=last)


async def find_named(get: Callable[[str], Awaitable[T]], name: str) -> list[T]:
    """Return what has a unique name as `get` shows it, or nothing."""
    try:
        return [await get(name)]
    except NotFoundError:
        return []


def in_region(page: Page, region: str | None) -> Page:
    """Return the page with only the rows of a region; the API has no such filter."""
    if region is None:
        return page
    return replace(page, rows=tuple(row for row in page.rows if region in _regions(row)))


def _regions(row: Any) -> set[str]:
    try:
        return {str(container["region_id"]) for container in row["containers"]}
    except (KeyError, TypeError):
        return set()
