"""Bodies of writes: what is sent, what is omitted, and what is rejected before it is sent."""

from typing import Any

import pytest

from di_async import InvalidInputError
from di_async.exoscale import DeploymentSpec, Model, ModelRef
from di_async.exoscale.spec import checked, complete_spec, shown_spec, update_body
from tests.builders.exoscale import ID, MODEL, a_deployment, a_spec, read

LEAST = {
    "name": "web",
    "model": {"name": MODEL},
    "gpu-type": "gpua5000",
    "gpu-count": 1,
    "replicas": 1,
}


def test_five_required_fields_are_always_sent() -> None:
    """A minimal spec sends the required fields and nothing else."""
    assert a_spec().to_dict() == LEAST


def test_all_fields() -> None:
    """All fields are sent under their documented names."""
    spec = a_spec(
        gpu_count=4,
        replicas=2,
        inference_engine_version="0.19.0",
        inference_engine_parameters=("--dtype", "half"),
        product_name="team-a",
    )
    assert spec.to_dict() == {
        **LEAST,
        "gpu-count": 4,
        "replicas": 2,
        "inference-engine-version": "0.19.0",
        "inference-engine-parameters": ["--dtype", "half"],
        "product-name": "team-a",
    }


LETTERS = "0000000a-000b-400c-800d-00000000000e"


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        (MODEL, {"name": MODEL}),
        (ID, {"id": ID}),
        (ModelRef(id=ID, name=MODEL), {"id": ID}),
        (ModelRef(name=MODEL), {"name": MODEL}),
        (Model(id=ID), {"id": ID}),
        (LETTERS.upper(), {"id": LETTERS}),
        (ModelRef(id=LETTERS.upper()), {"id": LETTERS}),
        ({"id": ID}, {"id": ID}),
        ({"name": MODEL}, {"name": MODEL}),
    ],
)
def test_model_by_id_or_name(model: Any, sent: dict[str, str]) -> None:
    """A model is sent by its id, as APIs write it, or by its name if it has no id."""
    assert a_spec(model=model).to_dict()["model"] == sent


@pytest.mark.parametrize("model", ["", {}, {"title": "x"}, 5, ModelRef()])
def test_no_model(model: Any) -> None:
    """A model without id and name is rejected."""
    with pytest.raises(InvalidInputError, match="model"):
        a_spec(model=model).to_dict()


@pytest.mark.parametrize("key", ["gpu-type", "gpu_type"])
def test_spec_from_a_mapping(key: str) -> None:
    """Keys may be the documented names or Python's."""
    given = {"name": "web", "model": MODEL, key: "gpua5000"}
    assert complete_spec(given) == a_spec()


def test_mapping_with_faults() -> None:
    """All faults are reported at once."""
    with pytest.raises(InvalidInputError) as caught:
        DeploymentSpec.from_dict({"name": "web", "gpu": 3})
    unknown, *missing = caught.value.problems
    assert unknown.startswith("gpu: no such field; known fields are gpu-count, gpu-type, ")
    assert tuple(missing) == (
        "model: required",
        "gpu-type: required",
    )


def test_not_a_spec() -> None:
    """A spec is a `DeploymentSpec` or a mapping."""
    with pytest.raises(InvalidInputError, match="spec: expected a mapping"):
        complete_spec([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"gpu_type": ""}, "gpu-type"),
        ({"gpu_count": 0}, "gpu-count"),
        ({"gpu_count": True}, "gpu-count"),
        ({"replicas": -1}, "replicas"),
        ({"replicas": 1.0}, "replicas"),
        ({"inference_engine_version": 19}, "inference-engine-version"),
        ({"inference_engine_parameters": "--dtype half"}, "inference-engine-parameters"),
        ({"inference_engine_parameters": ["--seed", 1]}, "inference-engine-parameters[1]"),
        ({"product_name": ""}, "product-name"),
    ],
)
def test_documented_rules(fields: dict[str, Any], at: str) -> None:
    """An invalid field is rejected by name."""
    with pytest.raises(InvalidInputError) as caught:
        a_spec(**fields).to_dict()
    assert [problem.split(":")[0] for problem in caught.value.problems] == [at]


def test_unknown_versions_and_gpus_are_sent() -> None:
    """Engine versions and GPU families are left to the API to check."""
    body = a_spec(gpu_type="gpu9000", inference_engine_version="99.1").to_dict()
    assert (body["gpu-type"], body["inference-engine-version"]) == ("gpu9000", "99.1")


def test_no_parameters_differ_from_parameters_not_given() -> None:
    """`[]` clears the parameters; None does not change them."""
    assert update_body(None, None, []) == {"inference-engine-parameters": []}
    assert update_body("x", None, None) == {"name": "x"}


def test_zero_replicas_are_sent() -> None:
    """Zero replicas are valid: they free the GPUs and end their cost."""
    assert checked({"replicas": 0}) == {"replicas": 0}
    assert a_spec(replicas=0).to_dict()["replicas"] == 0


def test_spec_that_a_read_shows() -> None:
    """It can be sent as it is; a read without the model or the GPU family shows none."""
    live = read(a_deployment(replicas=0))
    spec = shown_spec(live)
    assert spec is not None
    assert (spec.name, spec.replicas, spec.gpu_type) == (live.name, 0, live.gpu_type)
    assert spec.to_dict()["model"]
    assert shown_spec(read(a_deployment(model=None))) is None
    assert shown_spec(read(a_deployment(model={}))) is None
    assert shown_spec(read(a_deployment(gpu_type=None))) is None
    none = shown_spec(read(a_deployment(inference_engine_parameters=None)))
    assert none is not None
    assert none.to_dict()["inference-engine-parameters"] == []  # what an update added is cleared
    unknown = shown_spec(read(a_deployment(inference_engine_version="")))
    assert unknown is not None
    assert "inference-engine-version" not in unknown.to_dict()
