"""Ctrl-C in the moments around a blocking call: no result is lost, and no deletion is skipped."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from di_async.blocking import Change, derive
from di_async.blocking.portal import Portals, portals
from di_async.emulator import Emulator, threaded
from tests.blocking.support import LIFECYCLE, client_of
from tests.clouds.ensuring import ENSURABLE, a_body
from tests.clouds.support import Cloud
from tests.concurrent_ensure.worker import api

everywhere = pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)


@pytest.fixture
def emu() -> Iterator[Emulator]:
    """Run an emulator in which changes take fractions of a second; nothing runs afterwards."""
    with threaded(seed=0, time_scale=100.0, lifecycle=LIFECYCLE) as emulator:
        yield emulator
        assert not portals.open


def interrupted_once(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, after: bool
) -> None:
    """Raise KeyboardInterrupt before or after the next call of a function."""
    inner: Callable[..., Any] = getattr(owner, name)
    left = [KeyboardInterrupt()]

    def call(*args: Any, **kwargs: Any) -> Any:
        if not left:
            return inner(*args, **kwargs)
        interrupt = left.pop()
        if after:
            inner(*args, **kwargs)
        raise interrupt

    monkeypatch.setattr(owner, name, call)


@everywhere
@pytest.mark.parametrize(
    ("owner", "name"), [(derive, "wrap"), (Portals, "release")], ids=["wrap", "release"]
)
def test_an_interrupt_after_the_answer_keeps_the_change(
    cloud: Cloud, emu: Emulator, owner: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create that is answered is in the interrupt, although the caller gets no change."""
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        interrupted_once(monkeypatch, owner, name, after=True)
        with pytest.raises(KeyboardInterrupt) as caught:
            deployments.create(a_body(cloud))
        change = caught.value.write_result  # type: ignore[attr-defined]
        assert isinstance(change, Change)
        (note,) = caught.value.__notes__
        assert change.id in note
        assert change.resume_token in note
        assert change.wait(timeout=60).name == "web-1"
        if cloud.name == "digitalocean":
            assert change.access_token.value.reveal() not in note


def test_an_interrupt_after_the_answer_keeps_a_one_time_token(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of a new token is shown once; the interrupt holds it, and does not show it."""
    cloud = ENSURABLE[0]
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        found = deployments.create(a_body(cloud)).wait(timeout=60)
        interrupted_once(monkeypatch, derive, "wrap", after=True)
        with pytest.raises(KeyboardInterrupt) as caught:
            deployments.create_token(found.id, "second")
        token = caught.value.write_result  # type: ignore[attr-defined]
        assert token.value.reveal()
        assert token.value.reveal() not in " ".join(caught.value.__notes__)


@everywhere
@pytest.mark.parametrize("moment", ["entered", "leaving"])
def test_an_interrupt_beside_a_temporary_block_does_not_skip_the_deletion(
    cloud: Cloud, emu: Emulator, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the answer and the block, and between the block and its deletion."""
    began = False
    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        block = deployments.temporary(a_body(cloud))
        if moment == "entered":
            interrupted_once(monkeypatch, Portals, "call", after=True)
        with pytest.raises(KeyboardInterrupt), block:  # noqa: PT012 - the block's end raises it
            began = True
            interrupted_once(monkeypatch, Portals, "lease", after=False)
        assert began == (moment == "leaving")
        assert deployments.list().collect() == []
    assert emu.world.created


def test_an_interrupt_while_a_call_starts_leaves_no_lease(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop ends with the client although a call was interrupted as it began."""
    cloud = ENSURABLE[0]
    with client_of(cloud.name, emu) as client:
        interrupted_once(monkeypatch, Portals, "lease", after=True)
        with pytest.raises(KeyboardInterrupt):
            api(cloud.name, client).list().collect()
        assert api(cloud.name, client).list().collect() == []
    assert not portals.open


def test_an_interrupt_after_opening_closes_the_client(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose `with` block never begins is closed, and leaves no loop."""
    client = client_of(ENSURABLE[0].name, emu)
    interrupted_once(monkeypatch, Portals, "call", after=True)
    with pytest.raises(KeyboardInterrupt):
        client.open()
    assert not portals.open
    with pytest.raises(RuntimeError, match="entered once"):
        client.open()


def test_an_error_of_each_call_ends_the_block(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that cannot be started is not tried for ever; the block can be left again."""
    cloud = ENSURABLE[0]

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with client_of(cloud.name, emu) as client:
        deployments = api(cloud.name, client)
        block = deployments.temporary(a_body(cloud))
        block.__enter__()
        with monkeypatch.context() as patch:
            patch.setattr(Portals, "lease", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                block.__exit__(None, None, None)
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        block.__exit__(None, None, None)
        assert deployments.list().collect() == []
        with deployments.temporary(a_body(cloud)):
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
