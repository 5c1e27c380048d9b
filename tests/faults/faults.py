"""The faults: what stands in for an answer, and whether the request is carried out."""

import math
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import orjson
from attrs import evolve, field, frozen

from di_async import ConnectError, DecodeError, RequestTimeoutError, TransportError
from di_async.core.http import Request, Response
from tests.fake_network import Answer, Delayed
from tests.faults.scene import Scene

__all__ = ["FAULTS", "Fault"]

Execute = Callable[[], Answer]
Strike = Callable[[Scene, Request, Execute], Answer]
REQUEST_TIMEOUT_S = 30.0
HTML = (
    b"<!DOCTYPE html><html><head><title>Blocked</title></head><body>Reference #18.2f</body></html>"
)
STRANGER = "11111111-2222-4333-8444-555555555555"
_JSON = {"content-type": "application/json"}
_OVERSIZED = "the response is larger than 67108864 bytes"


@frozen
class Fault:
    """One thing that goes wrong."""

    name: str
    family: str
    """The row of the table of expected outcomes."""
    error: str
    """The error by which a call reports it, if nothing better can be done."""
    strike: Strike = field(eq=False)
    clock_step_s: float = 0.0
    """How far the machine's clock is put forward when the fault begins."""

    def __str__(self) -> str:
        return self.name


def _raise(error: Callable[[str], BaseException], text: str, after_s: float = 0.05) -> Strike:
    """Return a fault before the request is carried out."""
    return lambda scene, request, execute: Delayed(after_s, error(text))


def _lose(error: Callable[[str], BaseException], text: str, after_s: float = 0.05) -> Strike:
    """Return a fault after the request was carried out."""

    def strike(scene: Scene, request: Request, execute: Execute) -> Answer:
        execute()
        return Delayed(after_s, error(text))

    return strike


def _reply(status: int, body: bytes = b"", **headers: str) -> Strike:
    """Return an answer of another system, which carries nothing out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda scene, request, execute: Response(status, named, body)


def _after_commit(strike: Strike) -> Strike:
    def late(scene: Scene, request: Request, execute: Execute) -> Answer:
        execute()
        return strike(scene, request, execute)

    return late


def _api_error(status: int, **headers: str) -> Strike:
    """Return the API's own error, which carries nothing out."""
    named = {**_JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}

    def strike(scene: Scene, request: Request, execute: Execute) -> Answer:
        return Response(status, named, error_body(scene.cloud.name, status))

    return strike


def error_body(cloud: str, status: int) -> bytes:
    """Return an error in the vendor's own form."""
    if cloud == "digitalocean":
        body: Any = {"id": "some_code", "message": "some text", "request_id": "req-1"}
    elif cloud == "exoscale":
        body = {"type": "about:blank", "title": "Some Title", "status": status, "detail": "text"}
    else:
        body = {"exception_class": "SomeError", "message": "some text", "request_id": "r1"}
    return orjson.dumps(body)


def _altered(change: Callable[[Scene, Response], Response | BaseException]) -> Strike:
    """Return a fault that alters the right answer, after the request was carried out."""

    def strike(scene: Scene, request: Request, execute: Execute) -> Answer:
        answer = execute()
        inner = answer.answer if isinstance(answer, Delayed) else answer
        if not isinstance(inner, Response) or inner.status >= 300:
            return answer
        return change(scene, inner)

    return strike


def _body(change: Callable[[bytes], bytes], **headers: str) -> Strike:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _altered(
        lambda _, real: evolve(real, body=change(real.body), headers={**real.headers, **named})
    )


def _headers(**headers: str) -> Strike:
    return _body(lambda body: body, **headers)


def _stranger(scene: Scene, real: Response) -> Response:
    """Return the answer about another resource: every id and name is replaced."""
    value = orjson.loads(real.body) if real.body.strip() else {}
    return evolve(real, body=orjson.dumps(_renamed(value)))


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    fakes = {"id": STRANGER, "uuid": STRANGER, "name": "a-stranger"}
    return {
        key: fakes[key] if key in fakes and isinstance(inner, str) else _renamed(inner)
        for key, inner in value.items()
    }


def _without_id(scene: Scene, real: Response) -> Response:
    def emptied(value: Any) -> Any:
        if isinstance(value, list):
            return [emptied(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: "" if key in {"id", "uuid", "name"} else emptied(inner)
            for key, inner in value.items()
        }

    value = orjson.loads(real.body) if real.body.strip() else {}
    return evolve(real, body=orjson.dumps(emptied(value)))


def _misshapen(scene: Scene, real: Response) -> Response:
    """Return the answer with text in place of each number and object below the top level."""
    value = orjson.loads(real.body) if real.body.strip() else None
    if not isinstance(value, dict):
        return real
    inner = {key: _textual(below) for key, below in value.items()}
    return evolve(real, body=orjson.dumps(inner))


def _textual(value: Any) -> Any:
    return value if isinstance(value, str | list) or value is None else "text"


Named = tuple[str, str, str, Strike]
"""Name, family, error and effect of a fault."""


def _network() -> Iterator[Named]:
    for name, text in {
        "no connection": "no connection",
        "DNS fails": "the host name cannot be resolved",
        "TLS handshake fails": "the TLS handshake failed",
        "certificate not trusted": "the certificate is not trusted",
        "proxy refuses": "the proxy refused",
    }.items():
        yield name, "not sent", "ConnectError", _raise(ConnectError, text)
    closed, late = "the server closed the connection", "no response within the timeout"
    for name, family, strike in (
        ("reset before the request", "not answered", _raise(TransportError, closed)),
        ("reset during the request", "not answered", _raise(TransportError, "the exchange failed")),
        ("reset after commit", "lost", _lose(TransportError, closed)),
        ("answer cut after commit", "lost", _lose(TransportError, "the response ended early")),
    ):
        yield name, family, "TransportError", strike
    for name, family, strike in (
        ("headers too slow", "not answered", _raise(RequestTimeoutError, late, REQUEST_TIMEOUT_S)),
        ("body too slow", "lost", _lose(RequestTimeoutError, late, REQUEST_TIMEOUT_S)),
    ):
        yield name, family, "RequestTimeoutError", strike
    yield "slow, within the timeout", "harmless", "", lambda *args: _slowed(args[2](), 20.0)


def _slowed(answer: Answer, seconds: float) -> Answer:
    inner = answer.answer if isinstance(answer, Delayed) else answer
    return Delayed(seconds, inner)


def _bodies() -> Iterator[Named]:
    page = _reply(200, HTML, content_type="text/html")
    yield "200 with HTML, nothing done", "not answered", "DecodeError", page
    yield "200 with nothing, nothing done", "empty", "DecodeError", _reply(200)
    for name, body, kind in (
        ("HTML", HTML, "text/html"),
        ("text", b"OK", "text/plain"),
        ("nothing", b"", "application/json"),
        ("{}", b"{}", "application/json"),
        ("[]", b"[]", "application/json"),
        ("null", b"null", "application/json"),
    ):
        strike = _after_commit(_reply(200, body, content_type=kind))
        yield f"200 with {name}, after commit", "mangled", "DecodeError", strike
    for name, strike in (("half the JSON", _body(lambda body: body[: len(body) // 2])),):
        yield f"{name}, after commit", "mangled", "DecodeError", strike
    yield "values of other types, after commit", "misshapen", "DecodeError", _altered(_misshapen)
    large = _altered(lambda *_: DecodeError(_OVERSIZED, status=200))
    yield "oversized, after commit", "oversized", "DecodeError", large
    yield "about another resource", "misrouted", "DecodeError", _altered(_stranger)
    yield "ids and names empty", "misrouted", "DecodeError", _altered(_without_id)
    yield "200 with an error of the API", "says no", "ServerError", _says_no
    marked = _body(lambda body: body and b"\xef\xbb\xbf" + body)
    yield "byte order mark", "harmless", "", marked
    yield "UTF-16", "harmless", "", _body(_utf_16)
    yield "labelled Latin-1", "harmless", "", _headers(content_type="text/plain; charset=latin-1")


def _utf_16(body: bytes) -> bytes:
    return body and body.decode().encode("utf-16")


def _says_no(scene: Scene, request: Request, execute: Execute) -> Answer:
    return Response(200, _JSON, error_body(scene.cloud.name, 200))


_REFUSALS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    405: "APIError",
    412: "APIError",
    418: "APIError",
    422: "UnprocessableEntityError",
    451: "APIError",
}


def _statuses() -> Iterator[Named]:
    for status, error in _REFUSALS.items():
        yield f"{status} of the API", "refused", error, _api_error(status)
    for status in (404, 410):
        yield f"{status} of the API", "not found", "NotFoundError", _api_error(status)
    yield "404 to writes only", "write not found", "NotFoundError", _to_writes(_api_error(404))
    yield "409 of the API", "conflict", "ConflictError", _api_error(409)
    for status in (408, 425, 500, 502, 503, 504, 520):
        yield f"{status} of the API", "not answered", "ServerError", _api_error(status)
    for status in (501, 505):
        yield f"{status} of the API", "cannot", "ServerError", _api_error(status)
    for status in (400, 401, 403, 404, 405, 409, 410, 422, 451):
        strike = _reply(status, HTML, content_type="text/html")
        yield f"{status} with HTML", "not answered", "GatewayError", strike
    for status in (401, 403, 404):
        foreign = orjson.dumps({"errors": [{"code": "NotFound"}]})
        for what, body, kind in (
            ("text", b"no such host", "text/plain"),
            ("nothing", b"", ""),
            ("other JSON", foreign, "application/json"),
        ):
            strike = _reply(status, body, content_type=kind)
            yield f"{status} with {what}", "not answered", "GatewayError", strike
    for status, body in ((500, HTML), (502, HTML), (503, HTML), (503, b""), (503, b"busy")):
        what = {HTML: "HTML", b"": "nothing", b"busy": "text"}[body]
        strike = _reply(status, body, content_type="text/html")
        yield f"{status} with {what}", "not answered", "ServerError", strike
    for status in (500, 502, 504):
        strike = _after_commit(_api_error(status))
        yield f"{status} after commit", "lost", "ServerError", strike
    page = _after_commit(_reply(502, HTML, content_type="text/html"))
    yield "502 with HTML after commit", "lost", "ServerError", page


def _rate_limits() -> Iterator[Named]:
    for name, value in {
        "no Retry-After": None,
        "0": "0",
        "2": "2",
        "1.5": "1.5",
        "-5": "-5",
        "NaN": "nan",
        "inf": "inf",
        "text": "soon",
        "empty": "",
        "a list": "2, 3",
    }.items():
        extra = {} if value is None else {"retry_after": value}
        yield f"429, {name}", "limited", "RateLimitError", _api_error(429, **extra)
    for name, value in {"1e9": "1000000000", "10^400": "1" + "0" * 400}.items():
        strike = _api_error(429, retry_after=value)
        yield f"429, {name}", "limited long", "RateLimitError", strike
    for name, strike in {
        "1500 ms": _api_error(429, retry_after_ms="1500"),
        "date in 2 s": _dated(lambda now: formatdate(now + 2, usegmt=True)),
        "date in the past": _dated(lambda now: formatdate(now - 900, usegmt=True)),
        "date in 2 s as asctime": _dated(_asctime),
        "HTML": _reply(429, HTML, content_type="text/html", retry_after="2"),
    }.items():
        yield f"429, {name}", "limited", "RateLimitError", strike


def _asctime(now: float) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(math.ceil(now + 2)))


def _dated(text: Callable[[float], str]) -> Strike:
    def strike(scene: Scene, request: Request, execute: Execute) -> Answer:
        now = scene.network.now()
        headers = {**_JSON, "retry-after": text(now), "date": formatdate(now, usegmt=True)}
        return Response(429, headers, error_body(scene.cloud.name, 429))

    return strike


def _redirects() -> Iterator[Named]:
    login = "https://login.example/sso?next=1"
    for name, strike in {
        **{f"{status} to elsewhere": _reply(status, location=login) for status in _MOVED},
        "307 to the same host": _reply(307, location="/v2/elsewhere"),
        "300 without a location": _reply(300),
        "304": _reply(304),
    }.items():
        yield name, "not answered", "GatewayError", strike


def _to_writes(strike: Strike) -> Strike:
    def spare_reads(scene: Scene, request: Request, execute: Execute) -> Answer:
        reads = request.reads or request.method == "GET"
        return execute() if reads else strike(scene, request, execute)

    return spare_reads


_MOVED = (301, 302, 303, 307, 308)


def _odd_headers() -> Iterator[Named]:
    for name, headers in {
        "remaining -1": {"ratelimit_remaining": "-1"},
        "remaining NaN": {"ratelimit_remaining": "nan"},
        "remaining text": {"ratelimit_remaining": "many"},
        "remaining 10^30": {"ratelimit_remaining": "1" + "0" * 30},
        "reset in the past": {"ratelimit_reset": "1000000000"},
        "reset in 100 years": {"ratelimit_reset": "5000000000"},
        "reset inf": {"ratelimit_reset": "inf"},
        "limit 0": {"ratelimit_limit": "0"},
        "Retry-After on a success": {"retry_after": "86400"},
        "Date damaged": {"date": "yesterday"},
        "Date of year 9999": {"date": "Fri, 31 Dec 9999 23:59:59 GMT"},
        "Date with a leap second": {"date": "Sat, 31 Dec 2016 23:59:60 GMT"},
    }.items():
        yield f"header: {name}", "harmless", "", _headers(**headers)


def _through(scene: Scene, request: Request, execute: Execute) -> Answer:
    return execute()


def _all() -> Iterator[Fault]:
    yield Fault("nothing", "harmless", "", _through)
    for named in (_network(), _bodies(), _statuses(), _rate_limits(), _redirects(), _odd_headers()):
        for name, family, error, strike in named:
            yield Fault(name, family, error, strike)
    hour, years = 3600.0, 20 * 365 * 86400.0
    for name, step in {
        "an hour forward": hour,
        "an hour back": -hour,
        "20 years forward": years,
        "20 years back": -years,
    }.items():
        yield Fault(f"clock {name}", "clock", "", _through, step)


FAULTS = tuple(_all())
