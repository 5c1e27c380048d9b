"""The demo within this process: on a terminal, in both dialects, and when something is wrong."""

import io
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from rich.console import Console

from di_async import ConflictError, DeploymentFailedError, DigitalOcean, PollPolicy, emulator
from di_async.cli.demo.elsewhere import Elsewhere
from di_async.cli.demo.fleet import DOOMED, ORDERS, Row, cost
from di_async.cli.demo.script import Demo, DemoError
from di_async.cli.demo.view import showing
from di_async.digitalocean import Size, Sizes
from di_async.emulator import Lifecycle
from tests.cli.conftest import call

QUICK = Lifecycle(create=60, update=30, delete=20)


@pytest.fixture
def console() -> Console:
    """A terminal of 140 columns."""
    return Console(file=io.StringIO(), force_terminal=True, width=140, soft_wrap=True)


@pytest.fixture
async def demo(console: Console) -> AsyncIterator[Demo]:
    """A demo on a terminal, whose emulator is quick."""
    async with (
        emulator.running(time_scale=100, seed=0, lifecycle=QUICK) as emu,
        DigitalOcean(
            emu.token, base_url=emu.url, polling=PollPolicy(target_lag=0.05), budget=None
        ) as client,
    ):
        with showing(console) as view:
            yield Demo(emu, client, view, timeout=15)


async def test_on_a_terminal_it_shows_every_instance(demo: Demo, console: Console) -> None:
    """The table has each name, its model and what became of it."""
    await demo.play()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(order.name in shown for order in ORDERS)
    assert "was active after" in demo.rows[0].story
    assert "never was active" in next(r.story for r in demo.rows if r.order.name == DOOMED)


@pytest.mark.timeout(60)
def test_in_the_observed_dialect() -> None:
    """Every dialect and speed plays to its end."""
    called = call("demo", "--dialect", "observed", "--speed", "300", "--seed", "1")
    assert called.code == 0, called.err
    assert "300 x faster" in called.out


async def test_an_unforeseen_failure_is_told(demo: Demo) -> None:
    """A create that fails though it must not: an error that names it."""
    demo.emu.fault("error", on="POST /v2/dedicated-inferences", times=3)
    with pytest.raises(DemoError, match="was to fail and no other"):
        await demo.play()


async def test_a_refused_create_is_told(demo: Demo) -> None:
    """An API error comes out as itself, not in a group."""
    demo.emu.add_instance(name=DOOMED)
    with pytest.raises(ConflictError):
        await demo.play()


async def test_a_failed_scale_is_told(demo: Demo) -> None:
    """A scale that fails ends the demo with the provider's story."""
    demo.emu.fault("error", on="PATCH /v2/dedicated-inferences/{id}")
    with pytest.raises(DeploymentFailedError):
        await demo.play()


async def test_leftovers_are_told(demo: Demo) -> None:
    """What the list still shows at the end is an error: nothing is glossed over."""
    demo.emu.add_instance(name="stranger")
    with pytest.raises(DemoError, match="still there after all deletes: stranger"):
        await demo.play()


async def test_elsewhere_on_a_terminal(demo: Demo, console: Console) -> None:
    """Two rows more, each from create to 404; the summary tells what was measured."""
    elsewhere = Elsewhere(demo, PollPolicy(target_lag=0.05))
    await elsewhere.play()
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
async def test_a_failure_elsewhere_is_told(demo: Demo, operation: str) -> None:
    """A create that fails at either ends the demo with that provider's story."""
    demo.emu.fault("operation_failed", on=operation)
    with pytest.raises(DeploymentFailedError):
        await Elsewhere(demo, PollPolicy(target_lag=0.05)).play()


@pytest.mark.parametrize("where", ["exoscale", "gcore"])
async def test_leftovers_elsewhere_are_told(demo: Demo, where: str) -> None:
    """What is still there at the end is an error."""
    if where == "gcore":
        demo.emu.add_gcore_deployment(name="stranger")
    else:
        demo.emu.add_exoscale_model(name="stranger")
    with pytest.raises(DemoError, match="still there after all deletes: stranger"):
        await Elsewhere(demo, PollPolicy(target_lag=0.05)).play()


def test_cost_is_price_by_gpu_and_hour() -> None:
    """An hour of one GPU and half an hour of two: two GPU hours."""
    order = ORDERS[0]
    row = Row(order, now=lambda: 5400.0)
    row.gpus_since += [(0.0, 1), (3600.0, 2)]
    sizes = Sizes((), (Size(order.gpu, price_per_hour=Decimal("2.59"), regions=(order.region,)),))
    assert row.gpu_seconds() == 7200
    assert f"{cost([row], sizes)}" == "5.18"
