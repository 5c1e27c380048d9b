"""The spec a caller writes: faults named by path, any source, and exact round trips."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from di_async import InvalidInputError
from di_async.digitalocean import (
    VPC,
    AcceleratorConfig,
    DedicatedInferenceSpec,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import complete_spec, spec_digest
from tests.builders.digitalocean import GPU, MODEL, VPC_ID, a_spec, read
from tests.digitalocean.helpers import an_instance

RAW: dict[str, Any] = {
    "version": 1,
    "name": "web",
    "region": "atl1",
    "vpc": {"uuid": VPC_ID},
    "enable_public_endpoint": True,
    "model_deployments": [
        {
            "model_slug": MODEL,
            "model_provider": "hugging_face",
            "workload_config": {},
            "accelerators": [{"accelerator_slug": GPU, "scale": 2, "type": "prefill_decode"}],
        }
    ],
}


def with_deployment(**fields: Any) -> DedicatedInferenceSpec:
    """Return a valid spec whose one deployment has these fields."""
    (deployment,) = a_spec().model_deployments
    return attrs.evolve(a_spec(), model_deployments=(attrs.evolve(deployment, **fields),))


def with_accelerator(**fields: Any) -> DedicatedInferenceSpec:
    """Return a valid spec whose one accelerator entry has these fields."""
    accelerator = attrs.evolve(AcceleratorConfig(GPU), **fields)
    return with_deployment(accelerators=(accelerator,))


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", "ä", "a.b", "a/b", "x" * 256, "web\n", 5])
def test_bad_name(name: Any) -> None:
    """A name has 1 to 255 letters, digits, dashes and underscores."""
    with pytest.raises(InvalidInputError, match=r"spec\.name: expected 1 to 255 letters, digits"):
        a_spec(name).check()


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 255])
def test_good_name(name: str) -> None:
    """Names of the shortest and the longest length are valid."""
    a_spec(name).check()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", None, r"spec\.name: required"),
        ("region", "", r"spec\.region: expected a region slug"),
        ("region", " ", r"spec\.region: expected a region slug"),
        ("region", 5, r"spec\.region: expected a region slug"),
        ("version", -1, r"spec\.version: expected a whole number of 0 or more, not -1"),
        ("version", True, r"spec\.version: expected a whole number"),
        ("version", "1", r"spec\.version: expected a whole number"),
        ("enable_public_endpoint", "yes", r"spec\.enable_public_endpoint: expected true or false"),
        ("vpc", "default", r"spec\.vpc\.uuid: expected a UUID, not 'default'"),
        ("vpc", VPC(""), r"spec\.vpc\.uuid: expected a UUID"),
        ("model_deployments", (), r"spec\.model_deployments: expected at least one"),
    ],
)
def test_invalid_field(field: str, value: Any, message: str) -> None:
    """The message names the path of an invalid field."""
    with pytest.raises(InvalidInputError, match=message):
        attrs.evolve(a_spec(), **{field: value}).check()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_slug": ""}, r"model_slug: required unless model_id is set"),
        ({"accelerators": ()}, r"accelerators: expected at least one"),
        ({"workload_config": 5}, r"workload_config: expected a mapping, not int"),
        ({"model_provider": None}, r"model_provider: may be omitted, but not null"),
    ],
)
def test_invalid_deployment(fields: dict[str, Any], message: str) -> None:
    """The message names the path of an invalid field of a deployment."""
    with pytest.raises(InvalidInputError, match=rf"spec\.model_deployments\[0\]\.{message}"):
        with_deployment(**fields).check()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"accelerator_slug": ""}, "accelerator_slug: expected a GPU slug"),
        ({"scale": 0}, "scale: expected a whole number of 1 or more, not 0"),
        ({"scale": -3}, "scale: expected a whole number of 1 or more"),
        ({"scale": "2"}, "scale: expected a whole number of 1 or more, not '2'"),
        ({"scale": True}, "scale: expected a whole number of 1 or more"),
        ({"scale": 1.5}, "scale: expected a whole number of 1 or more"),
        ({"type": ""}, "type: expected text such as"),
    ],
)
def test_invalid_accelerator(fields: dict[str, Any], message: str) -> None:
    """The message names the path of an invalid field of an accelerator entry."""
    path = r"spec\.model_deployments\[0\]\.accelerators\[0\]\."
    with pytest.raises(InvalidInputError, match=path + message):
        with_accelerator(**fields).check()


def test_all_faults_at_once() -> None:
    """One error lists every fault in `.problems`."""
    with pytest.raises(InvalidInputError) as caught:
        attrs.evolve(with_accelerator(scale=0), name="", region="").check()
    paths = [problem.partition(":")[0] for problem in caught.value.problems]
    assert paths == [
        "spec.name", "spec.region", "spec.model_deployments[0].accelerators[0].scale"
    ]  # fmt: skip


def test_vocabulary_is_open() -> None:
    """Unknown regions, providers, GPUs and types are left to the provider to check."""
    accelerator = AcceleratorConfig("gpu-b9000", type="draft")
    spec = with_deployment(model_provider="new_hub", accelerators=(accelerator,))
    attrs.evolve(spec, region="mars1").check()


# --- reading ------------------------------------------------------------------------------------


def test_defaults() -> None:
    """Name, region, model and GPU are enough; the rest has the documented defaults."""
    spec = DedicatedInferenceSpec.of("web", region="atl1", model_slug=MODEL, accelerator_slug=GPU)
    spec.check()
    body = {k: v for k, v in RAW.items() if k != "vpc"}
    body["model_deployments"] = [
        {
            **RAW["model_deployments"][0],
            "accelerators": [{"accelerator_slug": GPU, "scale": 1, "type": "prefill_decode"}],
        }
    ]
    assert spec.to_dict() == body


def test_defaults_of_a_mapping() -> None:
    """A mapping of only these fields has the same defaults."""
    deployment = {"model_slug": MODEL, "accelerators": [{"accelerator_slug": GPU}]}
    raw = {"name": "web", "region": "atl1", "model_deployments": [deployment]}
    assert DedicatedInferenceSpec.from_dict(raw) == a_spec()


@pytest.mark.parametrize("vpc", [{"uuid": VPC_ID}, VPC_ID, VPC(VPC_ID)])
def test_vpc_in_any_form(vpc: Any) -> None:
    """A VPC may be a mapping, a uuid or a `VPC`."""
    assert DedicatedInferenceSpec.from_dict({**RAW, "vpc": vpc}).vpc == VPC(VPC_ID)


@pytest.mark.parametrize("raw", [RAW, {"spec": RAW}], ids=["bare", "wrapped"])
def test_from_dict(raw: dict[str, Any]) -> None:
    """The documented shape is read and written unchanged, with or without `spec` around it."""
    assert DedicatedInferenceSpec.from_dict(raw).to_dict() == RAW


@pytest.mark.parametrize("dump", [orjson.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_from_text(dump: Any) -> None:
    """A spec is read from JSON and from YAML."""
    assert DedicatedInferenceSpec.from_text(dump(RAW)).to_dict() == RAW


@pytest.mark.parametrize("dump", [lambda v: orjson.dumps(v).decode(), yaml.safe_dump])
def test_from_file(tmp_path: Path, dump: Any) -> None:
    """A spec file may have any extension."""
    path = tmp_path / "spec.txt"
    path.write_text(dump(RAW))
    assert DedicatedInferenceSpec.from_file(path).to_dict() == RAW


def test_yaml_with_comments() -> None:
    """YAML may have comments, and the spec may be incomplete until it is checked."""
    text = f"name: web  # a comment\nregion: atl1\nmodel_deployments:\n- model_slug: {MODEL}\n"
    assert DedicatedInferenceSpec.from_text(text).model_deployments[0].model_slug == MODEL


@pytest.mark.parametrize("missing", ["name", "region"])
def test_required_field(missing: str) -> None:
    """A missing field is named."""
    with pytest.raises(InvalidInputError, match=rf"spec\.{missing}: required"):
        DedicatedInferenceSpec.from_dict({k: v for k, v in RAW.items() if k != missing})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({**RAW, "regin": "x"}, r"spec\.regin: no such field; known fields are .*region"),
        (
            {**RAW, "model_deployments": [{"model": "x"}]},
            r"spec\.model_deployments\[0\]\.model: no such field; known fields are .*model_slug",
        ),
        (
            {**RAW, "model_deployments": [{"accelerators": [{"slug": "x"}]}]},
            r"\[0\]\.slug: no such field; known fields are accelerator_slug, scale, type",
        ),
    ],
)
def test_unknown_field(raw: dict[str, Any], message: str) -> None:
    """The message names the path of an unknown field and the known ones."""
    with pytest.raises(InvalidInputError, match=message):
        DedicatedInferenceSpec.from_dict(raw)


def test_tokens_are_not_part_of_a_spec() -> None:
    """A whole request body is rejected, and the message does not show its token."""
    with pytest.raises(InvalidInputError, match="access_tokens: not part of a spec") as caught:
        DedicatedInferenceSpec.from_dict({"spec": RAW, "access_tokens": {"x": "hf_hidden"}})
    assert "hf_hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (5, "spec: expected a mapping of fields, not int"),
        (
            {**RAW, "model_deployments": "x"},
            r"spec\.model_deployments: expected a list, not str",
        ),
        (
            {**RAW, "model_deployments": [5]},
            r"spec\.model_deployments\[0\]: expected a mapping of fields, not int",
        ),
        (
            {**RAW, "model_deployments": [{"accelerators": {}}]},
            r"accelerators: expected a list, not dict",
        ),
        (
            {**RAW, "model_deployments": [{"accelerators": [5]}]},
            r"accelerators\[0\]: expected a mapping",
        ),
    ],
)
def test_wrong_types(raw: Any, message: str) -> None:
    """The message names the path of a value of the wrong type."""
    with pytest.raises(InvalidInputError, match=message):
        DedicatedInferenceSpec.from_dict(raw)


def test_structural_faults_are_reported_with_all_others() -> None:
    """A mapping that cannot be read is reported with its invalid values too."""
    deployment = {"model_slug": MODEL, "accelerators": [{"accelerator_slug": GPU, "scale": "two"}]}
    with pytest.raises(InvalidInputError) as caught:
        DedicatedInferenceSpec.from_dict({"regin": "atl1", "model_deployments": [deployment]})
    path = "spec.model_deployments[0].accelerators[0].scale"
    assert caught.value.problems[1:] == (
        "spec.name: required",
        "spec.region: required",
        f"{path}: expected a whole number of 1 or more, not 'two'",
    )


@pytest.mark.parametrize("vpc", [5, ["x"], True])
def test_vpc_of_a_wrong_type(vpc: Any) -> None:
    """A VPC of the wrong type raises `InvalidInputError`."""
    with pytest.raises(InvalidInputError, match=r"spec\.vpc"):
        DedicatedInferenceSpec.from_dict({**RAW, "vpc": vpc}).check()


@pytest.mark.parametrize("field", ["model_slug", "model_provider"])
def test_deployment_text_of_a_wrong_type(field: str) -> None:
    """A number in place of text is rejected."""
    deployment = {**RAW["model_deployments"][0], field: 5}
    with pytest.raises(InvalidInputError, match=rf"model_deployments\[0\]\.{field}"):
        DedicatedInferenceSpec.from_dict({**RAW, "model_deployments": [deployment]}).check()


@pytest.mark.parametrize("field", ["accelerator_slug", "type"])
def test_accelerator_text_of_a_wrong_type(field: str) -> None:
    """A number in place of an accelerator's text is rejected."""
    with pytest.raises(InvalidInputError, match=rf"accelerators\[0\]\.{field}"):
        with_accelerator(**{field: 5}).check()


def test_read_only_fields_are_dropped() -> None:
    """Ids, states and times that the API shows are dropped."""
    shown = {
        **RAW, "id": "s-1", "status": "active", "state": "active", "created_at": "x",
        "updated_at": "x", "dedicated_inference_id": "d", "vpc_config": {"vpc_uuid": VPC_ID},
    }  # fmt: skip
    assert DedicatedInferenceSpec.from_dict(shown).to_dict() == RAW


def test_read_spec_makes_a_new_one() -> None:
    """The spec of an existing instance can be used to create another."""
    spec = read(an_instance()).spec
    assert isinstance(spec, DeploymentSpec)
    (deployment,) = complete_spec(spec).to_dict()["model_deployments"]
    assert deployment["accelerators"] == RAW["model_deployments"][0]["accelerators"]


# --- broken files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "spec.json"),
        (b"name: [web\n", r"spec.json at line \d+, column \d+"),
        (b"", "spec.json is empty"),
        (b"# only a comment", "spec.json is empty: it holds no fields"),
        (b"[1]", "holds a list, not a mapping"),
        (b"hello", "holds text, not a mapping"),
        (b"\xff\xfe\x00", "spec.json"),
        (b"a: !!python/object:os.system {}", "spec.json"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, message: str) -> None:
    """The message names the file and the position of the fault."""
    path = tmp_path / "spec.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        DedicatedInferenceSpec.from_file(path)


def test_file_nested_too_deep(tmp_path: Path) -> None:
    """A file nested too deep raises `InvalidInputError`."""
    path = tmp_path / "spec.json"
    path.write_text("[" * 5000)
    with pytest.raises(InvalidInputError):
        DedicatedInferenceSpec.from_file(path)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_unreadable_file(tmp_path: Path, name: str) -> None:
    """The message names the file and the reason why it cannot be read."""
    with pytest.raises(InvalidInputError, match=r"cannot read the spec file .*: (No such|Is a)"):
        DedicatedInferenceSpec.from_file(tmp_path / name)


# --- properties ---------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=12)
ACCELERATORS = st.builds(
    AcceleratorConfig, accelerator_slug=TEXT, scale=st.integers(1, 64), type=TEXT
)
DEPLOYMENTS = st.builds(
    ModelDeployment,
    model_slug=TEXT,
    accelerators=st.lists(ACCELERATORS, min_size=1, max_size=3).map(tuple),
    model_provider=TEXT,
    model_id=st.none() | TEXT,
    provider_model_id=st.none() | TEXT,
    workload_config=st.dictionaries(TEXT, st.integers(0, 9), max_size=2),
)
SPECS = st.builds(
    DedicatedInferenceSpec,
    name=TEXT,
    region=TEXT,
    model_deployments=st.lists(DEPLOYMENTS, min_size=1, max_size=3).map(tuple),
    enable_public_endpoint=st.booleans(),
    vpc=st.none() | st.uuids().map(str),
    version=st.integers(0, 99),
)


@given(SPECS)
def test_round_trip(spec: DedicatedInferenceSpec) -> None:
    """Every valid spec survives a mapping, JSON and YAML unchanged."""
    spec.check()
    body = spec.to_dict()
    assert DedicatedInferenceSpec.from_dict(body) == spec
    assert DedicatedInferenceSpec.from_text(orjson.dumps(body)) == spec
    assert DedicatedInferenceSpec.from_text(yaml.safe_dump(body)) == spec


@given(SPECS, st.randoms(use_true_random=False))
def test_digest_ignores_order(spec: DedicatedInferenceSpec, random: Any) -> None:
    """Specs of the same models and GPUs have one digest, in any order, name or version."""
    shuffled = list(spec.model_deployments)
    random.shuffle(shuffled)
    other = attrs.evolve(spec, model_deployments=shuffled, name="other", version=7)
    assert spec_digest(other) == spec_digest(spec)


WORDS = [
    "spec", "name", "region", "vpc", "uuid", "version", "model_deployments", "accelerators",
    "accelerator_slug", "scale", "type", "node_count", "model_slug",
]  # fmt: skip
NODES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(NODES)
def test_junk_is_read_or_rejected(junk: Any) -> None:
    """Reading any JSON value returns a spec or raises `InvalidInputError`."""
    with suppress(InvalidInputError):
        assert isinstance(DedicatedInferenceSpec.from_dict(junk), DedicatedInferenceSpec)


@given(st.sampled_from(sorted(RAW)), NODES)
def test_junk_in_a_field_is_sent_or_rejected(field: str, junk: Any) -> None:
    """A spec with junk in one field is either rejected or can be sent."""
    with suppress(InvalidInputError):
        spec = DedicatedInferenceSpec.from_dict({**RAW, field: junk})
        spec.check()
        assert orjson.loads(orjson.dumps(spec.to_dict()))
        assert spec_digest(spec)
