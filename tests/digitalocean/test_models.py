"""One model for both response forms; one test for each known difference.

Differences 1, 9 and 12 concern requests and listings: their tests use a client with a scripted
network.
"""

import base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_async import DecodeError, Secret
from di_async.digitalocean import (
    GPU,
    VPC,
    Accelerator,
    AcceleratorConfig,
    AccessToken,
    DedicatedInference,
    DeploymentSpec,
    Disk,
    Endpoints,
    GPUModelConfig,
    SizeCategory,
    Sizes,
)
from di_async.digitalocean.models import CODEC, read_ca
from tests.builders.digitalocean import BASE, ID, MODEL, VPC_ID, a_deployment, a_spec, one, read
from tests.builders.digitalocean import GPU as GPU_SLUG
from tests.digitalocean.helpers import an_instance, scripted_client
from tests.fake_network import answer
from tests.support import VIRTUAL

STAMP = "2024-01-09T20:44:32Z"
PENDING = {"id": "s-4", "version": 4, "model_deployments": [a_deployment()]}


def spec_of(raw: dict[str, Any]) -> DeploymentSpec:
    """Return the current spec of an instance."""
    spec = read(raw).spec
    assert spec is not None
    return spec


def pending_of(**fields: Any) -> DeploymentSpec:
    """Return the pending spec of an instance, with these fields in it."""
    spec = read(an_instance(pending_deployment_spec={**PENDING, **fields})).pending_deployment_spec
    assert spec is not None
    return spec


def accelerator_of(raw: dict[str, Any]) -> AcceleratorConfig:
    """Return the only accelerator of an instance's spec."""
    return spec_of(raw).model_deployments[0].accelerators[0]


def with_spec(**fields: Any) -> dict[str, Any]:
    """Return an instance with these fields in its spec; None removes one."""
    raw = an_instance()
    raw["spec"] = {k: v for k, v in {**raw["spec"], **fields}.items() if v is not None}
    return raw


# --- the 16 wire differences ------------------------------------------------------------------


@VIRTUAL
@pytest.mark.parametrize("key", ["access_tokens", "secrets"])
async def test_1_provider_tokens_go_under_either_key(key: Any) -> None:
    """`secrets_key` is the name under which they are sent, and the only one."""
    accepted = answer(202, one(an_instance()))
    async with scripted_client(accepted, secrets_key=key) as (client, network):
        await client.dedicated_inferences.create(
            a_spec(), access_tokens={"hugging_face_token": Secret("hf_x")}
        )
    body = orjson.loads(network.requests[0].body or b"")
    assert set(body) == {"spec", key}
    assert body[key] == {"hugging_face_token": "hf_x"}


def test_2_gated_model_flag() -> None:
    """`is_gated_model` and `is_model_gated` are one flag."""
    documented = CODEC.structure({"model_slug": "m", "is_gated_model": True}, GPUModelConfig)
    observed = CODEC.structure({"model_slug": "m", "is_model_gated": True}, GPUModelConfig)
    assert documented == observed
    assert observed.is_gated_model is True


@pytest.mark.parametrize(
    "shape",
    [{"vpc": {"uuid": VPC_ID}}, {"vpc_config": {"vpc_uuid": VPC_ID}}, {}],
    ids=["vpc", "vpc_config", "top"],
)
def test_3_vpc_in_the_spec(shape: dict[str, Any]) -> None:
    """`vpc.uuid`, `vpc_config.vpc_uuid` and the instance's `vpc_uuid` fill the same field."""
    assert spec_of(with_spec(**{"vpc": None, **shape})).vpc == VPC(VPC_ID)


@pytest.mark.parametrize("shape", [{"uuid": VPC_ID}, None])
def test_3_vpc_on_the_instance(shape: Any) -> None:
    """`di.vpc_uuid` is filled from the spec where the instance itself lacks it."""
    raw = with_spec(vpc=shape, vpc_config=None if shape else {"vpc_uuid": VPC_ID})
    del raw["vpc_uuid"]
    assert read(raw).vpc_uuid == VPC_ID


def test_4_spec_state_is_its_status() -> None:
    """`state` and `status` of a spec are one field."""
    assert pending_of(status="provisioning") == pending_of(state="provisioning")
    assert pending_of(state="provisioning").status == "provisioning"


def test_4_accelerator_state_is_its_status() -> None:
    """`state` and `status` of an accelerator are one field."""
    accelerator = {"accelerator_slug": GPU_SLUG, "scale": 1, "type": "prefill"}
    documented, observed = (
        accelerator_of(
            with_spec(model_deployments=[a_deployment(accelerators=[accelerator | state])])
        )
        for state in ({"status": "active"}, {"state": "active"})
    )
    assert documented == observed
    assert observed.status == "active"


@pytest.mark.parametrize("key", ["name", "region"])
def test_5_name_and_region_on_the_instance(key: str) -> None:
    """The instance takes them from the spec if it has none."""
    raw = an_instance()
    raw.pop(key, None)
    assert getattr(read(raw), key) == raw["spec"][key]


@pytest.mark.parametrize("key", ["name", "region"])
def test_5_name_and_region_in_the_spec(key: str) -> None:
    """The spec takes them from the instance if it has none."""
    raw = with_spec(**{key: None}) | {key: "of-the-instance"}
    assert getattr(spec_of(raw), key) == "of-the-instance"


def test_5_both_forms_decode_to_equal_models() -> None:
    """A documented and an observed response with the same content are equal."""
    observed = with_spec(name=None, region=None, vpc=None, vpc_config={"vpc_uuid": VPC_ID})
    observed["name"] = "web"
    assert read(observed) == read(an_instance())


@pytest.mark.parametrize(
    ("sent", "decoded"),
    [(["a/b", "c"], ("a/b", "c")), ("a/b", ("a/b",)), (None, ()), ("", ())],
)
def test_6_provider_model_id_of_an_instance(sent: Any, decoded: tuple[str, ...]) -> None:
    """A list, a string and a missing value all become a tuple."""
    assert read(an_instance(provider_model_id=sent)).provider_model_id == decoded


def test_6_provider_model_id_of_a_deployment() -> None:
    """In a deployment it is a string, or None if missing."""
    deployments = [a_deployment(provider_model_id="org/m"), a_deployment()]
    found = spec_of(with_spec(model_deployments=deployments)).model_deployments
    assert [d.provider_model_id for d in found] == ["org/m", None]


@pytest.mark.parametrize("shown", ["nyc2", ["nyc2"]])
@pytest.mark.parametrize("key", ["region", "regions"])
def test_7_region_and_regions_of_a_size(key: str, shown: Any) -> None:
    """A single region in either field, as text or as a list, fills both."""
    (size,) = CODEC.structure({"sizes": [{"gpu_slug": "g", key: shown}]}, Sizes).sizes
    assert (size.region, size.regions) == ("nyc2", ("nyc2",))


def test_7_several_regions_of_a_size() -> None:
    """With several regions, `region` is None."""
    (size,) = CODEC.structure({"sizes": [{"gpu_slug": "g", "regions": ["a", "b"]}]}, Sizes).sizes
    assert (size.region, size.regions) == (None, ("a", "b"))


def test_7_hardware_of_a_size() -> None:
    """CPU, memory, GPU, disks and category are decoded."""
    raw = {
        "gpu_slug": "g",
        "cpu": 20,
        "memory": 245760,
        "gpu": {"count": 1, "vram_gb": 192, "slug": "mi300x"},
        "size_category": {"name": "GPU", "fleet_name": "mi300"},
        "disks": [{"type": "Local", "size_gb": 720}],
    }
    (size,) = CODEC.structure({"sizes": [raw]}, Sizes).sizes
    assert (size.cpu, size.memory, size.gpu) == (20, 245760, GPU(1, 192, "mi300x"))
    assert (size.size_category, size.disks) == (SizeCategory("GPU", "mi300"), (Disk("Local", 720),))


@pytest.mark.parametrize("junk", ["x", "20 vCPU", {}, [], [[]], {"a": "b"}, float("inf")])
def test_7_unreadable_hardware_leaves_the_size_and_its_price(junk: Any) -> None:
    """A description that cannot be read counts as missing; slug and price are read."""
    names = ("cpu", "memory", "gpu", "size_category", "disks")
    raw = {"gpu_slug": "g", "price_per_hour": "1.5", **dict.fromkeys(names, junk)}
    (size,) = CODEC.structure({"sizes": [raw]}, Sizes).sizes
    assert (size.gpu_slug, size.price_per_hour) == ("g", Decimal("1.5"))
    assert (size.cpu, size.memory) == (None, None)
    raw = {"gpu_slug": "g", "gpu": {"count": junk, "vram_gb": junk, "slug": "mi300x"}}
    (size,) = CODEC.structure({"sizes": [raw]}, Sizes).sizes
    assert size.gpu == GPU(None, None, "mi300x")


def test_8_list_row_without_specs() -> None:
    """It decodes to an instance whose specs are None."""
    light = {
        "id": ID, "name": "web", "region": "atl1", "status": "active", "vpc_uuid": VPC_ID,
        "provider_model_id": [MODEL], "created_at": STAMP, "updated_at": STAMP,
    }  # fmt: skip
    row = read(light)
    assert (row.id, row.name, row.spec, row.pending_deployment_spec) == (ID, "web", None, None)
    assert row.provider_model_id == (MODEL,)


@VIRTUAL
async def test_9_name_filter_that_a_server_ignores() -> None:
    """`name` is sent, and rows of another name are dropped."""
    rows = [an_instance(), an_instance(id="2", name="other")]
    async with scripted_client(*[answer(200, {"dedicated_inferences": rows})] * 4) as (
        client,
        network,
    ):
        found = [di.id async for di in client.dedicated_inferences.list(name="web")]
    assert found == [ID]
    assert ("name", "web") in network.requests[0].params


@pytest.mark.parametrize("word", ["active", "ACTIVE", "Active", " active "])
def test_10_status_case(word: str) -> None:
    """The status equals the documented lower-case word."""
    assert read(an_instance(status=word)).status == "active"


def test_10_running_is_kept() -> None:
    """The undocumented `running` is kept; the waiter accepts it."""
    assert read(an_instance(status="RUNNING")).status == "running"


@pytest.mark.parametrize("fqdn", ["https://x.do-infra.ai", "x.do-infra.ai"])
def test_11_endpoint_with_and_without_scheme(fqdn: str) -> None:
    """An endpoint is kept as sent."""
    sent = {"public_endpoint_fqdn": fqdn, "private_endpoint_fqdn": ""}
    assert read(an_instance(endpoints=sent)).endpoints == Endpoints(fqdn, "")


@VIRTUAL
@pytest.mark.parametrize(
    "links", [{"links": {}}, {"links": {"pages": {"next": ""}}}, {}, {"links": None}]
)
async def test_12_links_that_end_a_listing(links: dict[str, Any]) -> None:
    """`links: {}`, `next: ""` and no links mean one page and one request."""
    page = answer(200, {"dedicated_inferences": [an_instance()], "meta": {"total": 1}, **links})
    async with scripted_client(page) as (client, network):
        assert [di.id async for di in client.dedicated_inferences.list()] == [ID]
    assert len(network.requests) == 1


@VIRTUAL
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_13_token_create_status(status: int) -> None:
    """The documented 202 and the observed 201 and 200 all return the token."""
    made = answer(status, {"token": {"id": "t", "name": "a", "value": "di_x"}})
    async with scripted_client(made) as (client, _):
        token = await client.dedicated_inferences.create_token(ID, "a")
    assert (token.id, token.value) == ("t", Secret("di_x"))


@VIRTUAL
@pytest.mark.parametrize("wrapped", [True, False])
async def test_14_accelerator_bare_or_wrapped(wrapped: bool) -> None:
    """A bare object (as documented) and one under `accelerator` are equal."""
    raw = {"id": "a", "slug": GPU_SLUG}
    async with scripted_client(answer(200, {"accelerator": raw} if wrapped else raw)) as (c, _):
        found = await c.dedicated_inferences.get_accelerator(ID, "a")
    assert found == Accelerator("a", slug=GPU_SLUG)


@pytest.mark.parametrize("key", ["deployment_spec", "current_deployment_spec"])
def test_15_other_names_of_the_spec(key: str) -> None:
    """A spec under another observed name is the spec."""
    raw = an_instance()
    raw[key] = raw.pop("spec")
    assert read(raw) == read(an_instance())


def test_16_version_zero() -> None:
    """A spec of version 0 with Go's zero values is decoded."""
    zero = {"version": 0, "name": "", "region": "", "model_deployments": None}
    spec = spec_of(with_spec(**zero))
    assert spec.version == 0
    assert read(an_instance(spec=zero)).spec is not None


# --- tolerance --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["x", 5, ["x"], [{}]])
@pytest.mark.parametrize("path", ["endpoints", "spec", "pending_deployment_spec"])
def test_error_about_an_odd_object_names_its_path(path: str, value: Any) -> None:
    """A value that is not an object is an error that names its field."""
    raw = {**an_instance(), path: value}
    with pytest.raises(DecodeError, match=rf"@ \$\.{path.replace('.', '[.]')}$"):
        read(raw)


def test_unknown_fields_are_ignored() -> None:
    """Fields that the API adds, at any depth, change nothing."""
    raw = with_spec(new_thing={"a": 1}, model_deployments=[a_deployment(new_thing=[1])])
    assert read({**raw, "new_thing": 5}) == read(an_instance())


@pytest.mark.parametrize("word", ["migrating", "CREATING", "weird-word"])
def test_unknown_status_is_kept(word: str) -> None:
    """An undocumented status word is kept, in lower case."""
    assert read(an_instance(status=word)).status == word.lower()


def test_1970_is_a_time_like_any_other() -> None:
    """1970, a placeholder for "not yet", is decoded."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert read(an_instance(created_at="1970-01-01T00:00:00Z")).created_at == epoch


@pytest.mark.parametrize(
    ("text", "offset"), [(STAMP, 0), ("2024-01-09T20:44:32+02:00", 2), ("2024-01-09T20:44:32", 0)]
)
def test_times_are_aware(text: str, offset: int) -> None:
    """A time keeps its offset; without one it is UTC."""
    time = read(an_instance(updated_at=text)).updated_at
    assert time is not None
    assert time.utcoffset() == timedelta(hours=offset)


@pytest.mark.parametrize("text", ["", None, "yesterday", 5])
def test_unreadable_time_is_none(text: Any) -> None:
    """The rest of the instance is still decoded."""
    assert read(an_instance(updated_at=text)).updated_at is None


def test_nanoseconds() -> None:
    """Go's nine fractional digits are cut to six."""
    time = read(an_instance(updated_at="2024-01-09T20:44:32.123456789Z")).updated_at
    assert time == datetime(2024, 1, 9, 20, 44, 32, 123456, UTC)


def test_empty_ids() -> None:
    """An unassigned accelerator has an empty id and `invalid`; both are kept."""
    accelerator = {"accelerator_slug": GPU_SLUG, "accelerator_id": "", "state": "invalid"}
    found = accelerator_of(with_spec(model_deployments=[a_deployment(accelerators=[accelerator])]))
    assert (found.accelerator_id, found.status) == ("", "invalid")


@pytest.mark.parametrize("price", ["1.99", 1.99])
def test_prices_are_exact(price: Any) -> None:
    """A price is an exact decimal, sent as a string or a number."""
    (size,) = CODEC.structure({"sizes": [{"gpu_slug": "g", "price_per_hour": price}]}, Sizes).sizes
    assert size.price_per_hour == Decimal("1.99")


def test_managed_token() -> None:
    """`is_managed` marks DigitalOcean's own tokens; missing means False."""
    managed = CODEC.structure({"id": "t", "is_managed": True}, AccessToken)
    assert (managed.is_managed, managed.value) == (True, None)
    assert CODEC.structure({"id": "t"}, AccessToken).is_managed is False


@pytest.mark.parametrize("part", ["endpoints", "spec", "pending_deployment_spec"])
@pytest.mark.parametrize("value", ["x", [1], 5])
def test_a_part_of_another_type(part: str, value: object) -> None:
    """The error says which part of the instance is not an object."""
    with pytest.raises(DecodeError, match=rf"\$\.{part}"):
        read({**an_instance(), part: value})


@pytest.mark.parametrize("part", ["spec", "pending_deployment_spec"])
@pytest.mark.parametrize("vpc", ["x", [1], None])
def test_a_vpc_that_is_not_an_object(part: str, vpc: object) -> None:
    """It is as if it were missing; the instance's VPC stands for it."""
    found = read(an_instance(**{part: {"name": "a", "region": "atl1", "vpc": vpc}}))
    shown = getattr(found, part)
    assert shown.vpc.uuid == found.vpc_uuid


@pytest.mark.parametrize("endpoints", [{}, None, [], "", {"public_endpoint_fqdn": ""}])
def test_no_endpoint_yet(endpoints: Any) -> None:
    """Missing, empty and blank endpoints decode to None."""
    assert read({**an_instance(), "endpoints": endpoints}).endpoints is None


def test_missing_id_is_reported_with_its_path() -> None:
    """A missing required field is an error that names it."""
    with pytest.raises(DecodeError, match=r"DedicatedInference.*id"):
        read({"status": "active"})


def test_path_of_a_nested_fault() -> None:
    """The error names the full path."""
    raw = with_spec(model_deployments=[a_deployment(accelerators=[{"scale": "many"}])])
    with pytest.raises(DecodeError, match=r"spec\.model_deployments\[0\]\.accelerators\[0\]"):
        read(raw)


# --- the certificate --------------------------------------------------------------------------

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("cert", [base64.b64encode(PEM.encode()).decode(), PEM])
def test_certificate(cert: str) -> None:
    """Base64 of PEM (as documented) and plain PEM are accepted."""
    assert read_ca({"cert": cert}).pem == PEM


@pytest.mark.parametrize("body", [None, [], {}, {"cert": None}, {"cert": 5}, {"cert": ""}])
def test_no_certificate(body: Any) -> None:
    """A response without a certificate is a DecodeError."""
    with pytest.raises(DecodeError, match=r"\$\.cert"):
        read_ca(body)


@pytest.mark.parametrize("cert", ["AAA", "gICAgA=="])
def test_certificate_that_is_not_base64_of_text(cert: str) -> None:
    """It is a DecodeError."""
    with pytest.raises(DecodeError, match="base64 of PEM"):
        read_ca({"cert": cert})


def test_certificate_beyond_ascii() -> None:
    """Non-ASCII characters are a DecodeError."""
    with pytest.raises(DecodeError, match="base64 of PEM"):
        read_ca({"cert": "é"})


@pytest.mark.parametrize("cert", ["!", base64.b64encode(b"hello").decode()])
def test_certificate_that_is_not_pem(cert: str) -> None:
    """It is reported while decoding, not at the TLS handshake."""
    with pytest.raises(DecodeError, match="PEM"):
        read_ca({"cert": cert})


# --- anything at all ----------------------------------------------------------------------------

KEYS = st.sampled_from([
    "id", "name", "region", "status", "spec", "pending_deployment_spec", "endpoints", "vpc",
    "vpc_uuid", "vpc_config", "version", "model_deployments", "accelerators", "accelerator_slug",
    "scale", "provider_model_id", "created_at", "value", "regions", "sizes", "gpu", "disks",
    "price_per_hour", "model_slug", "gpu_slugs", "workload_config", "state",
])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=20,
)
MODELS = (DedicatedInference, AccessToken, Accelerator, Sizes, GPUModelConfig)


@pytest.mark.parametrize("model", MODELS)
@given(junk=JUNK)
def test_junk_is_a_model_or_a_decode_error(model: type, junk: Any) -> None:
    """No JSON value raises any other error."""
    with suppress(DecodeError):
        assert isinstance(CODEC.structure(junk, model), model)


@given(where=KEYS, junk=JUNK)
def test_junk_in_an_instance_is_a_model_or_a_decode_error(where: str, junk: Any) -> None:
    """The same holds for junk in one field of an instance or its spec."""
    for raw in ({**an_instance(), where: junk}, with_spec(**{where: junk})):
        with suppress(DecodeError):
            assert isinstance(read(raw), DedicatedInference)


@VIRTUAL
@pytest.mark.parametrize("rows", [5, True, {"a": 1}, "abc"])
async def test_listing_whose_rows_are_not_a_list(rows: Any) -> None:
    """Rows that are not a list are a DecodeError."""
    async with scripted_client(*[answer(200, {"dedicated_inferences": rows})] * 4) as (client, _):
        with pytest.raises(DecodeError):
            [di async for di in client.dedicated_inferences.list()]


@VIRTUAL
@pytest.mark.parametrize("body", [[], {}, {"message": "hello"}, None])
async def test_listing_without_its_key(body: Any) -> None:
    """A 200 without rows is not an empty list: a lost create would look absent."""
    async with scripted_client(*[answer(200, body)] * 4) as (client, _):
        with pytest.raises(DecodeError, match=r"dedicated_inferences|empty"):
            [di async for di in client.dedicated_inferences.list()]


@VIRTUAL
@pytest.mark.parametrize("rows", [5, True, {"a": 1}, "abc"])
async def test_model_configs_that_are_not_a_list(rows: Any) -> None:
    """The same holds for the model configurations."""
    async with scripted_client(*[answer(200, {"gpu_model_configs": rows})] * 4) as (client, _):
        with pytest.raises(DecodeError):
            await client.dedicated_inferences.gpu_model_configs()


@VIRTUAL
@pytest.mark.parametrize("total", ["7 rows", -1, 2.5, {}, 2**60])
async def test_odd_totals(total: Any) -> None:
    """An unreadable total does not stop a listing."""
    page = answer(200, {"dedicated_inferences": [an_instance()], "meta": {"total": total}})
    async with scripted_client(page) as (client, network):
        assert len([di async for di in client.dedicated_inferences.list()]) == 1
    assert network.requests[0].path == BASE
