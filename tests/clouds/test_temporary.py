"""Temporary deployments on every cloud, in virtual time: none is left billing unsaid."""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import anyio
import pytest

from benchmarks.settle.virtual import run_virtual
from di_async import (
    CleanupError,
    ConflictError,
    ConnectError,
    DeploymentFailedError,
    InvalidInputError,
    OutcomeUnknownError,
    ServerError,
    TransportError,
    reap,
)
from di_async.core.errors import api_error
from di_async.core.temporary_names import CHECK_LENGTH, RANDOM_LENGTH, parse_name
from tests.builders.digitalocean import a_spec
from tests.cancellation.sweep import _CancelAt
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world, requests_of
from tests.faults.scene import Scene, scene

_DO, _, _V3, _EXO = CLOUDS
DEPLOYABLE = (_DO, _V3, _EXO)
everywhere = pytest.mark.parametrize("cloud", DEPLOYABLE, ids=lambda cloud: cloud.name)


def spec_of(cloud: Cloud) -> Any:
    """Return a spec that this cloud accepts."""
    if cloud is _DO:
        return a_spec("web")
    if cloud is _V3:
        return _V3.body("webs")  # type: ignore[attr-defined]
    return {"name": "web", "model": {"name": "openai/gpt-oss-20b"}, "gpu-type": "gpua5000"}


async def names(api: Any) -> list[str]:
    """Return the names of what exists."""
    return [row.name async for row in api.list()]


async def temporary_left(stage: Scene) -> list[str]:
    """Return the temporary deployments that exist and are not being deleted for good."""
    await asyncio.sleep(200)
    return [name for name in await names(stage.api) if parse_name(name)]


@VIRTUAL
@everywhere
async def test_yields_the_settled_resource_and_deletes_it(cloud: Cloud) -> None:
    """The block gets what is settled; after it, GET answers 404."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        async with api.temporary(spec_of(cloud)) as found:
            assert parse_name(found.name)
            assert await names(api) == [found.name]
        assert await names(api) == []


@VIRTUAL
@everywhere
async def test_names_do_not_depend_on_the_seed_of_random(cloud: Cloud) -> None:
    """Programs with one seed have names of their own: each deletes only what it has created."""
    async with cloud.client(a_world()) as client:
        random_parts = set()
        for _ in range(2):
            random.seed(1)
            async with cloud.api(client).temporary(spec_of(cloud)) as found:
                random_parts.add(found.name[-CHECK_LENGTH - RANDOM_LENGTH : -CHECK_LENGTH])
        assert len(random_parts) == 2


@VIRTUAL
@everywhere
async def test_an_error_in_the_block_is_raised_after_the_deletion(cloud: Cloud) -> None:
    """The block's own error is raised as it is, and nothing is left."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        with pytest.raises(KeyError, match="mine"):
            async with api.temporary(spec_of(cloud)):
                raise KeyError("mine")
        assert await names(api) == []


@VIRTUAL
@everywhere
@pytest.mark.parametrize("how", ["closed", "dropped"])
async def test_async_generator_that_ends_early_deletes_it(cloud: Cloud, how: str) -> None:
    """A block in an async generator ends with the generator, which asyncio closes if dropped."""

    async def deployments(api: Any) -> AsyncIterator[Any]:
        async with api.temporary(spec_of(cloud)) as found:
            yield found

    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        generator = deployments(api)
        found = await anext(generator)
        assert await names(api) == [found.name]
        if how == "closed":
            await generator.aclose()  # type: ignore[attr-defined]
        else:
            del generator
            await asyncio.sleep(200)
        assert await names(api) == []


@VIRTUAL
@everywhere
@pytest.mark.parametrize("seconds", [0, 10, 1200], ids=["preparing", "creating", "open"])
async def test_a_client_deletes_what_its_open_blocks_made_before_it_closes(
    cloud: Cloud, seconds: float
) -> None:
    """Services close their client while the tasks of requests are still cancelled."""
    world = a_world()
    if seconds == 10:
        world.fault("slow", on=cloud.POST, delay_s=20)

    async def hold(api: Any) -> None:
        async with api.temporary(spec_of(cloud)):
            await asyncio.sleep(3600)

    async with cloud.client(world) as client, cloud.client(world) as other:
        holding = asyncio.create_task(hold(cloud.api(client)))
        await asyncio.sleep(seconds)
        await client.aclose()
        assert bool(requests_of(world, "DELETE")) == bool(seconds)
        holding.cancel()
        await asyncio.wait([holding])
        assert await names(cloud.api(other)) == []


@VIRTUAL
@pytest.mark.parametrize("refused", [False, True])
async def test_block_that_is_dropped_after_its_client_is_reported(
    caplog: pytest.LogCaptureFixture, refused: bool
) -> None:
    """Nothing can be deleted over a closed client: an error names what may exist.

    SIGTERM ends the process again, as nothing is left that it could delete.
    """
    world = a_world()

    async def deployments(api: Any) -> AsyncIterator[Any]:
        async with api.temporary(spec_of(_DO)) as found:
            yield found

    async with _DO.client(world) as client:
        generator = deployments(_DO.api(client))
        name = (await anext(generator)).name
        if refused:
            world.fault("status", on=_DO.DELETE, status=403, times=None)
    await generator.aclose()  # type: ignore[attr-defined]
    assert (f"{name} was abandoned; it may exist, and bill" in caplog.text) == refused
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@VIRTUAL
@everywhere
async def test_a_deployment_that_fails_is_deleted(cloud: Cloud) -> None:
    """A create that fails after it was accepted raises its error, which says what was deleted."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        world.fault("error", on=cloud.POST)
        with pytest.raises(DeploymentFailedError) as caught:
            async with api.temporary(spec_of(cloud), timeout=5000):
                raise AssertionError("not reached")
        assert await names(api) == []
    assert str(caught.value).endswith("It has been deleted: GET answered 404.")
    assert "bills" not in str(caught.value)
    assert caught.value.resume_token is None


@VIRTUAL
@everywhere
async def test_refused_input_sends_nothing_more(cloud: Cloud) -> None:
    """A spec that breaks a rule is refused before a request."""
    world = a_world()
    async with cloud.client(world) as client:
        with pytest.raises(InvalidInputError):
            cloud.api(client).temporary({"name": "web"})
        assert not world.requests


@VIRTUAL
@everywhere
async def test_a_delete_that_fails_five_times_is_sent_again(cloud: Cloud) -> None:
    """Five answers of 500 to the DELETE do not leave the deployment."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        async with api.temporary(spec_of(cloud)):
            world.fault("status", on=cloud.DELETE, status=500, times=5)
        assert await names(api) == []


@VIRTUAL
@everywhere
async def test_a_deletion_that_cannot_be_proven_is_raised_and_logged(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """CleanupError names it, from the block's error; the log has it at ERROR."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        block = api.temporary(spec_of(cloud))
        found, mine = await block.__aenter__(), KeyError("mine")
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        with caplog.at_level(logging.ERROR, "di_async"), pytest.raises(CleanupError) as caught:
            await block.__aexit__(KeyError, mine, None)
        error = caught.value
        assert error.__cause__ is mine
        assert error.name == found.name
        assert error.id == getattr(found, "id", found.name)
        assert (error.hourly_price is None) == (cloud is _EXO)
        assert found.name in caplog.text
        assert await names(api) == [found.name]


@VIRTUAL
@everywhere
async def test_cause_of_a_deletion_that_is_refused_for_ever_is_shown(cloud: Cloud) -> None:
    """When the time for the deletion ends, the error has the provider's last refusal."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), lifetime=1000)
        await block.__aenter__()
        await asyncio.sleep(1000)
        world.fault("status", on=cloud.DELETE, status=409, message="locked by support", times=None)
        (failed,) = (await reap(client)).failed
        assert "locked by support" in str(failed.error)
        with pytest.raises(CleanupError, match="locked by support") as caught:
            await block.__aexit__(None, None, None)
        assert isinstance(caught.value.last_error, ConflictError)


@VIRTUAL
@everywhere
async def test_deletion_that_is_never_answered_says_so(cloud: Cloud) -> None:
    """Without any answer to the DELETE, the error says that, and not only that time was over."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), cleanup_timeout=5)
        await block.__aenter__()
        world.fault("slow", on=cloud.DELETE, delay_s=20, times=None)
        with pytest.raises(CleanupError, match="the DELETE was not answered in time"):
            await block.__aexit__(None, None, None)


@VIRTUAL
@everywhere
@pytest.mark.parametrize("seconds", [1, 3])
async def test_deletion_that_fails_until_a_short_timeout_says_why(
    cloud: Cloud, seconds: float
) -> None:
    """What the DELETE was answered with is in the error, also if its repeats were cut off."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary(spec_of(cloud), cleanup_timeout=seconds)
        await block.__aenter__()
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        with pytest.raises(CleanupError, match=r"proven \(DELETE .*: 500") as caught:
            await block.__aexit__(None, None, None)
        assert isinstance(caught.value.last_error, ServerError)


@VIRTUAL
@everywhere
async def test_a_lost_answer_to_the_create_leaves_nothing(cloud: Cloud) -> None:
    """A create whose response is lost is found by its name, and deleted; the error says so."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        world.fault("reset", on=cloud.POST, after_commit=True)
        is_adopted = cloud is not _EXO  # whose names are not unique
        raised = None if is_adopted else pytest.raises(TransportError, match="has been deleted")
        with raised or nullcontext() as lost:
            async with api.temporary(spec_of(cloud)):
                pass
        assert lost is None or not isinstance(lost.value, OutcomeUnknownError)
        assert await names(api) == []


@VIRTUAL
@everywhere
async def test_cancelled_twice_while_deleting(cloud: Cloud) -> None:
    """Further cancellations do not end the deletion, and are raised after it."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        inside = asyncio.Event()

        async def use() -> None:
            async with api.temporary(spec_of(cloud)):
                inside.set()
                await asyncio.sleep(1e6)

        task = asyncio.ensure_future(use())
        await inside.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(5)
            assert not task.done()
        await asyncio.wait([task])
        assert task.cancelled()
        assert await names(api) == []


@VIRTUAL
@everywhere
async def test_a_loop_that_is_shut_down_sends_one_delete(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """A second Ctrl-C cancels every task. The wait for the accepted DELETE is begun again.

    Another DELETE could answer 404, and the log would warn that nothing was deleted.
    """
    world = a_world()
    async with cloud.client(world) as client:
        inside = asyncio.Event()

        async def use() -> None:
            async with cloud.api(client).temporary(spec_of(cloud)):
                inside.set()
                await asyncio.sleep(1e6)

        task = asyncio.ensure_future(use())
        await inside.wait()
        task.cancel()
        await asyncio.sleep(5)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.wait([task])
        assert len(requests_of(world, "DELETE")) == 1
        assert await names(cloud.api(client)) == []
    assert "nothing was deleted" not in caplog.text


@VIRTUAL
@everywhere
async def test_create_that_is_cut_off_after_its_answer(cloud: Cloud) -> None:
    """The error has the answer, so the deployment is deleted without a lookup."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        create = api.create

        async def cut_off(spec: Any, **options: Any) -> Any:
            error: Any = RuntimeError("cut off")
            error.write_result = await create(spec, **options)
            raise error

        api.create = cut_off
        with pytest.raises(RuntimeError, match="cut off"):
            async with api.temporary(spec_of(cloud)):
                pass
        *_, (_, create_path) = requests_of(world, "POST")
        sent = [(verb, path) for _, verb, path, _ in world.requests]
        assert sent[sent.index(("POST", create_path)) + 1][0] == "DELETE"
        assert await names(api) == []


LOST = ServerError("lost", status=500)


@VIRTUAL
@everywhere
@pytest.mark.parametrize(
    "error", [ConflictError("taken", status=409), LOST, OutcomeUnknownError("lost"), OSError("x")]
)
async def test_failed_create_that_may_have_made_something(cloud: Cloud, error: Exception) -> None:
    """An earlier attempt of a create may be what took the name: it is looked up and deleted."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        create = api.create

        async def fail(spec: Any, **options: Any) -> Any:
            await create(spec, **options)
            raise error

        api.create = fail
        with pytest.raises((type(error), TransportError)):
            async with api.temporary(spec_of(cloud)):
                pass
        assert await names(api) == []


@VIRTUAL
@everywhere
@pytest.mark.parametrize(
    "error",
    [InvalidInputError("no"), ConnectError("no"), api_error(403, "no"), api_error(422, "no")],
    ids=lambda error: type(error).__name__,
)
async def test_failed_create_that_made_nothing(cloud: Cloud, error: Exception) -> None:
    """Nothing is looked up, and nothing deleted."""
    world = a_world()
    async with cloud.client(world) as client:
        api, sent = cloud.api(client), []

        async def fail(spec: Any, **options: Any) -> Any:
            sent.append(len(world.requests))
            raise error

        api.create = fail
        with pytest.raises(type(error)):
            async with api.temporary(spec_of(cloud)):
                pass
        assert sent == [len(world.requests)]


async def _cancelled_at(cloud: Cloud, at: int, mode: Any, lost: bool) -> tuple[bool, list[str]]:
    async with scene(cloud) as stage:
        if lost:
            stage.world.fault("reset", on=cloud.POST, after_commit=True)

        async def use() -> None:
            async with stage.api.temporary(spec_of(cloud)):
                await asyncio.sleep(1)

        driver = _CancelAt(use(), at, mode)

        async def drive() -> Any:
            return await driver

        task = asyncio.ensure_future(drive())
        await asyncio.wait([task])
        ended = driver.suspensions < at
        error = None if task.cancelled() else task.exception()
        problems = [] if ended or task.cancelled() else [f"{at}: {error!r}"]
        return ended, problems + await temporary_left(stage)


@everywhere
@pytest.mark.parametrize("mode", ["waiting", "arriving"])
@pytest.mark.parametrize("lost", [False, True], ids=["", "lost"])
def test_cancelled_at_every_await(cloud: Cloud, mode: str, lost: bool) -> None:
    """Cancelled at any await, with or without its answer: nothing is left, and it is cancelled."""
    for at in range(1, 60):
        ended, problems = run_virtual(partial(_cancelled_at, cloud, at, mode, lost))
        assert not problems
        if ended:
            assert at > 3
            return
    raise AssertionError("it suspends without end")


@VIRTUAL
@everywhere
async def test_accepted_delete_is_not_sent_again_while_reads_are_refused(cloud: Cloud) -> None:
    """The proof is waited for; another DELETE by name might hit what others have created since."""
    world = a_world()
    async with cloud.client(world) as client:
        async with cloud.api(client).temporary(spec_of(cloud)):
            world.fault("status", on=cloud.GET, status=403, times=3)
        assert len(requests_of(world, "DELETE")) == 1
        assert await names(cloud.api(client)) == []


# --- lifetimes and interrupts ------------------------------------------------------------------


@VIRTUAL
@everywhere
async def test_cancelled_by_anyio_the_deletion_is_awaited_and_not_polled(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyio cancels in each iteration of the loop; the deletion takes few of them all the same."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        waits: list[object] = []
        wait = asyncio.wait

        async def counted(*tasks: Any, **options: Any) -> Any:
            waits.append(tasks)
            return await wait(*tasks, **options)

        monkeypatch.setattr(asyncio, "wait", counted)
        with anyio.move_on_after(60) as scope:
            async with api.temporary(spec_of(cloud)):
                raise AssertionError("it takes longer to settle")
        assert scope.cancelled_caught
        assert len(waits) < 5
        assert await names(api) == []


@VIRTUAL
@everywhere
async def test_interrupt_names_the_deletion_and_no_cost(cloud: Cloud) -> None:
    """The notes of a cancellation say that the deployment was deleted, and not that it bills."""
    async with cloud.client(a_world()) as client:

        async def use() -> None:
            async with cloud.api(client).temporary(spec_of(cloud)):
                raise AssertionError("it takes longer to settle")

        using = asyncio.create_task(use())
        await asyncio.sleep(60)
        using.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await using
        assert cancelled.value.__notes__ == ["It has been deleted: GET answered 404."]


@VIRTUAL
@everywhere
@pytest.mark.parametrize(
    "options",
    [{"probe": "x"}, {"access_token": 5}, {"private": "x"}, {"mint_token": ""}, {"x": 1}],
    ids=repr,
)
async def test_options_of_connect_are_checked_before_the_create(
    cloud: Cloud, options: dict[str, Any]
) -> None:
    """What `connect` would refuse afterwards is refused at once; nothing is sent."""
    world = a_world()
    async with cloud.client(world) as client:
        block = cloud.api(client).temporary
        with pytest.raises(InvalidInputError):
            block(spec_of(cloud), connect=True, connect_options=options)
    assert not world.requests


@VIRTUAL
@pytest.mark.parametrize("cloud", [_DO, _V3], ids=lambda cloud: cloud.name)
async def test_spec_that_connect_could_not_reach_is_refused(cloud: Cloud) -> None:
    """A spec whose endpoint needs another key, or is private, is refused before the create."""
    unreachable: dict[Cloud, Any] = {
        _DO: a_spec("web", enable_public_endpoint=False),
        _V3: {**spec_of(_V3), "api_keys": ["mine"]},
    }
    world = a_world()
    async with cloud.client(world) as client:
        with pytest.raises(InvalidInputError, match=r"private=True|access_token"):
            cloud.api(client).temporary(unreachable[cloud], connect=True)
    assert not world.requests


@VIRTUAL
@everywhere
async def test_unknown_option_of_create_sends_nothing(cloud: Cloud) -> None:
    """A mistyped option is a TypeError, as with `create`, and nothing is searched for."""
    world = a_world()
    async with cloud.client(world) as client:
        api = cloud.api(client)
        with pytest.raises(TypeError, match="max_hourley"):
            api.temporary(spec_of(cloud), max_hourley=3)
        with pytest.raises(TypeError, match="max_hourley"):
            await api.create_first_available(spec_of(cloud), max_hourley=3)
    assert not world.requests


@VIRTUAL
@everywhere
@pytest.mark.parametrize(
    "options",
    [
        {"lifetime": 60, "timeout": 3600},
        {"timeout": 5 * 3600},
        {"lifetime": 60, "connect": True, "connect_options": {"timeout": 3600}},
    ],
    ids=["shorter", "default", "of-connect"],
)
async def test_lifetime_that_is_shorter_than_the_timeout(
    cloud: Cloud, options: dict[str, Any]
) -> None:
    """It is refused: `reap` might delete what is still being created."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        with pytest.raises(InvalidInputError, match=r"^lifetime: .* shorter than the timeout"):
            api.temporary(spec_of(cloud), **options)
        for accepted in ({"lifetime": 60, "timeout": 60}, {"lifetime": 60, "timeout": None}):
            api.temporary(spec_of(cloud), **accepted)


async def _hold(api: Any, cloud: Cloud) -> None:
    async with api.temporary(spec_of(cloud)):
        await asyncio.sleep(1e6)


@VIRTUAL
@everywhere
async def test_interrupted_deletion_is_logged_once(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names the deployment at once; further cancellations add none."""

    def warnings() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]

    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        holding = asyncio.ensure_future(_hold(api, cloud))
        await asyncio.sleep(1000)
        (name,) = await names(api)
        for _ in range(3):
            holding.cancel()
            await asyncio.sleep(5)
            assert len(warnings()) == 1
        assert not holding.done()
        with pytest.raises(asyncio.CancelledError):
            await holding
    (text,) = warnings()
    assert text.startswith("interrupted: deleting the temporary ")
    assert text.count(name) == 1
    assert text.endswith("for at most 900 s; another Ctrl-C or cancellation does not stop that")


@VIRTUAL
@everywhere
async def test_interrupt_during_a_deletion_is_logged(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """A block that ended by itself logs nothing, until its deletion is interrupted."""

    async def block() -> None:
        async with api.temporary(spec_of(cloud)):
            pass

    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        await block()
        assert not [one for one in caplog.records if one.levelno == logging.WARNING]
        running = asyncio.ensure_future(block())
        await asyncio.sleep(650)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    (text,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert text.startswith("interrupted: deleting the temporary")


@VIRTUAL
@everywhere
@pytest.mark.parametrize("cut_off", [False, True], ids=["undisturbed", "cancelled"])
@pytest.mark.parametrize("cleanup_timeout", [900.0, 20.0])
async def test_a_lost_create_that_reads_do_not_show_yet(
    cloud: Cloud, cut_off: bool, cleanup_timeout: float
) -> None:
    """It is looked for until lists show it, and deleted; else the error names it."""
    world = a_world()
    async with cloud.client(world, budget=None) as client:
        world.fault("list_lag", on=cloud.POST, seconds=60)
        if cloud is _V3:  # which reads by name
            world.fault("not_found", on=cloud.POST, seconds=60)
        world.fault("reset", on=cloud.POST, after_commit=True)
        block = cloud.api(client).temporary(spec_of(cloud), cleanup_timeout=cleanup_timeout)
        entering = asyncio.ensure_future(block.__aenter__())
        while not world.created[block.name]:  # noqa: ASYNC110 - a world has no event for it
            await asyncio.sleep(0.1)
        if cut_off:
            entering.cancel()
        expected = asyncio.CancelledError if cut_off else TransportError
        with pytest.raises((expected, OutcomeUnknownError)) as caught:
            await entering
        texts = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        await asyncio.sleep(100)
        left = await names(cloud.api(client))
        assert not left or block.name in texts
        assert not left or cleanup_timeout == 20.0
