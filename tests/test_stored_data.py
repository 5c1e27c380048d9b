"""Tests that resume tokens and duration files of earlier versions are read and written the same."""

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from di_async import DigitalOcean
from di_async.core.waiting.observation import Action, Expectation, Phase, ResourceVersion
from di_async.core.waiting.resume_token import ResumeToken, pack_expectation, unpack_expectation
from di_async.engine.waiting.duration_model import DurationModel
from di_async.exoscale import Exoscale
from di_async.gcore import Gcore
from di_async.gcore.desired_state import DesiredState, read_desired_state
from tests.builders import digitalocean, exoscale, gcore
from tests.exoscale import helpers as exo
from tests.fake_network import FakeNetwork, answer
from tests.gcore import helpers as gc
from tests.promises.support import client_on, fake_api
from tests.support import VIRTUAL

pytestmark = VIRTUAL

DATA = Path(__file__).parent / "data"
TOKENS: dict[str, str] = json.loads((DATA / "resume_tokens.json").read_bytes())
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = 1767225600.0
every_token = pytest.mark.parametrize("name", TOKENS)


def content(token: str) -> dict[str, Any]:
    """Return the JSON in a token."""
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    decoded: dict[str, Any] = orjson.loads(text)
    return decoded


def recent(name: str) -> str:
    """Return a stored token with the start of its wait moved to now."""
    moved = content(TOKENS[name]) | {"started_at": time.time(), "deadline_at": None}
    return base64.urlsafe_b64encode(orjson.dumps(moved)).decode().rstrip("=")


def expectation(name: str) -> Expectation:
    """Return the expectation in a stored token."""
    return unpack_expectation(ResumeToken.decode(TOKENS[name]), accepted_at=5.0)


@asynccontextmanager
async def any_client(name: str) -> AsyncIterator[Any]:
    """Yield the API of a client, without a network, that can resume the token of this name."""
    silent = FakeNetwork(())
    cloud: Any
    if name.startswith("gcore"):
        cloud = Gcore(gc.KEY, project_id=gcore.PROJECT, transport=silent)
        api = "inference_instances" if "v2" in name else "inference_deployments"
    elif name.startswith("exoscale"):
        cloud = Exoscale(exo.KEY, exo.SECRET, transport=silent)
        api = "models" if "model" in name else "deployments"
    else:
        cloud, api = DigitalOcean("dop_v1_secret", transport=silent), "dedicated_inferences"
    async with cloud as client:
        yield getattr(client, api)


# --- round trips -----------------------------------------------------------------------------


@every_token
def test_token_is_written_as_it_was_read(name: str) -> None:
    """A token that is read and written again keeps every key and value."""
    assert content(ResumeToken.decode(TOKENS[name]).encode()) == content(TOKENS[name])


@every_token
def test_baseline_is_written_as_it_was_read(name: str) -> None:
    """A baseline that is read and written again keeps every key and value."""
    packed = orjson.loads(orjson.dumps(pack_expectation(expectation(name))))
    assert packed == content(TOKENS[name])["baseline"]


@every_token
def test_desired_state_is_written_as_it_was_read(name: str) -> None:
    """What a Gcore write sent keeps every key and value when read and written again."""
    text = expectation(name).sent
    if name.startswith("gcore") and text is not None:
        assert read_desired_state(text).encode() == text


@every_token
async def test_client_resumes_token(name: str) -> None:
    """A resumed change has the token's content."""
    async with any_client(name) as api:
        again = content(api.resume(TOKENS[name]).resume_token)
    stored = content(TOKENS[name])
    assert again.pop("started_at") == pytest.approx(stored.pop("started_at"), abs=1e-3)
    assert again == stored


# --- values ----------------------------------------------------------------------------------


def test_digitalocean_update() -> None:
    """The version of the instance before the update, and the expected one, are read."""
    assert expectation("digitalocean update observed") == Expectation(
        action=Action.UPDATE,
        accepted_at=5.0,
        before=ResourceVersion(
            updated_at=MIDNIGHT,
            spec_version=3,
            spec_id="spec-3",
            pending_spec_version=4,
            pending_spec_id="spec-4",
        ),
        before_phase=Phase.WORKING,
        baseline=MIDNIGHT.replace(minute=5),
        target_spec_version=5,
        target_spec_id="spec-5",
        sent="b19706037a2bd676e2db361e91bf7173",
        differed_before=None,
    )


def test_exoscale_update() -> None:
    """What was sent, and whether it differed from the state before, are read."""
    case = expectation("exoscale update")
    sent = {
        "inference-engine-parameters": "1ec4a2c2a08ed9f62b973b24",
        "inference-engine-version": "0.19.0",
        "name": "new",
    }
    assert (case.before.updated_at, case.before_phase) == (MIDNIGHT, Phase.READY)
    assert (orjson.loads(case.sent or ""), case.differed_before) == (sent, True)


def test_gcore_update() -> None:
    """The changed fields, with secrets as digests, and the earlier stop are read."""
    case = expectation("gcore v3 update of DISABLED")
    assert (case.before_phase, case.differed_before) == (Phase.READY, True)
    assert read_desired_state(case.sent) == DesiredState(
        "update",
        {
            "command": {"#": "f573873c6ad0ea1e10325c9a", "text": "14add72afd2ac40af94167a4"},
            "containers": [{"region_id": 9, "scale": {"max": 3, "min": 1}}],
            "envs": {"#": "3a47458bea3bc55d6065c1bd"},
            "image": "nginx:2",
            "timeout": 60,
        },
        True,
    )


@pytest.mark.parametrize("kind", ["start", "stop"])
def test_gcore_switch(kind: Any) -> None:
    """A start is read as a start, and a stop as a stop."""
    assert read_desired_state(expectation(f"gcore v3 {kind}").sent) == DesiredState(kind, {}, False)


def test_steps_and_times() -> None:
    """The pending operation, the scope, the start and the deadline are read."""
    token = ResumeToken.decode(TOKENS["exoscale update"])
    operations = [(one.kind, one.id) for one in token.operations]
    assert operations == [("operation", exoscale.OPERATION)]
    assert (token.resource.kind, token.resource.id) == ("deployment", exoscale.ID)
    assert (token.provider, token.scope, token.action) == ("exoscale", "ch-gva-2", "update")
    assert token.base_url == "https://api-ch-gva-2.exoscale.com"
    assert (token.started_at, token.deadline_at, token.endless) == (EPOCH, EPOCH + 3600, False)
    assert ResumeToken.decode(TOKENS["gcore v2 active"]).endless


# --- use of the evidence ---------------------------------------------------------------------


async def test_digitalocean_update_goes_on() -> None:
    """Only the spec that was sent, at its expected version, settles the update."""
    old = digitalocean.an_instance("observed", version=4, scale=3, updated=digitalocean.LATE)
    new = digitalocean.an_instance("observed", version=5, scale=2, updated=digitalocean.LATER)
    busy = digitalocean.an_instance(
        "observed", "updating", version=4, scale=3, updated=digitalocean.LATE
    )
    async with client_on(fake_api(*[busy] * 5, new)) as client:
        change = client.dedicated_inferences.resume(recent("digitalocean update observed"))
        assert (await change.wait()).spec.version == 5
    async with client_on(fake_api(old)) as client:
        change = client.dedicated_inferences.resume(recent("digitalocean update observed"))
        with pytest.raises(TimeoutError):
            await change.wait(timeout=600)


async def test_gcore_update_goes_on() -> None:
    """A deployment stopped before its update settles once it shows what was sent."""
    new = {
        "image": "nginx:2",
        "envs": {"TOKEN": "secret"},
        "command": "nginx -g 'daemon off;'",
        "containers": [gcore.a_container(region_id=9)],
        "timeout": 60,
    }
    old = answer(200, gcore.a_deployment("DISABLED", **{**new, "envs": {"TOKEN": "other"}}))
    routes = {
        f"GET {gc.TASK_PATH}": [
            answer(200, gcore.a_task(state)) for state in ("RUNNING", "FINISHED")
        ],
        f"GET {gc.ONE}": [*[old] * 9, answer(200, gcore.a_deployment("DISABLED", **new))],
    }
    async with gc.routed(routes) as (client, network):
        change = client.inference_deployments.resume(recent("gcore v3 update of DISABLED"))
        assert (await change.wait()).envs == {"TOKEN": "secret"}
        assert len(network.requests_of("GET", gc.TASK_PATH)) == 2
    assert len(network.requests_of("GET", gc.ONE)) == 10


@pytest.mark.parametrize(
    ("kind", "first", "last"), [("stop", "ACTIVE", "DISABLED"), ("start", "DISABLED", "ACTIVE")]
)
async def test_gcore_switch_goes_on(kind: str, first: str, last: str) -> None:
    """A stop settles when stopped, and a start when running."""
    routes = {
        f"GET {gc.TASK_PATH}": answer(200, gcore.a_task()),
        f"GET {gc.ONE}": [
            answer(200, gcore.a_deployment(status)) for status in (first, first, last)
        ],
    }
    async with gc.routed(routes) as (client, _):
        change = client.inference_deployments.resume(recent(f"gcore v3 {kind}"))
        assert (await change.wait()).status == last


async def test_exoscale_update_goes_on() -> None:
    """Only the arguments sent settle the update, after its operation has ended."""
    keys = ("other", "secret")
    shown = [exoscale.a_deployment(name="new", updated_at=exoscale.LATE) for _ in keys]
    for deployment, key in zip(shown, keys, strict=True):
        deployment["inference-engine-parameters"] = ["--key", key]
    old, new = (answer(200, deployment) for deployment in shown)
    steps = [answer(200, exoscale.operation(state)) for state in ("pending", "success")]
    async with exo.scripted(*steps, old, old, new) as (client, network):
        change = client.deployments.resume(recent("exoscale update"))
        found = await change.wait(timeout=600)
    assert found.inference_engine_parameters == ("--key", "secret")
    assert exo.sent(network)[:2] == [f"GET /v2/operation/{exoscale.OPERATION}"] * 2


# --- durations -------------------------------------------------------------------------------

CREATES, UPDATES = ("create", "atl1", "gpu-mi300x1-192gb"), ("update", "ch-gva-2", "gpua5000")


def test_durations_are_written_as_they_were_read(tmp_path: Path) -> None:
    """A file that is loaded and saved again keeps every key and value."""
    DurationModel.load(DATA / "durations.json").save(tmp_path / "again.json")
    stored, again = (
        json.loads(p.read_bytes()) for p in (DATA / "durations.json", tmp_path / "again.json")
    )
    assert again == stored


@pytest.mark.parametrize(
    ("kind", "count", "median", "late"),
    [(CREATES, 40, 588.7119981, 937.1113984), (UPDATES, 40, 135.6592731, 178.626542)],
)
def test_stored_durations_give_the_same_distribution(
    kind: tuple[str, str, str], count: int, median: float, late: float
) -> None:
    """Counts, moments and censored changes of a file give the same distribution as before."""
    model = DurationModel.load(DATA / "durations.json")
    distribution = model.law(kind)
    assert distribution is not None
    assert model.count(kind) == count
    assert (distribution.quantile(0.5), distribution.quantile(0.9)) == pytest.approx(
        (median, late), rel=1e-8
    )
    assert model.count(("delete", "", "")) == 5
