"""Which requests are taken, and what the others are told."""

from typing import Any

import pytest

from ..helpers import GATED, GPU, Desk, a_model, a_spec  # noqa: TID252

LONG = "x" * 256


def without(key: str) -> dict[str, Any]:
    """The sample spec without one key."""
    return {name: value for name, value in a_spec().items() if name != key}


def gpu(**changes: object) -> dict[str, Any]:
    """The sample spec with a changed accelerator."""
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
def test_malformed_create_is_400_and_says_what(desk: Desk, spec: object, says: str) -> None:
    """What is missing or of the wrong type is a bad request."""
    reply = desk.ask("POST", "", {"spec": spec})
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
        (a_spec(model_deployments=[a_model(model_slug="a/b")]), "not supported"),
        (a_spec(model_deployments=[a_model(model_id="x")]), "is not a model deployment"),
        (a_spec(vpc={"uuid": "v"}), "is not a UUID"),
        (gpu(scale=0), "at least 1"),
        (gpu(accelerator_slug="gpu-none"), "not available in atl1"),
    ],
)
def test_impossible_create_is_422_and_says_why(desk: Desk, spec: object, says: str) -> None:
    """What is understood and cannot be done is unprocessable."""
    reply = desk.ask("POST", "", {"spec": spec})
    assert (reply.status, reply.json["id"]) == (422, "unprocessable_entity")
    assert says in reply.json["message"]


def test_gpu_that_a_region_or_model_lacks_is_422(desk: Desk) -> None:
    """Sizes are sold by region, and models run on some GPUs only."""
    mi325 = [{"scale": 1, "type": "prefill_decode", "accelerator_slug": "gpu-mi325x1-256gb"}]
    in_toronto = a_spec(region="tor1", model_deployments=[a_model(accelerators=mi325)])
    assert desk.ask("POST", "", {"spec": in_toronto}).status == 422
    h100 = [{"scale": 1, "type": "prefill_decode", "accelerator_slug": "gpu-h100x1-80gb"}]
    big = a_spec(model_deployments=[a_model(model_slug="openai/gpt-oss-120b", accelerators=h100)])
    assert "does not run on" in desk.ask("POST", "", {"spec": big}).json["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'"text"'])
def test_body_that_is_no_json_object_is_400(desk: Desk, body: bytes) -> None:
    """A broken body is told apart from a wrong one."""
    headers = {"authorization": f"Bearer {desk.world.token}"}
    reply = desk.world.handle(desk.now, "POST", "/v2/dedicated-inferences", headers, body)
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
def test_requests_of_either_dialect_are_taken_in_both(desk: Desk, body: object) -> None:
    """Whatever the documented page or the Go client sends is accepted, unknown fields too."""
    assert desk.ask("POST", "", body).status == 202


@pytest.mark.parametrize("secrets", [{"access_tokens": "hf"}, {"secrets": {"any": 1}}])
def test_secrets_of_the_wrong_type_are_400(desk: Desk, secrets: dict[str, object]) -> None:
    """Secrets are an object of texts."""
    assert desk.ask("POST", "", {"spec": a_spec(), **secrets}).status == 400


@pytest.mark.parametrize(("key", "ends"), [(None, "error"), ("access_tokens", "active"),
                                           ("secrets", "active")])  # fmt: skip
def test_gated_model_without_its_token_is_accepted_and_fails(
    desk: Desk, key: str | None, ends: str
) -> None:
    """The 202 promises nothing; the weights of a gated model cannot be fetched without a token."""
    body: dict[str, Any] = {"spec": a_spec(model_deployments=[a_model(model_slug=GATED)])}
    if key:
        body[key] = {"hugging_face_token": "hf_x"}
    id = desk.ask("POST", "", body).one["id"]
    desk.now += 600
    assert desk.status(id) == ends


@pytest.mark.parametrize("query", ["?page=0", "?per_page=0", "?per_page=201", "?page=x"])
def test_page_out_of_bounds_is_400(desk: Desk, query: str) -> None:
    """Pages start at 1 and hold 1 to 200."""
    assert desk.ask("GET", query).status == 400


@pytest.mark.parametrize(("name", "status"), [("", 400), (None, 400), ("a b", 422), (LONG, 422)])
def test_token_name_follows_the_rules_of_names(desk: Desk, name: object, status: int) -> None:
    """Token names are as strict as instance names."""
    id = desk.create()
    assert desk.ask("POST", f"/{id}/tokens", {"name": name}).status == status
