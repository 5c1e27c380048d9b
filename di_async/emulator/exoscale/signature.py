"""EXO2-HMAC-SHA256: verify who signed a request.

Written from the published description alone, so that it shares no mistake with a client.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from di_async.emulator.cloud.http import ApiError, Request, parse_whole_number

_SCHEME = "EXO2-HMAC-SHA256"


def verify(request: Request, secrets: Mapping[str, str], clock: float) -> str:
    """Return the key that signed; raise `ApiError` 403 otherwise. `clock` is in epoch seconds."""
    fields = _pragmas(request.headers.get("authorization", ""))
    key = fields["credential"]
    if key not in secrets:
        raise _error("unknown API key")
    signed = [name for name in fields.get("signed-query-args", "").split(";") if name]
    values = _signed_values(request.raw_query, signed)
    messages = _messages(request, values, fields["expires"])
    if fields["signature"] not in {_signature(secrets[key], message) for message in messages}:
        raise _error("the signature does not match the request")
    # Checked last, and with the server's time, so that skew is distinguishable from a bad secret.
    if clock >= int(fields["expires"]):
        raise _error(f"request expired at {fields['expires']}, server time is {int(clock)}")
    return key


def _pragmas(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme != _SCHEME:
        raise _error(f"{_SCHEME} authorization is required")
    # A signature may end in "=", so only the first one divides.
    halves = (part.partition("=") for part in rest.split(","))
    fields = {name: value for name, _, value in halves}
    missing = [name for name in ("credential", "expires", "signature") if not fields.get(name)]
    if missing:
        raise _error(f"no {missing[0]} in the Authorization header")
    expires = parse_whole_number(fields["expires"])
    if expires is None or expires < 0:
        raise _error("expires must be a whole number of seconds")
    return fields


def _signed_values(raw_query: str, signed: list[str]) -> str:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    single = {name: values[0] for name, values in found.items() if len(values) == 1}
    # One vendor client signs blank values, the other omits them.
    expected = {name for name, value in single.items() if value}
    if signed != sorted(signed) or expected - set(signed) or set(signed) - set(found):
        raise _error("signed-query-args must name the query arguments in order")
    return "".join(single.get(name, "") for name in signed)


def _messages(request: Request, values: str, expires: str) -> Iterator[bytes]:
    """Yield the signable messages: the path as sent, and without the emulator's zone prefix."""
    paths = {request.path, request.path[max(0, request.path.find("/v2/")) :]}
    for path in paths:
        head = f"{request.method} {path}".encode()
        yield b"\n".join((head, request.body, values.encode(), b"", expires.encode()))


def _signature(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), message, hashlib.sha256)).decode()


def _error(reason: str) -> ApiError:
    return ApiError(403, f"Authentication failed: {reason}", authentication=True)
