"""The documented dialect's answers validate against the OpenAPI description in Exoscale's wheel."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from .helpers import MODEL, NOBODY, ZoneClient, a_deployment

DESCRIPTION = json.loads((files("exoscale") / "openapi.json").read_text(encoding="utf-8"))


def schema_errors(method: str, path: str, status: int, body: Any) -> list[str]:
    """Return what is wrong with an answer; `path` is that of the description."""
    responses = DESCRIPTION["paths"][path][method.lower()]["responses"]
    error = {"$ref": "#/components/schemas/error-response"}
    described = responses.get(str(status))
    schema = described["content"]["application/json"]["schema"] if described else error
    whole = with_nulls({**schema, "components": DESCRIPTION["components"]})
    return [error.message for error in Draft202012Validator(whole).iter_errors(body)]


def with_nulls(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: `nullable` becomes a type."""
    if isinstance(schema, list):
        return [with_nulls(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: with_nulls(value) for key, value in schema.items()}
    if found.pop("nullable", False) is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"] = [*found["enum"], None]
    return found


def calls(zone: ZoneClient) -> Iterator[tuple[str, str, str, Any]]:
    """Yield method, described path, path and body of requests that cover every operation."""
    zone.world.add_exoscale_model(zone=zone.zone, name=MODEL, now=zone.now)
    yield "POST", "/ai/model", "/model", {"name": "acme/own-model"}
    model = zone.rows("models")[0]["id"]
    for path, id in (("/ai/model/{id}", model), ("/ai/model/{id}", NOBODY)):
        yield "GET", path, f"/model/{id}", None
    yield "GET", "/ai/model", "/model", None
    yield "POST", "/ai/deployment", "/deployment", a_deployment()
    yield "POST", "/ai/deployment", "/deployment", {"name": ""}
    one = zone.create(name="one")
    for _ in range(3):
        yield "GET", "/ai/deployment", "/deployment", None
        yield "GET", "/ai/deployment/{id}", f"/deployment/{one}", None
        zone.now += 300
    yield "GET", "/ai/deployment/{id}", f"/deployment/{NOBODY}", None
    yield "GET", "/ai/deployment/{id}/api-key", f"/deployment/{one}/api-key", None
    yield "GET", "/ai/deployment/{id}/logs", f"/deployment/{one}/logs", None
    yield "PATCH", "/ai/deployment/{id}", f"/deployment/{one}", {"name": "two"}
    yield "PATCH", "/ai/deployment/{id}", f"/deployment/{one}", {"name": "three"}  # 409
    zone.now += 300
    yield "POST", "/ai/deployment/{id}/scale", f"/deployment/{one}/scale", {"replicas": 2}
    zone.now += 300
    yield "DELETE", "/ai/model/{id}", f"/model/{model}", None
    yield "DELETE", "/ai/deployment/{id}", f"/deployment/{one}", None
    operation = list(zone.world.exoscale.store.operations)[-1]
    yield "GET", "/operation/{id}", f"/v2/operation/{operation}", None
    yield "GET", "/ai/instance-type", "/instance-type", None
    yield "GET", "/ai/quota", "/quota", None
    help_path = "/ai/help/inference-engine-parameters"
    yield "GET", help_path, "/help/inference-engine-parameters", None
    yield "POST", "/ai/api-key", "/api-key", {"name": "ci", "scope": "public"}
    key = next(iter(zone.world.exoscale.store.api_keys))
    yield "GET", "/ai/api-key", "/api-key", None
    yield "GET", "/ai/api-key/{id}", f"/api-key/{key}", None
    yield "DELETE", "/ai/api-key/{id}", f"/api-key/{key}", None
    yield "GET", "/zone", "/v2/zone", None


def test_answers_validate(zone: ZoneClient) -> None:
    """Every answer of a whole lifecycle, errors included, has the documented schema."""
    found, covered = [], set()
    for method, described, path, body in calls(zone):
        reply = zone.request(method, path, body)
        errors = schema_errors(method, described, reply.status, reply.json)
        found += [f"{method} {path}: {reply.status}: {error}" for error in errors]
        covered.add(f"{method} {described}")
    assert found == []
    every = {
        f"{method.upper()} {path}"
        for path, methods in DESCRIPTION["paths"].items()
        if path.startswith("/ai/")
        for method in methods
        if method in {"get", "post", "patch", "put", "delete"}
    }
    assert every <= covered


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 429, 500, 503])
def test_injected_errors_validate(zone: ZoneClient, status: int) -> None:
    """An injected error has the documented schema, whatever its status."""
    zone.world.fault("status", status=status)
    reply = zone.request("GET", "/deployment")
    assert schema_errors("GET", "/ai/deployment", status, reply.json) == []
    assert schema_errors("GET", "/ai/deployment", 200, {"deployments": "none"})
