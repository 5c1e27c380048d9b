"""Validation of Gcore's requests, and the defaults of omitted fields.

An error lists every invalid field; unknown fields are ignored. Defaults that no page documents are
those of the vendor's samples.
https://gcore.com/docs/api-reference/cloud/everywhere-inference/create-inference-deployment
"""

import uuid
from collections.abc import Callable, Iterator, Mapping

from di_async.emulator.cloud.http import ApiError, Request, parse_whole_number

from .catalog import FLAVORS_BY_ID, FLAVORS_BY_NAME, REGIONS
from .store import Spec

# -- checks of JSON values ---------------------------------------------------------------------
# A check yields what is wrong with a value, as (place within the value, problem).

Problems = Iterator[tuple[str, str]]
Check = Callable[[object], Problems]


def _text(minimum: int = 0, maximum: int | None = None) -> Check:
    def check(value: object) -> Problems:
        if not isinstance(value, str):
            yield "", "Input should be a valid string"
        elif len(value) < minimum:
            yield "", f"String should have at least {minimum} characters"
        elif maximum is not None and len(value) > maximum:
            yield "", f"String should have at most {maximum} characters"

    return check


def _integer(minimum: int, maximum: int | None = None) -> Check:
    def check(value: object) -> Problems:
        # JSON true is not an integer, unlike Python's True.
        if not isinstance(value, int) or isinstance(value, bool):
            yield "", "Input should be a valid integer"
        elif value < minimum:
            yield "", f"Input should be greater than or equal to {minimum}"
        elif maximum is not None and value > maximum:
            yield "", f"Input should be less than or equal to {maximum}"

    return check


def _boolean(value: object) -> Problems:
    if not isinstance(value, bool):
        yield "", "Input should be a valid boolean"


def _uuid(value: object) -> Problems:
    try:
        uuid.UUID(value if isinstance(value, str) else "")
    except ValueError:
        yield "", "Input should be a valid UUID"


def _nullable(check: Check) -> Check:
    return lambda value: iter(()) if value is None else check(value)


def _list(check: Check, minimum: int = 0) -> Check:
    def check_all(value: object) -> Problems:
        if not isinstance(value, list):
            yield "", "Input should be a valid list"
            return
        if len(value) < minimum:
            yield "", f"List should have at least {minimum} item after validation"
        for number, item in enumerate(value):
            yield from _within(str(number), check(item))

    return check_all


def _text_map(value: object) -> Problems:
    if not isinstance(value, Mapping):
        yield "", "Input should be a valid dictionary"
        return
    for name, item in value.items():
        yield from _within(str(name), _text()(item))


def _record(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    def check_fields(value: object) -> Problems:
        if not isinstance(value, Mapping):
            yield "", "Input should be a valid dictionary"
            return
        for name, check in {**required, **optional}.items():
            if name in value:
                yield from _within(name, check(value[name]))
            elif name in required:
                yield name, "Field required"

    return check_fields


def _within(name: str, problems: Problems) -> Problems:
    for place, problem in problems:
        yield f"{name}.{place}" if place else name, problem


# -- the fields of requests --------------------------------------------------------------------

_PROBE_NAMES = ("liveness_probe", "readiness_probe", "startup_probe")
_TRIGGERS = {
    **dict.fromkeys(
        ("cpu", "memory", "gpu_memory", "gpu_utilization"),
        _nullable(_record({"threshold": _integer(1, 100)}, {})),
    ),
    "http": _nullable(_record({"rate": _integer(1), "window": _integer(1)}, {})),
    "sqs": _nullable(
        _record(
            {
                "activation_queue_length": _integer(0),
                "aws_region": _text(1),
                "queue_length": _integer(1),
                "queue_url": _text(1),
                "secret_name": _text(1),
            },
            {
                "aws_endpoint": _nullable(_text()),
                "scale_on_delayed": _boolean,
                "scale_on_flight": _boolean,
            },
        )
    ),
}
_SCALE = _record(
    {"min": _integer(0), "max": _integer(1)},
    {
        "cooldown_period": _nullable(_integer(0)),
        "polling_interval": _nullable(_integer(0)),
        "triggers": _nullable(_record({}, _TRIGGERS)),
    },
)
_CONTAINERS = _list(_record({"region_id": _integer(1), "scale": _SCALE}, {}), 1)
_HTTP_GET = _record(
    {"port": _integer(1, 65535)},
    {"headers": _text_map, "host": _nullable(_text()), "path": _text(), "schema": _text()},
)
_PROBE = _record(
    {},
    {
        "exec": _nullable(_record({"command": _list(_text(), 1)}, {})),
        "http_get": _nullable(_HTTP_GET),
        "tcp_socket": _nullable(_record({"port": _integer(1, 65535)}, {})),
        "initial_delay_seconds": _integer(0),
        "period_seconds": _integer(1),
        "timeout_seconds": _integer(1),
        "failure_threshold": _integer(1),
        "success_threshold": _integer(1),
    },
)
_PROBE_CONFIG = _nullable(_record({"enabled": _boolean}, {"probe": _nullable(_PROBE)}))
_LOGGING = _record(
    {},
    {
        "enabled": _boolean,
        "destination_region_id": _nullable(_integer(1)),
        "topic_name": _nullable(_text()),
        "retention_policy": lambda value: iter(()),
    },
)
_REQUIRED: dict[str, Check] = {
    "name": _text(4, 30),
    "image": _text(1),
    "listening_port": _integer(1, 65535),
    "containers": _CONTAINERS,
}
_OPTIONAL: dict[str, Check] = {
    "auth_enabled": _boolean,
    "command": _nullable(_list(_text())),
    "description": _nullable(_text()),
    "envs": _nullable(_text_map),
    "probes": _nullable(_record({}, dict.fromkeys(_PROBE_NAMES, _PROBE_CONFIG))),
    "timeout": _nullable(_integer(0)),
}
_V2 = _record(
    _REQUIRED | {"flavor_id": _uuid},
    _OPTIONAL
    | {
        "api_key_ids": _list(_uuid),
        "image_registry_id": _nullable(_uuid),
        "project_id": _nullable(_integer(1)),
    },
)
_V3_OPTIONAL: dict[str, Check] = {
    **_OPTIONAL,
    "api_keys": _list(_text(1)),
    "credentials_name": _nullable(_text()),
    "ingress_opts": _nullable(_record({}, {"disable_response_buffering": _boolean})),
    "logging": _nullable(_LOGGING),
}
_V3 = _record(_REQUIRED | {"flavor_name": _text(1)}, _V3_OPTIONAL)
# The name is in the path. A null leaves a field unchanged that cannot be null.
_V3_PATCH = _record(
    {},
    _V3_OPTIONAL
    | {name: _nullable(check) for name, check in _REQUIRED.items() if name != "name"}
    | {"flavor_name": _text(1), "api_keys": _nullable(_V3_OPTIONAL["api_keys"])},
)
_NOT_NULL = ("containers", "image", "listening_port", "api_keys")
_LIMITS = _record({"containers": _CONTAINERS, "flavor_name": _text(1)}, {})
KEY = _record(
    {"name": _text(1, 255)}, {"description": _nullable(_text()), "expires_at": _nullable(_text())}
)
KEY_PATCH = _record({}, {"description": _nullable(_text())})
_AWS = _record({"aws_access_key_id": _text(1), "aws_secret_access_key": _text(1)}, {})
SECRET = _record({"name": _text(1, 255), "type": _text(1), "data": _AWS}, {})
SECRET_PUT = _record({"type": _text(1), "data": _AWS}, {})
_PRICED_SCALE = _record({"max": _integer(0)}, {"min": _integer(0)})
_PRICE = _record(
    {
        "flavor_name": _text(1),
        "containers": _list(_record({"region_id": _integer(1), "scale": _PRICED_SCALE}, {}), 1),
    },
    {},
)


def parse_instance(raw: Spec) -> Spec:
    """Return the whole spec of a v2 create or PUT."""
    checked(_V2, raw)
    _check_offers(raw, "flavor_id", FLAVORS_BY_ID)
    return _with_defaults(raw, _V2_TRIGGER_NAMES) | {
        "api_key_ids": raw.get("api_key_ids") or [],
        "auth_enabled": raw.get("auth_enabled", False),
        "description": raw.get("description"),
        "flavor_id": raw["flavor_id"],
        "image_registry_id": raw.get("image_registry_id"),
    }


def parse_deployment(raw: Spec) -> Spec:
    """Return the whole spec of a v3 create."""
    checked(_V3, raw)
    _check_auth(raw)
    return _deployment_spec(raw)


def parse_patch(before: Spec, raw: Spec) -> Spec:
    """Return the whole spec after a v3 PATCH."""
    checked(_V3_PATCH, raw)
    _check_auth(raw)
    changes = {
        name: value for name, value in raw.items() if value is not None or name not in _NOT_NULL
    }
    changes.pop("name", None)
    if "api_keys" in changes:
        # Without a key there is no authentication: the endpoint is open to everybody.
        changes["auth_enabled"] = bool(changes["api_keys"])
    elif "auth_enabled" in changes and not changes["auth_enabled"]:
        changes["api_keys"] = []
    return _deployment_spec(before | changes)


def parse_limits(raw: Spec) -> Spec:
    """Return the body of a quota check."""
    checked(_LIMITS, raw)
    _check_offers(raw, "flavor_name", FLAVORS_BY_NAME)
    return raw


def parse_price(raw: Spec) -> Spec:
    """Return the body of a price preview."""
    checked(_PRICE, raw)
    _check_offers(raw, "flavor_name", FLAVORS_BY_NAME)
    return raw


def parse_page(request: Request, default: int = 1000) -> tuple[int, int]:
    """Return `limit` and `offset` of a request."""
    numbers = []
    for name, usual in (("limit", default), ("offset", 0)):
        number = parse_whole_number(request.query.get(name) or str(usual))
        if number is None or number < 0:
            raise invalid({name: "Input should be a valid integer, at least 0"})
        numbers.append(number)
    limit, offset = numbers
    return min(limit, 1000), offset


def not_found(what: str) -> ApiError:
    """Return the vendor's 404; the same for what is in another project."""
    return ApiError(404, f"Inference resource {what} is not found")


def invalid(problems: Mapping[str, str]) -> ApiError:
    """Return the vendor's error for invalid fields."""
    fields = {name: [problem] for name, problem in problems.items()}
    return ApiError(400, f"Validation Error: {fields}", invalid_fields=fields)


def checked(check: Check, raw: Spec) -> Spec:
    """Return a body; raise `ApiError` 400 with all of its problems."""
    problems = dict(check(raw))
    if problems:
        raise invalid(problems)
    return raw


def _check_auth(raw: Spec) -> None:
    if raw.get("api_keys") is not None and "auth_enabled" in raw:
        message = "auth_enabled and api_keys cannot be specified together"
        raise invalid({"auth_enabled": message})


def _check_offers(raw: Spec, flavor_key: str, flavors: Mapping[str, object]) -> None:
    problems = {}
    if raw[flavor_key] not in flavors:
        problems[flavor_key] = f"Flavor {raw[flavor_key]} does not exist"
    for number, container in enumerate(raw["containers"]):
        if container["region_id"] not in REGIONS:
            problems[f"containers.{number}.region_id"] = "Region does not exist"
        if container["scale"]["max"] < container["scale"].get("min", 0):
            problems[f"containers.{number}.scale"] = "max must not be below min"
    if problems:
        raise invalid(problems)


# -- defaults ----------------------------------------------------------------------------------

_TIMEOUT_S = 120
_COOLDOWN_S = 60
_POLLING_S = 30
_V2_TRIGGER_NAMES = ("cpu", "memory")
_V3_TRIGGER_NAMES = ("cpu", "gpu_memory", "gpu_utilization", "http", "memory", "sqs")
_SQS_DEFAULTS = {"aws_endpoint": None, "scale_on_delayed": False, "scale_on_flight": False}
_PROBE_DEFAULTS: Spec = {
    "exec": None,
    "failure_threshold": 3,
    "http_get": None,
    "initial_delay_seconds": 0,
    "period_seconds": 5,
    "success_threshold": 1,
    "tcp_socket": None,
    "timeout_seconds": 1,
}
_HTTP_GET_DEFAULTS: Spec = {"headers": {}, "host": None, "path": "/", "schema": "HTTP"}
_INGRESS_DEFAULTS: Spec = {"disable_response_buffering": False}
_LOGGING_DEFAULTS: Spec = {
    "destination_region_id": None,
    "enabled": False,
    "retention_policy": None,
    "topic_name": None,
}


def _deployment_spec(raw: Spec) -> Spec:
    _check_offers(raw, "flavor_name", FLAVORS_BY_NAME)
    keys = list(dict.fromkeys(raw.get("api_keys") or ()))
    return _with_defaults(raw, _V3_TRIGGER_NAMES) | {
        "api_keys": keys,
        "auth_enabled": bool(keys) or raw.get("auth_enabled", False),
        "credentials_name": raw.get("credentials_name") or "",
        "description": raw.get("description") or "",
        "flavor_name": raw["flavor_name"],
        "ingress_opts": _merged(_INGRESS_DEFAULTS, raw.get("ingress_opts")),
        "logging": _merged(_LOGGING_DEFAULTS, raw.get("logging")),
    }


def _with_defaults(raw: Spec, triggers: tuple[str, ...]) -> Spec:
    return {
        "name": raw["name"],
        "command": raw.get("command"),
        "containers": [_container(container, triggers) for container in raw["containers"]],
        "envs": raw.get("envs"),
        "image": raw["image"],
        "listening_port": raw["listening_port"],
        "probes": _probes(raw.get("probes")),
        "timeout": _or(raw.get("timeout"), _TIMEOUT_S),
    }


def _container(raw: Spec, trigger_names: tuple[str, ...]) -> Spec:
    requested = raw["scale"]
    given = requested.get("triggers") or {}
    triggers: Spec = {name: given.get(name) for name in trigger_names}
    if triggers.get("sqs"):
        triggers["sqs"] = _SQS_DEFAULTS | triggers["sqs"]
    scale: Spec = {
        "cooldown_period": _or(requested.get("cooldown_period"), _COOLDOWN_S),
        "max": requested["max"],
        "min": requested["min"],
        "triggers": triggers,
    }
    if trigger_names is _V3_TRIGGER_NAMES:
        scale["polling_interval"] = _or(requested.get("polling_interval"), _POLLING_S)
    return {"region_id": raw["region_id"], "scale": scale}


def _probes(raw: Spec | None) -> Spec | None:
    if raw is None:
        return None
    return {name: _probe_config(raw[name]) for name in _PROBE_NAMES if raw.get(name) is not None}


def _probe_config(raw: Spec) -> Spec:
    probe = _merged(_PROBE_DEFAULTS, raw.get("probe"))
    if probe is not None:
        probe["http_get"] = _merged(_HTTP_GET_DEFAULTS, probe["http_get"])
    return {"enabled": raw["enabled"], "probe": probe}


def _merged(defaults: Spec, raw: Spec | None) -> Spec | None:
    return None if raw is None else {**defaults, **raw}


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
