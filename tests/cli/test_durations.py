"""The file of durations, and the time that is left."""

import json
import math
from pathlib import Path

import pytest

from di_async import DurationModel
from di_async.cli.output import format_eta
from di_async.emulator import Emulator
from tests.cli.helpers import EASY, GPU, Di


def test_time_that_is_left(di: Di, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With learned durations, each line of progress shows about how much is left."""
    file, model = tmp_path / "durations.json", DurationModel()
    for n in range(25):
        model.learn(("create", "atl1", GPU), 300.0 * math.exp(n / 100))
    model.save(file)
    assert "left" not in di("create", *EASY).err
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(file))
    result = di("create", *EASY[2:], "--name", "two")
    assert result.code == 0
    assert " left" in result.err


def test_durations_are_kept(
    di: Di, di_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a command sees settle is added to the file, also if there was none."""
    file = tmp_path / "durations.json"
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(file))
    assert di("create", *EASY).code == 0
    (kind,) = json.loads(file.read_text())["kinds"]
    assert (kind["key"], kind["count"]) == (["create", "atl1", GPU], 1)
    assert [path.name for path in tmp_path.iterdir()] == ["durations.json"]


def test_file_that_is_not_one(di: Di, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file is a usage error, and is left alone; a folder that is missing a warning."""
    file = tmp_path / "durations.json"
    file.write_text("{")
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(file))
    assert di("list").code == 2
    assert file.read_text() == "{"
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(tmp_path / "missing" / "file"))
    result = di("list")
    assert result.code == 0
    assert "warning: cannot write" in result.err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0.0, "about 1 s left"),
        (42.4, "about 42 s left"),
        (240.0, "about 4 min left"),
        (7100.0, "about 118 min left"),
        (7200.0, "about 2 h left"),
    ],
)
def test_expected_time(seconds: float | None, text: str | None) -> None:
    """Expected times are shown in rough units."""
    assert format_eta(seconds) == text


@pytest.mark.parametrize("content", ["", " \n"])
def test_empty_file(di: Di, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """An empty file, as `mktemp` makes it, is one that knows nothing yet."""
    file = tmp_path / "durations.json"
    file.write_text(content)
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(file))
    assert di("create", *EASY).code == 0
    assert json.loads(file.read_text())["kinds"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "remove it, or name another file"), ("0" * (1 << 24) + "0", "too large")],
)
def test_damaged_file(
    di: Di, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str
) -> None:
    """The message names the variable, the file and what to do."""
    file = tmp_path / "durations.json"
    file.write_text(content)
    monkeypatch.setenv("DI_ASYNC_DURATIONS", str(file))
    err = di("list").err
    assert all(part in err for part in ("DI_ASYNC_DURATIONS", str(file), expected))


def test_file_without_an_end(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device or a pipe is refused without a read, which might never end."""
    monkeypatch.setenv("DI_ASYNC_DURATIONS", "/dev/null")
    result = di("list")
    assert result.code == 2
    assert "DI_ASYNC_DURATIONS is /dev/null, which is not a regular file" in result.err
