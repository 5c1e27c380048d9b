"""Calls of `di_async.blocking` that type checkers check, and mistakes that they must find."""

from contextlib import closing
from typing import assert_type

from di_async import StatusChange
from di_async.blocking import (
    Change,
    DigitalOcean,
    Ensured,
    Exoscale,
    Gcore,
    Inventory,
    ReapReport,
    ServingEndpoint,
    WaitReport,
    as_completed,
    reap,
    scan,
    wait_all,
)
from di_async.blocking.digitalocean import DedicatedInference, DedicatedInferences, Sizes
from di_async.blocking.digitalocean import DedicatedInferenceSpec as Spec
from di_async.blocking.engine import Listing
from di_async.blocking.exoscale import Deployment, ExoscaleZone
from di_async.blocking.gcore import InferenceDeployment


def check(spec: Spec) -> None:
    """Check the type of each result."""
    with DigitalOcean() as do:
        assert_type(do, DigitalOcean)
        api = do.dedicated_inferences
        assert_type(api, DedicatedInferences)
        made = api.create(spec)
        assert_type(made, Change[DedicatedInference])
        assert_type(made.wait(timeout=3600), DedicatedInference)
        assert_type(made.latest, DedicatedInference | None)
        endpoint = made.connect(probe=lambda one: one.models)
        assert_type(endpoint, ServingEndpoint)
        assert_type(endpoint.ready(), ServingEndpoint)
        assert_type(api.find("x"), DedicatedInference | None)
        assert_type(api.sizes(), Sizes)
        assert_type(api.delete(made.id), Change[None])
        assert_type(api.list(), Listing[DedicatedInference])
        assert_type(api.list().collect(), list[DedicatedInference])
        for row in api.list():
            assert_type(row, DedicatedInference)
        for event in made.events():
            assert_type(event, StatusChange)
        with closing(api.watch()) as events:
            for event in events:
                assert_type(event, StatusChange)
        with api.temporary(spec) as resource:
            assert_type(resource, DedicatedInference)
        with api.temporary(spec, connect=True) as answering:
            assert_type(answering, ServingEndpoint)
        done = api.ensure(spec)
        assert_type(done, Ensured[DedicatedInference])
        assert_type(done.change, Change[DedicatedInference] | None)


def check_other_clouds() -> None:
    """The other clouds' clients have their types."""
    gcore, exoscale = Gcore("id$hash", 1).open(), Exoscale()
    change = gcore.inference_deployments.start("web")
    assert_type(change.wait(), InferenceDeployment)
    assert_type(exoscale.in_zone("at-vie-1"), ExoscaleZone)
    assert_type(exoscale.deployments.list().collect(), list[Deployment])
    assert_type(scan(gcore, exoscale), Inventory)
    assert_type(reap(gcore, exoscale), ReapReport)
    gcore.close()


def check_many(made: Change[DedicatedInference], gone: Change[None]) -> None:
    """Changes of one kind or several can be waited for together."""
    assert_type(wait_all([made]), WaitReport[DedicatedInference])
    assert_type(wait_all([made]).succeeded, tuple[Change[DedicatedInference], ...])
    for ended in as_completed([made]):
        assert_type(ended, Change[DedicatedInference])
    assert wait_all([made, gone]).ok


async def check_mistakes(made: Change[DedicatedInference]) -> None:
    """Each line is an error: mypy reports an ignored error that is none."""
    await made  # type: ignore[misc]
    await made.wait()  # type: ignore[misc]
    made.wait(60)  # type: ignore[call-arg]
    async with DigitalOcean():  # type: ignore[attr-defined]
        pass
    DigitalOcean(session=None)  # type: ignore[call-arg]
    made.aclose()  # type: ignore[attr-defined]
