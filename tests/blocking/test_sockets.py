"""The blocking clients over sockets: in a script, in threads, and beside a running event loop."""

import asyncio
import contextvars
import copy
import pickle
import signal
import threading
import traceback
import uuid
from asyncio import _set_running_loop
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from di_async import (
    ClientClosedError,
    InvalidInputError,
    NotFoundError,
    WaitTimeoutError,
)
from di_async.blocking import Change, DigitalOcean, apply, as_completed, reap, scan, wait_all
from di_async.blocking.engine import Client, Listing, ServingEndpoint
from di_async.blocking.portal import Call, portals
from di_async.core.temporary_names import parse_name
from di_async.emulator import Emulator, threaded
from tests.blocking.support import LIFECYCLE, client_of
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import Cloud
from tests.concurrent_ensure.worker import access, api, connect
from tests.fleet.fleets import a_fleet, an_entry

NAMES = ("web-1", "web-2")

everywhere = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)


@pytest.fixture
def emu() -> Iterator[Emulator]:
    """Run an emulator in which changes take fractions of a second; nothing runs afterwards."""
    with threaded(seed=0, time_scale=100.0, lifecycle=LIFECYCLE) as emulator:
        yield emulator
        assert not portals.open
    assert loop_threads() == 0


def loop_threads() -> int:
    """Return how many threads run a loop for blocking clients."""
    return sum("portal" in thread.name for thread in threading.enumerate())


def keyed(cloud: Cloud, client: Any, name: str = "web-1") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a spec, and what `connect` needs for it."""
    if cloud.name != "gcore-v3":
        return a_body(cloud, name), {}
    key = client.api_keys.create("mine")
    return {**a_body(cloud, name), "api_keys": ["mine"]}, {"access_token": key.secret}


def whole_tour(cloud: Cloud, client: Any) -> None:
    """Create, connect, ensure, list, scan, wait for many, and delete."""
    deployments = api(cloud.name, client)
    body, key = keyed(cloud, client)
    change = deployments.create(body)
    assert isinstance(change, Change)
    endpoint = change.connect(timeout=60, **key)
    assert isinstance(endpoint, ServingEndpoint)
    assert endpoint.ready(timeout=10) == endpoint
    assert endpoint.models
    assert [event.status for event in change.events()] == [e.status for e in change.history]
    assert deployments.resume(change.resume_token).wait(timeout=60).name == "web-1"

    done = deployments.ensure({**body})
    assert done.action == "unchanged"
    assert isinstance(done.change, Change)
    assert done.change.wait(timeout=60).name == "web-1"

    rows = deployments.list()
    assert isinstance(rows, Listing)
    assert [row.name for row in rows] == ["web-1"]
    assert scan(client).rows[0].name == "web-1"
    assert reap(client).deleted == ()
    first = next(deployments.watch())
    assert first.id == change.id

    more = (deployments.create(a_body(cloud, name)) for name in ("web-2", "web-3"))
    report = wait_all(more, timeout=60)
    assert report.ok
    assert all(isinstance(one, Change) for one in report.succeeded)
    gone = [deployments.delete(one.id) for one in (change, *report.succeeded)]
    assert set(as_completed(gone, timeout=60)) == set(gone)
    assert [one.outcome for one in gone] == ["settled"] * 3
    with pytest.raises(NotFoundError):
        deployments.get(change.id)


@everywhere
def test_in_a_script(cloud: Cloud, emu: Emulator) -> None:
    """Every part of the interface works without an event loop."""
    with client_of(cloud.name, emu) as client:
        assert isinstance(client, Client)
        whole_tour(cloud, client)


@everywhere
async def test_beside_a_running_loop(cloud: Cloud, emu: Emulator) -> None:
    """It works where a loop already runs, as in a notebook; the client stays open between cells."""
    client = client_of(cloud.name, emu).open()
    await asyncio.sleep(0)
    whole_tour(cloud, client)
    client.close()
    client.close()


@everywhere
def test_in_threads(cloud: Cloud, emu: Emulator) -> None:
    """Threads share a client, and clients share one thread of their own."""
    with client_of(cloud.name, emu) as client, client_of(cloud.name, emu) as other:
        assert loop_threads() == 1

        def work(number: int) -> str:
            deployments = api(cloud.name, (client, other)[number % 2])
            change = deployments.create(a_body(cloud, f"web-{number}"))
            change.wait(timeout=60)
            deployments.delete(change.id).wait(timeout=60)
            return str(change.outcome)

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(6))) == ["settled"] * 6


@everywhere
def test_apply(cloud: Cloud, emu: Emulator) -> None:
    """A fleet is applied; `on_change` gets blocking changes."""
    with client_of(cloud.name, emu) as client:
        fleet, changes = a_fleet(an_entry(cloud)), list[object]()
        assert apply(fleet, client, timeout=60, on_change=changes.append).ok
        assert [type(change) for change in changes] == [Change]
        assert not apply(fleet, client, timeout=60).changed


@everywhere
def test_temporary(cloud: Cloud, emu: Emulator) -> None:
    """The block gets what is settled; after it nothing is left, whatever ended the block."""
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        with deployments.temporary(a_body(cloud)) as found:
            assert parse_name(found.name)
        with pytest.raises(KeyError, match="mine"), deployments.temporary(a_body(cloud)):
            raise KeyError("mine")

        def names() -> Generator[str, None, None]:
            with deployments.temporary(a_body(cloud)) as one:
                yield one.name

        generator = names()
        assert parse_name(next(generator))
        generator.close()
        assert deployments.list().collect() == []


@everywhere
def test_temporary_block_that_is_not_entered_as_it_should_be(cloud: Cloud, emu: Emulator) -> None:
    """A second entry is refused and changes nothing; an exit without an entry does nothing."""
    cloud.prepare(emu.world)
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        block = deployments.temporary(keyed(cloud, client)[0])
        block.__exit__(None, None, None)
        with block:
            with pytest.raises(InvalidInputError, match="entered once"):
                block.__enter__()
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            assert len(list(deployments.list())) == 1
        block.__exit__(None, None, None)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert list(deployments.list()) == []


def test_a_block_that_a_loop_never_left_does_not_keep_sigterm(emu: Emulator) -> None:
    """The next block deletes its deployment on SIGTERM, although that one's handler is there."""
    left: list[Any] = []

    async def enter() -> None:
        async with connect(*access("digitalocean", emu)) as client:
            left.append(client.dedicated_inferences.temporary(a_body(ENSURABLE[0])))
            await left[0].__aenter__()

    asyncio.run(enter())
    of_the_loop = signal.getsignal(signal.SIGTERM)
    with client_of("digitalocean", emu) as client:
        with client.dedicated_inferences.temporary(a_body(ENSURABLE[0])):
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, of_the_loop)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@everywhere
def test_errors_are_the_same(cloud: Cloud, emu: Emulator) -> None:
    """Errors have the classes of the async client, and a traceback to the caller's line."""
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        with pytest.raises(InvalidInputError):
            deployments.create({"name": "web"})
        with pytest.raises(NotFoundError) as caught:
            deployments.get(cloud.never)
        lines = "".join(traceback.format_exception(caught.value))
        assert "deployments.get(cloud.never)" in lines
        assert "anyio" not in lines
        emu.fault("stuck", on=cloud.POST)
        change = deployments.create(a_body(cloud))
        with pytest.raises(WaitTimeoutError) as late:
            change.wait(timeout=0.2)
        assert deployments.resume(late.value.resume_token).id == change.id
        wait = ThreadPoolExecutor(1).submit(change.wait)
        while not client.stats().awaited:
            pass
    with pytest.raises(ClientClosedError):
        wait.result(10)
    with pytest.raises(ClientClosedError):
        deployments.get(change.id)
    with pytest.raises(ClientClosedError):
        list(deployments.list())
    assert (change.action, change.outcome, change.eta) == ("create", None, None)


def test_a_client_is_opened_once(emu: Emulator) -> None:
    """A client that is not open, or was open before, says so."""
    client = client_of("digitalocean", emu)
    with pytest.raises(RuntimeError, match="Enter the client first"):
        client.dedicated_inferences.get("x")
    client.open()
    with pytest.raises(RuntimeError, match="entered once"):
        client.open()
    client.close()
    with pytest.raises(InvalidInputError, match="session"):
        DigitalOcean("t", session=object())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="made by a client"):
        Change()


def test_a_stream_that_is_left_early_ends(emu: Emulator) -> None:
    """Leaving `as_completed` ends the other waits, and no request is sent for a `watch`."""
    with client_of("digitalocean", emu) as client:
        deployments = client.dedicated_inferences
        emu.fault("stuck", on="POST /v2/dedicated-inferences", times=None)
        stuck = [deployments.create(a_body(ENSURABLE[0], f"web-{n}")) for n in range(2)]
        emu.clear_faults()
        ready = deployments.create(a_body(ENSURABLE[0], "web-3"))
        for ended in as_completed([*stuck, ready]):
            assert ended == ready
            break
        with as_completed(stuck) as waits:
            assert iter(waits) is waits
        deadline = threading.Event()
        while client.stats().awaited and not deadline.wait(0.01):
            pass
        assert client.stats().awaited == 0


@everywhere
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_belongs_to_a_client_is_not_copied(
    cloud: Cloud, emu: Emulator, way: Callable[[Any], object]
) -> None:
    """As async: a copy of a listing that is dropped would end the listing itself."""
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        names = {deployments.create(a_body(cloud, name)).wait(timeout=60).name for name in NAMES}
        listing = iter(deployments.list())
        seen = {next(listing).name}
        for one in (client, deployments, deployments.watch(), listing):
            with pytest.raises(TypeError, match=f"{type(one).__name__} belongs to its client"):
                way(one)
        assert {*seen, *(row.name for row in listing)} == names


def test_threads_share_a_listing(emu: Emulator) -> None:
    """Each row comes to one of several threads, and none is lost."""
    ids = {emu.add_instance(name=f"web-{number}").id for number in range(120)}
    with client_of("digitalocean", emu) as client, ThreadPoolExecutor(4) as threads:
        rows = client.dedicated_inferences.list(page_size=10)
        found = list(threads.map(lambda _: [row.id for row in rows], range(4)))
    assert sorted(id for group in found for id in group) == sorted(ids)


def test_functions_of_the_caller(emu: Emulator) -> None:
    """Predicates see resources and context variables; a probe may block; neither may call back."""
    seen = contextvars.ContextVar("seen", default="nothing")
    seen.set("the caller's")
    with client_of("digitalocean", emu) as client:
        deployments = client.dedicated_inferences
        change = deployments.create(a_body(ENSURABLE[0]))
        found: list[str] = []
        # Polling runs in the context of the client, a call in that of its caller.
        rows = deployments.list().collect(lambda done, total: found.append(seen.get()))
        assert (len(rows), found) == (1, ["the caller's"])

        def probe(endpoint: ServingEndpoint) -> bool:
            found.append(threading.current_thread().name)
            return bool(endpoint.models) and seen.get() == "the caller's"

        change.connect(probe=probe, timeout=60)
        assert "portal" not in found[-1]
        with pytest.raises(RuntimeError, match="in another thread"):
            deployments.wait_until(change.id, lambda _: deployments.get(change.id))
        with deployments.temporary(
            a_body(ENSURABLE[0]), connect=True, connect_options={"probe": probe}
        ) as endpoint:
            assert isinstance(endpoint, ServingEndpoint)


def test_greenlets_of_gevent(emu: Emulator) -> None:
    """They see the loop that runs in their thread, and are threads of their own all the same."""
    with client_of("digitalocean", emu) as client:
        listing = client.dedicated_inferences.list()
        _set_running_loop(portals.call(Call(asyncio.get_running_loop)))
        try:
            assert listing.collect() == []
        finally:
            _set_running_loop(None)


def test_views_of_one_object_are_equal(emu: Emulator) -> None:
    """Two views of one object are equal, have its repr, and show its attributes."""
    with client_of("digitalocean", emu) as client:
        deployments = client.dedicated_inferences
        assert deployments == client.dedicated_inferences
        assert deployments != client.custom_models
        assert len({deployments, client.dedicated_inferences}) == 1
        change = deployments.create(a_body(ENSURABLE[0]))
        assert repr(change).startswith("<Change create ")
        assert {"access_token", "wait", "events"} <= set(dir(change))
        assert "aclose" not in dir(client)
        for name in ("aclose", "deployables", "_engine", "nothing"):
            with pytest.raises(AttributeError, match=name):
                getattr(client, name)


def test_local_variables_of_a_traceback_hold_no_secret(emu: Emulator) -> None:
    """Tools that print the local variables of a traceback show no argument."""
    secret = "hf_" + "plantedPLANTED99"
    with client_of("digitalocean", emu) as client:
        emu.fault("status", on="POST /v2/dedicated-inferences", status=422, times=9)
        create = partial(client.dedicated_inferences.create, a_body(ENSURABLE[0]))
        with pytest.raises(Exception, match="422") as caught:
            create(access_tokens={"hugging_face_token": secret})
        assert secret not in locals_shown(caught.value)
        waiting = client.dedicated_inferences.begin_wait(str(uuid.uuid4()))
        with pytest.raises(NotFoundError) as missing:
            waiting.connect(access_token=secret)
        assert secret not in locals_shown(missing.value)
        with pytest.raises(InvalidInputError) as refused:
            DigitalOcean(secret, base_url="http://example.com")
        assert secret not in locals_shown(refused.value)


def locals_shown(error: BaseException) -> str:
    """Return the local variables of this package that a traceback shows."""
    stack = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    frames = [frame for frame in stack if "/di_async/" in frame.filename]
    assert len(frames) > 2
    return "".join(str(frame.locals) for frame in frames)
