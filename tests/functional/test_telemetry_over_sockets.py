"""Hooks and telemetry of three clients over sockets: one callback and one `Telemetry` for all."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from di_async import DigitalOcean, Exoscale, Gcore, StatusChange
from di_async.emulator import running
from di_async.telemetry import Telemetry
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.functional.helpers import FAST, QUICKLY

WHOSE = {"digitalocean", "gcore", "exoscale"}


@pytest.fixture
def exporter() -> Iterator[tuple[InMemorySpanExporter, InMemoryMetricReader, Telemetry]]:
    """Yield in-memory exporters, and a telemetry that uses them."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    yield spans, reader, Telemetry(tracer_provider=tracers, meter_provider=meters)
    tracers.shutdown()
    meters.shutdown()


async def test_three_clouds_at_once(exporter: Any) -> None:
    """Each cloud's create and delete are reported to both, with the requests that were received."""
    spans, reader, telemetry = exporter
    events: list[StatusChange] = []
    options: Any = {"polling": QUICKLY, "on_event": events.append, "telemetry": telemetry}
    async with running(**FAST) as emu:
        emu.world.add_exoscale_model(name="openai/gpt-oss-20b")
        at_exoscale = {**options, "base_url": emu.exoscale_url}
        options["base_url"] = emu.url
        clients: tuple[Any, ...] = (
            DigitalOcean(emu.token, **options),
            Gcore(emu.gcore_api_key, emu.gcore_project_id, **options),
            Exoscale(emu.exoscale_api_key, emu.exoscale_api_secret, **at_exoscale),
        )
        await asyncio.gather(*map(use, ENSURABLE, clients))
        received = len(emu.world.requests)
    assert {event.provider for event in events} == WHOSE
    ends = sorted(
        (event.provider, event.action, event.outcome) for event in events if event.outcome
    )
    assert ends == sorted(
        (provider, action, "settled") for provider in WHOSE for action in ("create", "delete")
    )
    found = [
        (s.attributes["di.provider"], s.attributes["di.action"]) for s in spans.get_finished_spans()
    ]
    assert sorted(found) == [(provider, action) for provider, action, _ in ends]
    counted = [
        point.value
        for of_scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
        for metric in of_scope.metrics
        if metric.name == "di.client.requests"
        for point in metric.data.data_points
    ]
    assert sum(counted) == received > 0


async def use(cloud: Any, client: Any) -> None:
    """Create a deployment, and delete it."""
    async with client, cloud.api(client).temporary(a_body(cloud, "web-1")):
        pass
