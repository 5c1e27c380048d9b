"""Which requests the vendor takes, as far as its reference says.

Rules of this file: from a raw body to the fields of a deployment, filled up with defaults, or a
`Refusal` that names every invalid field. Unknown fields are ignored.
https://gcore.com/docs/api-reference/cloud/everywhere-inference/create-inference-deployment
"""

from collections.abc import Mapping

from di_async.emulator.cloud.http import Refusal
from di_async.emulator.gcore.records import Spec

from . import filling
from .catalog import BY_ID, BY_NAME, REGIONS
from .checks import (
    Check,
    anything,
    flag,
    listing,
    nullable,
    record,
    text,
    texts_by_name,
    uuid_text,
    whole,
)

_TRIGGERS = {
    **dict.fromkeys(
        ("cpu", "memory", "gpu_memory", "gpu_utilization"),
        nullable(record({"threshold": whole(1, 100)}, {})),
    ),
    "http": nullable(record({"rate": whole(1), "window": whole(1)}, {})),
    "sqs": nullable(
        record(
            {
                "activation_queue_length": whole(0),
                "aws_region": text(1),
                "queue_length": whole(1),
                "queue_url": text(1),
                "secret_name": text(1),
            },
            {
                "aws_endpoint": nullable(text()),
                "scale_on_delayed": flag,
                "scale_on_flight": flag,
            },
        )
    ),
}
_CONTAINER = record(
    {
        "region_id": whole(1),
        "scale": record(
            {"min": whole(0), "max": whole(1)},
            {
                "cooldown_period": nullable(whole(0)),
                "polling_interval": nullable(whole(0)),
                "triggers": nullable(record({}, _TRIGGERS)),
            },
        ),
    },
    {},
)
_PROBE = record(
    {},
    {
        "exec": nullable(record({"command": listing(text(), 1)}, {})),
        "http_get": nullable(
            record(
                {"port": whole(1, 65535)},
                {
                    "headers": texts_by_name,
                    "host": nullable(text()),
                    "path": text(),
                    "schema": text(),
                },
            )
        ),
        "tcp_socket": nullable(record({"port": whole(1, 65535)}, {})),
        "initial_delay_seconds": whole(0),
        "period_seconds": whole(1),
        "timeout_seconds": whole(1),
        "failure_threshold": whole(1),
        "success_threshold": whole(1),
    },
)
_PROBES = nullable(
    record(
        {},
        dict.fromkeys(
            ("liveness_probe", "readiness_probe", "startup_probe"),
            nullable(record({"enabled": flag}, {"probe": nullable(_PROBE)})),
        ),
    )
)
_CONTAINERS = listing(_CONTAINER, 1)

_REQUIRED: dict[str, Check] = {
    "name": text(4, 30),
    "image": text(1),
    "listening_port": whole(1, 65535),
    "containers": _CONTAINERS,
}
_OPTIONAL: dict[str, Check] = {
    "auth_enabled": flag,
    "command": nullable(listing(text())),
    "description": nullable(text()),
    "envs": nullable(texts_by_name),
    "probes": _PROBES,
    "timeout": nullable(whole(0)),
}
_V2 = record(
    _REQUIRED | {"flavor_id": uuid_text},
    _OPTIONAL
    | {
        "api_key_ids": listing(uuid_text),
        "image_registry_id": nullable(uuid_text),
        "project_id": nullable(whole(1)),
    },
)
_V3_OPTIONAL: dict[str, Check] = {
    **_OPTIONAL,
    "api_keys": listing(text(1)),
    "credentials_name": nullable(text()),
    "ingress_opts": nullable(record({}, {"disable_response_buffering": flag})),
    "logging": nullable(
        record(
            {},
            {
                "enabled": flag,
                "destination_region_id": nullable(whole(1)),
                "topic_name": nullable(text()),
                "retention_policy": anything,
            },
        )
    ),
}
_V3 = record(_REQUIRED | {"flavor_name": text(1)}, _V3_OPTIONAL)
# The name is in the path; a null leaves what has no null alone.
_PATCHED = {name: check for name, check in _REQUIRED.items() if name != "name"}
_V3_PATCH = record(
    {},
    _V3_OPTIONAL
    | {name: nullable(check) for name, check in _PATCHED.items()}
    | {"flavor_name": text(1), "api_keys": nullable(_V3_OPTIONAL["api_keys"])},
)
_LIMITS = record({"containers": _CONTAINERS, "flavor_name": text(1)}, {})
_KEY = record(
    {"name": text(1, 255)}, {"description": nullable(text()), "expires_at": nullable(text())}
)
_KEY_PATCH = record({}, {"description": nullable(text())})

_NEVER_NULL = ("containers", "image", "listening_port", "api_keys")


def instance(raw: Spec) -> Spec:
    """What a v2 create or PUT asks for: the whole, what is left out being dropped."""
    _check(_V2, raw)
    _check_sale(raw, "flavor_id", BY_ID)
    return filling.instance(raw)


def deployment(raw: Spec) -> Spec:
    """What a v3 create asks for."""
    _check(_V3, raw)
    _check_auth(raw)
    _check_sale(raw, "flavor_name", BY_NAME)
    return filling.deployment(raw)


def patched(before: Spec, raw: Spec) -> Spec:
    """What a v3 PATCH makes of a deployment."""
    _check(_V3_PATCH, raw)
    _check_auth(raw)
    given = {
        name: value for name, value in raw.items() if value is not None or name not in _NEVER_NULL
    }
    given.pop("name", None)
    if "api_keys" in given:
        # No key left means no authentication: the endpoint is open to the world.
        given["auth_enabled"] = bool(given["api_keys"])
    elif "auth_enabled" in given and not given["auth_enabled"]:
        given["api_keys"] = []
    _check_sale(before | given, "flavor_name", BY_NAME)
    return filling.deployment(before | given)


def limits(raw: Spec) -> Spec:
    """What a quota check asks about."""
    _check(_LIMITS, raw)
    _check_sale(raw, "flavor_name", BY_NAME)
    return raw


def key(raw: Spec) -> Spec:
    """A new key for endpoints."""
    _check(_KEY, raw)
    return raw


def key_patch(raw: Spec) -> Spec:
    """What may be changed about a key."""
    _check(_KEY_PATCH, raw)
    return raw


def invalid(problems: Mapping[str, str]) -> Refusal:
    """The vendor's refusal of a request's fields."""
    told = {name: [problem] for name, problem in problems.items()}
    return Refusal(400, f"Validation Error: {told}", invalid_fields=told)


def _check(check: Check, raw: Spec) -> None:
    problems = dict(check(raw))
    if problems:
        raise invalid(problems)


def _check_auth(raw: Spec) -> None:
    if raw.get("api_keys") is not None and "auth_enabled" in raw:
        told = "auth_enabled and api_keys cannot be specified together"
        raise invalid({"auth_enabled": told})


def _check_sale(raw: Spec, flavor_key: str, flavors: Mapping[str, object]) -> None:
    problems = {}
    if raw[flavor_key] not in flavors:
        problems[flavor_key] = f"Flavor {raw[flavor_key]} does not exist"
    for number, container in enumerate(raw["containers"]):
        if container["region_id"] not in REGIONS:
            problems[f"containers.{number}.region_id"] = "Region does not exist"
        if container["scale"]["max"] < container["scale"]["min"]:
            problems[f"containers.{number}.scale"] = "max must not be below min"
    if problems:
        raise invalid(problems)
