"""The demo in this process: on a terminal, in both dialects, and with failures."""

import io
import re
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
    """A demo on a terminal with a fast emulator."""
    async with (
        emulator.running(time_scale=100, seed=0, lifecycle=QUICK) as emu,
        DigitalOcean(
            emu.token, base_url=emu.url, polling=PollPolicy(target_lag=0.05), budget=None
        ) as client,
    ):
        with open_view(console) as view:
            yield FleetDemo(emu, client, view, timeout=15)


async def test_terminal_shows_every_instance(demo: FleetDemo, console: Console) -> None:
    """The table has a row per instance with its result."""
    await demo.run()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(plan.name in shown for plan in PLANS)
    assert "active after" in demo.rows[0].summary
    assert "never active" in next(r.summary for r in demo.rows if r.plan.name == WITHOUT_CAPACITY)


@pytest.mark.timeout(60)
def test_in_the_observed_dialect() -> None:
    """The demo completes in the other dialect at another speed."""
    result = call("demo", "--dialect", "observed", "--speed", "300", "--seed", "1")
    assert result.code == 0, result.err
    assert "300 x faster" in result.out


async def test_unexpected_failure(demo: FleetDemo) -> None:
    """A create that fails unexpectedly is an error that names it."""
    demo.emu.fault("error", on="POST /v2/dedicated-inferences", times=3)
    with pytest.raises(DemoError, match="expected only"):
        await demo.run()


async def test_refused_create(demo: FleetDemo) -> None:
    """An API error is raised as itself, not in an exception group."""
    demo.emu.add_instance(name=WITHOUT_CAPACITY)
    with pytest.raises(ConflictError):
        await demo.run()


async def test_failed_scale(demo: FleetDemo) -> None:
    """A failed scale ends the demo with the provider's reason."""
    demo.emu.fault("error", on="PATCH /v2/dedicated-inferences/{id}")
    with pytest.raises(DeploymentFailedError):
        await demo.run()


async def test_remaining_instance(demo: FleetDemo) -> None:
    """An instance that is still listed at the end is an error."""
    demo.emu.add_instance(name="stranger")
    with pytest.raises(DemoError, match="still listed after all deletes: stranger"):
        await demo.run()


async def test_other_clouds_on_a_terminal(demo: FleetDemo, console: Console) -> None:
    """Two rows are added, and the summary holds the measured durations."""
    others = OtherCloudsDemo(demo, PollPolicy(target_lag=0.05))
    await others.run()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ch-gva-2" in shown
    assert "region 7" in shown
    assert [row.state for row in (others.exoscale, others.gcore)] == ["deleted", "deleted"]
    assert others.exoscale.active_after is not None
    assert 60 <= others.exoscale.active_after < 600
    summary = dict(others.summary())
    assert re.search(r"ready after \d+:\d\d$", summary["exoscale"])
    assert re.search(r"ACTIVE after \d+:\d\d$", summary["gcore"])


@pytest.mark.parametrize(
    "operation", ["POST /v2/ai/deployment", "POST /cloud/v3/inference/{project_id}/deployments"]
)
async def test_failure_at_another_cloud(demo: FleetDemo, operation: str) -> None:
    """A failed create ends the demo with that provider's reason."""
    demo.emu.fault("operation_failed", on=operation)
    with pytest.raises(DeploymentFailedError):
        await OtherCloudsDemo(demo, PollPolicy(target_lag=0.05)).run()


@pytest.mark.parametrize("where", ["exoscale", "gcore"])
async def test_remaining_resource_at_another_cloud(demo: FleetDemo, where: str) -> None:
    """A resource that is still listed at the end is an error."""
    if where == "gcore":
        demo.emu.add_gcore_deployment(name="stranger")
    else:
        demo.emu.add_exoscale_model(name="stranger")
    with pytest.raises(DemoError, match="still listed after all deletes: stranger"):
        await OtherCloudsDemo(demo, PollPolicy(target_lag=0.05)).run()


def test_cost_is_price_by_gpu_and_hour() -> None:
    """One hour of one GPU and half an hour of two cost two GPU hours."""
    plan = PLANS[0]
    row = Row(plan, now=lambda: 5400.0)
    row.gpu_history += [(0.0, 1), (3600.0, 2)]
    sizes = Sizes((), (Size(plan.gpu, price_per_hour=Decimal("2.59"), regions=(plan.region,)),))
    assert row.gpu_seconds() == 7200
    assert f"{cost([row], sizes)}" == "5.18"
