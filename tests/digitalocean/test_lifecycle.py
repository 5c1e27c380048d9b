"""What DigitalOcean's words mean: status to phase, and what an `active` instance may lack."""

from datetime import UTC, datetime
from typing import Any

import pytest

from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.digitalocean.lifecycle import (
    create_expectation,
    observe,
    resource_version,
    update_expectation,
)
from di_async.digitalocean.spec import spec_digest
from tests.digitalocean.helpers import GPU, a_deployment, an_instance, read
from tests.support import a_spec

CASE = Expectation(action=Action.CREATE, accepted_at=0.0)
THEN = datetime(2024, 1, 9, 20, 44, 32, tzinfo=UTC)
PENDING = {"id": "s-4", "version": 4, "model_deployments": [a_deployment()]}
PRIVATE = {"private_endpoint_fqdn": "https://x-private.do-infra.ai"}


def seen(expectation: Expectation = CASE, **fields: Any) -> Observation:
    """One look at an instance with these fields."""
    return observe(read(an_instance(**fields)), expectation)


def spec_with(**fields: Any) -> dict[str, Any]:
    """The spec of an instance, changed."""
    return {**an_instance()["spec"], **fields}


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("new", Phase.WORKING),
        ("provisioning", Phase.WORKING),
        ("updating", Phase.WORKING),
        ("active", Phase.READY),
        ("running", Phase.READY),
        ("error", Phase.FAILED),
        ("deleting", Phase.DELETING),
    ],
)
@pytest.mark.parametrize("cased", [str.lower, str.upper])
def test_word(word: str, phase: Phase, cased: Any) -> None:
    """Each word has its phase, in any case, and is known."""
    told = seen(status=cased(word))
    assert (told.phase, told.documented, told.status) == (phase, True, word)


@pytest.mark.parametrize("word", ["migrating", "creating", ""])
def test_unknown_word(word: str) -> None:
    """A word nobody documents is work in progress, and told as unknown."""
    told = seen(status=word)
    assert (told.phase, told.documented) == (Phase.WORKING, False)


def test_active_and_complete() -> None:
    """Active, nothing pending, an endpoint: there is nothing more to want."""
    assert (seen().complete, seen().reason) == (True, None)


def test_active_with_something_pending() -> None:
    """The vendor's own example: active while a deployment is pending is not ready."""
    told = seen(pending_deployment_spec=PENDING)
    assert (told.phase, told.complete, told.reason) == (
        Phase.READY,
        False,
        "a deployment is pending",
    )


@pytest.mark.parametrize("endpoints", [None, {}, {"public_endpoint_fqdn": ""}])
def test_active_without_endpoint(endpoints: Any) -> None:
    """Active without any endpoint is not ready."""
    told = seen(endpoints=endpoints)
    assert (told.complete, told.reason) == (False, "it has no endpoint yet")


def test_public_wanted_but_only_private_there() -> None:
    """Where the public endpoint is enabled, the private one alone is not enough."""
    assert not seen(endpoints=PRIVATE).complete


def test_private_only() -> None:
    """Where it is not enabled, the private one is all there will be."""
    assert seen(endpoints=PRIVATE, spec=spec_with(enable_public_endpoint=False)).complete


def test_private_wanted_but_not_there() -> None:
    """And then the private one must be there."""
    told = seen(
        endpoints={"public_endpoint_fqdn": "https://x"},
        spec=spec_with(enable_public_endpoint=False),
    )
    assert (told.complete, told.reason) == (False, "its endpoint does not exist yet")


def test_light_row_with_any_endpoint() -> None:
    """Without a spec nobody knows which one is wanted: either will do."""
    assert seen(spec=None, endpoints=PRIVATE).complete


def accelerator(**fields: Any) -> dict[str, Any]:
    """A spec with one accelerator entry as the API's Go client decodes it."""
    entry = {"accelerator_slug": GPU, "scale": 1, "type": "prefill_decode", **fields}
    return spec_with(model_deployments=[a_deployment(accelerators=[entry])])


def test_invalid_accelerator_without_id_is_a_placeholder() -> None:
    """While provisioning it is normal; it makes no failure."""
    pending = {**PENDING, **accelerator(accelerator_id="", state="invalid")}
    told = seen(status="provisioning", pending_deployment_spec=pending)
    assert (told.phase, told.reason) == (Phase.WORKING, None)


@pytest.mark.parametrize("state", ["invalid", "ERROR", "failed"])
def test_broken_accelerator_is_the_reason_of_an_error(state: str) -> None:
    """One with an id that is broken is the nearest thing to a reason that the API gives."""
    told = seen(status="error", spec=accelerator(accelerator_id="a-1", state=state))
    assert told.reason is not None
    assert f"{GPU} is {state}" in told.reason


def test_error_without_a_reason() -> None:
    """Then that is said, with what it mostly is and where."""
    told = seen(status="error", spec=accelerator(accelerator_id="", state="invalid"))
    assert told.reason is not None
    assert "the API shows no reason" in told.reason
    assert "GPU capacity left in atl1" in told.reason


# --- marks and cases ------------------------------------------------------------------------------


def test_marks() -> None:
    """Time, versions and spec ids tell one state from another."""
    di = read(an_instance(spec=spec_with(id="s-3"), pending_deployment_spec=PENDING))
    assert resource_version(di) == ResourceVersion(THEN, 3, "s-3", 4, "s-4")


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00Z", "", None])
def test_placeholders_are_no_marks(stamp: Any) -> None:
    """1970, version 0 and empty ids say nothing."""
    raw = an_instance(updated_at=stamp, spec=spec_with(version=0, id=""))
    assert resource_version(read(raw)) == ResourceVersion()


@pytest.mark.parametrize("version", [1, 9])
def test_as_sent(version: int) -> None:
    """A spec is the one sent if it runs the same models on the same GPUs."""
    shown = read(an_instance(spec=spec_with(version=version))).spec
    assert shown is not None
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=spec_digest(shown))
    assert seen(expectation).matches_sent is True
    assert seen(expectation, spec=accelerator(scale=5)).matches_sent is False


def test_as_sent_cannot_be_told() -> None:
    """Without a spec shown, or none sent, it is not known."""
    assert (
        seen(Expectation(action=Action.UPDATE, accepted_at=0.0, sent="x"), spec=None).matches_sent
        is None
    )
    assert seen(CASE).matches_sent is None


def test_create_case() -> None:
    """A create aims at the version and spec that its answer shows pending."""
    expectation = create_expectation(
        read(an_instance(pending_deployment_spec=PENDING)), a_spec(), 5.0
    )
    assert (expectation.action, expectation.accepted_at) == (Action.CREATE, 5.0)
    assert (expectation.target_spec_version, expectation.target_spec_id) == (4, "s-4")
    assert expectation.sent == spec_digest(a_spec())


def test_update_case() -> None:
    """An update knows how it was before, and which version its answer announced."""
    before = read(an_instance())
    answered = read(an_instance(status="updating", pending_deployment_spec=PENDING))
    expectation = update_expectation(before, answered, None, 5.0)
    assert (expectation.before_phase, expectation.before.spec_version) == (Phase.READY, 3)
    assert (expectation.target_spec_version, expectation.target_spec_id, expectation.baseline) == (
        4,
        "s-4",
        THEN,
    )


def test_update_case_of_a_version_that_did_not_advance() -> None:
    """A pending spec that is no newer announces nothing."""
    pending = {**PENDING, "version": 3}
    answered = read(an_instance(pending_deployment_spec=pending))
    assert update_expectation(read(an_instance()), answered, None, 0.0).target_spec_version is None
