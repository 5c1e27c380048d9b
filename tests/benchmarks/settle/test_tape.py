"""Tests of the replay of a recorded run: the same responses to the same requests only."""

import io

import pytest

from benchmarks.settle.tape import Player, Recorder, requests_on
from benchmarks.settle.virtual import EPOCH
from benchmarks.settle.worlds import BASE
from di_async.emulator import World

PATHS = (f"{BASE}?page=1", f"{BASE}/nothing")


def record() -> tuple[Player, list[tuple[int, bytes]]]:
    """Return a player of two recorded responses, and the responses."""
    world, tape = World("documented", seed=0), io.BytesIO()
    world.add_instance(now=EPOCH)
    auth = {"authorization": f"Bearer {world.token}", "host": "x"}
    recorder = Recorder(world, tape)
    recorded = [recorder.handle(EPOCH + 1, "GET", path, auth) for path in PATHS]
    tape.seek(0)
    return Player(tape), [(answer.status, answer.body) for answer in recorded]


def test_responses_are_those_of_the_world() -> None:
    """The responses are the world's, in order, errors included."""
    player, recorded = record()
    played = [player.handle(0.0, "GET", path) for path in PATHS]
    assert [(answer.status, answer.body) for answer in played] == recorded
    assert [status for status, _ in recorded] == [200, 404]


def test_other_request_than_recorded_is_an_error() -> None:
    """A request that is not the recorded one raises an error."""
    player, _ = record()
    with pytest.raises(RuntimeError, match="on the tape"):
        player.handle(0.0, "GET", PATHS[1])


def test_recorded_requests() -> None:
    """The recorded requests can be read in order."""
    player, _ = record()
    assert list(requests_on(player.tape)) == [("GET", path) for path in PATHS]
