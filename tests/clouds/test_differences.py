"""Properties of the comparison of a spec with a live resource, on every cloud."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from di_async.core.differences import Difference
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.digitalocean.differences import differences as do_differences
from di_async.digitalocean.models import (
    AcceleratorConfig,
    DedicatedInference,
    DeploymentSpec,
    ModelDeployment,
)
from di_async.digitalocean.spec import spec_digest, spec_fields
from di_async.exoscale.lifecycle import spec_differences
from di_async.exoscale.models import CODEC as EXOSCALE
from di_async.exoscale.models import Deployment
from di_async.gcore.desired_state import desired_state
from di_async.gcore.desired_state import differences as gcore_differences
from di_async.gcore.models import CODEC as GCORE
from di_async.gcore.models import InferenceDeployment

MANY = settings(max_examples=60, deadline=None)
Body = dict[str, Any]

# --- DigitalOcean ------------------------------------------------------------------------------

accelerators = st.builds(AcceleratorConfig, st.sampled_from(["gpu-a", "gpu-b"]), st.integers(1, 3))
deployments = st.builds(
    ModelDeployment,
    st.sampled_from(["model-a", "model-b"]),
    st.lists(accelerators, min_size=1, max_size=3).map(tuple),
)
models = st.lists(deployments, min_size=1, max_size=3).map(tuple)


def an_instance(shown: tuple[ModelDeployment, ...], **fields: Any) -> DedicatedInference:
    """Return an instance that shows these deployments, with ids."""
    known = tuple(attrs.evolve(one, model_id=f"m-{n}") for n, one in enumerate(shown))
    spec = DeploymentSpec(version=3, enable_public_endpoint=True, model_deployments=known)
    return DedicatedInference(
        **{"id": "i", "name": "web", "region": "atl1", "spec": spec, **fields}
    )


def a_spec(wanted: tuple[ModelDeployment, ...]) -> DedicatedInferenceSpec:
    """Return a spec of these deployments."""
    return DedicatedInferenceSpec(name="web", region="atl1", model_deployments=wanted)


@MANY
@given(wanted=models, shown=models)
def test_same_rule_as_the_digest(
    wanted: tuple[ModelDeployment, ...], shown: tuple[ModelDeployment, ...]
) -> None:
    """Nothing differs if and only if the digests, by which waits compare, are equal."""
    found = do_differences(an_instance(shown), spec_fields(a_spec(wanted)))
    equal = spec_digest(a_spec(wanted)) == spec_digest(DeploymentSpec(model_deployments=shown))
    assert (not found) is equal
    assert not any(difference.immutable for difference in found)


@MANY
@given(wanted=models, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(wanted: tuple[ModelDeployment, ...], order: Any) -> None:
    """Deployments and accelerators may be shown in any order."""
    shown = [
        attrs.evolve(one, accelerators=tuple(order.sample(one.accelerators, len(one.accelerators))))
        for one in wanted
    ]
    order.shuffle(shown)
    assert do_differences(an_instance(tuple(shown)), spec_fields(a_spec(wanted))) == []


@MANY
@given(wanted=models)
def test_pending_spec_is_the_one_compared(wanted: tuple[ModelDeployment, ...]) -> None:
    """While an update is in progress, its spec is compared."""
    other = (ModelDeployment("model-c", (AcceleratorConfig("gpu-c"),)),)
    pending = DeploymentSpec(model_deployments=wanted)
    live = an_instance(other, pending_deployment_spec=pending)
    assert do_differences(live, spec_fields(a_spec(wanted))) == []


@MANY
@given(wanted=models)
def test_what_is_not_shown_is_not_compared(wanted: tuple[ModelDeployment, ...]) -> None:
    """An instance that shows neither spec nor region differs in nothing."""
    live = DedicatedInference(id="i")
    assert do_differences(live, spec_fields(a_spec(wanted))) == []


def test_only_given_fields_are_compared() -> None:
    """A mapping without `enable_public_endpoint` does not differ from a private instance."""
    wanted = (ModelDeployment("model-a", (AcceleratorConfig("gpu-a"),)),)
    live = an_instance(wanted)
    assert live.spec is not None
    live = attrs.evolve(live, spec=attrs.evolve(live.spec, enable_public_endpoint=False))
    body = a_spec(wanted).to_dict()
    (found,) = do_differences(live, spec_fields(body))
    assert (found.path, found.immutable) == ("enable_public_endpoint", True)
    del body["enable_public_endpoint"]
    assert do_differences(live, spec_fields(body)) == []


@pytest.mark.parametrize(
    ("wanted", "shown", "differs"),
    [("org/b", "org/a", True), ("org/a", "org/a", False), (None, "org/a", False), ("b", "", False)],
)
def test_provider_model_id(wanted: str | None, shown: str, differs: bool) -> None:
    """Another model of the provider is a difference, if both are known."""
    one = ModelDeployment("model-a", (AcceleratorConfig("gpu-a"),))
    live = an_instance((attrs.evolve(one, provider_model_id=shown),))
    spec = a_spec((attrs.evolve(one, provider_model_id=wanted),))
    found = do_differences(live, spec_fields(spec))
    paths = ["model_deployments[0].provider_model_id"] if differs else []
    assert [difference.path for difference in found] == paths


@pytest.mark.parametrize(
    ("wanted", "shown", "differs"),
    [
        ("modelcatalog", "hugging_face", True),
        ("modelcatalog", "modelcatalog", False),
        ("hugging_face", "modelcatalog", False),  # the default: it keeps what is there
        ("modelcatalog", "", False),
    ],
)
def test_model_provider(wanted: str, shown: str, differs: bool) -> None:
    """Another provider of the model is a difference, if the spec names one."""
    one = ModelDeployment("model-a", (AcceleratorConfig("gpu-a"),))
    live = an_instance((attrs.evolve(one, model_provider=shown),))
    spec = a_spec((attrs.evolve(one, model_provider=wanted),))
    found = do_differences(live, spec_fields(spec))
    expected = [Difference("model_deployments[0].model_provider", shown, wanted)] if differs else []
    assert found == expected


def test_one_model_of_two_providers() -> None:
    """Their deployments may be shown in any order."""
    one = ModelDeployment("model-a", (AcceleratorConfig("gpu-a"),), model_provider="modelcatalog")
    two = attrs.evolve(one, model_provider="modelcatalog-2")
    assert do_differences(an_instance((one, two)), spec_fields(a_spec((two, one)))) == []


# --- Gcore -------------------------------------------------------------------------------------

scales = st.builds(lambda low, more: {"min": low, "max": low + more}, *[st.integers(0, 2)] * 2)
containers = st.dictionaries(st.integers(1, 3), scales, min_size=1).map(
    lambda found: [{"region_id": region, "scale": scale} for region, scale in found.items()]
)
bodies = st.fixed_dictionaries(
    {
        "name": st.just("web-1"),
        "image": st.sampled_from(["a", "b"]),
        "listening_port": st.integers(80, 82),
        "flavor_name": st.sampled_from(["f", "g"]),
        "containers": containers,
    },
    optional={
        "envs": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["s1", "s2"])),
        "command": st.lists(st.sampled_from(["run", "--key=s1"]), max_size=2),
        "timeout": st.integers(0, 2),
    },
)


def a_deployment(body: Body) -> InferenceDeployment:
    """Return the deployment of a body as GET shows it."""
    return GCORE.structure({**body, "status": "ACTIVE"}, InferenceDeployment)


@MANY
@given(sent=bodies, shown=bodies)
def test_same_fields_as_an_update(sent: Body, shown: Body) -> None:
    """What differs is what an update would change, and secrets are not in the lines."""
    live = a_deployment(shown)
    found = gcore_differences(sent, live)
    names = {difference.path.split(".")[0].split("[")[0] for difference in found}
    assert names == desired_state(sent, live).fields.keys()
    text = " ".join(map(str, found))
    assert "s1" not in text
    assert "s2" not in text


@MANY
@given(sent=bodies)
def test_deployment_of_the_same_body(sent: Body) -> None:
    """A deployment that shows a body differs from it in nothing."""
    assert gcore_differences(sent, a_deployment(sent)) == []


# --- Exoscale ----------------------------------------------------------------------------------

exoscale_bodies = st.fixed_dictionaries(
    {
        "name": st.just("web"),
        "model": st.sampled_from([{"name": "m"}, {"name": "n"}]),
        "gpu-type": st.sampled_from(["g", "h"]),
        "gpu-count": st.integers(1, 2),
        "replicas": st.integers(0, 2),
    },
    optional={
        "inference-engine-version": st.sampled_from(["1", "2"]),
        "inference-engine-parameters": st.lists(st.sampled_from(["--key=s1", "-x"]), max_size=2),
    },
)


@MANY
@given(sent=exoscale_bodies, shown=exoscale_bodies)
def test_fields_that_differ(sent: Body, shown: Body) -> None:
    """Each field of the spec that is shown with another value differs, and no other."""
    live = EXOSCALE.structure({**shown, "inference-engine-version": "1"}, Deployment)
    seen: Body = {"inference-engine-parameters": [], **shown, "inference-engine-version": "1"}
    found = {one.path: one for one in spec_differences(live, sent)}
    assert found.keys() == {name for name in sent if sent[name] != seen[name]}
    fixed = {name for name, one in found.items() if one.immutable}
    assert fixed == found.keys() & {"model", "gpu-type", "gpu-count"}
    assert "s1" not in " ".join(map(str, found.values()))


@MANY
@given(value=st.text() | st.integers() | st.none())
def test_lines_are_bounded(value: Any) -> None:
    """A line shows the path and at most 80 characters of each value."""
    line = str(Difference("path", value, "x" * 500))
    assert line.startswith("path: ")
    assert len(line) <= 180
