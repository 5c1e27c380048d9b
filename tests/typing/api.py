"""Calls that type checkers check: the public names infer the promised types."""

from contextlib import aclosing
from typing import assert_type

from di_async import (
    Change,
    DigitalOcean,
    Exoscale,
    Gcore,
    ServingEndpoint,
    StatusChange,
    WaitReport,
    wait_all,
)
from di_async.digitalocean import AccessToken, DedicatedInference, DedicatedInferenceSpec, Sizes
from di_async.telemetry import Telemetry


async def check(spec: DedicatedInferenceSpec) -> None:
    """Check the type of each result."""
    async with DigitalOcean() as do:
        made = await do.dedicated_inferences.create(spec)
        assert_type(made, Change[DedicatedInference])
        assert_type(await made.wait(timeout=3600), DedicatedInference)
        assert_type(await do.dedicated_inferences.find("x"), DedicatedInference | None)
        assert_type(await do.dedicated_inferences.wait_until_active("x"), DedicatedInference)
        assert_type(await do.dedicated_inferences.sizes(), Sizes)
        gone = await do.dedicated_inferences.delete(made.id)
        assert_type(gone, Change[None])
        assert_type(await made.connect(), ServingEndpoint)
        async with do.dedicated_inferences.temporary(spec, connect=True) as answering:
            assert_type(answering, ServingEndpoint)
        async for token in do.dedicated_inferences.list_tokens(made.id):
            assert_type(token, AccessToken)
        async for event in made.events():
            assert_type(event, StatusChange)
        async with aclosing(do.dedicated_inferences.watch()) as events:
            async for event in events:
                assert_type(event, StatusChange)


async def check_hooks(events: list[StatusChange], telemetry: Telemetry) -> None:
    """Every client takes a callback of events, whatever it returns, and a telemetry."""
    async with (
        DigitalOcean(on_event=events.append, telemetry=telemetry),
        Gcore(on_event=lambda event: event.outcome, telemetry=telemetry),
        Exoscale(on_event=print, telemetry=telemetry),
    ):
        assert_type(events[0].outcome, str | None)


async def check_awaits(made: Change[DedicatedInference], gone: Change[None]) -> None:
    """Changes and listings can be awaited; changes of several kinds can be awaited together."""
    assert_type(await made, DedicatedInference)
    assert_type((await made).url, str)
    assert_type(await gone, None)
    mixed: list[Change[DedicatedInference | None]] = [made, gone]
    assert_type(await wait_all(mixed), WaitReport[DedicatedInference | None])
    report = await wait_all([made, gone])
    assert report.ok
    async with DigitalOcean() as do:
        assert_type(await do.dedicated_inferences.list(), list[DedicatedInference])
