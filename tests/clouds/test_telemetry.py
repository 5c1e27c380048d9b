"""OpenTelemetry on every cloud, in virtual time, read back from in-memory exporters."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from di_async import (
    ConnectError,
    DigitalOcean,
    InvalidInputError,
    PollPolicy,
    RequestBudget,
    WaitError,
    WaitTimeoutError,
)
from di_async.core.http import Request, Response
from di_async.emulator import World
from di_async.telemetry import Telemetry
from tests.clouds import support
from tests.clouds.ensuring import ENSURABLE
from tests.clouds.support import CLOUDS, CREATE_S, VIRTUAL, Cloud, a_world, everywhere, now
from tests.clouds.test_clocks import dated
from tests.clouds.test_connect import Clouds
from tests.clouds.test_hooks import WHOSE
from tests.fake_network import Again, EmulatorNetwork

pytestmark = VIRTUAL
STAMPED = pytest.mark.parametrize("cloud", [CLOUDS[0], CLOUDS[3]], ids=lambda cloud: cloud.name)
UNSTAMPED = pytest.mark.parametrize("cloud", CLOUDS[1:3], ids=lambda cloud: cloud.name)
ONE = CLOUDS[0]
connectable = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)


class Exported:
    """In-memory exporters, and what they hold."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))

    def telemetry(self, **more: Any) -> Telemetry:
        """Return a telemetry with these exporters."""
        return Telemetry(tracer_provider=self.tracers, meter_provider=self.meters, **more)

    def close(self) -> None:
        """End the exporters."""
        self.tracers.shutdown()
        self.meters.shutdown()

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended, oldest first."""
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self.reader.get_metrics_data()
        return [
            point
            for of_resource in (data.resource_metrics if data else ())
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def requests(self, **attributes: Any) -> int:
        """Return how many requests were counted with these attributes."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        points = self.points("di.client.requests")
        return sum(p.value for p in points if wanted.items() <= p.attributes.items())


@pytest.fixture
def exported() -> Iterator[Exported]:
    """Yield in-memory exporters."""
    made = Exported()
    yield made
    made.close()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


# --- spans -------------------------------------------------------------------------------------


@everywhere
async def test_one_span_for_a_wait(cloud: Cloud, exported: Exported) -> None:
    """A wait is one span: its attributes say of what, its events are the steps of the change."""
    provider, kind = WHOSE[cloud.name]
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        assert exported.spans == []
        await change
        (span,) = exported.spans
        assert span.name == "di_async.wait create"
        assert attributes(span) | {"di.region": ""} == {
            "di.provider": provider,
            "di.resource.kind": kind,
            "di.resource.id": change.id,
            "di.resource.name": "web-1",
            "di.region": "",
            "di.action": "create",
            "di.outcome": "settled",
            "di.status": change.history[-1].status,
            "di.requests": change.requests,
        }
        assert attributes(span)["di.region"]
        assert span.status.status_code is StatusCode.UNSET
        assert [
            (event.name, (event.attributes or {}).get("di.status")) for event in span.events
        ] == [("di.status_change", step.status) for step in change.history]
        assert len(span.events) < change.requests


@everywhere
async def test_span_of_a_wait_is_a_child_of_the_callers(cloud: Cloud, exported: Exported) -> None:
    """Each wait's parent is the span that its caller is in; the poller's task has none of them."""
    tracer = exported.tracers.get_tracer("test")
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")

        async def serve(name: str) -> None:
            with tracer.start_as_current_span(name):
                await change

        await asyncio.gather(serve("one"), serve("two"))
    by_name = {span.name: span for span in exported.spans if span.parent is None}
    assert set(by_name) == {"one", "two"}
    waits = [span for span in exported.spans if span.name == "di_async.wait create"]
    parents = {span.parent.span_id for span in waits if span.parent is not None}
    assert parents == {by_name[name].context.span_id for name in by_name}


@everywhere
async def test_span_of_a_failure(cloud: Cloud, exported: Exported) -> None:
    """A wait that raises ends its span with the outcome, the error's type and its message."""
    world = a_world()
    async with cloud.client(world, telemetry=exported.telemetry()) as client:
        world.fault("error", on=cloud.POST)
        change = await cloud.create(client, "web-1")
        with pytest.raises(WaitError) as caught:
            await change
    (span,) = exported.spans
    found = attributes(span)
    assert found["di.outcome"] == change.outcome
    assert found["error.type"] == type(caught.value).__name__
    assert span.status.status_code is StatusCode.ERROR
    assert (span.status.description or "").startswith(str(caught.value)[:50])


@everywhere
async def test_spans_of_waits_that_are_left(cloud: Cloud, exported: Exported) -> None:
    """A timeout is an error; a cancellation and a stream that is left early are none."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=30)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await change
        async for _ in change.events():
            break
        stream = change.events()
        for _ in change.history:
            await anext(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(stream)
        del stream
    shown = [(s.name.split()[0], attributes(s)["di.outcome"]) for s in exported.spans]
    assert shown == [
        ("di_async.wait", "timeout"),
        ("di_async.wait", "cancelled"),
        ("di_async.events", "abandoned"),
    ]
    codes = [span.status.status_code for span in exported.spans]
    assert codes == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.UNSET]


@everywhere
async def test_span_of_a_closed_client(cloud: Cloud, exported: Exported) -> None:
    """Closing the client ends the spans of its open waits."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        wait = asyncio.ensure_future((await cloud.create(client, "web-1")).wait())
        await asyncio.sleep(30)
        assert exported.spans == []
    await asyncio.wait([wait])
    assert wait.exception()
    assert [attributes(span)["di.outcome"] for span in exported.spans] == ["closed"]


@everywhere
async def test_stream_of_events_is_one_span(cloud: Cloud, exported: Exported) -> None:
    """A stream that is read to its end is one span, whatever the number of its steps."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        seen = [event async for event in change.events()]
        (span,) = exported.spans
    assert span.name == "di_async.events create"
    assert attributes(span)["di.outcome"] == "settled"
    assert len(span.events) == len(seen)


@everywhere
async def test_decided_change_makes_no_span(cloud: Cloud, exported: Exported) -> None:
    """Awaiting what is known to be settled is not a wait."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        await change
        await change
        assert [event async for event in change.events()] == list(change.history)
    assert len(exported.spans) == 1


@connectable
async def test_connect_is_one_span(cloud: Cloud, exported: Exported) -> None:
    """`connect` is one span, until the models answer; its delay is that of the change."""
    world = a_world()

    async def answers(endpoint: object) -> bool:
        return now() > CREATE_S + 240

    options = {"transport": Clouds(world), "telemetry": exported.telemetry()}
    async with cloud.client(world, **options) as client:
        change = await cloud.create(client, "web-1")
        endpoint = await change.connect(probe=answers)
    (span,) = exported.spans
    assert span.name == "di_async.connect create"
    assert attributes(span)["di.outcome"] == "settled"
    notes = [(event.attributes or {}).get("di.note") for event in span.events]
    assert notes == [step.note for step in endpoint.history]
    (bound,), (took,) = map(exported.points, ("di.wait.settle_delay_bound", "di.wait.duration"))
    assert bound.sum < 60
    assert took.sum == pytest.approx(CREATE_S + 240, abs=5)


# --- metrics -----------------------------------------------------------------------------------


@everywhere
async def test_requests_are_counted_by_kind(cloud: Cloud, exported: Exported) -> None:
    """The counters agree with the requests that the emulator received."""
    world, provider = a_world(), WHOSE[cloud.name][0]
    async with cloud.client(world, telemetry=exported.telemetry()) as client:
        for number in range(3):
            await (await cloud.create(client, f"web-{number}"))
        changes = [await cloud.create(client, f"more-{number}") for number in range(12)]
        await asyncio.gather(*changes)
        await cloud.delete(client, changes[0].id)
        stats = client.stats()
    received = [(verb, path) for _, verb, path, _ in world.requests]
    writes = sum(verb != "GET" for verb, _ in received)
    assert exported.requests() == exported.requests(di__provider=provider) == len(received)
    assert exported.requests(di__request__kind="write") == writes
    polls = {kind: exported.requests(di__request__kind=kind) for kind in ("poll", "confirm")}
    assert sum(polls.values()) == stats.gets
    assert exported.requests(di__request__kind="poll_list") == stats.lists
    assert exported.requests(http__response__status_code=200) > 0
    assert exported.points("di.client.rate_limited") == []


@everywhere
async def test_refused_requests_are_counted(cloud: Cloud, exported: Exported) -> None:
    """Answers of 429 have a counter of their own; requests without an answer have no status."""
    world = a_world()
    async with cloud.client(world, telemetry=exported.telemetry()) as client:
        world.fault("rate_limit", on=cloud.GET, times=2)
        world.fault("reset", on=cloud.GET, times=1)
        await cloud.settled(client, "web-1")
        refused = client.stats().refused
    assert refused == sum(p.value for p in exported.points("di.client.rate_limited")) == 2
    assert exported.requests(http__response__status_code=429) == 2
    points = exported.points("di.client.requests")
    assert sum(p.value for p in points if "http.response.status_code" not in p.attributes) == 1


class Repeating(EmulatorNetwork):
    """A network that silently repeats each read, and at first cannot be reached at all."""

    repeats = 0
    unreachable = 3

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """Return the answer to the second request."""
        if self.unreachable:
            self.unreachable -= 1
            raise ConnectError("no route", method=request.method, path=request.path)
        if request.method == "GET":
            await again()
            self.repeats += 1
        return await super().send(request, headers, again)


@everywhere
async def test_silent_repeats_count_and_what_was_never_sent_does_not(
    cloud: Cloud, exported: Exported
) -> None:
    """A request that is repeated on another connection counts twice; an unsent one not at all."""
    network = Repeating(a_world())
    options = {"transport": network, "telemetry": exported.telemetry()}
    async with cloud.client(network.world, **options) as client:
        await cloud.settled(client, "web-1")
    assert network.repeats > 1
    assert exported.requests() == len(network.sent) + network.repeats
    points = exported.points("di.client.requests")
    unanswered = [p for p in points if "http.response.status_code" not in p.attributes]
    assert sum(point.value for point in unanswered) == network.repeats


@everywhere
async def test_budget_left(cloud: Cloud, exported: Exported) -> None:
    """The gauge shows what the budget has left, as long as a client that uses it is open."""
    budget = RequestBudget(per_minute=100, per_hour=1000)
    options = {"telemetry": exported.telemetry(), "budget": budget}

    def left() -> dict[str, int]:
        points = exported.points("di.client.budget.remaining")
        return {point.attributes["di.budget.window"]: point.value for point in points}

    async with cloud.client(a_world(), **options) as client:
        async with cloud.client(a_world(), **options):
            assert left() == {"minute": 100, "hour": 1000}
        for _ in range(5):
            await cloud.api(client).list()
        assert left() == {"minute": 95, "hour": 995}
        await asyncio.sleep(90)
        assert left() == {"minute": 100, "hour": 995}
        assert left()["hour"] + client.stats().hour == 1000
    assert left() == {}


async def test_client_that_cannot_be_entered(exported: Exported) -> None:
    """A client whose network does not open leaves no budget to observe."""
    network = EmulatorNetwork(a_world())
    network.open = failing  # type: ignore[method-assign]
    client = DigitalOcean("x", transport=network, telemetry=exported.telemetry())
    with pytest.raises(OSError, match="no network"):
        await client.__aenter__()
    assert exported.points("di.client.budget.remaining") == []


async def failing() -> None:
    """Fail to open."""
    raise OSError("no network")


async def settle(cloud: Cloud, exported: Exported, **more: Any) -> tuple[float, Any, Any]:
    """Return the true seconds from settling to return, and both measured."""
    async with cloud.client(a_world(), telemetry=exported.telemetry(), **more) as client:
        await asyncio.sleep(0.37)
        before = now()
        change = await cloud.create(client, "web-1")
        await change
        truth = now() - before - CREATE_S
    delays, bounds = map(exported.points, ("di.wait.settle_delay", "di.wait.settle_delay_bound"))
    return truth, delays, bounds


@STAMPED
@pytest.mark.parametrize("lag", [5.0, 40.0])
async def test_settle_delay_by_the_providers_stamp(
    cloud: Cloud, lag: float, exported: Exported
) -> None:
    """Where the resource shows `updated_at`, the delay is right to about a second."""
    policy = PollPolicy(target_lag=lag)
    truth, delays, bounds = await settle(cloud, exported, polling=policy)
    assert delays[0].count == 1
    assert delays[0].sum == pytest.approx(truth, abs=1.6)
    assert bounds[0].sum >= truth


class Ahead(EmulatorNetwork):
    """A provider whose clock is five minutes ahead, as its answers show."""

    async def open(self) -> None:
        """Bind the world's time to the loop's, five minutes ahead."""
        await super().open()
        self._anchor += 300
        self.intercept = lambda request, answer: dated(self, answer)


@STAMPED
async def test_settle_delay_by_the_servers_clock(
    cloud: Cloud, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that differs from the server's does not change the delay."""
    monkeypatch.setattr(support, "EmulatorNetwork", Ahead)
    truth, delays, _ = await settle(cloud, exported, polling=PollPolicy(target_lag=40.0))
    assert delays[0].sum == pytest.approx(truth, abs=1.6)


@UNSTAMPED
async def test_settle_delay_has_a_bound(cloud: Cloud, exported: Exported) -> None:
    """Where nothing shows when it settled, only an upper bound is recorded."""
    truth, delays, bounds = await settle(cloud, exported)
    assert delays == []
    assert bounds[0].count == 1
    assert truth <= bounds[0].sum <= truth + 30


@everywhere
async def test_settle_delay_of_waits_by_list_pages(cloud: Cloud, exported: Exported) -> None:
    """List rows that show progress bound the delay as well as GETs do."""
    late = []

    async def settled(client: Any, number: int) -> None:
        await asyncio.sleep(20.0 * number)
        before = now()
        await (await cloud.create(client, f"web-{number}"))
        late.append(now() - before - CREATE_S)

    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        await asyncio.gather(*(settled(client, number) for number in range(12)))
        assert client.stats().lists
    (bound,) = exported.points("di.wait.settle_delay_bound")
    assert bound.count == 12
    assert sum(late) <= bound.sum <= sum(late) + 12 * 30
    assert max(late) <= bound.max


@everywhere
async def test_delay_of_what_settled_before_the_wait(cloud: Cloud, exported: Exported) -> None:
    """A change that settled before anyone waited was not noticed late."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        await asyncio.sleep(CREATE_S + 500)
        began = now()
        await change
        took = now() - began
        assert exported.points("di.wait.settle_delay") == []
        (bound,) = exported.points("di.wait.settle_delay_bound")
        assert bound.sum == pytest.approx(took)
        await cloud.api(client).wait_until_active(change.id)
        (bound,) = exported.points("di.wait.settle_delay_bound")
        assert bound.count == 1


@everywhere
@pytest.mark.parametrize("until", [60.0, CREATE_S + 500])
async def test_predicate_has_no_delay(cloud: Cloud, exported: Exported, until: float) -> None:
    """`wait_until` records its duration alone, whether or not the resource settled meanwhile."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        until += now()
        change = await cloud.create(client, "web-1")
        await cloud.api(client).wait_until(change.id, lambda _: now() >= until)
    assert exported.points("di.wait.duration")[0].count == 1
    assert exported.points("di.wait.settle_delay") == []
    assert exported.points("di.wait.settle_delay_bound") == []


@everywhere
async def test_duration_by_outcome(cloud: Cloud, exported: Exported) -> None:
    """How long callers waited is recorded for each outcome, in seconds."""
    async with cloud.client(a_world(), telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=60)
        began = now()
        await change
        took = now() - began
    found = {p.attributes["di.outcome"]: p for p in exported.points("di.wait.duration")}
    assert found["timeout"].sum == pytest.approx(60, abs=0.1)
    assert found["settled"].sum == pytest.approx(took)
    keys = {"di.provider", "di.resource.kind", "di.action", "di.region", "di.outcome"}
    assert set(found["settled"].attributes) == keys  # and no id, of which there are many


# --- whose figures -----------------------------------------------------------------------------


@everywhere
async def test_own_attributes(cloud: Cloud, exported: Exported) -> None:
    """Own attributes are on every span and metric."""
    telemetry = exported.telemetry(attributes={"account": "prod"})
    async with cloud.client(a_world(), telemetry=telemetry) as client:
        await cloud.settled(client, "web-1")
        names = ("di.client.requests", "di.client.budget.remaining", "di.wait.duration")
        shown = [point.attributes for name in names for point in exported.points(name)]
    assert all(found["account"] == "prod" for found in [*shown, *map(attributes, exported.spans)])
    assert len(shown) > 3


async def test_two_telemetries_on_one_provider(
    exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    """Two clients of one provider are distinguished by the attributes of their telemetries."""
    world = a_world()
    for account in ("one", "two"):
        telemetry = exported.telemetry(attributes={"account": account})
        async with ONE.client(world, telemetry=telemetry) as client:
            await ONE.api(client).list()
    accounts = {p.attributes["account"]: p.value for p in exported.points("di.client.requests")}
    assert accounts == {"one": 1, "two": 1}
    assert caplog.records == []


@pytest.mark.parametrize("attributes", [{1: "a"}, {"a": ["b"]}, {"a": None}, "account"])
def test_attributes_that_are_refused(attributes: Any) -> None:
    """Attributes are names with text, numbers or booleans."""
    with pytest.raises(InvalidInputError, match="attributes"):
        Telemetry(attributes=attributes)


@everywhere
async def test_exports_hold_no_secret(cloud: Cloud, exported: Exported) -> None:
    """Neither spans nor metrics hold the credentials, also where an error repeats them."""
    world = a_world()
    async with cloud.client(world, telemetry=exported.telemetry()) as client:
        change = await cloud.create(client, "web-1")
        secrets = _credentials(cloud, world)
        if change.access_token is not None:
            secrets.append(change.access_token.value.reveal())
        for status in (500, 401):
            quoted = f"not for {' '.join(secrets)}"
            world.fault("status", on=cloud.GET, status=status, message=quoted, times=1)
        with pytest.raises(WaitError):
            await change
        await change
    text = " ".join(span.to_json() for span in exported.spans)
    text += exported.reader.get_metrics_data().to_json()  # type: ignore[union-attr]
    assert "web-1" in text
    assert not [secret for secret in secrets if secret in text]


def _credentials(cloud: Cloud, world: World) -> list[str]:
    """Return what the client of this cloud was given."""
    if cloud.name == "digitalocean":
        return [world.token]
    exoscale = world.exoscale
    keys = [exoscale.api_key, exoscale.api_secret]
    return keys if cloud.name == "exoscale" else [world.gcore.api_key]


# --- no harm -----------------------------------------------------------------------------------


class Broken:
    """An observer whose methods raise, all or those of clients and waits."""

    def __init__(self, *methods: str) -> None:
        self.methods = methods

    def _may_raise(self, name: str) -> "Broken":
        if name in self.methods:
            raise ValueError(name)
        return self

    def open_client(self, provider: str, budget: Any) -> "Broken":
        """Raise, or return itself."""
        return self._may_raise("open_client")

    def requests_sent(self, *counts: Any) -> None:
        """Raise, or do nothing."""
        self._may_raise("requests_sent")

    def wait_begun(self, wait: Any) -> "Broken":
        """Raise, or return itself."""
        return self._may_raise("wait_begun")

    def step(self, event: Any) -> None:
        """Raise, or do nothing."""
        self._may_raise("step")

    def ended(self, result: Any) -> None:
        """Raise, or do nothing."""
        self._may_raise("ended")

    def closed(self) -> None:
        """Raise, or do nothing."""
        self._may_raise("closed")


@pytest.mark.parametrize(
    "method", ["open_client", "requests_sent", "wait_begun", "step", "ended", "closed"]
)
async def test_broken_observer_harms_nobody(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Errors of an observer end no call and no wait, and are logged once."""
    async with ONE.client(a_world(), telemetry=Broken(method)) as client:
        await ONE.settled(client, "web-1")
        await ONE.settled(client, "web-2")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message.startswith("telemetry: ")
    assert "Broken" in record.message


class BrokenProcessor(SpanProcessor):
    """A span processor that raises in one of its methods."""

    def __init__(self, method: str) -> None:
        self.method = method

    def on_start(self, *_: Any, **__: Any) -> None:
        """Raise, or do nothing."""
        if self.method == "on_start":
            raise ValueError("full")

    def on_end(self, span: ReadableSpan) -> None:
        """Raise, or do nothing."""
        if self.method == "on_end":
            raise ValueError("full")


@pytest.mark.parametrize("method", ["on_start", "on_end"])
async def test_broken_span_processor_costs_no_metrics(
    method: str, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    """The metrics of a wait are recorded although its span fails, which is logged once."""
    exported.tracers.add_span_processor(BrokenProcessor(method))
    async with ONE.client(a_world(), telemetry=exported.telemetry()) as client:
        await ONE.settled(client, "web-1")
        await ONE.settled(client, "web-2")
    for name in ("di.wait.duration", "di.wait.settle_delay", "di.wait.settle_delay_bound"):
        assert sum(point.count for point in exported.points(name)) == 2, name
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message.startswith("telemetry: ")


# --- no cost -----------------------------------------------------------------------------------


_OBSERVING = ("hooks.py", "observer.py", "observed_session.py", "telemetry.py")


@everywhere
@pytest.mark.parametrize("observed", [False, True])
async def test_get_without_telemetry_runs_none_of_its_code(
    cloud: Cloud, observed: bool, exported: Exported
) -> None:
    """Without `telemetry=` and `on_event=`, a GET calls no function of theirs."""
    called: set[str] = set()
    options = {"telemetry": exported.telemetry()} if observed else {}
    async with cloud.client(a_world(), **options) as client:
        id = await cloud.settled(client, "web-1")
        before = sys.getprofile()
        sys.setprofile(lambda frame, event, _: called.add(frame.f_code.co_filename))
        try:
            await cloud.api(client).get(id)
        finally:
            sys.setprofile(before)
    names = {path.rpartition("/")[2] for path in called}
    assert "session.py" in names
    assert bool(names & set(_OBSERVING)) == observed


def test_opentelemetry_is_imported_with_the_module_alone() -> None:
    """No other module of the package imports OpenTelemetry, nor does making a client."""
    code = (
        "import sys, di_async.cli, di_async\n"
        "for name in di_async.__all__: getattr(di_async, name)\n"
        "di_async.DigitalOcean('x', on_event=print)\n"
        "di_async.Gcore('1$x', on_event=print)\n"
        "di_async.Exoscale('x', 'y', on_event=print)\n"
        "assert 'opentelemetry' not in sys.modules, 'imported'\n"
        "import di_async.telemetry\n"
        "assert 'opentelemetry' in sys.modules\n"
    )
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_extra() -> None:
    """Without OpenTelemetry the import error says what to install."""
    code = "import sys; sys.modules['opentelemetry'] = None; import di_async.telemetry"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    assert "ModuleNotFoundError: di_async.telemetry needs" in done.stderr
    assert "pip install 'di-async[otel]'" in done.stderr


@everywhere
async def test_other_objects_are_refused(cloud: Cloud) -> None:
    """Anything but a `Telemetry` is refused when the client is made."""
    with pytest.raises(InvalidInputError, match="telemetry: expected"):
        cloud.make(a_world(), telemetry=TracerProvider)
