"""Promise 5: a status word nobody knows is pending.

It is logged once, never by `warnings.warn`, and kept in the history as it came. Upper and lower
case mean the same. An accelerator that is `invalid` and has no id is a placeholder, no failure.
"""

import logging
import warnings
from typing import Any

import pytest

from di_async import DeploymentFailedError, WaitTimeoutError
from tests.builders.digitalocean import (
    DIALECTS,
    ID,
    a_spec,
    acceptance,
    an_instance,
    creation,
    shown_spec,
)
from tests.fake_network import answer, virtual_client
from tests.promises.support import ONE, VIRTUAL, client_on, created, fake_api, scaled, world

pytestmark = VIRTUAL

STRANGE = ["migrating", "failed", "deleted", "success", "", "ACTIVATING", "aktiv\u00e9"]


def warnings_about(word: str, caplog: pytest.LogCaptureFixture) -> int:
    """How often a WARNING told of a word."""
    told = [r for r in caplog.records if r.levelno == logging.WARNING]
    return sum(word in record.getMessage() for record in told)


@pytest.mark.parametrize("word", STRANGE)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_word_that_is_unknown(dialect: str, word: str) -> None:
    """It is pending, however final it sounds, and stands in the history."""
    reads = an_instance(dialect, word), an_instance(dialect, word), an_instance(dialect)
    async with client_on(fake_api(*reads, post=[creation(dialect)])) as client:
        change = await created(client)
        assert (await change.wait()).status == "active"
    assert (change.history[0].status, change.history[0].times) == (word.lower(), 2)


async def test_word_that_stays_unknown() -> None:
    """It ends no wait but by the deadline, and the error tells of it."""
    async with client_on(fake_api(an_instance(status="hibernating"), post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(WaitTimeoutError, match="hibernating"):
            await change.wait(timeout=600)


async def test_unknown_word_during_an_update_and_a_delete() -> None:
    """It is pending there as well."""
    strange = an_instance(status="moving")
    writes: Any = {"patch": [acceptance()], "delete": [answer(202)]}
    gone = answer(404, {"id": "not_found", "message": "m"})
    network = fake_api(
        an_instance(), strange, an_instance(version=2, scale=2), strange, gone, **writes
    )
    async with client_on(network) as client:
        await (await scaled(client)).wait()
        await (await client.dedicated_inferences.delete(ID)).wait()
    assert network.count("GET") == 5


async def test_unknown_word_seen_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, at WARNING, by the poller's logger."""
    async with virtual_client() as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        net.world.fault("unknown_status", on=ONE, times=20)
        await change.wait()
    assert warnings_about("migrating", caplog) == 1
    assert {r.name for r in caplog.records if "migrating" in r.msg % r.args} == {"di_async.poller"}


async def test_unknown_word_that_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """Once is once, even if known words come in between."""
    strange, known = an_instance(status="migrating"), an_instance(status="provisioning")
    reads = strange, known, strange, known, strange, an_instance()
    async with client_on(fake_api(*reads, post=[creation()])) as client:
        await (await created(client)).wait()
    assert warnings_about("migrating", caplog) == 1


async def test_unknown_word_and_the_warnings_module() -> None:
    """It raises no Python warning: a service may have made those errors."""
    async with client_on(
        fake_api(an_instance(status="odd"), an_instance(), post=[creation()])
    ) as client:
        change = await created(client)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await change.wait()
    assert caught == []


@pytest.mark.parametrize("known", ["new", "provisioning", "updating"])
async def test_word_that_is_known(known: str, caplog: pytest.LogCaptureFixture) -> None:
    """The documented words of work under way are pending and nothing to warn of."""
    async with client_on(
        fake_api(an_instance(status=known), an_instance(), post=[creation()])
    ) as client:
        await (await created(client)).wait()
    assert warnings_about(known, caplog) == 0


@pytest.mark.parametrize("expectation", ["lower", "upper"])
@pytest.mark.parametrize("active", ["active", "running"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_case_of_the_words(dialect: str, active: str, expectation: Any) -> None:
    """`ACTIVE` is `active`: the whole life of an instance works in either case."""
    land = world(dialect, status_case=expectation, active_word=active)
    async with virtual_client(land) as (client, net):
        ours = client.dedicated_inferences
        change = await ours.create(a_spec())
        assert (await change.wait()).status == active
        await (await ours.scale(change.id, 2)).wait()
        await (await ours.delete(change.id)).wait()
        assert not net.world.truth(change.id, net.now()).exists


@pytest.mark.parametrize("word", ["Error", "ERROR", " error "])
async def test_failure_in_capitals(word: str) -> None:
    """`ERROR` is a failure as `error` is."""
    async with client_on(fake_api(an_instance(status=word), post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(DeploymentFailedError):
            await change.wait()


# --- placeholders ----------------------------------------------------------------------------


def with_accelerator(state: str, **ids: str) -> dict[str, Any]:
    """The pending spec of a new instance with one accelerator in some state."""
    spec = shown_spec("observed", 1)
    spec["model_deployments"][0]["accelerators"][0] |= {"state": state, **ids}
    return spec


async def test_invalid_accelerator_without_an_id() -> None:
    """While provisioning it stands for a GPU not found yet: the wait goes on."""
    spec = with_accelerator("invalid", accelerator_id="")
    early = an_instance("observed", "provisioning", version=None, pending_deployment_spec=spec)
    async with client_on(
        fake_api(early, early, an_instance(), post=[creation("observed")])
    ) as client:
        assert (await (await created(client)).wait()).status == "active"


@pytest.mark.parametrize(("id", "told"), [("", False), ("gpu-1", True)])
async def test_invalid_accelerator_in_a_failure(id: str, told: bool) -> None:
    """In the story of a failure only an accelerator that exists is called invalid."""
    spec = with_accelerator("invalid", accelerator_id=id)
    broken = an_instance("observed", "error", version=None, pending_deployment_spec=spec)
    async with client_on(fake_api(broken, post=[creation("observed")])) as client:
        change = await created(client)
        with pytest.raises(DeploymentFailedError) as caught:
            await change.wait()
    assert ("is invalid" in caught.value.message) is told
