"""Text from servers, made safe to show: without secrets, on one line, and short.

Servers echo what they were sent, and gateways echo whole requests. Messages, reasons and log lines
pass through here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from json import dumps
from typing import Any
from urllib.parse import quote

import attrs
import orjson

from di_async.core.http import Request
from di_async.core.printable import printable
from di_async.core.secret import Secret

__all__ = [
    "MASK",
    "SECRET_FIELDS",
    "mask",
    "mask_optional",
    "masked",
    "masked_reason",
    "one_line",
    "reason_without_secrets",
    "redact",
    "redact_reason",
    "secret_texts",
    "sent_secrets",
]

MASK = "**********"
MAX_TEXT = 500
_CUT = "..."
# Known secrets are masked in the first part of a text, what looks like one in the first of that.
_MAX_SEARCHED, _MAX_SHOWN, _LONG = 128 * 1024, 16 * 1024, 4 * 1024
# Shorter values that were sent occur in any text; the next ones count as whole words only.
_MIN_SECRET, _MIN_ANYWHERE = 3, 6
_COMMON_WORDS = frozenset({"true", "false", "none", "null", "yes", "off"})

SECRET_FIELDS = frozenset(
    {
        "access_tokens",
        "api_key",
        "args",
        "authorization",
        "aws_access_key_id",
        "aws_secret_access_key",
        "command",
        "env",
        "environment",
        "envs",
        "headers",
        "huggingface-token",
        "inference-engine-parameters",
        "password",
        "secret",
        "secrets",
        "token",
    }
)
"""The fields of request bodies, of all providers, whose values may be secrets."""

_NAMES = (
    r"(?:[\w-]{0,40}(?:api[_-]?key|access[_-]?key|token|secret|passw(?:or)?d|authorization)s?"
    r"|envs?|environment|command|inference[_-]engine[_-]parameters)"
)
_VALUE = (
    r"""\\*(?:\{[^{}]*\}?|\[[^\[\]]*\]?|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&"'{}\[\]]+)"""
)
# Patterns are texts: `re` compiles each on its first use, so that importing this costs nothing.
_PATTERNS = (
    # The vendors' tokens: account, refresh, endpoint and Hugging Face tokens, API keys.
    r"\b(?:do[opr]_v1_|di_|do_dedicated_|hf_|api_org_|sk-|EXO)[A-Za-z0-9_\-]{6,}",
    r"\b\d+\$[A-Za-z0-9]{8,}",
    # Signatures of requests.
    r"(?<=signature=)[A-Za-z0-9+/=]+",
    # user:password@ in a URL.
    r"(?<=://)[^/\s@]{1,300}(?=@)",
    r"\b(?:Bearer|Basic|APIKey)\s+[A-Za-z0-9._~+/$=\-]{4,}",
)
# "token": "...", envs: {...}, --api-key ..., password=...
_NAMED = rf"""(?i)(?<!\w)(-{{0,2}}\b{_NAMES}\b\\?["']?\s*[:=]\s*){_VALUE}"""
_OPTION = rf"""(?i)(--{_NAMES}\\?["']?[\s,]+){_VALUE}"""
# A server's own words about a field, such as "token: is required", stay readable.
_PLAIN_WORDS = (
    r"(?i)an?|and|are|by|cannot|expected|field|has|in|invalid|is|may|missing|must|no|not|of|on|or"
    r"|required|should|the|this|too|unknown|value|was"
)


def one_line(text: str) -> str:
    """Return the beginning of a text on one line, with control and bidi characters escaped."""
    shown = printable(text[:MAX_TEXT])
    return shown if len(text) <= MAX_TEXT else f"{shown}{_CUT}"


def masked(values: Any) -> str:
    """Return the names in a mapping, or the length of a list, with masked values: keys, passwords.

    What is unset shows itself.
    """
    if isinstance(values, Mapping):
        return repr(dict.fromkeys(values, MASK))
    if isinstance(values, str) and values:
        return repr(MASK)
    return repr([MASK] * len(values)) if isinstance(values, list | tuple) else repr(values)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a text without these secrets and all that looks like one."""
    shown = _without_secrets(text[:_MAX_SEARCHED], secrets)
    if len(text) > _MAX_SEARCHED and len(shown) <= _MAX_SHOWN:
        # Its end may be a part of a secret.
        shown = "".join(shown.rpartition(MASK)[:2])
    shown = shown[:_MAX_SHOWN]
    for pattern in _PATTERNS:
        shown = re.sub(pattern, MASK, shown)
    return re.sub(_OPTION, rf"\1{MASK}", re.sub(_NAMED, _mask_named, shown))


def mask_optional(text: str | None) -> str | None:
    """Return an optional text of a server without what looks like a secret."""
    return mask(text) if text else text


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text on one line, shortened, without these secrets and all that looks like one."""
    return one_line(mask(text, secrets))


def redact_reason(reason: str | None) -> str | None:
    """Return the reason of a failure or a delay without what looks like a secret."""
    return redact(reason) if reason else reason


def reason_without_secrets(reason: str, secrets: Iterable[str]) -> str:
    """Return a redacted reason without these secrets, nor a part of one where it was cut."""
    secrets = sorted(secrets, key=len, reverse=True)
    shown = _without_secrets(reason, secrets)
    if not shown.endswith(_CUT):
        return shown
    text = shown.removesuffix(_CUT)
    longest = min(len(text), MAX_TEXT)
    sizes = ((secret, size) for secret in secrets for size in range(3, len(secret[:longest]) + 1))
    parts = (secret[:size] for secret, size in sizes)
    part = max(filter(text.endswith, parts), key=len, default="")
    return f"{text.removesuffix(part)}{MASK}{_CUT}" if part else shown


def masked_reason(resource: Any, reason: str | None) -> str | None:
    """Return why a resource failed, without its secrets and what looks like one."""
    return reason and reason_without_secrets(redact(reason), secret_texts(resource))


def _mask_named(found: re.Match[str]) -> str:
    value = found[0][len(found[1]) :]
    return found[0] if re.fullmatch(_PLAIN_WORDS, value) else f"{found[1]}{MASK}"


def _without_secrets(text: str, secrets: Iterable[str]) -> str:
    secrets = list(secrets)
    for start in (secret[:_LONG] for secret in secrets if len(secret) > _LONG):
        if start in text:  # nothing after it is shown, as it may not end here
            text = text.partition(start)[0] + MASK
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):  # one may contain another
        if len(form) >= _MIN_ANYWHERE:
            text = text.replace(form, MASK)
        elif form in text:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
    return text


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret is written: as it is, in JSON, in a URL, and line by line."""
    lines = [secret, *(secret.splitlines() if "\n" in secret else ())]
    for line in filter(None, lines):
        yield line
        if not (line.isascii() and line.isalnum()):
            yield dumps(line)[1:-1]
            yield dumps(line, ensure_ascii=False)[1:-1]
            yield quote(line, safe="", errors="replace")


def sent_secrets(request: Request) -> set[str]:
    """Return the texts in a request's body that may be secrets, see `SECRET_FIELDS`."""
    if not request.body:
        return set()
    try:
        return secret_texts(orjson.loads(request.body))
    except orjson.JSONDecodeError:  # pragma: no cover - bodies are encoded by this package
        return set()


def secret_texts(value: Any) -> set[str]:
    """Return the texts in a JSON value or a model that may be secrets, see `SECRET_FIELDS`."""
    found = set(_texts(value, secret=False))
    return {text for text in found if len(text) >= _MIN_SECRET} - _COMMON_WORDS


def _is_secret_field(name: str) -> bool:
    return name in SECRET_FIELDS or name.replace("_", "-") in SECRET_FIELDS


def _texts(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, secret=secret or _is_secret_field(name))
    elif attrs.has(type(value)):
        fields = {one.name: getattr(value, one.name) for one in attrs.fields(type(value))}
        yield from _texts(fields, secret=secret)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, secret=secret)
    elif isinstance(value, Secret):
        yield value.reveal()
    elif secret and isinstance(value, str):
        yield value
        if "=" in value:
            yield value.partition("=")[2]  # --api-key=...
