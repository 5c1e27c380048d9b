"""`reap` on every cloud, in virtual time: it deletes what has expired, and reports the rest."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import orjson
import pytest
from attrs import evolve

from di_async import reap
from di_async.core.http import Request, Response
from di_async.core.temporary_names import parse_name
from di_async.emulator import World
from di_async.engine.deployments.deployable import Deployable
from di_async.engine.deployments.reap import ReapReport
from tests.clouds.support import VIRTUAL, Cloud, a_world, on, requests_of
from tests.clouds.test_temporary import _EXO, everywhere, names, spec_of
from tests.fake_network import Answer, Delayed, EmulatorNetwork, Intercept

pytestmark = VIRTUAL


@asynccontextmanager
async def expired(cloud: Cloud, world: World) -> AsyncIterator[tuple[Any, str]]:
    """Yield a client, and the name of a temporary deployment that has expired."""
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=1000)
        name = (await block.__aenter__()).name
        await asyncio.sleep(1000)
        yield client, name


@everywhere
async def test_reap_deletes_expired_ones_and_nothing_else(cloud: Cloud) -> None:
    """Only what is temporary and expired is deleted; a dry run deletes nothing."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        mine = await cloud.settled(client, "tmp-my-server-backups")
        old = api.temporary(spec_of(cloud), lifetime=1000)
        young = api.temporary(spec_of(cloud), lifetime=1e6)
        old_one, young_one = await old.__aenter__(), await young.__aenter__()
        await asyncio.sleep(1000)
        before = set(await names(api))
        report = await reap(client, dry_run=True)
        assert [one.name for one in report.deleted] == [old_one.name]
        assert set(await names(api)) == before
        report = await reap(client)
        assert [one.name for one in report.deleted] == [old_one.name]
        assert [one.name for one in report.kept] == [young_one.name]
        assert not report.failed
        assert (report.deleted[0].hourly_price is None) == (cloud is _EXO)
        assert set(await names(api)) == before - {old_one.name}
        assert await api.get(mine)
        await old.__aexit__(None, None, None)  # already gone
        await young.__aexit__(None, None, None)


@everywhere
async def test_reap_reports_what_it_cannot_delete(cloud: Cloud) -> None:
    """A deletion that fails is reported with its id, and raises nothing."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=1000)
        found = await block.__aenter__()
        await asyncio.sleep(1000)
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        report = await reap(client)
        (failed,) = report.failed
        assert failed.name == found.name
        assert failed.error is not None
        world.faults.clear()
        await block.__aexit__(None, None, None)


@everywhere
async def test_reap_deletes_beside_a_row_that_cannot_be_read(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """One damaged row of a list is reported, and keeps nothing else from being deleted."""

    def with_damaged_row(request: Request, real: Answer) -> Answer:
        if f"{request.method} {request.path}" != cloud.LIST.format(project=world.gcore.project_id):
            return real
        assert isinstance(real, Delayed)
        assert isinstance(real.answer, Response)
        body = orjson.loads(real.answer.body)
        next(rows for rows in body.values() if isinstance(rows, list)).append(None)
        answer = evolve(real.answer, body=orjson.dumps(body))
        return Delayed(real.after_s, answer)

    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=1000)
        found = await block.__aenter__()
        await asyncio.sleep(1000)
        networks[0].intercept = with_damaged_row
        report = await reap(client)
        assert [one.name for one in report.deleted] == [found.name]
        assert {"cannot be read" in str(one.error) for one in report.failed} == {True}
        networks[0].intercept = None
        await block.__aexit__(None, None, None)


async def test_reap_names_the_zone_that_cannot_be_read() -> None:
    """What has expired in other zones is deleted; the zone that fails is in the report."""
    world = a_world()
    async with _EXO.client(world, base_url="https://api.test/zones/{zone}") as client:
        block = _EXO.api(client).temporary(spec_of(_EXO), lifetime=1000)
        found = await block.__aenter__()
        await asyncio.sleep(1000)
        world.fault("status", on=_EXO.LIST, region="at-vie-2", times=None)
        report = await reap(client)
        assert [one.name for one in report.deleted] == [found.name]
        (failed,) = report.failed
        assert str(failed).startswith("exoscale list (-) in at-vie-2: ")
        await block.__aexit__(None, None, None)


@everywhere
async def test_list_that_cannot_be_read(cloud: Cloud) -> None:
    """Nothing is known of what such a list would show, so it is a failure."""
    world = a_world()
    async with expired(cloud, world) as (client, name):
        world.fault("status", on=cloud.LIST, status=403, times=None)
        report = await reap(client)
        assert not report.deleted
        assert {(one.provider, one.id) for one in report.failed} == {(client.provider, "")}
        assert {one.error is not None for one in report.failed} == {True}
        world.faults.clear()
        assert await names(cloud.api(client)) == [name]


@on("exoscale")
async def test_zones_that_cannot_be_read(cloud: Cloud) -> None:
    """Without the list of zones no deployment is known."""
    world = a_world()
    async with expired(cloud, world) as (client, _):
        world.fault("status", on="GET /v2/zone", status=403, times=None)
        (failed,) = (await reap(client)).failed
        assert (failed.id, failed.provider) == ("", "exoscale")


@on("digitalocean", "exoscale")  # Gcore's id is the name
async def test_what_has_another_name_by_now(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """It is not deleted: the list was out of date, and its owner keeps it."""
    world = a_world()
    async with expired(cloud, world) as (client, name):

        def renamed(request: Request, real: Answer) -> Answer:
            rows = cloud.LIST.format(project=world.gcore.project_id)
            if not f"{request.method} {request.path}".startswith(f"{rows}/"):
                return real
            assert isinstance(real, Delayed)
            assert isinstance(real.answer, Response)
            body = real.answer.body.replace(name.encode(), b"kept")
            return Delayed(real.after_s, evolve(real.answer, body=body))

        networks[0].intercept = renamed
        (failed,) = (await reap(client)).failed
        assert "its name is 'kept' by now" in str(failed.error)
        assert not requests_of(world, "DELETE")


@everywhere
async def test_what_was_deleted_since_the_list_was_read(cloud: Cloud) -> None:
    """A GET that answers 404 is the proof; no DELETE is sent."""
    world = a_world()
    async with expired(cloud, world) as (client, name):
        world.fault("status", on=cloud.GET, status=404)
        report = await reap(client)
        assert [one.name for one in report.deleted] == [name]
        assert not report.failed
        assert not requests_of(world, "DELETE")


@everywhere
async def test_two_deletions_that_fail(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """Each is logged with its own name."""
    world = a_world()
    async with cloud.client(world) as client:
        blocks = [cloud.api(client).temporary(spec_of(cloud), lifetime=1000) for _ in range(2)]
        names = {(await block.__aenter__()).name for block in blocks}
        await asyncio.sleep(1000)
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        report = await reap(client)
        assert {row.name for row in report.failed} == names
        logged = [one.getMessage() for one in caplog.records if "not proven" in one.getMessage()]
        assert len(logged) == 2
        assert all(any(name in text for text in logged) for name in names)
        world.faults.clear()
        for block in blocks:
            await block.__aexit__(None, None, None)


@on("digitalocean")
async def test_the_second_of_the_expiry(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has expired from that second on."""
    async with (
        cloud.client(a_world()) as client,
        cloud.api(client).temporary(spec_of(cloud)) as found,
    ):
        name = parse_name(found.name)
        assert name is not None
        for after, expired in ((-0.5, 0), (0.0, 1)):
            time = name.expires_at + after
            monkeypatch.setattr(Deployable, "earliest_time", lambda *_, time=time: time)
            assert len((await reap(client, dry_run=True)).deleted) == expired


def dated(networks: list[EmulatorNetwork], ahead: Callable[[Request], float]) -> Intercept:
    """Return an intercept that dates responses, each by so many seconds ahead of the time."""

    def with_date(request: Request, real: Answer) -> Answer:
        assert isinstance(real, Delayed)
        assert isinstance(real.answer, Response)
        time = networks[0].now() + ahead(request)
        headers = {**real.answer.headers, "date": formatdate(time, usegmt=True)}
        return Delayed(real.after_s, evolve(real.answer, headers=headers))

    return with_date


def wrong_once(networks: list[EmulatorNetwork], number: int, ahead: float) -> Intercept:
    """Return an intercept that dates responses; one of them has the time of a wrong clock."""
    numbers = itertools.count()
    return dated(networks, lambda _: ahead if next(numbers) == number else 0)


@everywhere
@pytest.mark.parametrize("wrong", range(3))
@pytest.mark.parametrize("ahead", [-86400, 86400])
async def test_one_response_from_a_wrong_clock_does_not_change_the_expiry(
    cloud: Cloud, networks: list[EmulatorNetwork], wrong: int, ahead: float
) -> None:
    """Whichever response before the create has a `Date` of yesterday, or of tomorrow."""
    async with cloud.client(a_world()) as client:
        networks[0].intercept = wrong_once(networks, wrong, ahead)
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=5000)
        begun = networks[0].now()
        name = parse_name((await block.__aenter__()).name)
        assert name is not None
        assert begun + 4990 <= name.expires_at <= begun + 5010
        await block.__aexit__(None, None, None)


@everywhere
@pytest.mark.parametrize("wrong", range(10))
async def test_one_response_from_a_wrong_clock_expires_nothing(
    cloud: Cloud, networks: list[EmulatorNetwork], wrong: int
) -> None:
    """Whichever of the first responses has a `Date` of tomorrow: the DELETE is not sent."""
    async with (
        cloud.client(a_world()) as client,
        cloud.api(client).temporary(spec_of(cloud), lifetime=5000) as found,
    ):
        networks[0].intercept = wrong_once(networks, wrong, 86400)
        report = await reap(client)
        networks[0].intercept = None
        assert not report.deleted
        assert [one.name for one in (*report.kept, *report.failed)] == [found.name]
        assert networks[0].count("DELETE") == 0


@everywhere
async def test_clocks_that_differ_by_seconds_keep_nothing(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """What the list's `Date` shows as expired is deleted, if a later one is a little behind."""
    async with cloud.client(a_world()) as client:
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=5000)
        async with block as found:
            name = parse_name(found.name)
            assert name is not None
            ahead = name.expires_at - networks[0].now() + 3
            id = getattr(found, "id", found.name)
            networks[0].intercept = dated(
                networks, lambda request: ahead - (5 if id in request.path else 0)
            )
            report = await reap(client)
            networks[0].intercept = None
            assert ([one.name for one in report.deleted], report.failed) == ([found.name], ())


@on("digitalocean")
@pytest.mark.parametrize(("behind", "deleted"), [(30.0, 1), (30.5, 0)])
async def test_how_far_a_date_may_be_behind(
    cloud: Cloud, behind: float, deleted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read before the DELETE may be 30 s behind the expiry, as servers of one provider are."""
    async with (
        cloud.client(a_world()) as client,
        cloud.api(client).temporary(spec_of(cloud), lifetime=5000) as found,
    ):
        name = parse_name(found.name)
        assert name is not None
        times = iter((name.expires_at, name.expires_at - behind))
        monkeypatch.setattr(Deployable, "earliest_time", lambda *_: next(times))
        report = await reap(client)
        assert (len(report.deleted), len(report.failed)) == (deleted, 1 - deleted)
        for one in report.failed:
            assert "differ in their Date; it was left alone" in str(one.error)


def test_report_of_nothing() -> None:
    """By default it is not one of a dry run."""
    assert ReapReport() == ReapReport((), (), (), dry_run=False)
