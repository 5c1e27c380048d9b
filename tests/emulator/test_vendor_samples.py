"""The emulator answers in the shape of the vendors' own samples (`tests/data/samples`).

Keys and types are compared, not values. A key may be missing or added only where the vendor's page
marks it as optional and its sample shows it in one answer but not in another.
"""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from di_async.emulator import Lifecycle, World

from .exoscale.helpers import ZoneClient, a_zone
from .gcore.helpers import V2
from .gcore.helpers import ApiClient as Project
from .gcore.helpers import an_instance as a_gcore_instance
from .helpers import ApiClient

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
LIFECYCLE = Lifecycle(create=600, update=300, delete=60)
FORMATS = (
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(r"https://\S+"),
    re.compile(r"\d+(\.\d+)?"),
)


def sample(provider: str, name: str) -> Any:
    """Return a vendor's sample."""
    return orjson.loads((SAMPLES / provider / f"{name}.json").read_bytes())


def differences(
    answer: Any, shown: Any, optional: frozenset[str] = frozenset(), at: str = ""
) -> list[str]:
    """Return where the answer has other keys, types or text formats than the sample."""
    if type(answer) is not type(shown):
        return [f"{at}: {type(answer).__name__} instead of {type(shown).__name__}"]
    if isinstance(shown, dict):
        paths = {key: f"{at}.{key}".lstrip(".") for key in answer.keys() | shown.keys()}
        unequal = answer.keys() ^ shown.keys()
        found = [
            f"{paths[key]}: not in both" for key in sorted(unequal) if paths[key] not in optional
        ]
        for key in answer.keys() & shown.keys():
            found += differences(answer[key], shown[key], optional, paths[key])
        return found
    if isinstance(shown, list):
        if shown and not answer:
            return [f"{at}: empty"]
        return [
            line
            for one in answer
            if shown
            for line in differences(one, shown[0], optional, f"{at}[]")
        ]
    if isinstance(shown, str):
        format = next((one for one in FORMATS if one.fullmatch(shown)), None)
        if format and not format.fullmatch(answer):
            return [f"{at}: {answer!r} is not formatted like {shown!r}"]
    return []


# What the page calls optional, and only some of its samples show.
SPECS = frozenset({"dedicated_inference.spec", "dedicated_inference.pending_deployment_spec"})
DETAILS = frozenset(
    {
        "dedicated_inference.endpoints",  # a new instance has none yet
        "dedicated_inference.spec.vpc",
        "dedicated_inference.pending_deployment_spec.vpc",
        "token.is_managed",
    }
)


@pytest.fixture
def digitalocean() -> ApiClient:
    """Return a client of a world in the documented dialect."""
    return ApiClient(World("documented", lifecycle=LIFECYCLE, rate_limits=False, seed=0))


def digitalocean_answers(api: ApiClient) -> dict[str, Any]:
    """Return the answer to each operation that the page has a sample of."""
    request = sample("digitalocean", "create_curl")
    got = {"create_202": api.request("POST", "", request).json}
    id = got["create_202"]["dedicated_inference"]["id"]
    api.now += 600
    got |= {
        "get_200": api.request("GET", f"/{id}").json,
        "list_200": api.request("GET", "").json,
        "list_accelerators_200": api.request("GET", f"/{id}/accelerators").json,
        "ca_certificate_200": api.request("GET", f"/{id}/ca").json,
        "create_token_202": api.request(
            "POST", f"/{id}/tokens", sample("digitalocean", "create_token_request")
        ).json,
        "sizes_200": api.request("GET", "/sizes").json,
        "gpu_model_configs_200": api.request("GET", "/gpu-model-config").json,
    }
    gpu = got["list_accelerators_200"]["accelerators"][0]["id"]
    got["get_accelerator_200"] = api.request("GET", f"/{id}/accelerators/{gpu}").json
    got["list_tokens_200"] = api.request("GET", f"/{id}/tokens").json
    model = got["get_200"]["dedicated_inference"]["spec"]["model_deployments"][0]
    model["accelerators"][0]["scale"] = 3
    changed = request["spec"] | {"model_deployments": [model]}
    got["update_202"] = api.request("PATCH", f"/{id}", {"spec": changed}).json
    return got


RESPONSES = sorted(
    path.stem for path in (SAMPLES / "digitalocean").glob("*_20[0-9].json")
)  # every sample of a successful answer


@pytest.mark.parametrize("name", RESPONSES)
def test_digitalocean_answers_like_the_sample(digitalocean: ApiClient, name: str) -> None:
    """Each operation's answer has the keys, types and text formats of the page's sample."""
    answers = digitalocean_answers(digitalocean)
    assert answers.keys() == set(RESPONSES)
    optional = SPECS | DETAILS | {"dedicated_inferences[].spec"}
    assert differences(answers[name], sample("digitalocean", name), optional) == []


def test_digitalocean_answers_with_both_specs_to_a_write(digitalocean: ApiClient) -> None:
    """Create and update show the spec and the pending one, as both samples do."""
    answers = digitalocean_answers(digitalocean)
    for name in ("create_202", "update_202"):
        assert differences(answers[name], sample("digitalocean", name), DETAILS) == []


def test_digitalocean_shows_model_deployments_like_the_request(digitalocean: ApiClient) -> None:
    """The samples of answers leave model deployments empty; the request's sample has one."""
    (requested,) = sample("digitalocean", "create_curl")["spec"]["model_deployments"]
    # The page documents both as optional parts of an answer.
    optional = frozenset({"model_id", "accelerators[].status"})
    answers = digitalocean_answers(digitalocean)
    for name in ("create_202", "get_200", "update_202"):
        (shown,) = answers[name]["dedicated_inference"]["spec"]["model_deployments"]
        assert differences(shown, requested, optional) == []


@pytest.mark.parametrize(
    ("name", "status", "path", "token"),
    [
        ("error_401", 401, "", "wrong"),
        ("error_404", 404, "/6b5c619c-359c-44ca-87e2-47e98170c01d", ""),
    ],
)
def test_digitalocean_errors_like_the_sample(
    digitalocean: ApiClient, name: str, status: int, path: str, token: str
) -> None:
    """An error has the body of the sample: the same id, a message."""
    digitalocean.token = token
    reply = digitalocean.request("GET", path)
    shown = sample("digitalocean", name)
    assert reply.status == status
    assert differences(reply.json, shown, frozenset({"request_id"})) == []
    assert reply.json["id"] == shown["id"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [("error_429", {"kind": "rate_limit"}), ("error_500", {"kind": "status", "status": 500})],
)
def test_digitalocean_faults_like_the_sample(
    digitalocean: ApiClient, name: str, fault: dict[str, Any]
) -> None:
    """An injected failure has the body of the sample."""
    digitalocean.world.fault(**fault, on="GET /v2/dedicated-inferences", now=digitalocean.now)
    reply = digitalocean.request("GET", "")
    assert reply.status == int(name.removeprefix("error_"))
    shown = sample("digitalocean", name)
    assert differences(reply.json, shown, frozenset({"request_id"})) == []
    assert reply.json["id"] == shown["id"]


def test_gcore_answers_like_the_sample() -> None:
    """The sample's PUT is accepted, and the answer has the keys and types of its sample."""
    project = Project(World("documented", lifecycle=LIFECYCLE))
    request = sample("gcore", "update_request")
    request["project_id"] = project.world.gcore.project_id
    id = project.request("POST", V2, a_gcore_instance()).json["id"]
    project.now += 1000
    answer = project.request("PUT", f"{V2}/{id}", request).json
    later = project.after(1000).request("GET", f"{V2}/{id}").json
    for found in (answer, later):
        assert differences(found, sample("gcore", "update_200")) == []
        assert differences(found["containers"], sample("gcore", "containers_200")) == []


@pytest.fixture
def zone() -> ZoneClient:
    """Return a zone with fixed durations."""
    return a_zone()


# The page's operation is one that failed; reason and message are missing from others.
OPERATION = frozenset({"reason", "message", "reference.link", "reference.command"})


def test_exoscale_answers_like_the_sample(zone: ZoneClient) -> None:
    """The sample's PATCH is accepted with an operation of the sample's keys and types."""
    id = zone.ready()
    request = sample("exoscale", "update_request")
    operation = zone.accepted("PATCH", f"/deployment/{id}", request)
    assert differences(operation, sample("exoscale", "update_200"), OPERATION) == []


@pytest.mark.parametrize(
    ("name", "body"), [("error_400", {"name": ""}), ("error_403", {}), ("error_404", {"name": "x"})]
)
def test_exoscale_errors_like_the_sample(name: str, body: dict[str, str]) -> None:
    """An error has only keys of the sample, and its types; 403 in the observed dialect."""
    status = int(name.removeprefix("error_"))
    zone = a_zone(dialect="observed" if status == 403 else "documented")
    id = zone.ready()
    if status == 403:
        zone.world.fault("status", status=403, on="PATCH /v2/ai/deployment/{id}", now=zone.now)
    if status == 404:
        id = "00000000-0000-4000-8000-000000000000"
    reply = zone.request("PATCH", f"/deployment/{id}", body)
    shown = sample("exoscale", name)
    assert reply.status == status
    assert reply.json.keys() & shown.keys()
    assert differences(reply.json, shown, frozenset(shown)) == []
