"""A taped run, played again: the same answers to the same requests, and to no others."""

import io

import pytest

from benchmarks.settle.tape import Player, Recorder, asked_on
from benchmarks.settle.virtual import EPOCH
from benchmarks.settle.worlds import BASE
from di_async.emulator import World

PATHS = (f"{BASE}?page=1", f"{BASE}/nothing")


def taped() -> tuple[Player, list[tuple[int, bytes]]]:
    """What plays two answers of a world, and these answers."""
    world, tape = World("documented", seed=0), io.BytesIO()
    world.add_instance(now=EPOCH)
    auth = {"authorization": f"Bearer {world.token}", "host": "x"}
    recorder = Recorder(world, tape)
    told = [recorder.handle(EPOCH + 1, "GET", path, auth) for path in PATHS]
    tape.seek(0)
    return Player(tape), [(answer.status, answer.body) for answer in told]


def test_answers_are_those_of_the_world() -> None:
    """Whole, in their order, errors too."""
    player, told = taped()
    played = [player.handle(0.0, "GET", path) for path in PATHS]
    assert [(answer.status, answer.body) for answer in played] == told
    assert [status for status, _ in told] == [200, 404]


def test_another_request_than_that_on_the_tape_is_an_error() -> None:
    """What it would cost is not what the run has cost."""
    player, _ = taped()
    with pytest.raises(RuntimeError, match="on the tape"):
        player.handle(0.0, "GET", PATHS[1])


def test_tape_tells_what_was_asked() -> None:
    """All of it, in order."""
    player, _ = taped()
    assert list(asked_on(player.tape)) == [("GET", path) for path in PATHS]
