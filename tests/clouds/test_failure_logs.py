"""Why a change failed: the last lines of the log, and which spec is in place afterwards."""

import asyncio
import copy
import pickle
from typing import Any

import attrs
import orjson
import pytest

from di_async import DeploymentFailedError, TransportError, WaitTimeoutError, scan
from di_async.core.http import Request, Response
from di_async.emulator import running
from tests.clouds.support import (
    CLOUDS,
    CREATE_S,
    VIRTUAL,
    Cloud,
    a_world,
    everywhere,
    now,
)
from tests.fake_network import Answer, Delayed, EmulatorNetwork
from tests.functional.helpers import FAST, QUICKLY

_DO, _V2, _V3, _EXO = CLOUDS
WITH_LOGS = pytest.mark.parametrize("cloud", [_V3, _EXO], ids=lambda cloud: cloud.name)
ENV_SECRET, ARGUMENT_SECRET = "planted env value", "planted-argument"
ESCAPES = "\x1b[31mred"


def log_answer(lines: list[str]) -> Response:
    """Return the answer to a request for the log, in the shape of both clouds."""
    rows = [{"message": line, "pod": "p", "node": "p"} for line in lines]
    body = {"logs": rows, "results": rows[::-1], "count": len(rows)}  # Gcore sends the latest first
    return Response(200, {"content-type": "application/json"}, orjson.dumps(body))


def is_log(request: Request) -> bool:
    """Return whether a request is for a log."""
    return request.path.endswith("/logs")


def with_log(network: EmulatorNetwork, answer: Answer) -> asyncio.Event:
    """Answer every request for a log with this; return an event that the first of them sets."""
    asked = asyncio.Event()

    def intercept(request: Request, real: Answer) -> Answer:
        if not is_log(request):
            return real
        asked.set()
        return answer

    network.intercept = intercept
    return asked


def unpickled(error: DeploymentFailedError) -> Any:
    """Return an error after a pickle round trip."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


def logs_read(network: EmulatorNetwork) -> int:
    """Return how many requests for a log were sent."""
    return sum(is_log(sent.request) for sent in network.sent)


async def failing(cloud: Cloud, client: Any) -> Any:
    """Return a create that will fail, with secrets in its spec where the cloud has such fields."""
    api = cloud.api(client)
    if cloud is _V3:
        secrets = {"envs": {"KEY": ENV_SECRET}, "command": ["serve", ARGUMENT_SECRET]}
        return await api.create({**_V3.body("web1"), **secrets})  # type: ignore[attr-defined]
    if cloud is _EXO:
        spec = {"name": "web1", "model": "openai/gpt-oss-20b", "gpu-type": "gpua5000"}
        secrets = {"inference-engine-parameters": ["--x", ARGUMENT_SECRET]}
        return await api.create({**spec, **secrets})
    return await cloud.create(client, "web1")


@VIRTUAL
@everywhere
async def test_logs_where_the_cloud_has_them(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """A failed create has the last lines of its log; clouds without logs are not asked."""
    world = a_world()
    world.fault("error", on=cloud.POST)
    async with cloud.client(world) as client:
        change = await failing(cloud, client)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
        has_logs = cloud in (_V3, _EXO)
        assert bool(failed.value.logs) == has_logs
        assert logs_read(networks[0]) == has_logs
        if has_logs:
            assert f"lines in `.logs`: {failed.value.logs[-1]!r}" in str(failed.value)
            assert failed.value.requests == len(networks[0].sent) - 1  # all but the create
        assert change.previous_spec is None
        assert "previous_spec" not in str(failed.value)


@VIRTUAL
@WITH_LOGS
async def test_log_is_masked_printable_and_bounded(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Secrets of the client and the write are masked; at most 50 short printable lines are kept."""
    world = a_world()
    world.fault("error", on=cloud.POST)
    account = world.gcore.api_key if cloud is _V3 else world.exoscale.api_secret
    secrets = [account, ARGUMENT_SECRET, *([ENV_SECRET] if cloud is _V3 else ()), "hf_abcdefgh1234"]
    lines = [f"old {number}" for number in range(100)]
    lines += [f"at {'x' * 490} {secret} {ESCAPES}" for secret in secrets]
    lines += [f"using {secret} {ESCAPES}" for secret in secrets] + ["y" * 10_000, "the end"]
    async with cloud.client(world) as client:
        with_log(networks[0], log_answer(lines))
        change = await failing(cloud, client)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
    error = failed.value
    assert len(error.logs) == 50
    assert error.logs[-1] == "p: the end"
    assert max(map(len, error.logs)) < 600
    shown = f"{error} {error!r} {error.logs} {vars(error)}"
    for secret in secrets:
        assert secret not in shown
        assert secret[:12] not in "".join(error.logs)
    assert f"p: using ********** {ESCAPES.encode('unicode_escape').decode()}" in error.logs
    assert all(line.isprintable() for line in error.logs)
    for same in (unpickled(error), copy.copy(error), copy.deepcopy(error)):
        assert same.logs == error.logs
        assert str(same) == str(error)


@VIRTUAL
@WITH_LOGS
@pytest.mark.parametrize("kind", ["refused", "broken", "lost", "slow"])
async def test_log_that_cannot_be_read_harms_nothing(
    cloud: Cloud, kind: str, networks: list[EmulatorNetwork]
) -> None:
    """The failure is raised without a log, at most 3 seconds later, after one request for it."""
    world = a_world()
    world.fault("error", on=cloud.POST)
    answers: dict[str, Answer] = {
        "refused": Response(500, {}, b"{}"),
        "broken": Response(200, {"content-type": "application/json"}, b'{"logs": 5, "results": 5}'),
        "lost": TransportError("lost"),
        "slow": Delayed(60.0, log_answer(["late"])),
    }
    async with cloud.client(world) as client:
        change = await failing(cloud, client)
        with pytest.raises(WaitTimeoutError):
            await change.wait(timeout=CREATE_S / 2)
        with_log(networks[0], answers[kind])
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
        assert failed.value.logs == ()
        assert now() - networks[0].sent[-1].at <= 3.1
        assert logs_read(networks[0]) == 1


@VIRTUAL
@WITH_LOGS
async def test_log_is_fetched_once_and_within_the_timeout(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """All waits on a change share one log; a wait without time left reads none."""
    world = a_world()
    world.fault("error", on=cloud.POST)
    async with cloud.client(world) as client:
        change = await failing(cloud, client)

        async def follow() -> None:
            async for _ in change.events():
                pass

        waits = [change.wait(), change.wait(), change.connect(), follow()]
        errors: list[Any] = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(error) for error in errors} == {DeploymentFailedError}
        assert len({error.logs for error in errors}) == 1
        assert errors[0].logs
        assert logs_read(networks[0]) == 1

        resumed = cloud.api(client).resume(change.resume_token)
        with_log(networks[0], Delayed(60.0, log_answer(["late"])))
        began = now()
        with pytest.raises((DeploymentFailedError, WaitTimeoutError)):
            await resumed.wait(timeout=1)
        assert now() - began <= 1.2
        with_log(networks[0], log_answer([f"using {ARGUMENT_SECRET}"]))
        with pytest.raises(DeploymentFailedError) as failed:
            await cloud.api(client).resume(change.resume_token).wait()
        assert failed.value.logs == ("p: using **********",)  # known from the resource itself


@VIRTUAL
@WITH_LOGS
async def test_cancelled_while_the_log_is_read(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """Cancelling there ends the wait at once; the next wait reads the log."""
    world = a_world()
    world.fault("error", on=cloud.POST)
    async with cloud.client(world) as client:
        change = await failing(cloud, client)
        network = networks[0]
        asked = with_log(network, Delayed(2.0, log_answer(["late"])))
        waiting = asyncio.create_task(change.wait())
        async with asyncio.timeout(CREATE_S * 2):
            await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await waiting
        assert "delete(id)" in cancelled.value.__notes__[0]
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
        assert failed.value.logs == ("p: late",)


@VIRTUAL
@everywhere
async def test_failed_update_says_which_spec_is_in_place(cloud: Cloud) -> None:
    """`previous_spec` is what was read before the write; the error says what is in place."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        id = await cloud.settled(client, "web1")
        kind = "operation_failed" if cloud in (_V3, _EXO) else "error"
        world.fault(kind, on=cloud.CHANGE)
        change = await cloud.grow(client, id)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
        previous = change.previous_spec
        assert previous.name == "web1"
        assert replicas(cloud, previous) == 1
        in_place = cloud.size(await api.get(id))
        spec = "spec from before the update" if in_place == 1 else "new spec"
        assert f"The {spec} " in str(failed.value)
        assert "`change.previous_spec` is the spec to go back to" in str(failed.value)
        if cloud in (_V3, _EXO):
            assert "still serves" in str(failed.value)
            assert failed.value.resource is not None
        else:
            assert "in place" in str(failed.value)


@VIRTUAL
@everywhere
async def test_previous_spec_goes_back(cloud: Cloud) -> None:
    """Sending `previous_spec` after a successful update restores what was there."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        id = await cloud.settled(client, "web1")
        before = await api.get(id)
        change = await cloud.grow(client, id)
        await change.wait()
        if cloud is _V2:
            back = await api.update(id, change.previous_spec, replace=True)
        elif cloud is _DO:
            back = await api.update(id, spec=change.previous_spec)
        elif cloud is _EXO:
            back = (await api.ensure(change.previous_spec)).change
        else:
            back = await api.update(id, change.previous_spec, open_to_world=True)
        await back.wait()
        assert cloud.size(await api.get(id)) == cloud.size(before) == 1
        assert replicas(cloud, back.previous_spec) == 2
        deletion = await cloud.delete(client, id)
        assert deletion.previous_spec is None


@VIRTUAL
@pytest.mark.parametrize("cloud", [_V2, _V3], ids=lambda cloud: cloud.name)
async def test_previous_spec_removes_what_an_update_added(cloud: Cloud) -> None:
    """A command, variables and probes that were not there before are gone again."""
    probes = {"liveness_probe": {"enabled": True, "probe": {"tcp_socket": {"port": 1}}}}
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        id = await cloud.settled(client, "web1")
        before = await api.get(id)
        change = await api.update(id, command=["bad"], envs={"A": "1"}, probes=probes)
        await change.wait()
        how = {"replace": True} if cloud is _V2 else {"open_to_world": True}
        await (await api.update(id, change.previous_spec, **how)).wait()
        after = await api.get(id)
    assert (after.command, after.envs, after.probes) == (None, None, None)
    assert attrs.evolve(after, created_at=None) == attrs.evolve(before, created_at=None)


@VIRTUAL
async def test_previous_spec_after_the_model_was_exchanged() -> None:
    """The ids of deployments that an update ended are not sent."""
    async with _DO.client(a_world()) as client:
        api = client.dedicated_inferences
        id = await _DO.settled(client, "web1")
        (old,) = (await api.get(id)).spec.model_deployments
        new = attrs.evolve(old, model_id=None, model_slug="openai/gpt-oss-20b")
        change = await api.update(id, spec={"model_deployments": [new]})
        await change.wait()
        await (await api.update(id, spec=change.previous_spec)).wait()
        (now,) = (await api.get(id)).spec.model_deployments
    assert now.model_slug == old.model_slug


def replicas(cloud: Cloud, spec: Any) -> int:
    """Return the number of replicas in a spec."""
    if cloud is _DO:
        count: int = spec.model_deployments[0].accelerators[0].scale
        return count
    if cloud is _EXO:
        return int(spec.replicas)
    return int(spec.containers[0]["scale"]["max"])


@VIRTUAL
@WITH_LOGS
async def test_reason_that_quotes_a_secret_is_masked(cloud: Cloud) -> None:
    """The provider's reason is cleared of what the deployment was given: in errors and events."""
    world = a_world()
    world.fault("error", on=cloud.POST, message=f"cannot run {ARGUMENT_SECRET}")
    async with cloud.client(world) as client:
        change = await failing(cloud, client)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
        watched = await anext(cloud.api(client).watch())
        scanned = await scan(client, details=True)
    assert "cannot run **********" in failed.value.message
    assert ARGUMENT_SECRET not in str(failed.value)
    assert ARGUMENT_SECRET not in "".join(str(step.note) for step in [*change.history, watched])
    assert "cannot run **********" in str(scanned.rows[0].failure_reason)


@VIRTUAL
@WITH_LOGS
async def test_failed_step_that_quotes_a_secret_is_masked(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason of a failed task or operation is cleared of what was sent, wherever it shows."""
    caplog.set_level("DEBUG")
    world = a_world()
    world.fault("operation_failed", on=cloud.POST, message=f"cannot run {ARGUMENT_SECRET}")
    async with cloud.client(world) as client:
        change = await failing(cloud, client)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
    error = failed.value
    assert "cannot run **********" in error.message
    shown = f"{error}{vars(error)}{change.history}{change.resume_token}{caplog.text}"
    assert ARGUMENT_SECRET not in shown


@VIRTUAL
@WITH_LOGS
async def test_failed_update_that_quotes_a_secret_is_masked(cloud: Cloud) -> None:
    """The reason of a failed update is cleared of what the deployment had before, too."""
    world = a_world()
    async with cloud.client(world) as client:
        created = await failing(cloud, client)
        await created.wait()
        world.fault("operation_failed", on=cloud.CHANGE, message=f"cannot run {ARGUMENT_SECRET}")
        change = await cloud.grow(client, created.id)
        with pytest.raises(DeploymentFailedError) as failed:
            await change.wait()
    assert "cannot run **********" in failed.value.message
    assert ARGUMENT_SECRET not in f"{failed.value}{vars(failed.value)}{change.history}"


@WITH_LOGS
async def test_logs_over_sockets(cloud: Cloud) -> None:
    """The log comes with the error of a real client, too."""
    async with running(**FAST) as emu:
        emu.fault("error", on=cloud.POST)
        if cloud is _V3:  # a failing container counts only after two minutes, this word at once
            emu.fault("unknown_status", on=cloud.GET, word="ERROR", times=None)
        cloud.prepare(emu.world)
        options = {"base_url": emu.url, "polling": QUICKLY, "transport": None}
        async with cloud.make(emu.world, **options) as client:
            change = await failing(cloud, client)
            with pytest.raises(DeploymentFailedError) as failed:
                await change.wait(timeout=20)
    assert failed.value.logs
    assert unpickled(failed.value).logs == failed.value.logs
