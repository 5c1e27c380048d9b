"""EXO2-HMAC-SHA256: who signed a request, if anybody did.

Rules of this file: written from the published description alone, so that no mistake is shared
with any client; the clock is an argument.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from di_async.emulator.cloud.http import Refusal, Request

_SCHEME = "EXO2-HMAC-SHA256"


def verify(request: Request, secrets: Mapping[str, str], clock: float) -> str:
    """The key that signed; `Refusal` 403 says what is wrong. `clock` is in epoch seconds."""
    said = _pragmas(request.headers.get("authorization", ""))
    key = said["credential"]
    if key not in secrets:
        raise _refusal("unknown API key")
    signed = [name for name in said.get("signed-query-args", "").split(";") if name]
    values = _signed_values(request.raw_query, signed)
    messages = _messages(request, values, said["expires"])
    if said["signature"] not in {_signature(secrets[key], message) for message in messages}:
        raise _refusal("the signature does not match the request")
    # Told last, and with the server's time, so that skew can be told from a bad secret.
    if clock >= int(said["expires"]):
        raise _refusal(f"request expired at {said['expires']}, server time is {int(clock)}")
    return key


def _pragmas(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    if scheme != _SCHEME:
        raise _refusal(f"{_SCHEME} authorization is required")
    # A signature may end in "=", so only the first one divides.
    halves = (part.partition("=") for part in rest.split(","))
    said = {name: value for name, _, value in halves}
    missing = [name for name in ("credential", "expires", "signature") if not said.get(name)]
    if missing:
        raise _refusal(f"no {missing[0]} in the Authorization header")
    if not (said["expires"].isascii() and said["expires"].isdigit()):
        raise _refusal("expires must be a whole number of seconds")
    return said


def _signed_values(raw_query: str, signed: list[str]) -> str:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    single = {name: values[0] for name, values in found.items() if len(values) == 1}
    # One vendor client signs blank values, the other leaves them out.
    due = {name for name, value in single.items() if value}
    if signed != sorted(signed) or due - set(signed) or set(signed) - set(found):
        raise _refusal("signed-query-args must name the query arguments in order")
    return "".join(single.get(name, "") for name in signed)


def _messages(request: Request, values: str, expires: str) -> Iterator[bytes]:
    """What may have been signed: the path as sent, or without the emulator's zone prefix."""
    paths = {request.path, request.path[max(0, request.path.find("/v2/")) :]}
    for path in paths:
        head = f"{request.method} {path}".encode()
        yield b"\n".join((head, request.body, values.encode(), b"", expires.encode()))


def _signature(secret: str, message: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), message, hashlib.sha256)).decode()


def _refusal(why: str) -> Refusal:
    return Refusal(403, f"Authentication failed: {why}", authentication=True)
