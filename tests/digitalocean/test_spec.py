"""The spec a caller writes: rules told with their path, any source, nothing lost on the way."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from di_async import InvalidInputError
from di_async.digitalocean import (
    VPC,
    AcceleratorConfig,
    DedicatedInferenceSpec,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import spec_digest, whole_spec
from tests.digitalocean.helpers import GPU, MODEL, VPC_ID, an_instance, read
from tests.support import a_spec

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
    """A good spec whose one deployment has these fields."""
    (deployment,) = a_spec().model_deployments
    return attrs.evolve(a_spec(), model_deployments=(attrs.evolve(deployment, **fields),))


def with_accelerator(**fields: Any) -> DedicatedInferenceSpec:
    """A good spec whose one accelerator entry has these fields."""
    accelerator = attrs.evolve(AcceleratorConfig(GPU), **fields)
    return with_deployment(accelerators=(accelerator,))


# --- rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", "ä", "a.b", "a/b", "x" * 256, "web\n", 5, None])
def test_bad_name(name: Any) -> None:
    """Letters, digits, dash and underscore, at most 255 of them."""
    with pytest.raises(InvalidInputError, match=r"spec\.name: 1 to 255 letters, digits"):
        a_spec(name).check()


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 255])
def test_good_name(name: str) -> None:
    """The bounds of the rule are within it."""
    a_spec(name).check()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("region", "", r"spec\.region: a region slug"),
        ("region", " ", r"spec\.region: a region slug"),
        ("region", 5, r"spec\.region: a region slug"),
        ("version", -1, r"spec\.version: a whole number"),
        ("version", True, r"spec\.version: a whole number"),
        ("version", "1", r"spec\.version: a whole number"),
        ("enable_public_endpoint", "yes", r"spec\.enable_public_endpoint: true or false"),
        ("vpc", "default", r"spec\.vpc\.uuid: a UUID, not 'default'"),
        ("vpc", VPC(""), r"spec\.vpc\.uuid: a UUID"),
        ("model_deployments", (), r"spec\.model_deployments: at least one"),
    ],
)
def test_top_rules(field: str, value: Any, told: str) -> None:
    """Each rule of the spec itself is told with the path of its field."""
    with pytest.raises(InvalidInputError, match=told):
        attrs.evolve(a_spec(), **{field: value}).check()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model_slug": ""}, r"spec\.model_deployments\[0\]\.model_slug: required"),
        ({"accelerators": ()}, r"spec\.model_deployments\[0\]\.accelerators: at least one"),
    ],
)
def test_deployment_rules(fields: dict[str, Any], told: str) -> None:
    """So is each rule of a deployment."""
    with pytest.raises(InvalidInputError, match=told):
        with_deployment(**fields).check()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"accelerator_slug": ""}, "accelerator_slug: a GPU slug"),
        ({"scale": 0}, "scale: a whole number of 1 or more, not 0"),
        ({"scale": -3}, "scale: a whole number of 1 or more"),
        ({"scale": "2"}, "scale: a whole number of 1 or more"),
        ({"scale": True}, "scale: a whole number of 1 or more"),
        ({"scale": 1.5}, "scale: a whole number of 1 or more"),
        ({"type": ""}, "type: text such as"),
    ],
)
def test_accelerator_rules(fields: dict[str, Any], told: str) -> None:
    """And each rule of an accelerator entry."""
    path = r"spec\.model_deployments\[0\]\.accelerators\[0\]\."
    with pytest.raises(InvalidInputError, match=path + told):
        with_accelerator(**fields).check()


def test_all_faults_at_once() -> None:
    """One error lists every fault, in words and as `.problems`."""
    with pytest.raises(InvalidInputError) as caught:
        attrs.evolve(with_accelerator(scale=0), name="", region="").check()
    paths = [problem.partition(":")[0] for problem in caught.value.problems]
    assert paths == [
        "spec.name", "spec.region", "spec.model_deployments[0].accelerators[0].scale"
    ]  # fmt: skip


def test_vocabulary_is_open() -> None:
    """Regions, providers, GPUs and types that we never heard of are the provider's to judge."""
    accelerator = AcceleratorConfig("gpu-b9000", type="draft")
    spec = with_deployment(model_provider="new_hub", accelerators=(accelerator,))
    attrs.evolve(spec, region="mars1").check()


# --- reading ------------------------------------------------------------------------------------


def test_defaults() -> None:
    """Name, region, model and GPU are enough; the rest is as documented."""
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
    """The same from a mapping that names no more than that."""
    deployment = {"model_slug": MODEL, "accelerators": [{"accelerator_slug": GPU}]}
    raw = {"name": "web", "region": "atl1", "model_deployments": [deployment]}
    assert DedicatedInferenceSpec.from_dict(raw) == a_spec()


@pytest.mark.parametrize("vpc", [{"uuid": VPC_ID}, VPC_ID, VPC(VPC_ID)])
def test_vpc_in_any_form(vpc: Any) -> None:
    """A mapping, a uuid or a `VPC` mean the same."""
    assert DedicatedInferenceSpec.from_dict({**RAW, "vpc": vpc}).vpc == VPC(VPC_ID)


@pytest.mark.parametrize("raw", [RAW, {"spec": RAW}], ids=["bare", "wrapped"])
def test_from_dict(raw: dict[str, Any]) -> None:
    """The documented shape, with or without `spec` around it, comes out as it went in."""
    assert DedicatedInferenceSpec.from_dict(raw).to_dict() == RAW


@pytest.mark.parametrize("dump", [orjson.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_from_text(dump: Any) -> None:
    """JSON and YAML alike."""
    assert DedicatedInferenceSpec.from_text(dump(RAW)).to_dict() == RAW


@pytest.mark.parametrize("dump", [lambda v: orjson.dumps(v).decode(), yaml.safe_dump])
def test_from_file(tmp_path: Path, dump: Any) -> None:
    """From a file, whatever its name ends in."""
    path = tmp_path / "spec.txt"
    path.write_text(dump(RAW))
    assert DedicatedInferenceSpec.from_file(path).to_dict() == RAW


def test_json_example_in_yaml_with_comments() -> None:
    """YAML's comments and short forms are read."""
    text = f"name: web  # a comment\nregion: atl1\nmodel_deployments:\n- model_slug: {MODEL}\n"
    assert DedicatedInferenceSpec.from_text(text).model_deployments[0].model_slug == MODEL


@pytest.mark.parametrize("missing", ["name", "region"])
def test_required_field(missing: str) -> None:
    """What a spec cannot do without is named."""
    with pytest.raises(InvalidInputError, match=rf"spec\.{missing}: required"):
        DedicatedInferenceSpec.from_dict({k: v for k, v in RAW.items() if k != missing})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({**RAW, "regin": "x"}, r"spec\.regin: no such field; known are .*region"),
        (
            {**RAW, "model_deployments": [{"model": "x"}]},
            r"spec\.model_deployments\[0\]\.model: no such field; known are .*model_slug",
        ),
        (
            {**RAW, "model_deployments": [{"accelerators": [{"slug": "x"}]}]},
            r"accelerators\[0\]\.slug: no such field; known are accelerator_id, accelerator_slug",
        ),
    ],
)
def test_unknown_field(raw: dict[str, Any], told: str) -> None:
    """A misspelt field is told with its path and what was possible."""
    with pytest.raises(InvalidInputError, match=told):
        DedicatedInferenceSpec.from_dict(raw)


def test_tokens_do_not_belong_in_a_spec() -> None:
    """The body of a request is told apart from a spec, and its token is not repeated."""
    with pytest.raises(InvalidInputError, match="access_tokens: give them beside") as caught:
        DedicatedInferenceSpec.from_dict({"spec": RAW, "access_tokens": {"x": "hf_hidden"}})
    assert "hf_hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (5, r"spec: a mapping of fields, not 5"),
        ({**RAW, "model_deployments": "x"}, r"spec\.model_deployments: a list, not 'x'"),
        ({**RAW, "model_deployments": [5]}, r"spec\.model_deployments\[0\]: a mapping"),
        ({**RAW, "model_deployments": [{"accelerators": {}}]}, r"accelerators: a list, not {}"),
        ({**RAW, "model_deployments": [{"accelerators": [5]}]}, r"accelerators\[0\]: a mapping"),
    ],
)
def test_wrong_types(raw: Any, told: str) -> None:
    """A value of a wrong kind is told with its path."""
    with pytest.raises(InvalidInputError, match=told):
        DedicatedInferenceSpec.from_dict(raw)


@pytest.mark.parametrize("vpc", [5, ["x"], True])
def test_vpc_of_a_wrong_type(vpc: Any) -> None:
    """A VPC that is none is an error of ours."""
    with pytest.raises(InvalidInputError, match=r"spec\.vpc"):
        DedicatedInferenceSpec.from_dict({**RAW, "vpc": vpc}).check()


@pytest.mark.parametrize("field", ["model_slug", "model_provider"])
def test_deployment_text_of_a_wrong_type(field: str) -> None:
    """A number where a text belongs is told before it is sent."""
    deployment = {**RAW["model_deployments"][0], field: 5}
    with pytest.raises(InvalidInputError, match=rf"model_deployments\[0\]\.{field}"):
        DedicatedInferenceSpec.from_dict({**RAW, "model_deployments": [deployment]}).check()


@pytest.mark.parametrize("field", ["accelerator_slug", "type"])
def test_accelerator_text_of_a_wrong_type(field: str) -> None:
    """The same of an accelerator."""
    with pytest.raises(InvalidInputError, match=rf"accelerators\[0\]\.{field}"):
        with_accelerator(**{field: 5}).check()


def test_read_only_fields_are_dropped() -> None:
    """What the API shows may be used as a start: ids, states and times are left behind."""
    shown = {
        **RAW, "id": "s-1", "status": "active", "state": "active", "created_at": "x",
        "updated_at": "x", "dedicated_inference_id": "d", "vpc_config": {"vpc_uuid": VPC_ID},
    }  # fmt: skip
    assert DedicatedInferenceSpec.from_dict(shown).to_dict() == RAW


def test_read_spec_makes_a_new_one() -> None:
    """The spec of an instance that was read is a spec to create another from."""
    spec = read(an_instance()).spec
    assert isinstance(spec, DeploymentSpec)
    (deployment,) = whole_spec(spec).to_dict()["model_deployments"]
    assert deployment["accelerators"] == RAW["model_deployments"][0]["accelerators"]


# --- broken files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "spec.json"),
        (b"name: [web\n", r"spec.json at line \d+, column \d+"),
        (b"", "holds NoneType, not a mapping"),
        (b"[1]", "holds list, not a mapping"),
        (b"hello", "holds str, not a mapping"),
        (b"\xff\xfe\x00", "spec.json"),
        (b"a: !!python/object:os.system {}", "spec.json"),
    ],
)
def test_broken_file(tmp_path: Path, content: bytes, told: str) -> None:
    """The file is named, and where in it the fault is."""
    path = tmp_path / "spec.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=told):
        DedicatedInferenceSpec.from_file(path)


def test_file_nested_too_deep(tmp_path: Path) -> None:
    """A file that nests beyond all sense is an error of ours."""
    path = tmp_path / "spec.json"
    path.write_text("[" * 5000)
    with pytest.raises(InvalidInputError):
        DedicatedInferenceSpec.from_file(path)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_unreadable_file(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are told by name and reason."""
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


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPECS)
def test_round_trip(spec: DedicatedInferenceSpec) -> None:
    """Every spec that passes its rules survives a mapping, JSON and YAML unchanged."""
    spec.check()
    body = spec.to_dict()
    assert DedicatedInferenceSpec.from_dict(body) == spec
    assert DedicatedInferenceSpec.from_text(orjson.dumps(body)) == spec
    assert DedicatedInferenceSpec.from_text(yaml.safe_dump(body)) == spec


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SPECS, st.randoms(use_true_random=False))
def test_digest_knows_no_order(spec: DedicatedInferenceSpec, random: Any) -> None:
    """Two specs that run the same are the same in any order, by any name or version."""
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


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NODES)
def test_junk_is_read_or_refused(junk: Any) -> None:
    """Whatever a file holds, reading it gives a spec or an InvalidInputError."""
    with suppress(InvalidInputError):
        assert isinstance(DedicatedInferenceSpec.from_dict(junk), DedicatedInferenceSpec)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(RAW)), NODES)
def test_junk_in_a_field_is_found_by_the_rules(field: str, junk: Any) -> None:
    """A good spec with junk in one field: it passes as a body to send, or it is refused."""
    with suppress(InvalidInputError):
        spec = DedicatedInferenceSpec.from_dict({**RAW, field: junk})
        spec.check()
        assert orjson.loads(orjson.dumps(spec.to_dict()))
        assert spec_digest(spec)
