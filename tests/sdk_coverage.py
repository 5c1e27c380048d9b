"""Write `docs/coverage.md`: which operations and fields of the vendors' SDKs the client has.

    python -m tests.sdk_coverage

It reads the installed SDKs (pydo, gcore, exoscale). An operation that the client does not have
needs a reason in `LEFT_OUT`, a field that it does not decode one in `FIELDS_LEFT_OUT`.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

import attrs
from pydo.aio.operations import DedicatedInferencesOperations, GenaiOperations

from di_async import DigitalOcean, Exoscale, Gcore, digitalocean, exoscale, gcore

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"

# --- what the client has -----------------------------------------------------------------------

DI, CM = "dedicated_inferences", "custom_models"
DIGITALOCEAN: dict[str, tuple[str, type | None]] = {
    "dedicated_inferences.create": (f"{DI}.create", digitalocean.DedicatedInference),
    "dedicated_inferences.create_tokens": (f"{DI}.create_token", digitalocean.AccessToken),
    "dedicated_inferences.delete": (f"{DI}.delete", None),
    "dedicated_inferences.delete_tokens": (f"{DI}.revoke_token", None),
    "dedicated_inferences.get": (f"{DI}.get", digitalocean.DedicatedInference),
    "dedicated_inferences.get_accelerator": (f"{DI}.get_accelerator", digitalocean.Accelerator),
    "dedicated_inferences.get_ca": (f"{DI}.ca_certificate", digitalocean.CACertificate),
    "dedicated_inferences.get_gpu_model_config": (
        f"{DI}.gpu_model_configs",
        digitalocean.GPUModelConfig,
    ),
    "dedicated_inferences.list": (f"{DI}.list", digitalocean.DedicatedInference),
    "dedicated_inferences.list_accelerators": (f"{DI}.list_accelerators", digitalocean.Accelerator),
    "dedicated_inferences.list_sizes": (f"{DI}.sizes", digitalocean.Sizes),
    "dedicated_inferences.list_tokens": (f"{DI}.list_tokens", digitalocean.AccessToken),
    "dedicated_inferences.patch": (f"{DI}.update", digitalocean.DedicatedInference),
    "genai.delete_custom_model": (f"{CM}.delete", None),
    "genai.get_custom_model": (f"{CM}.get", digitalocean.CustomModel),
    "genai.import_custom_model": (f"{CM}.import_model", digitalocean.CustomModel),
    "genai.list_custom_models": (f"{CM}.list", digitalocean.CustomModel),
    "genai.list_model_catalog": ("model_catalog", digitalocean.CatalogModel),
    "genai.update_custom_model_metadata": (f"{CM}.update_metadata", digitalocean.CustomModel),
}
DEP = "inference_deployments"
GCORE: dict[str, tuple[str, type | None]] = {
    "get_capacity_by_region": ("capacity", gcore.RegionCapacity),
    "api_keys.create": ("api_keys.create", gcore.APIKey),
    "api_keys.delete": ("api_keys.delete", None),
    "api_keys.get": ("api_keys.get", gcore.APIKey),
    "api_keys.list": ("api_keys.list", gcore.APIKey),
    "api_keys.update": ("api_keys.update", gcore.APIKey),
    "deployments.create": (f"{DEP}.create", None),
    "deployments.delete": (f"{DEP}.delete", None),
    "deployments.get": (f"{DEP}.get", gcore.InferenceDeployment),
    "deployments.list": (f"{DEP}.list", gcore.InferenceDeployment),
    "deployments.logs.list": (f"{DEP}.logs", gcore.LogLine),
    "deployments.start": (f"{DEP}.start", None),
    "deployments.stop": (f"{DEP}.stop", None),
    "deployments.update": (f"{DEP}.update", None),
    "flavors.get": ("flavor", gcore.Flavor),
    "flavors.list": ("flavors", gcore.Flavor),
    "secrets.create": ("secrets.create", gcore.InferenceSecret),
    "secrets.delete": ("secrets.delete", None),
    "secrets.get": ("secrets.get", gcore.InferenceSecret),
    "secrets.list": ("secrets.list", gcore.InferenceSecret),
    "secrets.replace": ("secrets.replace", gcore.InferenceSecret),
}
EXOSCALE: dict[str, tuple[str, type | None]] = {
    "create-ai-api-key": ("api_keys.create", exoscale.AIAPIKey),
    "create-deployment": ("deployments.create", exoscale.Operation),
    "create-model": ("models.create", exoscale.Operation),
    "delete-ai-api-key": ("api_keys.delete", exoscale.Operation),
    "delete-deployment": ("deployments.delete", exoscale.Operation),
    "delete-model": ("models.delete", exoscale.Operation),
    "get-ai-api-key": ("api_keys.get", exoscale.AIAPIKey),
    "get-deployment": ("deployments.get", exoscale.Deployment),
    "get-deployment-logs": ("deployments.logs", exoscale.LogEntry),
    "get-inference-engine-help": ("inference_engine_help", exoscale.EngineParameter),
    "get-model": ("models.get", exoscale.Model),
    "get-user-org-consumption-quota": ("quota", exoscale.Quota),
    "list-ai-api-keys": ("api_keys.list", exoscale.AIAPIKey),
    "list-ai-instance-types": ("instance_types", exoscale.InstanceType),
    "list-deployments": ("deployments.list", exoscale.Deployment),
    "list-models": ("models.list", exoscale.Model),
    "reveal-deployment-api-key": ("deployments.reveal_api_key", None),
    "scale-deployment": ("deployments.scale", exoscale.Operation),
    "update-deployment": ("deployments.update", exoscale.Operation),
}

_APPS = "Gcore's Apps are templates of other products; deploy their image as a deployment"
_REGISTRY = "credentials of a private image registry: set them once in Gcore's portal"
LEFT_OUT = {
    "genai.get_model_catalog_card": "long texts about one model; `model_catalog` has its data",
    **{
        f"applications.{name}": _APPS
        for name in (
            "deployments.create",
            "deployments.delete",
            "deployments.get",
            "deployments.list",
            "deployments.update",
            "templates.get",
            "templates.list",
        )
    },
    **{
        f"registry_credentials.{name}": _REGISTRY
        for name in ("create", "delete", "get", "list", "replace")
    },
}

_SHOWN_ELSEWHERE = "shown by DigitalOcean's console"
FIELDS_LEFT_OUT = {
    **dict.fromkeys(
        (
            *("active_deployments", "endpoints", "private_endpoint_fqdn", "public_endpoint_fqdn"),
            *("region_slug", "state"),
        ),
        "read the instances themselves",
    ),
    **dict.fromkeys(
        (
            *("import_job", "bytes_done", "bytes_total", "completed_at", "error_step"),
            *("files_done", "files_total", "started_at"),
        ),
        "progress of an import; wait for the change",
    ),
    **dict.fromkeys(("validation_steps", "passed"), "the reason is in `error_message`"),
    **dict.fromkeys(("config_json", "team_id", "max_threshold"), _SHOWN_ELSEWHERE),
    "hf_token": "a secret that is sent, and never shown",
    "cert": "`.pem`, decoded",
    "is_gpu_shared": "deprecated, always false",
}
# The filters of a web page, and prices of serverless use.
PATTERNS_LEFT_OUT = {
    r"available_\w+": "choices of a web page's filters",
    r"(?:\w+_)?price_per_\w+|pricing|input_cache_read|scaled_pricing_enabled": (
        "prices of serverless use"
    ),
    r"benchmark_score|badges": _SHOWN_ELSEWHERE,
}


def reason_of(field: str) -> str | None:
    """Return why a field is not decoded; None without a reason."""
    matching = (why for pattern, why in PATTERNS_LEFT_OUT.items() if re.fullmatch(pattern, field))
    return FIELDS_LEFT_OUT.get(field) or next(matching, None)


# --- what the SDKs have ------------------------------------------------------------------------


def pydo_operations() -> Iterator[tuple[str, set[str]]]:
    """Yield pydo's operations with the fields of their answers, from its docstrings."""
    wanted = re.compile(r"custom_model|model_catalog")
    for prefix, cls in (
        ("dedicated_inferences", DedicatedInferencesOperations),
        ("genai", GenaiOperations),
    ):
        for name in sorted(vars(cls)):
            if name.startswith("_") or (prefix == "genai" and not wanted.search(name)):
                continue
            yield f"{prefix}.{name}", _documented_keys(inspect.getdoc(getattr(cls, name)) or "")


_ENVELOPE = {"links", "meta", "pages", "first", "last", "next", "prev", "previous", "total", "page"}
_WRAPPERS = {
    *("dedicated_inferences", "dedicated_inference", "token", "tokens", "accelerators"),
    *("gpu_model_configs", "model", "models", "data", "error"),
}


def _documented_keys(text: str) -> set[str]:
    """Return the keys of the success answer in a docstring."""
    answer = re.split(r"# response body for status code\(s\): [45]", text)[0]
    _, _, body = answer.partition("response == {")
    keys = set(re.findall(r'"(\w+)":', body))
    return keys - _ENVELOPE - _WRAPPERS - {"str"}  # `{"str": ...}` stands for any key


def gcore_operations() -> Iterator[tuple[str, set[str]]]:
    """Yield gcore's inference operations with the fields of the models that they return."""
    from gcore import Gcore as GcoreSDK

    with GcoreSDK(api_key="1$2") as client:
        yield from sorted(_gcore_resource(client.cloud.inference, ""))


def _gcore_resource(resource: Any, prefix: str) -> Iterator[tuple[str, set[str]]]:
    cls = type(resource)
    for name in dir(cls):
        if name.startswith(("_", "with_")) or name.endswith("_and_poll"):
            continue
        found = inspect.getattr_static(cls, name)
        if inspect.isfunction(found):
            yield prefix + name, _pydantic_fields(get_type_hints(found).get("return"))
        else:
            yield from _gcore_resource(getattr(resource, name), f"{prefix}{name}.")


def _pydantic_fields(of: Any) -> set[str]:
    """Return the field names of the models within a type, recursively."""
    found: set[str] = set()
    for inner in get_args(of):
        found |= _pydantic_fields(inner)
    if hasattr(of, "model_fields") and of.__name__ != "TaskIDList":
        for name, field in of.model_fields.items():
            found |= {name} | _pydantic_fields(field.annotation)
    return found - {"count", "results"}


def exoscale_operations() -> Iterator[tuple[str, set[str]]]:
    """Yield the operations of Exoscale's OpenAPI description with their answers' fields."""
    text = (files("exoscale") / "openapi.json").read_text(encoding="utf-8")
    description = json.loads(text)
    found = {}
    for path, methods in description["paths"].items():
        for method in methods.values() if path.startswith("/ai/") else ():
            answer = method["responses"]["200"]["content"]["application/json"]["schema"]
            fields = _schema_fields(answer, description)
            found[method["operationId"]] = {field.replace("-", "_") for field in fields}
    yield from sorted(found.items())


def _schema_fields(schema: Any, description: Any) -> set[str]:
    if "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    found: set[str] = set()
    for name, inner in schema.get("properties", {}).items():
        found |= {name} | _schema_fields(inner, description)
    if "items" in schema:
        found |= _schema_fields(schema["items"], description)
    return found - {"deployments", "models", "logs", "parameters", "instance-types", "ai-api-keys"}


# --- the comparison ----------------------------------------------------------------------------


def our_fields(cls: type) -> set[str]:
    """Return the field names of an attrs class and of the classes within it."""
    attrs.resolve_types(cls)
    found: set[str] = set()
    for field in attrs.fields(cls):
        found.add(field.name)
        for inner in _classes(field.type):
            found |= our_fields(inner)
    return found


def _classes(of: Any) -> Iterator[type]:
    if isinstance(of, type) and attrs.has(of):
        yield of
    for inner in get_args(of):
        yield from _classes(inner)


def has_method(client: type, path: str) -> bool:
    """Return whether a client of this class has a method of that dotted name."""
    if client is DigitalOcean:
        found: Any = DigitalOcean("dop_v1_x")
    else:
        found = Gcore("1$2", 1) if client is Gcore else Exoscale("EXOx", "secret")
    for name in path.split("."):
        found = getattr(found, name, None)
    return callable(found)


CLOUDS = (
    ("DigitalOcean", "pydo", DigitalOcean, DIGITALOCEAN, pydo_operations),
    ("Gcore", "gcore", Gcore, GCORE, gcore_operations),
    ("Exoscale", "exoscale", Exoscale, EXOSCALE, exoscale_operations),
)
_OURS_TOO = {"uuid": "id", "schema_": "schema"}


def rows(client: type, table: dict[str, tuple[str, type | None]], operations: Any) -> list[str]:
    """Return the table's rows; one that begins with `| **` has something missing."""
    found = []
    for name, fields in operations():
        method, model = table.get(name, ("", None))
        if not method or not has_method(client, method):
            reason = LEFT_OUT.get(name)
            found.append(f"| `{name}` | no: {reason} | |" if reason else f"| **`{name}`** | | |")
            continue
        known = our_fields(model) if model else fields
        if name.endswith("dedicated_inferences.create"):
            known |= our_fields(digitalocean.AccessToken)  # `change.access_token`
        missing = sorted(f for f in fields if f not in known and _OURS_TOO.get(f) not in known)
        found.append(f"| `{name}` | `{method}` | {_notes(missing)} |")
    return found


def _notes(missing: list[str]) -> str:
    """Return the fields that are not decoded by reason; those without one are bold."""
    by_reason: dict[str | None, list[str]] = {}
    for field in missing:
        by_reason.setdefault(reason_of(field), []).append(f"`{field}`")
    return "; ".join(
        f"{' '.join(names)}: {why}" if why else f"**{' '.join(names)}**"
        for why, names in by_reason.items()
    )


def page() -> str:
    """Return the whole page."""
    parts = [
        "# Coverage of the vendors' APIs",
        "",
        "Every inference operation of the vendors' newest SDKs, with the client's method and the",
        "response fields that it does not decode. `client.request(...)` reaches everything else.",
        "`python -m tests.sdk_coverage` writes this page from the installed SDKs.",
    ]
    for title, package, client, table, operations in CLOUDS:
        parts += ["", f"## {title}", "", f"{package} {version(package)}", ""]
        parts += ["| operation | method | fields not decoded |", "|---|---|---|"]
        parts += rows(client, table, operations)
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit("incomplete: see the bold entries" if "**" in page() else 0)
