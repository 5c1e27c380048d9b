"""Read what all APIs' responses have in common: whose answer it is, errors, waiting times.

Gateways, proxies, firewalls and login pages answer in an API's place, with any status. So one rule
holds for all providers: an answer counts as the API's own only if it has the API's form.

* 3xx and 4xx need the provider's error form (`ApiDialect.is_error`); else `GatewayError`.
* 429 and 5xx mean "later", even from a gateway.
* A success needs the documented body: JSON, not an error, the resource that was requested, with an
  id. Else the error is transient: a `DecodeError`, or a `ServerError` for an error body. So every
  call passes the function that decodes its answer to `read_success`; `any_body` where none will do.
* An empty body is an answer with 202 and 204 only. Gateways send 200 without a body, too.

A transient error proves nothing. Polling records it and goes on; calls are repeated where that is
safe; a write with such an answer counts as a write whose response was lost.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from di_async.core.codec import loads
from di_async.core.errors import APIError, DecodeError, GatewayError, InvalidInputError
from di_async.core.http import Request, Response, checked_id, is_uuid
from di_async.core.http_time import parse_number
from di_async.core.printable import printable
from di_async.core.protocols import ApiDialect
from di_async.core.redaction import mask

__all__ = [
    "any_body",
    "deleted_body",
    "error_body",
    "fits_status",
    "is_html",
    "is_own_answer",
    "no_content",
    "own_id",
    "own_name",
    "parse_integer",
    "read_error",
    "read_success",
    "resource_body",
    "string_list",
    "texts_under",
]

T = TypeVar("T")

# Patterns are texts, which `re` compiles on their first use.
_OTHER_THAN_NOT_FOUND = (
    r"(?i)unavailable|unauthori|forbidden|denied|server.?error|http.?error|gateway|upstream|no.?route"
    r"|time.?out|maintenance|too.?many|conflict"
)
_BEFORE_JSON = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, or blanks
_BODILESS = frozenset({202, 204})


# --- whose answer it is ------------------------------------------------------------------------


def read_error(dialect: ApiDialect, request: Request, response: Response, wall: float) -> APIError:
    """Return the error in a response that is not a success: the API's, or a `GatewayError`."""
    status = response.status
    if status == 429 or status >= 500 or dialect.is_error(status, error_body(response)):
        return dialect.error(request, response, wall)
    sender = "a gateway, proxy or firewall sent it, not the API"
    return GatewayError(
        f"{sender}: {dialect.redact(request, _description(response))}",
        method=request.method,
        path=request.path,
        status=status,
    )


def is_own_answer(dialect: ApiDialect, response: Response) -> bool:
    """Return whether the API wrote a response, as far as its form shows."""
    if response.status >= 300:
        return dialect.is_error(response.status, error_body(response))
    return response.body.lstrip(_BEFORE_JSON)[:1] in (b"", b"{", b"[")


def read_success(
    dialect: ApiDialect,
    request: Request,
    response: Response,
    now: Callable[[Request], float],
    read: Callable[[Any], T],
    *,
    decode: Callable[[bytes], Any] | None = None,
) -> T:
    """Return the result of a successful response.

    Args:
        dialect: the provider's.
        request: what was answered.
        response: its answer.
        now: returns the time of the server that a request is for, in epoch seconds.
        read: returns the result for the JSON value of the body, None where it has none; checks
            that it is what was requested. `any_body` also takes an empty 200.
        decode: replaces the JSON decoder.

    Raises:
        ServerError: the body is an error of the API.
        DecodeError: (transient) it is not what the API documents.
    """
    status = response.status
    body = b"" if status == 204 else response.body  # a 204 has no body, whatever follows it
    try:
        if decode is not None:
            value = decode(body)
        else:
            optional = status in _BODILESS or read is any_body
            value = None if optional and not body.strip() else loads(body)
            if dialect.is_error(status, value):
                raise dialect.error(request, response, now(request))
    except DecodeError as error:
        if decode is not None and dialect.is_error(status, error_body(response)):
            raise dialect.error(request, response, now(request)) from None
        raise _located(error, request, response) from error.__cause__
    try:
        return read(value)
    except DecodeError as error:
        raise _located(error, request, response) from error.__cause__


def _located(error: DecodeError, request: Request, response: Response) -> DecodeError:
    """Return the error as a transient one of this response."""
    error.transient = True
    error.method, error.path, error.status = request.method, request.path, response.status
    error.request_id = response.headers.get("x-request-id")
    return error


def any_body(body: Any) -> Any:
    """Return the body of an answer whose content decides nothing; it may be empty."""
    return body


def deleted_body(body: Any, names: Iterable[str]) -> Any:
    """Return the body of an answer to a DELETE: none, an empty object, or one with such a field.

    Raises:
        DecodeError: (transient) it is something else, so the API may not have answered.
    """
    shown = isinstance(body, Mapping) and any(body.get(name) is not None for name in names)
    if body is None or body == {} or shown:
        return body
    raise DecodeError("the answer is not one to a DELETE @ $", transient=True)


def resource_body(body: Any, *names: str) -> Any:
    """Return a body that is an object with these fields, which every such resource has.

    Raises:
        DecodeError: (transient) it is not.
    """
    if not isinstance(body, Mapping):
        raise DecodeError(f"the answer is not an object but {type(body).__name__}", transient=True)
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise DecodeError(f"the answer has no {missing[0]!r} @ $", transient=True)
    return body


def no_content(body: Any) -> None:
    """Check the body of an answer to a write that is answered without one.

    Raises:
        DecodeError: (transient) there is a body, so something else than the API may have answered.
    """
    if body is not None:
        raise DecodeError("the answer has a body, where the API sends none @ $", transient=True)


def own_id(shown: Any, expected: str | None = None, reserved: Iterable[str] = ()) -> str:
    """Return the id that an answer shows, if requests can be sent to it and it is the expected one.

    What was requested by another kind of name than a UUID may be shown with its UUID.

    Raises:
        DecodeError: (transient) it is empty or unusable, or the answer is about another resource.
    """
    if expected is not None and shown == expected:  # a request was sent to it
        return expected
    try:
        id = checked_id(shown, reserved=reserved)
    except InvalidInputError:
        raise DecodeError("the answer shows no usable id @ $.id", transient=True) from None
    resolved = expected is not None and is_uuid(id) and not is_uuid(expected)
    if expected is not None and id.casefold() != expected.casefold() and not resolved:
        raise DecodeError(
            f"the answer is about another resource: {_shortened(id)!r}", transient=True
        )
    return id


def own_name(shown: str | None, sent: str) -> None:
    """Check that the answer to a create is about the name that was sent, if it shows one.

    Raises:
        DecodeError: (transient) the answer is about another name.
    """
    if shown and shown.casefold() != sent.casefold():
        raise DecodeError(
            f"the answer is about another resource: {_shortened(shown)!r}", transient=True
        )


def _description(response: Response) -> str:
    """Return what a foreign answer is: its type and its first characters."""
    if 300 <= response.status < 400:
        target = urlsplit(response.headers.get("location", ""))
        where = f" to {target.scheme}://{target.hostname}" if target.hostname else ""
        return f"a redirect{where}; redirects are not followed, check base_url"
    text = response.body[:4096].decode(errors="replace")
    if not text.strip():
        return "an empty body"
    if is_html(response):
        title = re.search(r"<title[^>]*>([^<]+)", text, re.IGNORECASE)
        return "an HTML page" + (f" titled {_shortened(title[1])!r}" if title else "")
    kind = response.headers.get("content-type", "no content type").partition(";")[0]
    return f"{_shortened(kind)}, {_shortened(text)!r}"


def _shortened(text: str) -> str:
    """Return the start of a text, on one printable line and without what looks like a secret."""
    line = " ".join(mask(text[:400]).split())
    clean = printable(line)
    return clean if len(clean) <= 80 else f"{clean[:80]}..."


# --- error bodies ------------------------------------------------------------------------------


def is_html(response: Response) -> bool:
    """Return whether the response is an HTML page, which a gateway sent and not the API."""
    return response.body.lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")


def error_body(response: Response) -> Any:
    """Return the JSON value of an error body, or its text where it is not JSON."""
    if 300 <= response.status < 400:
        return "redirected; check base_url (redirects are not followed)"
    try:
        return loads(response.body)
    except DecodeError as error:
        text = response.body.decode(errors="replace").strip()
        return error.message if is_html(response) or not text else text


def texts_under(body: Any, *names: str) -> bool:
    """Return whether a decoded body is an object with text under each name, the first not empty."""
    texts = isinstance(body, dict) and set(map(type, map(body.get, names))) == {str}
    return texts and bool(body[names[0]].strip())


def fits_status(status: int, code: Any) -> bool:
    """Return whether an error's code does not contradict a status that means "not found".

    A gateway that has no route, or no server behind it, may answer 404 in a similar form.
    """
    return status not in (404, 410) or re.search(_OTHER_THAN_NOT_FOUND, str(code)) is None


def string_list(value: Any) -> list[str]:
    """Return the items of a list as text; nothing for anything else."""
    return [str(item) for item in value] if isinstance(value, list) else []


def parse_integer(text: str | None) -> int | None:
    """Return a header's whole number; None if it is not one."""
    if text is not None and text.isdecimal() and len(text) < 20:
        return int(text)
    found = parse_number(text)
    return None if found is None else int(found)
