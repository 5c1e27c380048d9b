"""The demo within this process: on a terminal, in both dialects, and when something is wrong."""

import io
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from rich.console import Console

from di_async import ConflictError, DeploymentFailedError, DigitalOcean, PollPolicy, emulator
from di_async.cli.demo.fleet import PLANS, WITHOUT_CAPACITY, Row, cost
from di_async.cli.demo.other_clouds import OtherCloudsDemo
from di_async.cli.demo.scenario import DemoError, FleetDemo
from di_async.cli.demo.view import open_view
from di_async.digitalocean import Size, Sizes
from di_async.emulator import Lifecycle
from tests.cli.conftest import call

QUICK = Lifecycle(create=60, update=30, delete=20)


@pytest.fixture
def console() -> Console:
    """A terminal of 140 columns."""
    return Console(file=io.StringIO(), force_terminal=True, width=140, soft_wrap=True)


@pytest.fixture
async def demo(console: Console) -> AsyncIterator[FleetDemo]:
    """A demo on a terminal, whose emulator is quick."""
    async with (
        emulator.running(time_scale=100, seed=0, lifecycle=QUICK) as emu,
        DigitalOcean(
            emu.token, base_url=emu.url, polling=PollPolicy(target_lag=0.05), budget=None
        ) as client,
    ):
        with open_view(console) as view:
            yield FleetDemo(emu, client, view, timeout=15)


async def test_on_a_terminal_it_shows_every_instance(demo: FleetDemo, console: Console) -> None:
    """The table has each name, its model and what became of it."""
    await demo.run()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(plan.name in shown for plan in PLANS)
    assert "active after" in demo.rows[0].summary
    assert "never active" in next(r.summary for r in demo.rows if r.plan.name == WITHOUT_CAPACITY)


@pytest.mark.timeout(60)
def test_in_the_observed_dialect() -> None:
    """Every dialect and speed plays to its end."""
    called = call("demo", "--dialect", "observed", "--speed", "300", "--seed", "1")
    assert called.code == 0, called.err
    assert "300 x faster" in called.out


async def test_an_unforeseen_failure_is_told(demo: FleetDemo) -> None:
    """A create that fails though it must not: an error that names it."""
    demo.emu.fault("error", on="POST /v2/dedicated-inferences", times=3)
    with pytest.raises(DemoError, match="expected only"):
        await demo.run()


async def test_a_refused_create_is_told(demo: FleetDemo) -> None:
    """An API error comes out as itself, not in a group."""
    demo.emu.add_instance(name=WITHOUT_CAPACITY)
    with pytest.raises(ConflictError):
        await demo.run()


async def test_a_failed_scale_is_told(demo: FleetDemo) -> None:
    """A scale that fails ends the demo with the provider's story."""
    demo.emu.fault("error", on="PATCH /v2/dedicated-inferences/{id}")
    with pytest.raises(DeploymentFailedError):
        await demo.run()


async def test_leftovers_are_told(demo: FleetDemo) -> None:
    """What the list still shows at the end is an error: nothing is glossed over."""
    demo.emu.add_instance(name="stranger")
    with pytest.raises(DemoError, match="still listed after all deletes: stranger"):
        await demo.run()


async def test_elsewhere_on_a_terminal(demo: FleetDemo, console: Console) -> None:
    """Two rows more, each from create to 404; the summary tells what was measured."""
    elsewhere = OtherCloudsDemo(demo, PollPolicy(target_lag=0.05))
    await elsewhere.run()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ch-gva-2" in shown
    assert "region 7" in shown
    assert [row.state for row in (elsewhere.exoscale, elsewhere.gcore)] == ["deleted", "deleted"]
    assert elsewhere.exoscale.active_after is not None
    assert 60 <= elsewhere.exoscale.active_after < 600
    told = dict(elsewhere.summary())
    assert "ready after 1:" in told["exoscale"]
    assert "ACTIVE after 1:" in told["gcore"]


@pytest.mark.parametrize(
    "operation", ["POST /v2/ai/deployment", "POST /cloud/v3/inference/{project_id}/deployments"]
)
async def test_a_failure_elsewhere_is_told(demo: FleetDemo, operation: str) -> None:
    """A create that fails at either ends the demo with that provider's story."""
    demo.emu.fault("operation_failed", on=operation)
    with pytest.raises(DeploymentFailedError):
        await OtherCloudsDemo(demo, PollPolicy(target_lag=0.05)).run()


@pytest.mark.parametrize("where", ["exoscale", "gcore"])
async def test_leftovers_elsewhere_are_told(demo: FleetDemo, where: str) -> None:
    """What is still there at the end is an error."""
    if where == "gcore":
        demo.emu.add_gcore_deployment(name="stranger")
    else:
        demo.emu.add_exoscale_model(name="stranger")
    with pytest.raises(DemoError, match="still listed after all deletes: stranger"):
        await OtherCloudsDemo(demo, PollPolicy(target_lag=0.05)).run()


def test_cost_is_price_by_gpu_and_hour() -> None:
    """An hour of one GPU and half an hour of two: two GPU hours."""
    plan = PLANS[0]
    row = Row(plan, now=lambda: 5400.0)
    row.gpu_history += [(0.0, 1), (3600.0, 2)]
    sizes = Sizes((), (Size(plan.gpu, price_per_hour=Decimal("2.59"), regions=(plan.region,)),))
    assert row.gpu_seconds() == 7200
    assert f"{cost([row], sizes)}" == "5.18"
