"""What the vendor makes of what a request leaves out.

Rules of this file: from a checked request to all fields of a deployment. Defaults that no page
gives are those of the vendor's samples.
"""

from di_async.emulator.gcore.records import Spec

_TIMEOUT_S = 120
_COOLDOWN_S = 60
_POLLING_S = 30
_V2_TRIGGERS = ("cpu", "memory")
_V3_TRIGGERS = ("cpu", "gpu_memory", "gpu_utilization", "http", "memory", "sqs")
_SQS = {"aws_endpoint": None, "scale_on_delayed": False, "scale_on_flight": False}
_PROBES = ("liveness_probe", "readiness_probe", "startup_probe")
_PROBE: Spec = {
    "exec": None,
    "failure_threshold": 3,
    "http_get": None,
    "initial_delay_seconds": 0,
    "period_seconds": 5,
    "success_threshold": 1,
    "tcp_socket": None,
    "timeout_seconds": 1,
}
_HTTP_GET: Spec = {"headers": {}, "host": None, "path": "/", "schema": "HTTP"}


def instance(raw: Spec) -> Spec:
    """All fields of a v2 instance."""
    return _common(raw, _V2_TRIGGERS) | {
        "api_key_ids": raw.get("api_key_ids") or [],
        "auth_enabled": raw.get("auth_enabled", False),
        "description": raw.get("description"),
        "flavor_id": raw["flavor_id"],
        "image_registry_id": raw.get("image_registry_id"),
    }


def deployment(raw: Spec) -> Spec:
    """All fields of a v3 deployment."""
    keys = list(dict.fromkeys(raw.get("api_keys") or ()))
    return _common(raw, _V3_TRIGGERS) | {
        "api_keys": keys,
        "auth_enabled": bool(keys) or raw.get("auth_enabled", False),
        "credentials_name": raw.get("credentials_name") or "",
        "description": raw.get("description") or "",
        "flavor_name": raw["flavor_name"],
        "ingress_opts": _laid_over({"disable_response_buffering": False}, raw.get("ingress_opts")),
        "logging": _logging(raw.get("logging")),
    }


def _common(raw: Spec, triggers: tuple[str, ...]) -> Spec:
    timeout = raw.get("timeout")
    return {
        "name": raw["name"],
        "command": raw.get("command"),
        "containers": [_container(container, triggers) for container in raw["containers"]],
        "envs": raw.get("envs"),
        "image": raw["image"],
        "listening_port": raw["listening_port"],
        "probes": _probes(raw.get("probes")),
        "timeout": _TIMEOUT_S if timeout is None else timeout,
    }


def _container(raw: Spec, names: tuple[str, ...]) -> Spec:
    asked = raw["scale"]
    given = asked.get("triggers") or {}
    triggers: Spec = {name: given.get(name) for name in names}
    if triggers.get("sqs"):
        triggers["sqs"] = _SQS | triggers["sqs"]
    scale: Spec = {
        "cooldown_period": _or(asked.get("cooldown_period"), _COOLDOWN_S),
        "max": asked["max"],
        "min": asked["min"],
        "triggers": triggers,
    }
    if names is _V3_TRIGGERS:
        scale["polling_interval"] = _or(asked.get("polling_interval"), _POLLING_S)
    return {"region_id": raw["region_id"], "scale": scale}


def _probes(raw: Spec | None) -> Spec | None:
    if raw is None:
        return None
    return {name: _probe_config(raw[name]) for name in _PROBES if raw.get(name) is not None}


def _probe_config(raw: Spec) -> Spec:
    probe = raw.get("probe")
    if probe is None:
        return {"enabled": raw["enabled"], "probe": None}
    filled = _PROBE | probe
    filled["http_get"] = _laid_over(_HTTP_GET, filled["http_get"])
    return {"enabled": raw["enabled"], "probe": filled}


def _logging(raw: Spec | None) -> Spec | None:
    usual: Spec = {
        "destination_region_id": None,
        "enabled": False,
        "retention_policy": None,
        "topic_name": None,
    }
    return _laid_over(usual, raw)


def _laid_over(usual: Spec, raw: Spec | None) -> Spec | None:
    return None if raw is None else {**usual, **raw}


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value
