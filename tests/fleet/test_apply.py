"""Tests of `apply` on a virtual clock: plan, work, report, price and prune, on all clouds."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from di_async import (
    DeploymentFailedError,
    InvalidInputError,
    PriceLimitError,
    RequestBudget,
    RetryPolicy,
    apply,
)
from di_async.cli.signals import finish_write
from di_async.core.fleet_names import name_in_fleet
from di_async.fleet.applying import FleetRun
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import CREATE_S, VIRTUAL, Cloud, a_world, now
from tests.fleet.fleets import a_fleet, an_entry, clients_of, large_fleet

pytestmark = [pytest.mark.asyncio, VIRTUAL]
ensurable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)
WEB = name_in_fleet("chat", "web-1")


def written(world: Any) -> list[tuple[str, str]]:
    """Return verb and path of the writes that were sent, without Gcore's price preview."""
    return [
        (verb, path)
        for _, verb, path, _ in world.requests
        if verb not in ("GET", "HEAD") and "/pricing/" not in path
    ]


async def test_creates_a_fleet_over_three_clouds_and_then_finds_nothing_to_do() -> None:
    """All are created at once and awaited; the second run sends no write and waits for nothing."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = large_fleet(4)
        report = await apply(fleet, *clients)
        assert report.ok
        assert report.counts == {"created": 12}
        assert all(result.active for result in report.results)
        assert now() < 2 * CREATE_S
        began, sent = now(), len(written(world))
        again = await apply(fleet, *clients)
        assert again.summary() == "nothing to do: 12 unchanged"
        assert len(written(world)) == sent
        assert now() - began < 30


async def test_waits_for_the_request_budget() -> None:
    """A fleet that needs more requests than a minute allows is read all the same."""
    world = a_world()
    exoscale = ENSURABLE[2]
    async with clients_of(world, budget=RequestBudget(per_minute=20)) as clients:
        fleet = a_fleet(*(an_entry(exoscale, f"w-{number:02}") for number in range(40)))
        plan = await apply(fleet, *clients, dry_run=True)
        assert plan.counts == {"created": 40}
        assert now() > 60


async def test_touches_only_what_changed() -> None:
    """After a change to 5 of 60 deployments, 5 are updated and 55 are left alone."""
    world = a_world()
    async with clients_of(world, budget=None) as clients:
        await apply(large_fleet(20), *clients)
        before = len(written(world))
        report = await apply(large_fleet(20, changed=5), *clients)
        assert report.counts == {"updated": 5, "unchanged": 55}
        assert len(written(world)) - before == 5
        again = await apply(large_fleet(20, changed=5), *clients)
        assert again.summary() == "nothing to do: 60 unchanged"


@ensurable
async def test_a_dry_run_sends_nothing_and_shows_what_would_be_done(cloud: Cloud) -> None:
    """The plan has actions, differences and prices."""
    world = a_world()
    async with clients_of(world) as clients:
        plan = await apply(a_fleet(an_entry(cloud)), *clients, dry_run=True)
        assert [r.action for r in plan.results] == ["created"]
        assert written(world) == []
        assert plan.summary() == "1 to create"
        assert bool(plan.hourly) == (cloud.name != "exoscale")
        await apply(a_fleet(an_entry(cloud)), *clients)
        before = len(written(world))
        plan = await apply(a_fleet(an_entry(cloud, replicas=2)), *clients, dry_run=True)
        (result,) = plan.results
        assert result.action == "updated"
        assert any("1 -> 2" in line for line in result.diff)
        assert len(written(world)) == before


@ensurable
async def test_one_failure_does_not_stop_the_others(cloud: Cloud) -> None:
    """A deployment that fails is in the report; the others are created."""
    world = a_world()
    async with clients_of(world) as clients:
        world.fault("error", times=1, on=cloud.POST)
        fleet = a_fleet(*(an_entry(one, name) for one in ENSURABLE for name in ("web-1", "web-2")))
        report = await apply(fleet, *clients, concurrency=1)
        assert not report.ok
        (failed,) = report.failed
        assert isinstance(failed.error, DeploymentFailedError)
        assert len(report.results) == 6
        assert sum(r.active for r in report.results) == 5


@ensurable
async def test_waits_for_what_an_earlier_run_began(cloud: Cloud) -> None:
    """A run that is cancelled after the create is continued: no second create."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(cloud))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(apply(fleet, *clients), CREATE_S / 10)
        plan = await apply(fleet, *clients, dry_run=True)
        assert plan.unsettled
        assert plan.has_work
        late = await apply(fleet, *clients, timeout=1)
        assert late.summary() == "1 pending"  # and not "nothing to do"
        report = await apply(fleet, *clients)
        assert report.ok
        assert report.counts == {"unchanged": 1}
        assert report.results[0].active
        assert len([one for one in written(world) if one[0] == "POST"]) == 1


@ensurable
async def test_prunes_what_an_earlier_apply_made_and_nothing_else(cloud: Cloud) -> None:
    """Names chosen by hand and those of other fleets are kept, even if they begin alike."""
    world = a_world()
    async with clients_of(world) as clients:
        mine = next(c for c in clients if c.provider == an_entry(cloud)["provider"])
        await cloud.create(mine, "chat-web-test")
        await cloud.create(mine, name_in_fleet("chat-eu", "web-1"))
        both = a_fleet(an_entry(cloud, "web-1"), an_entry(cloud, "web-2"))
        await apply(both, *clients)
        less = a_fleet(an_entry(cloud, "web-1"))
        kept = await apply(less, *clients)
        gone = name_in_fleet("chat", "web-2")
        assert [one.name for one in kept.leftovers] == [gone]
        report = await apply(less, *clients, prune=True)
        assert [(r.action, r.name) for r in report.changed] == [("deleted", gone)]
        names = {row.name for row in await cloud.api(mine).list()}
        assert names == {WEB, "chat-web-test", name_in_fleet("chat-eu", "web-1")}


async def test_an_empty_fleet_prunes_all_that_it_has_made() -> None:
    """A named fleet without deployments ends what earlier ones of its name have made."""
    async with clients_of(a_world()) as clients:
        await apply(a_fleet(*map(an_entry, ENSURABLE)), *clients)
        report = await apply(a_fleet(), *clients, prune=True)
        assert report.ok
        assert report.counts == {"deleted": 3}
        assert report.leftovers == ()
        again = await apply(a_fleet(), *clients, prune=True)
        assert (again.ok, again.summary()) == (True, "nothing to do: no deployments")
        with pytest.raises(InvalidInputError, match="apply: pass at least one client"):
            await apply(a_fleet(), prune=True)


async def test_prunes_at_a_provider_that_the_fleet_has_left() -> None:
    """What an earlier apply made is found wherever a client was passed."""
    world = a_world()
    async with clients_of(world) as clients:
        await apply(a_fleet(*map(an_entry, ENSURABLE)), *clients)
        report = await apply(a_fleet(an_entry(ENSURABLE[0])), *clients, prune=True)
        deleted = {r.provider for r in report.results if r.action == "deleted"}
        assert deleted == {"gcore", "exoscale"}


async def test_does_not_prune_after_a_failure() -> None:
    """The old deployment may still be needed when the new one has failed."""
    world = a_world()
    cloud = ENSURABLE[0]
    async with clients_of(world) as clients:
        await apply(a_fleet(an_entry(cloud, "old-1")), *clients)
        world.fault("error", times=1, on=cloud.POST)
        report = await apply(a_fleet(an_entry(cloud, "new-1")), *clients, prune=True)
        assert not report.ok
        assert [one.name for one in report.leftovers] == [name_in_fleet("chat", "old-1")]


async def test_does_not_prune_after_one_part_was_cancelled() -> None:
    """A callback may cancel the task of one deployment: `apply` is cancelled, nothing pruned."""
    world, cloud = a_world(), ENSURABLE[0]

    def cancel(_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async with clients_of(world) as clients:
        await apply(a_fleet(an_entry(cloud, "old-1")), *clients)
        with pytest.raises(asyncio.CancelledError):
            await apply(a_fleet(an_entry(cloud, "new-1")), *clients, prune=True, on_change=cancel)
        assert not [path for verb, path in written(world) if verb == "DELETE"]


@ensurable
async def test_what_could_not_be_pruned_is_left_over(cloud: Cloud) -> None:
    """A deletion that fails is `failed`, with its cause, and the deployment is in `.leftovers`."""
    world = a_world()
    async with clients_of(world) as clients:
        await apply(a_fleet(an_entry(cloud)), *clients)
        world.fault("status", status=403, message="no scope", on=cloud.DELETE, times=None)
        report = await apply(a_fleet(), *clients, prune=True)
        assert [one.name for one in report.leftovers] == [WEB]
        assert report.changed == ()
        (result,) = report.failed
        assert (result.action, result.name, result.id) == ("failed", WEB, report.leftovers[0].id)
        assert "no scope" in str(result)
        assert "deleted" not in str(report)


async def test_prune_needs_the_name_of_the_fleet() -> None:
    """Without it nothing shows what an earlier apply has made."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(ENSURABLE[0]), name=None)
        with pytest.raises(InvalidInputError, match=r"fleet\.yaml: prune needs the fleet's name"):
            await apply(fleet, *clients, prune=True)


async def test_a_place_that_cannot_be_searched_is_reported() -> None:
    """The rest is done, and the report is not ok."""
    world = a_world()
    async with clients_of(world) as clients:
        world.fault("status", status=403, on=ENSURABLE[1].LIST)
        report = await apply(a_fleet(an_entry(ENSURABLE[0])), *clients, prune=True)
        assert report.counts == {"created": 1}
        assert [provider for provider, _ in report.unsearched] == ["gcore"]
        assert not report.ok


async def test_a_zone_that_cannot_be_searched_is_named() -> None:
    """What is left over in the other zones is found, and the report is not ok."""
    world = a_world()
    exoscale = ENSURABLE[2]
    async with exoscale.client(world, base_url="https://api.test/zones/{zone}") as client:
        await apply(a_fleet(an_entry(exoscale)), client)
        world.fault("status", on=exoscale.LIST, region="at-vie-2", times=None)
        report = await apply(a_fleet(), client)
        ((provider, error),) = report.unsearched
        assert provider == "exoscale"
        assert f"{exoscale.LIST}: 500: zone at-vie-2: " in str(error)
        assert [one.name for one in report.leftovers] == [WEB]
        assert not report.ok


@pytest.mark.parametrize("cloud", ENSURABLE[:2], ids=lambda cloud: cloud.name)
async def test_the_limit_holds_for_the_whole_fleet(cloud: Cloud) -> None:
    """Two cost twice as much as one; nothing is sent if that is too much."""
    world = a_world()
    async with clients_of(world) as clients:
        one = await apply(a_fleet(an_entry(cloud)), *clients, dry_run=True)
        ((currency, amount),) = one.hourly.items()
        two = a_fleet(an_entry(cloud, "web-1"), an_entry(cloud, "web-2"))
        limit = {currency: Decimal("1.5") * amount}
        with pytest.raises(PriceLimitError):
            await apply(two, *clients, max_hourly=limit)
        assert written(world) == []
        report = await apply(two, *clients, max_hourly={currency: 2 * amount})
        assert report.ok
        again = await apply(two, *clients, max_hourly=0)
        assert again.counts == {"unchanged": 2}


async def test_an_unknown_price_is_refused_under_a_limit() -> None:
    """Exoscale shows no prices."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(ENSURABLE[2]))
        with pytest.raises(PriceLimitError):
            await apply(fleet, *clients, max_hourly=10)
        report = await apply(fleet, *clients, max_hourly=10, allow_unknown_price=True)
        assert report.unknown_price == 1
        assert report.ok


def _set_gpu(body: dict[str, Any], gpu: str) -> None:
    """Change the GPU, flavor or GPU family of a spec."""
    if "model_deployments" in body:
        body["model_deployments"][0]["accelerators"][0]["accelerator_slug"] = gpu
    else:
        body["flavor_name" if "flavor_name" in body else "gpu-type"] = gpu


@ensurable
async def test_what_is_not_on_offer_stops_the_apply_before_its_first_write(cloud: Cloud) -> None:
    """Allowing unknown prices does not allow what the provider lacks; its error names it."""
    world = a_world()
    async with clients_of(world) as clients:
        good, bad = an_entry(cloud, "web-1"), an_entry(cloud, "web-2")
        _set_gpu(bad["spec"], "gpu-typo")
        for allowed in (False, True):
            with pytest.raises(PriceLimitError, match="gpu-typo") as caught:
                await apply(
                    a_fleet(good, bad), *clients, max_hourly=100, allow_unknown_price=allowed
                )
            assert not caught.value.on_offer
        assert written(world) == []


@pytest.mark.parametrize("zones", [["bg-sof-1", "ch-gva-2"], ["ch-gva-2", "bg-sof-1"]])
async def test_offers_are_read_in_each_zone(zones: list[str]) -> None:
    """A GPU family that one of two zones lacks is named for that zone, in any order."""
    world = a_world()
    cloud = ENSURABLE[2]
    async with cloud.client(world, base_url="https://api.test/zones/{zone}") as client:
        plan = await apply(a_fleet(an_entry(cloud, zones=zones)), client, dry_run=True)
        (problem,) = plan.not_on_offer
        assert "in zone 'bg-sof-1'" in problem


async def test_what_runs_already_may_be_off_the_offer() -> None:
    """A GPU that was withdrawn stops nothing where the deployment is left unchanged."""
    world = a_world()
    cloud = ENSURABLE[2]
    async with clients_of(world) as clients:
        old = an_entry(cloud, "web-1")
        await apply(a_fleet(old), *clients)
        world.fault("status", status=422, on="GET /v2/ai/instance-type", times=None)
        plan = await apply(a_fleet(old, an_entry(cloud, "web-2")), *clients, dry_run=True)
        assert [line.split(":")[0] for line in plan.not_on_offer] == [
            name_in_fleet("chat", "web-2")
        ]


async def test_reports_what_did_not_settle_in_time() -> None:
    """A timeout is pending, not failed."""
    world = a_world()
    async with clients_of(world) as clients:
        report = await apply(a_fleet(*map(an_entry, ENSURABLE)), *clients, timeout=60)
        assert report.counts == {"pending": 3}
        assert not report.ok
        assert not report.failed


async def test_no_more_than_so_many_at_a_time() -> None:
    """With a concurrency of 2, at most two deployments are read or written at once."""
    world = a_world()
    async with clients_of(world) as clients:
        running = most = 0
        fleet = large_fleet(4)

        async def finish(call: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await call
            finally:
                running -= 1

        run = FleetRun.prepare(fleet, clients, concurrency=2, finish=finish)
        await run.carry_out(await run.plan(prune=False, priced=False))
        assert most == 2


async def test_invalid_specs_are_all_reported_before_anything_is_sent() -> None:
    """Each fault names file, entry and field."""
    world = a_world()
    async with clients_of(world) as clients:
        broken = [an_entry(cloud, name="web") for cloud in ENSURABLE]
        del broken[0]["spec"]["model_deployments"]
        broken[1]["spec"]["listening_port"] = "many"
        broken[2]["spec"]["replicas"] = "two"
        with pytest.raises(InvalidInputError) as caught:
            await apply(a_fleet(*broken), *clients)
        problems = caught.value.problems
        assert not world.requests
        assert any(
            p.startswith("fleet.yaml: deployments[0] (web): spec.model_deployments")
            for p in problems
        )
        assert any(
            p.startswith("fleet.yaml: deployments[1] (web): listening_port") for p in problems
        )
        assert any(p.startswith("fleet.yaml: deployments[2] (web): replicas") for p in problems)


async def test_a_field_that_cannot_change_fails_alone() -> None:
    """The others are created."""
    world = a_world()
    exoscale = ENSURABLE[2]
    async with clients_of(world) as clients:
        await apply(a_fleet(an_entry(exoscale)), *clients)
        changed = an_entry(exoscale)
        changed["spec"]["gpu-count"] = 4
        report = await apply(a_fleet(changed, an_entry(ENSURABLE[0])), *clients)
        assert [r.action for r in report.results] == ["failed", "created"]
        assert "cannot change after creation" in str(report.failed[0].error)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"digital_ocean": {}}, r"providers \(digitalocean, .*\) as keys, not 'digital_ocean'"),
        ({"digitalocean": None}, "mapping of arguments for digitalocean"),
        ({"digitalocean": {"dry_run": True}}, "pass dry_run to apply itself"),
    ],
)
async def test_options_of_another_form_are_refused(options: Any, problem: str) -> None:
    """A mistyped provider, or what `apply` decides itself, is an error before a request."""
    world = a_world()
    async with clients_of(world) as clients:
        with pytest.raises(InvalidInputError, match=problem):
            await apply(a_fleet(an_entry(ENSURABLE[0])), *clients, options=options)
        assert not world.requests


async def test_a_missing_client_is_named() -> None:
    """Nothing is sent."""
    world = a_world()
    async with clients_of(world) as clients:
        with pytest.raises(InvalidInputError, match="needs a client of exoscale"):
            await apply(a_fleet(*map(an_entry, ENSURABLE)), *clients[:2])


@ensurable
async def test_names_are_the_specs_own_without_a_fleet_name(cloud: Cloud) -> None:
    """What exists under that name is taken over."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(cloud, "web-1", 2), name=None)
        mine = clients[ENSURABLE.index(cloud)]
        await cloud.settled(mine, "web-1")
        report = await apply(fleet, *clients)
        assert report.counts == {"updated": 1}
        assert a_body(cloud)["name"] == "web-1"


async def until_sent(fault: Any) -> None:
    """Return when a request has met this fault."""
    while not fault.hits:  # noqa: ASYNC110 - a world has no event for it
        await asyncio.sleep(0.1)


@ensurable
async def test_what_was_not_written_when_it_was_stopped_is_not_called_created(
    cloud: Cloud,
) -> None:
    """The report has what a write was answered for, and what was left out."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(*(an_entry(cloud, f"web-{n}") for n in range(3)))
        run = FleetRun.prepare(fleet, clients, concurrency=1)
        plan = await run.plan(prune=False, priced=False)
        fault = world.fault("slow", now=now(), times=1, on=cloud.POST, delay_s=20)
        working = asyncio.ensure_future(run.carry_out(plan))
        await until_sent(fault)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        report = run.report(plan)
        assert report.counts == {"failed": 3}
        assert {str(one.error) for one in report.failed} == {
            "stopped before the result of a write was known; apply again to continue"
        }


@ensurable
async def test_a_cancellation_names_what_was_begun(cloud: Cloud) -> None:
    """The error names created deployments and writes in flight, and has the report so far."""
    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(cloud, "web-1"), an_entry(cloud, "web-2"))
        fault = world.fault("slow", now=now(), times=2, on=cloud.POST, delay_s=20)
        working = asyncio.ensure_future(apply(fleet, *clients, concurrency=1))
        while fault.hits < 2:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.1)
        working.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await working
        begun, in_flight = sorted(caught.value.__notes__)
        first, second = caught.value.write_result.results  # type: ignore[attr-defined]
        assert f"it had begun: {WEB} ({first.id}) created." in begun
        assert name_in_fleet("chat", "web-2") in in_flight
        assert "cut off in flight" in in_flight
        assert not caught.value.write_result.ok  # type: ignore[attr-defined]
        assert [one.action for one in (first, second)] == ["created", "failed"]
        assert (first.access_token is not None) == (cloud.name == "digitalocean")


@ensurable
async def test_a_stop_is_not_put_off_by_a_rate_limit(cloud: Cloud) -> None:
    """A create that is refused with 429 while the command stops is not sent again."""
    world = a_world()
    async with clients_of(world, retry=RetryPolicy(attempts=1)) as clients:
        run = FleetRun.prepare(
            a_fleet(an_entry(cloud)), clients, finish=lambda call: finish_write(call, lambda: None)
        )
        plan = await run.plan(prune=False, priced=False)
        fault = world.fault("rate_limit", now=now(), on=cloud.POST, retry_after=300)
        working = asyncio.ensure_future(run.carry_out(plan))
        await until_sent(fault)
        began = now()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert now() - began < 10
        assert len([one for one in written(world) if one[0] == "POST"]) == 1


async def test_secrets_of_specs_and_options_are_not_in_a_repr() -> None:
    """Environment variables of a deployment, and tokens that are sent with a create, may be."""
    entry = an_entry(ENSURABLE[1])
    entry["spec"]["envs"] = {"DATABASE": "secret-of-the-spec"}
    client = ENSURABLE[1].make(a_world())
    options = {"gcore": {"access_tokens": {"hugging_face": "secret-option"}}}
    run = FleetRun.prepare(a_fleet(entry), [client], options=options)
    assert "web-1" in repr(run)
    assert "secret" not in repr(run)


@ensurable
async def test_a_limit_does_not_stop_a_prune_alone(cloud: Cloud) -> None:
    """What only deletes costs nothing, whatever the rest of the fleet costs."""
    world = a_world()
    async with clients_of(world) as clients:
        await apply(a_fleet(an_entry(cloud), an_entry(cloud, "web-2")), *clients)
        report = await apply(a_fleet(an_entry(cloud)), *clients, prune=True, max_hourly="0.01")
        assert report.counts == {"deleted": 1, "unchanged": 1}
        with pytest.raises(PriceLimitError):
            await apply(
                a_fleet(an_entry(cloud, replicas=2)), *clients, prune=True, max_hourly="0.01"
            )


@ensurable
async def test_a_callback_that_raises_stops_nothing(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged; an async function is refused before anything is sent."""

    def fail(_: object) -> None:
        raise ValueError("of the caller")

    async def wait(_: object) -> None: ...

    world = a_world()
    async with clients_of(world) as clients:
        fleet = a_fleet(an_entry(cloud), an_entry(cloud, "web-2"))
        with pytest.raises(InvalidInputError, match="on_change: expected a plain function"):
            await apply(fleet, *clients, on_change=wait)
        assert (await apply(fleet, *clients, on_change=fail)).counts == {"created": 2}
    assert "on_change: " in caplog.text


@ensurable
async def test_a_prune_waits_for_the_request_budget(cloud: Cloud) -> None:
    """More deletions than a minute allows are carried out all the same."""
    world = a_world()
    async with clients_of(world, budget=RequestBudget(per_minute=30)) as clients:
        await apply(a_fleet(*(an_entry(cloud, f"w-{n:02}") for n in range(30))), *clients)
        report = await apply(a_fleet(an_entry(cloud, "w-00")), *clients, prune=True)
        assert report.counts == {"deleted": 29, "unchanged": 1}, report
