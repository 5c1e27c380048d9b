"""The complete spec of a PATCH: what the caller wants, on top of what the instance is."""

from typing import Any

import attrs
import pytest

from di_async import InvalidInputError
from di_async.digitalocean import VPC, DedicatedInference, DedicatedInferenceSpec
from di_async.digitalocean.spec import merged_spec, previous_spec, scaled_spec, spec_fields
from tests.builders.digitalocean import GPU, MODEL, VPC_ID, a_deployment, read
from tests.digitalocean.helpers import an_instance

OTHER_VPC = "7e5c619c-359c-44ca-87e2-47e98170c012"


def live(*deployments: dict[str, Any], **fields: Any) -> DedicatedInference:
    """Return an active instance at version 3 with these deployments."""
    raw = an_instance()
    raw["spec"] = {**raw["spec"], "model_deployments": list(deployments) or [a_deployment()]}
    return read({**raw, **fields})


def merged(di: DedicatedInference, **fields: Any) -> DedicatedInferenceSpec:
    """Return the spec of an update with these fields."""
    return merged_spec(di, spec_fields(fields))


def ids(spec: DedicatedInferenceSpec) -> list[str | None]:
    """Return the `model_id` of each deployment."""
    return [deployment.model_id for deployment in spec.model_deployments]


def wanted(**fields: Any) -> dict[str, Any]:
    """Return a deployment as a caller writes it, without an id or read-only fields."""
    accelerator = {"accelerator_slug": GPU, "scale": 1, "type": "prefill_decode"}
    return {"model_slug": MODEL, "accelerators": [accelerator], **fields}


def pair(*kinds: str) -> dict[str, Any]:
    """Return a deployment with one accelerator entry for each type."""
    entries = [{"accelerator_slug": GPU, "scale": 1, "type": kind} for kind in kinds]
    return a_deployment(accelerators=entries)


def test_rename_repeats_the_rest() -> None:
    """A rename repeats the live version, region, VPC, public endpoint and model ids."""
    spec = merged(live(), name="new-name")
    assert (spec.name, spec.version, spec.region) == ("new-name", 3, "atl1")
    assert (spec.vpc, spec.enable_public_endpoint, ids(spec)) == (VPC(VPC_ID), True, ["m-1"])


@pytest.mark.parametrize("given", [1, 2, 9])
def test_version_is_the_live_one(given: int) -> None:
    """The current version is sent, whatever the caller's spec has."""
    assert merged(live(), name="x", version=given).version == 3


def test_version_zero_is_sent_as_it_is() -> None:
    """A live version of 0 is kept."""
    assert merged(live(spec={**an_instance()["spec"], "version": 0}), name="x").version == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("region", "nyc2", "it is 'atl1', not 'nyc2'"),
        ("vpc", {"uuid": OTHER_VPC}, f"it is '{VPC_ID}', not '{OTHER_VPC}'"),
        ("enable_public_endpoint", False, "it is True, not False"),
    ],
)
def test_immutable_field(field: str, value: Any, message: str) -> None:
    """Changing an immutable field is rejected, and the message shows both values."""
    with pytest.raises(InvalidInputError, match=rf"spec\.{field}: cannot change.*{message}"):
        merged(live(), **{field: value})


@pytest.mark.parametrize(
    "same",
    [{"region": "atl1"}, {"vpc": {"uuid": VPC_ID}}, {"enable_public_endpoint": True}],
)
def test_immutable_field_repeated(same: dict[str, Any]) -> None:
    """An immutable field may be repeated with its current value."""
    assert merged(live(), **same).name == "web"


def test_vpc_repeated_as_text() -> None:
    """The current VPC may be repeated as a plain uuid."""
    assert merged(live(), vpc=VPC_ID).vpc == VPC(VPC_ID)


def test_spec_object() -> None:
    """A `DedicatedInferenceSpec` with the same immutable fields changes the others."""
    spec = DedicatedInferenceSpec.of(
        "web", region="atl1", model_slug=MODEL, accelerator_slug=GPU, scale=5, vpc=VPC_ID
    )
    updated = merged_spec(live(), spec_fields(spec))
    assert (updated.version, ids(updated)) == (3, ["m-1"])
    assert updated.model_deployments[0].accelerators[0].scale == 5


# --- which deployment is meant --------------------------------------------------------------------


def test_id_found_by_model() -> None:
    """A deployment without an id is matched to the live one with the same model."""
    di = live(a_deployment(), a_deployment(model_id="m-2", model_slug="b/b"))
    spec = merged(di, model_deployments=[wanted(model_slug="b/b"), wanted()])
    assert ids(spec) == ["m-2", "m-1"]


def test_id_given() -> None:
    """A deployment with the id of a live one may omit its model."""
    accelerators = wanted()["accelerators"]
    spec = merged(live(), model_deployments=[{"model_id": "m-1", "accelerators": accelerators}])
    assert (ids(spec), spec.model_deployments[0].model_slug) == (["m-1"], MODEL)


def test_new_model_has_no_id() -> None:
    """A model that does not run yet makes a new deployment."""
    spec = merged(live(), model_deployments=[wanted(), wanted(model_slug="new/model")])
    assert ids(spec) == ["m-1", None]


def test_omitted_model() -> None:
    """The list is complete: a deployment that it omits is removed."""
    di = live(a_deployment(), a_deployment(model_id="m-2", model_slug="b/b"))
    assert ids(merged(di, model_deployments=[wanted()])) == ["m-1"]


def test_same_model_twice_in_order() -> None:
    """Two deployments of one model are matched one to one, in order."""
    di = live(a_deployment(), a_deployment(model_id="m-2"))
    assert ids(merged(di, model_deployments=[wanted(), wanted()])) == ["m-1", "m-2"]


def test_same_model_twice_one_by_id() -> None:
    """A deployment with an id is matched first; the other gets the remaining id."""
    di = live(a_deployment(), a_deployment(model_id="m-2"))
    spec = merged(di, model_deployments=[wanted(), wanted(model_id="m-1")])
    assert ids(spec) == ["m-2", "m-1"]


def test_workload_config_is_kept() -> None:
    """A deployment without a workload_config keeps the live one."""
    di = live(a_deployment(workload_config={"isl": 5}))
    spec = merged(di, model_deployments=[wanted()])
    assert spec.model_deployments[0].workload_config == {"isl": 5}


# --- what is sent ---------------------------------------------------------------------------------

SENT = {"version", "name", "region", "vpc", "enable_public_endpoint", "model_deployments"}
OBSERVED_SPEC = {
    "id": "s-3", "version": 3, "dedicated_inference_id": "d", "state": "active",
    "enable_public_endpoint": True, "vpc_config": {"vpc_uuid": VPC_ID},
    "created_at": "2024-01-09T20:44:32Z", "updated_at": "2024-01-09T20:44:32Z",
    "model_deployments": [a_deployment(accelerators=[{
        "accelerator_id": "a-1", "accelerator_slug": GPU, "state": "active", "scale": 2,
        "type": "prefill_decode",
    }])],
}  # fmt: skip


@pytest.mark.parametrize("spec", [an_instance()["spec"], OBSERVED_SPEC])
def test_nothing_read_only_is_sent(spec: Any) -> None:
    """Ids, states and times that the API shows are not sent back."""
    body = merged(live(name="web", spec=spec), name="x").to_dict()
    assert set(body) == SENT
    (deployment,) = body["model_deployments"]
    assert set(deployment) == {
        "model_id", "model_slug", "model_provider", "workload_config", "accelerators"
    }  # fmt: skip
    assert [set(a) for a in deployment["accelerators"]] == [{"accelerator_slug", "scale", "type"}]


OTHER_PROVIDER: dict[str, Any] = {"model_provider": "modelcatalog", "provider_model_id": "org/m"}


@pytest.mark.parametrize(
    "fields", [{"name": "x"}, {"model_deployments": [wanted()]}], ids=["rename", "deployments"]
)
def test_provider_is_repeated(fields: dict[str, Any]) -> None:
    """A PATCH replaces, so provider and `provider_model_id` are sent as the API shows them."""
    body = merged(live(a_deployment(**OTHER_PROVIDER)), **fields).to_dict()
    (sent,) = body["model_deployments"]
    assert {name: sent[name] for name in OTHER_PROVIDER} == OTHER_PROVIDER


def test_provider_is_repeated_by_a_scale() -> None:
    """A scale repeats them, too."""
    (sent,) = scaled_spec(live(a_deployment(**OTHER_PROVIDER)), 3).model_deployments
    assert (sent.model_provider, sent.provider_model_id) == ("modelcatalog", "org/m")


def test_provider_of_another_model_is_not_repeated() -> None:
    """Where an update exchanges the model of a deployment, they belong to the old model."""
    changed = wanted(model_id="m-1", model_slug="new/model")
    (sent,) = merged(
        live(a_deployment(**OTHER_PROVIDER)), model_deployments=[changed]
    ).model_deployments
    assert (sent.model_provider, sent.provider_model_id) == ("hugging_face", None)


def test_provider_of_the_caller_is_sent() -> None:
    """A provider and a `provider_model_id` that the caller sets are sent."""
    spec = merged(live(), model_deployments=[wanted(**OTHER_PROVIDER)])
    (sent,) = spec.to_dict()["model_deployments"]
    assert {name: sent[name] for name in OTHER_PROVIDER} == OTHER_PROVIDER


@pytest.mark.parametrize(("fqdn", "public"), [("", False), ("x.do-infra.ai", True)])
def test_endpoint_that_the_spec_does_not_show(fqdn: str, public: bool) -> None:
    """If the spec does not say whether there is a public endpoint, the endpoints do."""
    spec = {key: value for key, value in OBSERVED_SPEC.items() if key != "enable_public_endpoint"}
    at = {"public_endpoint_fqdn": fqdn, "private_endpoint_fqdn": "y.do-infra.ai"}
    di = live(name="web", spec=spec, endpoints=at)
    assert merged(di, name="x").enable_public_endpoint is public


@pytest.mark.parametrize("spelling", [VPC_ID.upper(), VPC_ID.replace("-", ""), f"{{{VPC_ID}}}"])
def test_network_in_another_spelling(spelling: str) -> None:
    """A UUID has several spellings; the network is the same, and sent as the API shows it."""
    spec = merged(live(), vpc=spelling, name="x")
    assert spec.to_dict()["vpc"] == {"uuid": VPC_ID}


def test_merged_spec_is_checked() -> None:
    """An invalid value is rejected, and the message names its path."""
    with pytest.raises(InvalidInputError, match=r"spec\.name"):
        merged(live(), name="no spaces please")


def test_first_deployment_still_pending() -> None:
    """Without a current spec, the pending one is updated."""
    pending = {**an_instance()["spec"], "version": 1}
    di = read(an_instance(spec=None, pending_deployment_spec=pending))
    assert (merged(di, name="x").version, ids(merged(di, name="x"))) == (1, ["m-1"])


# --- scale ----------------------------------------------------------------------------------------


def scales(spec: DedicatedInferenceSpec) -> list[list[int]]:
    """Return the scale of each entry of each deployment."""
    return [[a.scale for a in d.accelerators] for d in spec.model_deployments]


def test_scale_the_only_entry() -> None:
    """A single entry is scaled without naming it."""
    spec = scaled_spec(live(), 7)
    assert (scales(spec), spec.version, ids(spec)) == ([[7]], 3, ["m-1"])


TWO_MODELS = (a_deployment(), a_deployment(model_id="m-2", model_slug="b/b"))


def test_ambiguous_scale_lists_the_choices() -> None:
    """The message lists each entry with the arguments that select it."""
    with pytest.raises(InvalidInputError) as caught:
        scaled_spec(live(*TWO_MODELS), 2)
    assert "2 accelerator entries match" in str(caught.value)
    assert f"model={MODEL!r} accelerator_slug={GPU!r} type='prefill_decode' (scale 2)" in str(
        caught.value
    )
    assert "model='b/b'" in str(caught.value)


@pytest.mark.parametrize("model", ["b/b", "m-2"])
def test_scale_by_model(model: str) -> None:
    """A model is selected by slug or id; the other keeps its scale."""
    assert scales(scaled_spec(live(*TWO_MODELS), 9, model=model)) == [[2], [9]]


@pytest.mark.parametrize(("type", "expected"), [("prefill", [[4, 1]]), ("decode", [[1, 4]])])
def test_scale_of_disaggregated_serving(type: str, expected: list[list[int]]) -> None:
    """Prefill and decode are scaled separately."""
    assert scales(scaled_spec(live(pair("prefill", "decode")), 4, type=type)) == expected


def test_disaggregated_scale_is_ambiguous() -> None:
    """Without a type, the message lists both entries."""
    with pytest.raises(InvalidInputError, match=r"type='prefill'.*type='decode'"):
        scaled_spec(live(pair("prefill", "decode")), 4)


@pytest.mark.parametrize(
    "choice", [{"model": "x/y"}, {"accelerator_slug": "gpu-x"}, {"type": "decode"}]
)
def test_scale_without_match(choice: dict[str, str]) -> None:
    """A choice that matches no entry is rejected, and the message lists the entries."""
    with pytest.raises(InvalidInputError, match=f"no accelerator entries match.*{MODEL}"):
        scaled_spec(live(), 2, **choice)


@pytest.mark.parametrize("replicas", [0, -1, True, "3"])
def test_scale_to_nothing(replicas: Any) -> None:
    """Fewer than 1 replica is rejected, and the message names the path."""
    with pytest.raises(
        InvalidInputError, match=r"accelerators\[0\]\.scale: expected a whole number of 1"
    ):
        scaled_spec(live(), replicas)


def test_scale_without_a_shown_spec() -> None:
    """An instance whose spec the API does not show cannot be scaled."""
    with pytest.raises(InvalidInputError, match="none shown by the API"):
        scaled_spec(attrs.evolve(live(), spec=None), 2)


def test_spec_to_go_back_to() -> None:
    """It is the running spec, without model ids; None if it is not shown, or could not be sent."""
    live = read(an_instance())
    previous = previous_spec(live)
    assert previous is not None
    assert ids(previous) == [None]
    back = merged_spec(live, spec_fields(previous))
    assert back.to_dict() == merged_spec(live, {}).to_dict()
    assert previous_spec(attrs.evolve(live, spec=None)) is None
    assert live.spec is not None
    empty = attrs.evolve(live.spec, model_deployments=())
    assert previous_spec(attrs.evolve(live, spec=empty)) is None
