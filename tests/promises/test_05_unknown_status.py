"""Promise 5: an unknown status counts as pending.

It is logged once, never through `warnings.warn`, and kept in the history unchanged. Upper and lower
case are equal. An accelerator that is `invalid` and has no id is a placeholder, not a failure.
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

UNKNOWN = ["migrating", "failed", "deleted", "success", "", "ACTIVATING", "aktiv\u00e9"]


def count_warnings(status: str, caplog: pytest.LogCaptureFixture) -> int:
    """Count the log records at WARNING that contain a status."""
    records = [r for r in caplog.records if r.levelno == logging.WARNING]
    return sum(status in record.getMessage() for record in records)


@pytest.mark.parametrize("status", UNKNOWN)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_unknown_status(dialect: str, status: str) -> None:
    """An unknown status counts as pending and is kept in the history."""
    reads = an_instance(dialect, status), an_instance(dialect, status), an_instance(dialect)
    async with client_on(fake_api(*reads, post=[creation(dialect)])) as client:
        change = await created(client)
        assert (await change.wait()).status == "active"
    assert (change.history[0].status, change.history[0].times) == (status.lower(), 2)


async def test_unknown_status_until_the_deadline() -> None:
    """A wait with an unknown status ends only at the deadline; the error names the status."""
    async with client_on(fake_api(an_instance(status="hibernating"), post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(WaitTimeoutError, match="hibernating"):
            await change.wait(timeout=600)


async def test_unknown_status_during_an_update_and_a_delete() -> None:
    """An unknown status counts as pending during an update and a delete too."""
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


async def test_unknown_status_read_repeatedly(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown status is logged once, at WARNING, by the poller's logger."""
    async with virtual_client() as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        net.world.fault("unknown_status", on=ONE, times=20)
        await change.wait()
    assert count_warnings("migrating", caplog) == 1
    assert {r.name for r in caplog.records if "migrating" in r.msg % r.args} == {"di_async.poller"}


async def test_unknown_status_that_returns(caplog: pytest.LogCaptureFixture) -> None:
    """An unknown status that returns after known ones is not logged again."""
    strange, known = an_instance(status="migrating"), an_instance(status="provisioning")
    reads = strange, known, strange, known, strange, an_instance()
    async with client_on(fake_api(*reads, post=[creation()])) as client:
        await (await created(client)).wait()
    assert count_warnings("migrating", caplog) == 1


async def test_unknown_status_and_the_warnings_module() -> None:
    """An unknown status raises no Python warning: callers may turn warnings into errors."""
    async with client_on(
        fake_api(an_instance(status="odd"), an_instance(), post=[creation()])
    ) as client:
        change = await created(client)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await change.wait()
    assert caught == []


@pytest.mark.parametrize("known", ["new", "provisioning", "updating"])
async def test_known_status(known: str, caplog: pytest.LogCaptureFixture) -> None:
    """The documented statuses of work in progress are pending and not logged."""
    async with client_on(
        fake_api(an_instance(status=known), an_instance(), post=[creation()])
    ) as client:
        await (await created(client)).wait()
    assert count_warnings(known, caplog) == 0


@pytest.mark.parametrize("expectation", ["lower", "upper"])
@pytest.mark.parametrize("active", ["active", "running"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_case_of_statuses(dialect: str, active: str, expectation: Any) -> None:
    """Upper-case statuses such as `ACTIVE` work for create, update and delete."""
    land = world(dialect, status_case=expectation, active_word=active)
    async with virtual_client(land) as (client, net):
        ours = client.dedicated_inferences
        change = await ours.create(a_spec())
        assert (await change.wait()).status == active
        await (await ours.scale(change.id, 2)).wait()
        await (await ours.delete(change.id)).wait()
        assert not net.world.truth(change.id, net.now()).exists


@pytest.mark.parametrize("status", ["Error", "ERROR", " error "])
async def test_failure_in_capitals(status: str) -> None:
    """`ERROR` is a failure, as `error` is."""
    async with client_on(fake_api(an_instance(status=status), post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(DeploymentFailedError):
            await change.wait()


# --- placeholders ----------------------------------------------------------------------------


def with_accelerator(state: str, **ids: str) -> dict[str, Any]:
    """Return the pending spec of a new instance with one accelerator in this state."""
    spec = shown_spec("observed", 1)
    spec["model_deployments"][0]["accelerators"][0] |= {"state": state, **ids}
    return spec


async def test_invalid_accelerator_without_an_id() -> None:
    """An invalid accelerator without an id, while provisioning, does not end the wait."""
    spec = with_accelerator("invalid", accelerator_id="")
    early = an_instance("observed", "provisioning", version=None, pending_deployment_spec=spec)
    async with client_on(
        fake_api(early, early, an_instance(), post=[creation("observed")])
    ) as client:
        assert (await (await created(client)).wait()).status == "active"


@pytest.mark.parametrize(("id", "named"), [("", False), ("gpu-1", True)])
async def test_invalid_accelerator_in_a_failure(id: str, named: bool) -> None:
    """A failure message names an invalid accelerator only if it has an id."""
    spec = with_accelerator("invalid", accelerator_id=id)
    broken = an_instance("observed", "error", version=None, pending_deployment_spec=spec)
    async with client_on(fake_api(broken, post=[creation("observed")])) as client:
        change = await created(client)
        with pytest.raises(DeploymentFailedError) as caught:
            await change.wait()
    assert ("is invalid" in caught.value.message) is named
