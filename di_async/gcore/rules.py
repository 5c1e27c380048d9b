"""What the vendor documents about each field of a request, checked before anything is sent.

Fields are plain JSON values here. A problem reads `path: rule`; values of environment variables,
headers and commands are never told. Regions, flavours and trigger kinds are open: the provider
adds some.
https://api.gcore.com reference, v2 "Update Inference Instance" and v3 "Inference deployments"
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

__all__ = ["READ_ONLY", "Rule", "check_fields"]

Rule = Callable[[Any, str], Iterator[str]]

# Shown by the API and not to be sent back; dropping them lets a caller start from what was read.
READ_ONLY = frozenset({"deploy_status", "address", "error_message"})

_CONTAINER = {"region_id", "scale"}
_SCALE = {"min", "max", "cooldown_period", "polling_interval", "triggers"}
_PROBES = {"liveness_probe", "readiness_probe", "startup_probe"}


def check_fields(
    fields: Mapping[str, Any],
    *,
    known: frozenset[str],
    required: frozenset[str] = frozenset(),
    nullable: frozenset[str] = frozenset(),
) -> list[str]:
    """All faults of a request's fields, each as `path: rule`."""
    problems = [f"{name}: required" for name in sorted(required) if fields.get(name) is None]
    for name, value in fields.items():
        if name not in known:
            problems.append(f"{name}: not a field of this request")
        elif value is None:
            if name not in nullable and name not in required:
                problems.append(f"{name}: may be left out, not null")
        else:
            problems += _RULES[name](value, name)
    if fields.get("api_keys") is not None and fields.get("auth_enabled") is not None:
        problems.append("auth_enabled: deprecated, and refused together with api_keys")
    return problems


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: Any) -> str:
    """Of a value that may hold a secret: no more than what it is."""
    return f"of type {type(value).__name__}"


def _text(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: text, not {_told(value)}"


def _word(value: Any, path: str) -> Iterator[str]:
    """One word of a command: tokens stand in some."""
    if not isinstance(value, str):
        yield f"{path}: text, not {_kind(value)}"


def _filled(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not value.strip():
        yield f"{path}: text that is not empty, not {_told(value)}"


def _name(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str) or not 4 <= len(value) <= 30:
        yield f"{path}: 4 to 30 characters, not {_told(value)}"


def _flag(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{path}: true or false, not {_told(value)}"


def _uuid(value: Any, path: str) -> Iterator[str]:
    try:
        UUID(value)
    except (ValueError, AttributeError, TypeError):
        yield f"{path}: a UUID, not {_told(value)}"


def _whole(least: int, most: int | None = None) -> Rule:
    said = f"a whole number of {least} or more" if most is None else f"{least} to {most}"

    def check(value: Any, path: str) -> Iterator[str]:
        if not _is_int(value) or value < least or (most is not None and value > most):
            yield f"{path}: {said}, not {_told(value)}"

    return check


_port = _whole(1, 65535)


def _each(rule: Rule, least: int = 0) -> Rule:
    def check(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: a list, not {_kind(value)}"
            return
        if len(value) < least:
            yield f"{path}: at least one"
        for i, item in enumerate(value):
            yield from rule(item, f"{path}[{i}]")

    return check


def _texts(value: Any, path: str) -> Iterator[str]:
    """A mapping of text to text; the values stay out of every message."""
    if not isinstance(value, Mapping):
        yield f"{path}: a mapping of names to texts"
        return
    for name, item in value.items():
        if not isinstance(name, str) or not isinstance(item, str):
            yield f"{path}[{name!r}]: text (quote numbers and flags)"


def _mapping(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: a mapping, not {_kind(value)}"


def _container(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from _mapping(value, path)
        return
    yield from _unknown(value, _CONTAINER, path)
    yield from _whole(0)(value.get("region_id"), f"{path}.region_id")
    scale = value.get("scale")
    if not isinstance(scale, Mapping):
        yield f"{path}.scale: required, with min and max"
        return
    yield from _unknown(scale, _SCALE, f"{path}.scale")
    least, most = scale.get("min"), scale.get("max")
    yield from _whole(0)(least, f"{path}.scale.min")
    yield from _whole(0)(most, f"{path}.scale.max")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield f"{path}.scale.max: {most} is less than min, {least}"
    for name in ("cooldown_period", "polling_interval"):
        if scale.get(name) is not None:
            yield from _whole(0)(scale[name], f"{path}.scale.{name}")
    if scale.get("triggers") is not None:
        yield from _triggers(scale["triggers"], f"{path}.scale.triggers")


def _triggers(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from _mapping(value, path)
        return
    for name, trigger in value.items():
        if trigger is None:
            continue
        if not isinstance(trigger, Mapping):
            yield from _mapping(trigger, f"{path}.{name}")
        elif "threshold" in trigger:
            yield from _whole(0)(trigger["threshold"], f"{path}.{name}.threshold")


def _probes(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield from _mapping(value, path)
        return
    yield from _unknown(value, _PROBES, path)
    for name in sorted(_PROBES & value.keys()):
        config, at = value[name], f"{path}.{name}"
        if config is None:
            continue
        if not isinstance(config, Mapping):
            yield f"{at}: a mapping with `enabled` and `probe`"
            continue
        yield from _flag(config.get("enabled"), f"{at}.enabled")
        if config.get("probe") is not None:
            yield from _probe(config["probe"], f"{at}.probe")


def _probe(value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: a mapping"
        return
    inner: dict[str, dict[str, Rule]] = {
        "http_get": {"port": _port, "headers": _texts},
        "tcp_socket": {"port": _port},
        "exec": {"command": _each(_word)},
    }
    for kind, rules in inner.items():
        told = value.get(kind)
        if told is None:
            continue
        if not isinstance(told, Mapping):
            yield f"{path}.{kind}: a mapping"
            continue
        for name, rule in rules.items():
            if name != "headers" or told.get(name) is not None:
                yield from rule(told.get(name), f"{path}.{kind}.{name}")


def _unknown(value: Mapping[str, Any], known: set[str], path: str) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield f"{path}.{name}: not a field of this request"


_RULES: dict[str, Rule] = {
    "name": _name,
    "image": _filled,
    "listening_port": _port,
    "containers": _each(_container, least=1),
    "command": _each(_word),
    "description": _text,
    "envs": _texts,
    "probes": _probes,
    "timeout": _whole(0),
    "auth_enabled": _flag,
    "project_id": _whole(1),
    # v2
    "flavor_id": _uuid,
    "image_registry_id": _uuid,
    "api_key_ids": _each(_uuid),
    # v3
    "flavor_name": _filled,
    "credentials_name": _text,
    "api_keys": _each(_filled),
    "ingress_opts": _mapping,
    "logging": _mapping,
}
