"""Which requests are accepted, and the errors of the others."""

from typing import Any

import pytest

from ..helpers import GATED, GPU, ApiClient, a_model, a_spec  # noqa: TID252

LONG = "x" * 256


def without(key: str) -> dict[str, Any]:
    """Return the sample spec without one key."""
    return {name: value for name, value in a_spec().items() if name != key}


def gpu(**changes: object) -> dict[str, Any]:
    """Return the sample spec with a changed accelerator."""
    entry = {"scale": 1, "type": "prefill_decode", "accelerator_slug": GPU}
    return a_spec(model_deployments=[a_model(accelerators=[entry | changes])])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (None, "spec is required"),
        ("text", "spec must be an object"),
        (without("name"), "name is required"),
        (a_spec(name=""), "name is required"),
        (a_spec(name=3), "name must be a string"),
        (without("region"), "spec.region is required"),
        (without("version"), "spec.version is required"),
        (a_spec(version="1"), "spec.version must be an integer"),
        (a_spec(version=True), "spec.version must be an integer"),
        (without("enable_public_endpoint"), "spec.enable_public_endpoint is required"),
        (a_spec(enable_public_endpoint="yes"), "must be a boolean"),
        (without("model_deployments"), "spec.model_deployments is required"),
        (a_spec(model_deployments={}), "must be a list"),
        (a_spec(model_deployments=["m"]), "must be an object"),
        (a_spec(model_deployments=[a_model(model_slug=None)]), "model_slug is required"),
        (a_spec(vpc="v"), "spec.vpc must be an object"),
        (a_spec(vpc={}), "spec.vpc.uuid is required"),
        (gpu(type=None), "accelerators[].type is required"),
        (gpu(scale=1.5), "accelerators[].scale must be an integer"),
    ],
)
def test_malformed_create_is_400_with_the_reason(api: ApiClient, spec: object, says: str) -> None:
    """A missing field or a wrong type is a bad request."""
    reply = api.request("POST", "", {"spec": spec})
    assert (reply.status, reply.json["id"]) == (400, "bad_request")
    assert says in reply.json["message"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (a_spec(name="no spaces"), "a-z, A-Z, 0-9, _ and -"),
        (a_spec(name=LONG), "1 to 255"),
        (a_spec(name="name\n"), "1 to 255"),
        (a_spec(region="mars1"), "atl1, nyc2, tor1"),
        (a_spec(version=-1), "at least 0"),
        (a_spec(model_deployments=[]), "at least one model deployment"),
        (a_spec(model_deployments=[a_model(accelerators=[])]), "at least one accelerator"),
        (a_spec(model_deployments=[a_model(model_slug="a b")]), "not supported"),
        (a_spec(model_deployments=[a_model(model_id="x")]), "is not a model deployment"),
        (a_spec(vpc={"uuid": "v"}), "is not a UUID"),
        (gpu(scale=0), "at least 1"),
        (gpu(accelerator_slug="gpu-none"), "not available in atl1"),
    ],
)
def test_impossible_create_is_422_with_the_reason(api: ApiClient, spec: object, says: str) -> None:
    """A valid request that cannot be fulfilled is unprocessable."""
    reply = api.request("POST", "", {"spec": spec})
    assert (reply.status, reply.json["id"]) == (422, "unprocessable_entity")
    assert says in reply.json["message"]


def test_gpu_that_a_region_or_model_lacks_is_422(api: ApiClient) -> None:
    """Sizes are offered by region, and models run on some GPUs only."""
    mi325 = [{"scale": 1, "type": "prefill_decode", "accelerator_slug": "gpu-mi325x1-256gb"}]
    in_toronto = a_spec(region="tor1", model_deployments=[a_model(accelerators=mi325)])
    assert api.request("POST", "", {"spec": in_toronto}).status == 422
    h100 = [{"scale": 1, "type": "prefill_decode", "accelerator_slug": "gpu-h100x1-80gb"}]
    big = a_spec(model_deployments=[a_model(model_slug="openai/gpt-oss-120b", accelerators=h100)])
    assert "does not run on" in api.request("POST", "", {"spec": big}).json["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'"text"'])
def test_body_that_is_no_json_object_is_400(api: ApiClient, body: bytes) -> None:
    """Invalid JSON and another JSON type have different messages."""
    headers = {"authorization": f"Bearer {api.world.token}"}
    reply = api.world.handle(api.now, "POST", "/v2/dedicated-inferences", headers, body)
    assert reply.status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"spec": a_spec(vpc=None)},
        {"spec": without("vpc")},
        {"spec": a_spec(version=0)},
        {"spec": a_spec(model_deployments=[a_model(provider_model_id="hf/repo")])},
        {"spec": a_spec(model_deployments=[a_model(model_id="")])},
        {"spec": a_spec(unheard_of=True), "extra": 1},
        {"spec": a_spec(), "access_tokens": {"hugging_face_token": "hf_x"}},
        {"spec": a_spec(), "secrets": {"hugging_face_token": "hf_x"}},
    ],
)
def test_requests_of_either_dialect_are_accepted_in_both(api: ApiClient, body: object) -> None:
    """Requests of the documentation and of the Go client are accepted, with unknown fields."""
    assert api.request("POST", "", body).status == 202


@pytest.mark.parametrize("secrets", [{"access_tokens": "hf"}, {"secrets": {"any": 1}}])
def test_secrets_of_the_wrong_type_are_400(api: ApiClient, secrets: dict[str, object]) -> None:
    """Secrets are an object of strings."""
    assert api.request("POST", "", {"spec": a_spec(), **secrets}).status == 400


@pytest.mark.parametrize(("key", "ends"), [(None, "error"), ("access_tokens", "active"),
                                           ("secrets", "active")])  # fmt: skip
def test_gated_model_without_its_token_is_accepted_and_fails(
    api: ApiClient, key: str | None, ends: str
) -> None:
    """The create is 202, and fails because the weights need a token."""
    body: dict[str, Any] = {"spec": a_spec(model_deployments=[a_model(model_slug=GATED)])}
    if key:
        body[key] = {"hugging_face_token": "hf_x"}
    id = api.request("POST", "", body).one["id"]
    api.now += 600
    assert api.status(id) == ends


@pytest.mark.parametrize("query", ["?page=0", "?per_page=0", "?per_page=201", "?page=x"])
def test_page_out_of_bounds_is_400(api: ApiClient, query: str) -> None:
    """Pages start at 1 and have 1 to 200 rows."""
    assert api.request("GET", query).status == 400


@pytest.mark.parametrize(("name", "status"), [("", 400), (None, 400), ("a b", 422), (LONG, 422)])
def test_token_name_follows_the_rules_of_names(api: ApiClient, name: object, status: int) -> None:
    """Token names follow the rules of instance names."""
    id = api.create()
    assert api.request("POST", f"/{id}/tokens", {"name": name}).status == status
