"""What DigitalOcean's status words mean, and what an `active` instance may lack."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve

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
    observe_row,
    resource_version,
    update_expectation,
)
from di_async.digitalocean.spec import scaled_spec, spec_digest
from tests.builders.digitalocean import GPU, a_deployment, a_spec, read
from tests.digitalocean.helpers import an_instance

CREATE = Expectation(action=Action.CREATE, accepted_at=0.0)
THEN = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = {"id": "s-4", "version": 4, "model_deployments": [a_deployment()]}
PRIVATE = {"private_endpoint_fqdn": "https://x-private.do-infra.ai"}


def seen(expectation: Expectation = CREATE, **fields: Any) -> Observation:
    """Return what a read of an instance with these fields shows."""
    return observe(read(an_instance(**fields)), expectation)


def spec_with(**fields: Any) -> dict[str, Any]:
    """Return the spec of an instance with these fields."""
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
def test_status(word: str, phase: Phase, cased: Any) -> None:
    """Each documented status has its phase, in any letter case."""
    shown = seen(status=cased(word))
    assert (shown.phase, shown.documented, shown.status) == (phase, True, word)


@pytest.mark.parametrize("word", ["migrating", "creating", ""])
def test_unknown_status(word: str) -> None:
    """An undocumented status counts as work in progress."""
    shown = seen(status=word)
    assert (shown.phase, shown.documented) == (Phase.WORKING, False)


def test_active_and_complete() -> None:
    """Active, nothing pending, and an endpoint: complete."""
    assert (seen().complete, seen().reason) == (True, None)


def test_active_with_something_pending() -> None:
    """The vendor's own example: active while a deployment is pending is not ready."""
    shown = seen(pending_deployment_spec=PENDING)
    assert (shown.phase, shown.complete, shown.reason) == (
        Phase.READY,
        False,
        "a deployment is pending",
    )


@pytest.mark.parametrize("endpoints", [None, {}, {"public_endpoint_fqdn": ""}])
def test_active_without_endpoint(endpoints: Any) -> None:
    """Active without any endpoint is not ready."""
    shown = seen(endpoints=endpoints)
    assert (shown.complete, shown.reason) == (False, "it has no endpoint yet")


def test_public_enabled_but_only_private_exists() -> None:
    """If the public endpoint is enabled, the private one alone is not enough."""
    assert not seen(endpoints=PRIVATE).complete


def test_private_only() -> None:
    """If the public endpoint is disabled, the private one is enough."""
    assert seen(endpoints=PRIVATE, spec=spec_with(enable_public_endpoint=False)).complete


def test_private_only_but_missing() -> None:
    """If the public endpoint is disabled, the private one must exist."""
    shown = seen(
        endpoints={"public_endpoint_fqdn": "https://x"},
        spec=spec_with(enable_public_endpoint=False),
    )
    assert (shown.complete, shown.reason) == (False, "its endpoint does not exist yet")


def test_light_row_with_any_endpoint() -> None:
    """Without a spec, either endpoint is enough."""
    assert seen(spec=None, endpoints=PRIVATE).complete


def accelerator(**fields: Any) -> dict[str, Any]:
    """Return a spec with one accelerator entry as the API's Go client decodes it."""
    entry = {"accelerator_slug": GPU, "scale": 1, "type": "prefill_decode", **fields}
    return spec_with(model_deployments=[a_deployment(accelerators=[entry])])


def test_invalid_accelerator_without_id_is_a_placeholder() -> None:
    """While provisioning it is normal, and not a failure."""
    pending = {**PENDING, **accelerator(accelerator_id="", state="invalid")}
    shown = seen(status="provisioning", pending_deployment_spec=pending)
    assert (shown.phase, shown.reason) == (Phase.WORKING, None)


@pytest.mark.parametrize("state", ["invalid", "ERROR", "failed"])
def test_broken_accelerator_is_the_reason_of_an_error(state: str) -> None:
    """A broken accelerator with an id is reported as the reason."""
    shown = seen(status="error", spec=accelerator(accelerator_id="a-1", state=state))
    assert shown.reason is not None
    assert f"{GPU} is {state}" in shown.reason


def test_error_without_a_reason() -> None:
    """Without a reason, a common cause and the region are reported."""
    shown = seen(status="error", spec=accelerator(accelerator_id="", state="invalid"))
    assert shown.reason is not None
    assert "the API shows no reason" in shown.reason
    assert "GPU capacity left in atl1" in shown.reason


# --- versions and expectations ----------------------------------------------------------------


def test_version() -> None:
    """Time, spec versions and spec ids distinguish states."""
    di = read(an_instance(spec=spec_with(id="s-3"), pending_deployment_spec=PENDING))
    assert resource_version(di) == ResourceVersion(THEN, 3, "s-3", 4, "s-4")


@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00Z", "", None])
def test_placeholders_are_ignored(stamp: Any) -> None:
    """1970, version 0 and empty ids mean unknown."""
    raw = an_instance(updated_at=stamp, spec=spec_with(version=0, id=""))
    assert resource_version(read(raw)) == ResourceVersion()


@pytest.mark.parametrize("version", [1, 9])
def test_matches_sent(version: int) -> None:
    """A spec matches the one sent if it runs the same models on the same GPUs."""
    shown = read(an_instance(spec=spec_with(version=version))).spec
    assert shown is not None
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent=spec_digest(shown))
    assert seen(expectation).matches_sent is True
    assert seen(expectation, spec=accelerator(scale=5)).matches_sent is False


@pytest.mark.parametrize("lacking", [{"model_slug": ""}, {"accelerators": []}])
def test_spec_that_lacks_what_is_compared(lacking: dict[str, Any]) -> None:
    """A spec without its model or its GPUs neither is nor is not the one sent."""
    sent = Expectation(action=Action.UPDATE, accepted_at=0.0, sent="x")
    spec = spec_with(model_deployments=[a_deployment(**lacking)])
    assert seen(sent, spec=spec).matches_sent is None


def test_matches_sent_unknown() -> None:
    """Without a spec shown, or none sent, the result is None."""
    assert (
        seen(Expectation(action=Action.UPDATE, accepted_at=0.0, sent="x"), spec=None).matches_sent
        is None
    )
    assert seen(CREATE).matches_sent is None


def test_create_expectation() -> None:
    """A create expects the version and spec that its answer shows pending."""
    expectation = create_expectation(
        read(an_instance(pending_deployment_spec=PENDING)), a_spec(), 5.0
    )
    assert (expectation.action, expectation.accepted_at) == (Action.CREATE, 5.0)
    assert (expectation.target_spec_version, expectation.target_spec_id) == (4, "s-4")
    assert expectation.sent == spec_digest(a_spec())


def test_update_expectation() -> None:
    """An update expects a change from the state before to the version in its answer."""
    before = read(an_instance())
    answered = read(an_instance(status="updating", pending_deployment_spec=PENDING))
    expectation = update_expectation(before, answered, None, 5.0)
    assert (expectation.before_phase, expectation.before.spec_version) == (Phase.READY, 3)
    assert (expectation.target_spec_version, expectation.target_spec_id, expectation.baseline) == (
        4,
        "s-4",
        THEN,
    )


def test_update_expectation_without_a_newer_version() -> None:
    """A pending spec that is not newer is not a target."""
    pending = {**PENDING, "version": 3}
    answered = read(an_instance(pending_deployment_spec=pending))
    assert update_expectation(read(an_instance()), answered, None, 0.0).target_spec_version is None


# --- what a light row does not show -----------------------------------------------------------


@pytest.mark.parametrize("deployments", [[], [a_deployment(accelerators=[])]])
def test_spec_without_accelerators_is_not_compared(deployments: list[Any]) -> None:
    """A spec that does not show its accelerators is not another spec."""
    expectation = Expectation(action=Action.UPDATE, accepted_at=0.0, sent="x")
    shown = seen(expectation, spec=spec_with(model_deployments=deployments))
    assert shown.matches_sent is None


def row_shows(row: dict[str, Any]) -> Observation:
    """Return what a list row shows."""
    return observe_row(read(row), row, CREATE)


@pytest.mark.parametrize("lacking", ["endpoints", "status"])
def test_row_without_a_field_is_partial(lacking: str) -> None:
    """A row that lacks endpoints or status may be settled, and only a GET shows it."""
    row = {name: value for name, value in an_instance().items() if name != lacking}
    shown = row_shows(row)
    assert (shown.phase, shown.complete, shown.partial) == (Phase.READY, True, True)
    assert not row_shows(an_instance()).partial


def test_row_with_a_pending_spec_is_not_complete() -> None:
    """A row without endpoints that shows a pending spec is known not to be ready."""
    row = an_instance(pending_deployment_spec=PENDING)
    del row["endpoints"]
    assert (row_shows(row).complete, row_shows(row).partial) == (False, False)


def test_full_row_without_endpoints_is_not_complete() -> None:
    """A full row that shows null endpoints has none yet."""
    row = {**an_instance(), "endpoints": None}
    assert (row_shows(row).complete, row_shows(row).partial) == (False, False)


def test_update_knows_whether_the_spec_differed_before() -> None:
    """`differed_before` is known where the instance showed its spec before the update."""
    before = read(an_instance())
    assert before.spec is not None
    scaled = scaled_spec(before, 5)
    same = scaled_spec(before, before.spec.model_deployments[0].accelerators[0].scale)
    for spec, differed in ((scaled, True), (same, False), (None, None)):
        assert update_expectation(before, before, spec, 0.0).differed_before is differed
    light = evolve(before, spec=None)
    assert update_expectation(light, before, scaled, 0.0).differed_before is None
