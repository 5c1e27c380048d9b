"""Every JSON example of the vendor's reference page, a file each, decodes as expected.

`index.json` names the operations that show each one.
"""

from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from di_async import (
    APIError,
    AuthenticationError,
    DecodeError,
    InvalidInputError,
    NotFoundError,
    RateLimitError,
    Secret,
    ServerError,
)
from di_async.core.http import Request, Response
from di_async.core.pagination import read_page
from di_async.digitalocean import (
    VPC,
    Accelerator,
    AccessToken,
    DedicatedInference,
    DedicatedInferenceSpec,
    GPUModelConfig,
    Sizes,
)
from di_async.digitalocean.api import DigitalOceanDialect
from di_async.digitalocean.models import CODEC, read_ca
from di_async.digitalocean.spec import spec_fields
from tests.builders.digitalocean import GPU, MODEL, SAMPLES, VPC_ID, sample
from tests.digitalocean.helpers import TOKEN

ID = "6b5c619c-359c-44ca-87e2-47e98170c01d"
THEN = datetime(2024, 1, 9, 20, 44, 32, tzinfo=UTC)
HOST = "https://b4bfug4jc41kts2ro54if91eo-{}-dedicated-inference.do-infra.ai"

ERRORS: dict[str, tuple[int, type[APIError], str]] = {
    "error_401": (401, AuthenticationError, "unauthorized"),
    "error_404": (404, NotFoundError, "not_found"),
    "error_429": (429, RateLimitError, "too_many_requests"),
    "error_500": (500, ServerError, "server_error"),
    "error_default": (418, APIError, "example_error"),
}
EMPTY_SPECS = ("create_request", "update_request")
READ_BY_NAME = {
    "access_tokens", "ca_certificate_200", "create_202", "create_curl", "create_token_202",
    "create_token_curl", "create_token_request", "enabled_regions", "get_200",
    "get_accelerator_200", "gpu_model_configs_200", "gpu_slugs", "list_200",
    "list_accelerators_200", "list_tokens_200", "sizes_200", "update_202", "update_curl",
}  # fmt: skip


def instance(name: str) -> DedicatedInference:
    """The instance in an example."""
    return CODEC.structure(sample(name)["dedicated_inference"], DedicatedInference)


def check_shared(di: DedicatedInference) -> None:
    """What all of the vendor's examples of an instance say."""
    assert (di.id, di.status, di.region, di.vpc_uuid) == (ID, "active", "atl1", VPC_ID)
    assert (di.created_at, di.updated_at) == (THEN, THEN)
    assert di.endpoints is not None
    assert di.endpoints.public_endpoint_fqdn == HOST.format("public")
    assert di.endpoints.private_endpoint_fqdn == HOST.format("private")


def test_every_sample_is_used() -> None:
    """Every sample file is tested and listed in the index."""
    files = {path.stem for path in SAMPLES.glob("*.json")} - {"index"}
    assert files == READ_BY_NAME | set(ERRORS) | set(EMPTY_SPECS)
    assert files == {name.removesuffix(".json") for name in sample("index")}


def test_all_81_examples_are_accounted_for() -> None:
    """The index names the operation of each example: 13 operations, 81 examples."""
    found = [operation for entry in sample("index").values() for operation in entry["operations"]]
    assert (len(found), len(set(found))) == (81, 13)


def test_get() -> None:
    """An instance without specs has None for both."""
    di = instance("get_200")
    check_shared(di)
    assert (di.spec, di.pending_deployment_spec, di.name) == (None, None, None)


@pytest.mark.parametrize("name", ["create_202", "update_202"])
def test_accepted_write(name: str) -> None:
    """An instance with a current and a pending spec has name and VPC on each."""
    di = instance(name)
    check_shared(di)
    assert di.name == "new-dedicated-inference"
    assert di.spec is not None
    assert (di.spec.version, di.spec.enable_public_endpoint, di.spec.vpc) == (1, True, VPC(VPC_ID))
    pending = di.pending_deployment_spec
    assert pending is not None
    assert (pending.status, pending.version, pending.created_at) == ("provisioning", 1, THEN)
    assert (pending.id, pending.region) == ("7c6d729d-360d-44db-88e3-58e98281d12e", "atl1")


@pytest.mark.parametrize("name", ["create_202", "create_token_202"])
def test_new_token(name: str) -> None:
    """A new token has its value, masked in the repr."""
    token = CODEC.structure(sample(name)["token"], AccessToken)
    assert token == AccessToken(
        id="01333f14-a903-4b8e-92b3-363a767aa052",
        name="first-token",
        value=Secret("di_xxxxxxxxxxxxxxxxxxxxxxxx"),
        created_at=THEN,
        is_managed=False,
    )
    assert "di_xxx" not in repr(token)


def test_list() -> None:
    """One row, and one page."""
    page = read_page(sample("list_200"), "dedicated_inferences")
    (row,) = page.rows
    check_shared(CODEC.structure(row, DedicatedInference))
    assert (page.total, page.next, page.last) == (1, None, 1)


def test_list_accelerators() -> None:
    """The role is kept as sent, although the documented word differs."""
    page = read_page(sample("list_accelerators_200"), "accelerators")
    assert [CODEC.structure(row, Accelerator) for row in page.rows] == [
        an_accelerator("prefill_and_decode")
    ]
    assert (page.total, page.last) == (1, 1)


def test_get_accelerator() -> None:
    """An accelerator may come as a bare object."""
    found = CODEC.structure(sample("get_accelerator_200"), Accelerator)
    assert found == an_accelerator("prefill_decode")


def an_accelerator(role: str) -> Accelerator:
    """Return the accelerator of the vendor's examples."""
    id = "5b5c619c-359c-44ca-87e2-47e98170c02f"
    return Accelerator(id, "mi300x1-ghfpsf", GPU, role, "active", THEN)


def test_list_tokens() -> None:
    """An empty list is one page."""
    page = read_page(sample("list_tokens_200"), "tokens")
    assert (page.rows, page.total, page.last) == ((), 0, 1)


def test_sizes() -> None:
    """The price is exact, and a single region fills both fields."""
    sizes = CODEC.structure(sample("sizes_200"), Sizes)
    assert sizes.enabled_regions == tuple(sample("enabled_regions")) == ("nyc2", "atl1")
    (size,) = sizes.sizes
    assert (size.gpu_slug, size.price_per_hour, size.currency) == (GPU, Decimal(2), "USD")
    assert (size.region, size.regions) == ("nyc2", ("nyc2",))


def test_gpu_model_configs() -> None:
    """GPUs, model and gating are read."""
    (row,) = sample("gpu_model_configs_200")["gpu_model_configs"]
    assert CODEC.structure(row, GPUModelConfig) == GPUModelConfig(
        model_slug=MODEL,
        model_name="Mistral-7B-Instruct-v0.3",
        gpu_slugs=tuple(sample("gpu_slugs")),
        is_gated_model=True,
    )


def test_ca_certificate_is_cut_short_by_the_vendor() -> None:
    """The example is truncated: it is read, and rejected by `ssl_context`."""
    certificate = read_ca(sample("ca_certificate_200"))
    assert certificate.pem.startswith("-----BEGIN")
    with pytest.raises(DecodeError, match="certificate"):
        certificate.ssl_context()


def test_create_curl() -> None:
    """The spec of the vendor's curl is valid and is sent unchanged."""
    body = sample("create_curl")
    spec = DedicatedInferenceSpec.from_dict(body["spec"])
    spec.check()
    assert spec.to_dict() == body["spec"]
    assert body["access_tokens"] == sample("access_tokens")


def test_update_curl() -> None:
    """`node_count` beside the GPU slug is read as the scale of one accelerator."""
    spec = DedicatedInferenceSpec.from_dict(sample("update_curl")["spec"])
    spec.check()
    ((accelerator,),) = (d.accelerators for d in spec.model_deployments)
    assert (spec.name, spec.region, spec.vpc) == (
        "renamed-dedicated-inference", "atl1", VPC(VPC_ID)
    )  # fmt: skip
    assert (accelerator.accelerator_slug, accelerator.scale) == (GPU, 3)
    assert accelerator.type == "prefill_decode"


@pytest.mark.parametrize("name", sorted(EMPTY_SPECS))
def test_empty_deployments_decode_but_do_not_pass(name: str) -> None:
    """The example breaks the vendor's own rule: `check` rejects it."""
    body = sample(name)
    spec = DedicatedInferenceSpec.from_dict(body["spec"])
    assert (spec.name, spec.model_deployments) == ("new-dedicated-inference", ())
    assert body["access_tokens"] == sample("access_tokens")
    with pytest.raises(InvalidInputError, match=r"spec\.model_deployments: expected at least one"):
        spec.check()


def test_update_curl_names_only_what_changes() -> None:
    """Read as an update, it holds the curl's fields only."""
    fields = spec_fields(sample("update_curl")["spec"])
    assert set(fields) == {"name", "region", "vpc", "model_deployments"}


@pytest.mark.parametrize("name", ["create_token_request", "create_token_curl"])
def test_create_token_request(name: str) -> None:
    """Both examples of the body are equal."""
    assert sample(name) == {"name": "new-inference-token"}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_error_body(name: str) -> None:
    """Each status raises its class, with the vendor's code and message."""
    status, kind, code = ERRORS[name]
    body = sample(name)
    error = DigitalOceanDialect(Secret(TOKEN)).error(
        Request("GET", "/v2/x"), Response(status, {}, orjson.dumps(body)), wall=0.0
    )
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, body["message"])
    assert (error.method, error.path) == ("GET", "/v2/x")
