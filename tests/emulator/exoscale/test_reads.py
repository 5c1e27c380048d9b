"""Response formats, lists, keys, logs, and errors."""

from typing import Any

import pytest

from di_async.emulator import Lifecycle

from .helpers import DEPLOYMENTS, MODEL, NOBODY, ZoneClient, a_deployment, a_zone, signed

DETAILS = {"inference-engine-version", "inference-engine-parameters"}
REQUIRED = {"name", "state", "deployment-url", "model", "visibility"}


def test_rows_lack_fields_of_a_get(zone: ZoneClient) -> None:
    """Rows have no engine fields and no state details."""
    id = zone.ready()
    (row,), whole = zone.rows(), zone.get(id)
    assert set(whole) - set(row) == DETAILS
    assert whole == {
        **row,
        "id": id,
        "state": "ready",
        "gpu-count": 1,
        "gpu-type": "gpua5000",
        "replicas": 1,
        "visibility": "private",
        "inference-engine-version": "0.28.0",
        "inference-engine-parameters": [],
    }
    assert whole["model"] == {"id": zone.rows("models")[0]["id"], "name": MODEL}
    assert whole["deployment-url"].startswith("https://")


@pytest.mark.parametrize(
    ("dialect", "unknown"), [("documented", ("", 0)), ("observed", (None,) * 2)]
)
def test_unknown_values_are_empty_or_null(dialect: str, unknown: tuple[Any, Any]) -> None:
    """The published schema allows no null; earlier pages did."""
    zone = a_zone(dialect=dialect)
    id = zone.create()
    model = zone.accepted("POST", "/model", {"name": "other/model"})["reference"]["id"]
    shown = zone.request("GET", f"/model/{model}").json
    assert (zone.get(id)["deployment-url"], shown["model-size"]) == unknown


def test_visibility_separates_own_deployments_from_the_vendors(zone: ZoneClient) -> None:
    """Lists include both by default; the vendor's have only the required fields."""
    mine = zone.ready()
    theirs = zone.world.add_exoscale_deployment(visibility="public", name="them", now=zone.now).id
    assert len(zone.rows()) == 2
    assert [row["id"] for row in zone.rows(query="?visibility=private")] == [mine]
    (row,) = zone.rows(query="?visibility=public")
    assert set(row) == REQUIRED
    assert zone.request("GET", "/deployment?visibility=secret").status == 400
    assert zone.get(theirs)["id"] == theirs
    denied = zone.request("DELETE", f"/deployment/{theirs}")
    assert denied.status == 403
    assert zone.request("GET", f"/deployment/{theirs}/api-key").status == 403


def test_catalog_responses(zone: ZoneClient) -> None:
    """GPU families, engine parameters, quota."""
    families = zone.request("GET", "/instance-type").json["instance-types"]
    assert {"family": "gpua5000", "authorized": True} in families
    help_ = zone.request("GET", "/help/inference-engine-parameters?version=0.26.0").json
    assert "--dtype" in [flag for entry in help_["parameters"] for flag in entry["flags"]]
    assert zone.request("GET", "/quota").json == {"quota-uom-per-minute": None}


def test_logs_have_a_tail(zone: ZoneClient) -> None:
    """`tail` limits the lines; a tail that is not a number is 400."""
    id = zone.ready()
    logs = zone.request("GET", f"/deployment/{id}/logs").json["logs"]
    assert logs[-1]["message"] == "Application startup complete."
    assert zone.request("GET", f"/deployment/{id}/logs?tail=1").json["logs"] == logs[-1:]
    assert zone.request("GET", f"/deployment/{id}/logs?tail=0").json["logs"] == []
    for tail in ("x", "-1", "%D9%A1", "9" * 5000):  # an Arabic digit is none of JSON's
        assert zone.request("GET", f"/deployment/{id}/logs?tail={tail}").status == 400


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"model": {}}, "model"),
        ({"model": {"id": NOBODY}}, "model"),
        ({"model": {"name": "no/such"}}, "model"),
        ({"gpu_type": "abacus"}, "gpu-type"),
        ({"gpu_count": 9}, "gpu-count"),
        ({"gpu_count": "1"}, "gpu-count"),
        ({"replicas": 0}, "replicas"),
        ({"replicas": True}, "replicas"),
        ({"replicas": -1}, "replicas"),
        ({"inference_engine_version": "new"}, "inference-engine-version"),
        ({"inference_engine_parameters": "--a"}, "inference-engine-parameters"),
        ({"inference_engine_parameters": [1]}, "inference-engine-parameters"),
    ],
)
def test_invalid_create_is_a_problem_that_points_at_the_field(
    zone: ZoneClient, changes: dict[str, Any], field: str
) -> None:
    """400 with the four required fields, and an error that names the invalid field."""
    zone.world.add_exoscale_model(name=MODEL, now=zone.now)
    reply = zone.request("POST", "/deployment", a_deployment(**changes))
    assert reply.status == 400
    assert {"type", "title", "status", "detail"} <= set(reply.json)
    assert reply.json["errors"][0]["path"] == field
    assert not zone.world.created["web"]


def test_family_that_is_not_authorized_is_forbidden(zone: ZoneClient) -> None:
    """A GPU family of the zone may be forbidden to the organisation."""
    zone.world.add_exoscale_model(name=MODEL, now=zone.now)
    reply = zone.request("POST", "/deployment", a_deployment(gpu_type="gpurtx6000pro"))
    assert (reply.status, reply.json["title"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/deployment/{NOBODY}", 404),
        ("GET", f"/model/{NOBODY}", 404),
        ("DELETE", f"/model/{NOBODY}", 404),
        ("GET", f"/v2/operation/{NOBODY}", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/deployment", 405),
        ("POST", "/deployment", 400),
        ("GET", "/help/inference-engine-parameters/more", 404),
    ],
)
def test_missing_resources_and_paths_are_problems(
    zone: ZoneClient, method: str, path: str, status: int
) -> None:
    """404 and 405 have the vendor's format."""
    reply = zone.request(method, path)
    assert (reply.status, reply.json["status"]) == (status, status)


def test_unknown_zone_is_404(zone: ZoneClient) -> None:
    """An unknown zone is 404 with a valid signature, too."""
    zone.zone = "moon-1"
    assert zone.request("GET", "/deployment").status == 404


def test_plain_paths_are_the_default_zones(zone: ZoneClient) -> None:
    """/v2/ai without a zone is ch-gva-2."""
    id = zone.ready()
    exo = zone.world.exoscale
    path = f"{DEPLOYMENTS}/{id}"
    authorization = signed(exo.api_key, exo.api_secret, "GET", path, expires=zone.now + 600)
    assert zone.world.handle(zone.now, "GET", path, {"Authorization": authorization}).status == 200


def test_no_rate_limit_and_no_rate_headers(zone: ZoneClient) -> None:
    """The vendor documents no limit and sends no headers about one."""
    replies = [zone.request("GET", "/deployment") for _ in range(300)]
    assert {reply.status for reply in replies} == {200}
    assert not [name for name in replies[0].headers if "rate" in name.lower()]


def test_revealed_key_is_valid_on_the_data_plane(zone: ZoneClient) -> None:
    """Other keys are 401; 503 until ready and at 0 replicas; then the model's name."""

    def models(key: str) -> Any:
        head = {"Authorization": f"Bearer {key}"}
        return zone.world.serve(zone.now, "GET", "/v1/models", head)

    id = zone.create()
    key = zone.request("GET", f"/deployment/{id}/api-key").json["api-key"]
    assert (models("stranger").status, models(key).status) == (401, 503)
    zone.now += 600
    assert models(key).status == 200
    assert MODEL.encode() in models(key).body
    zone.accepted("POST", f"/deployment/{id}/scale", {"replicas": 0})
    zone.now += 300
    assert models(key).status == 503
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    assert models(key).status == 401


def test_endpoint_warms_up_after_ready() -> None:
    """With `ready_lag` the data plane is late once, not after every write."""
    zone = a_zone(lifecycle=Lifecycle(create=600, update=300, ready_lag=20))
    id = zone.ready()
    key = zone.request("GET", f"/deployment/{id}/api-key").json["api-key"]

    def status() -> int:
        head = {"Authorization": f"Bearer {key}"}
        return zone.world.serve(zone.now, "GET", "/v1/models", head).status

    found = [status()]
    zone.now += 20
    found.append(status())
    zone.accepted("PATCH", f"/deployment/{id}", {"name": "b"})
    zone.now += 300
    assert [*found, status()] == [503, 200, 200]


def test_key_of_a_deleted_deployment(zone: ZoneClient) -> None:
    """A key can only be created for a deployment that exists."""
    id = zone.ready()
    assert zone.request("POST", "/api-key", {"name": "ci", "scope": id}).status == 200
    zone.accepted("DELETE", f"/deployment/{id}")
    zone.now += 60
    assert zone.request("POST", "/api-key", {"name": "ci", "scope": id}).status == 404
