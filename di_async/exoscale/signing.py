"""EXO2-HMAC-SHA256: the value of the Authorization header for one request. Pure.

What is signed is exactly what is sent: the path as it stands in the request line (percent-encoded,
any prefix of the base URL included, no host, no query), the body's bytes, and the decoded values of
the query. https://openapi-v2.exoscale.com/topic/topic-api-request-signature
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable

from di_async.core.errors import InvalidInputError

__all__ = ["LIFETIME_S", "authorization"]

LIFETIME_S = 600
"""A signature is good for so many seconds."""
_SCHEME = "EXO2-HMAC-SHA256"


def authorization(
    method: str,
    path: str,
    params: Iterable[tuple[str, str]],
    body: bytes | None,
    *,
    expires: int,
    key: str,
    secret: str,
) -> str:
    """The header's value; `expires` is in epoch seconds.

    Raises:
        InvalidInputError: a query parameter is blank or comes twice: signers and the API do not
            agree on what to sign then.
    """
    query = dict(sorted(_signable(params)))
    lines = (
        f"{method} {path}".encode(),
        body or b"",
        "".join(query.values()).encode(),
        b"",  # header values: none is signed today
        str(expires).encode(),
    )
    digest = hmac.digest(secret.encode(), b"\n".join(lines), hashlib.sha256)
    names = [f"signed-query-args={';'.join(query)}"] if query else []
    told = (f"credential={key}", *names, f"expires={expires}")
    return f"{_SCHEME} {','.join(told)},signature={base64.b64encode(digest).decode()}"


def _signable(params: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    pairs = list(params)
    if len(dict(pairs)) < len(pairs) or not all(name and value for name, value in pairs):
        raise InvalidInputError("a query parameter is blank or repeated: that cannot be signed")
    return pairs
