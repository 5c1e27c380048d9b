"""Tests of which reads show that a write without a response was accepted."""

from typing import Any

import attrs
import pytest

from di_async import ConflictError
from di_async.digitalocean import VPC, DedicatedInference, DedicatedInferenceSpec
from di_async.digitalocean import lifecycle as digitalocean
from di_async.exoscale import lifecycle as exoscale
from tests.builders import digitalocean as do
from tests.builders import exoscale as exo

SHOWN: dict[str, Any] = do.an_instance()["spec"]
VERSION: int = SHOWN["version"]
SPEC = DedicatedInferenceSpec.from_dict(SHOWN)
BIGGER = attrs.evolve(
    SPEC,
    model_deployments=tuple(
        attrs.evolve(
            deployment,
            accelerators=tuple(attrs.evolve(one, scale=9) for one in deployment.accelerators),
        )
        for deployment in SPEC.model_deployments
    ),
)


def shown(spec: DedicatedInferenceSpec, version: int | None, **fields: Any) -> dict[str, Any]:
    """Return a spec as an instance shows it."""
    return {**spec.to_dict(), "version": version, **fields}


def instance(**fields: Any) -> DedicatedInference:
    """Return an active instance."""
    return do.read(do.an_instance(**fields))


# --- DigitalOcean: creates ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        ({}, True),
        ({"spec": None}, None),
        ({"spec": shown(SPEC, 1, model_deployments=[])}, None),
        ({"spec": shown(BIGGER, 1)}, False),
        ({"spec": shown(SPEC, 1, enable_public_endpoint=False)}, False),
        ({"region": "tor1"}, False),
        ({"region": None}, True),
        (
            {"vpc_uuid": "00000000-0000-4000-8000-000000000000", "spec": shown(SPEC, 1, vpc=None)},
            False,
        ),
    ],
)
def test_instance_of_a_lost_create(fields: dict[str, Any], ours: bool | None) -> None:
    """A lost create made an instance whose spec, endpoint, region and network are as sent.

    One that is shown without a spec, or without its models, may be ours: None.
    """
    found = digitalocean.create_candidate(SPEC, instance(**fields))
    assert found.matches_sent is ours
    assert found.id == do.ID


def test_network_is_compared_only_if_one_was_sent() -> None:
    """The network is compared only if one was sent; otherwise the account's default is used."""
    anywhere = attrs.evolve(SPEC, vpc=None)
    assert digitalocean.create_candidate(anywhere, instance()).matches_sent is True
    elsewhere = attrs.evolve(SPEC, vpc=VPC("00000000-0000-4000-8000-000000000000"))
    assert digitalocean.create_candidate(elsewhere, instance()).matches_sent is False
    capitals = attrs.evolve(SPEC, vpc=VPC(do.VPC_ID.upper()))
    assert digitalocean.create_candidate(capitals, instance()).matches_sent is True


# --- DigitalOcean: updates ---------------------------------------------------------------------

PENDING = {"pending_deployment_spec": shown(BIGGER, VERSION + 4)}


@pytest.mark.parametrize(
    ("before", "live", "accepted"),
    [
        ({}, {}, False),
        ({}, PENDING, True),
        ({}, {"spec": shown(BIGGER, VERSION + 4)}, True),
        ({}, {"spec": shown(BIGGER, VERSION)}, False),
        ({"spec": None}, {"spec": shown(BIGGER, 1)}, True),
        ({"spec": shown(SPEC, 0)}, {"spec": shown(BIGGER, 1)}, True),
        # Without versions only a pending spec that was not there before shows it.
        ({}, {"pending_deployment_spec": shown(BIGGER, 0)}, True),
        ({}, {"pending_deployment_spec": shown(SPEC, 0)}, False),
        (
            {"pending_deployment_spec": shown(BIGGER, 0)},
            {"pending_deployment_spec": shown(BIGGER, 0)},
            False,
        ),
        ({"spec": None}, {"spec": shown(BIGGER, 0)}, False),
        ({"pending_deployment_spec": shown(BIGGER, 0)}, {}, False),
    ],
)
def test_update_was_accepted(before: dict[str, Any], live: dict[str, Any], accepted: bool) -> None:
    """A newer version, or a new pending spec, with what was sent shows an accepted update."""
    found = digitalocean.was_accepted(instance(**before), instance(**live), BIGGER)
    assert found is accepted


@pytest.mark.parametrize(
    "newer",
    [
        shown(SPEC, VERSION + 4),
        shown(BIGGER, VERSION + 4, name="renamed"),
        shown(SPEC, VERSION + 9),
    ],
)
@pytest.mark.parametrize("field", ["spec", "pending_deployment_spec"])
def test_another_update_came_first(newer: dict[str, Any], field: str) -> None:
    """A newer version with another spec or name belongs to another update."""
    with pytest.raises(ConflictError, match="another update came first") as caught:
        digitalocean.was_accepted(instance(), instance(**{field: newer}), BIGGER)
    assert (caught.value.status, caught.value.method) == (409, "PATCH")


# --- Exoscale ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "live", "accepted"),
    [
        (("ready", 1), ("ready", 1), False),
        (("ready", 1), ("scaling", 1), True),
        (("ready", 1), ("ready", 3), True),
        (("ready", 1), ("ready", 2), False),
        (("ready", 3), ("ready", 3), False),
        (("scaling", 1), ("scaling", 1), False),
        (("scaling", 1), ("scaling", 3), True),
        (("scaling", 3), ("ready", 3), False),
    ],
)
def test_scale_was_accepted(before: tuple[str, int], live: tuple[str, int], accepted: bool) -> None:
    """Work since the write, or replicas that differed before, show an accepted scale."""
    states = [exo.read(exo.a_deployment(state, replicas=count)) for state, count in (before, live)]
    assert exoscale.was_accepted(states[0], states[1], {"replicas": 3}) is accepted


@pytest.mark.parametrize(
    ("visibility", "public"),
    [("public", True), ("PUBLIC", True), ("private", False), (None, False)],
)
def test_deployments_of_the_provider_are_public(visibility: str | None, public: bool) -> None:
    """Only a visibility of `public`, in any letter case, makes a row or a model public."""
    raw = exo.a_deployment(visibility=visibility)
    assert exoscale.is_public(raw) is public
    assert exoscale.is_public(exo.read(raw)) is public
    assert exoscale.is_public("no row") is False
