"""Tests of the file of a duration model: how it is read, and that it is replaced as a whole."""

import codecs
import errno
from pathlib import Path

import pytest

from di_async import DurationModel, InvalidInputError

KIND = ("create", "atl1", "gpu")


def model(count: int = 1) -> DurationModel:
    """Return a model of so many settles."""
    learned = DurationModel()
    for _ in range(count):
        learned.learn(KIND, 600.0)
    return learned


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the old content, and no draft."""
    file = tmp_path / "d.json"
    model(1).save(file)

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as draft:
            draft.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        model(2).save(file)
    assert DurationModel.load(file).count(KIND) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home directory for `save` and `load`; one that is not known is an error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    model(3).save("~/d.json")
    assert (tmp_path / "d.json").exists()
    assert DurationModel.load("~/d.json").count(KIND) == 3
    for call in (model().save, DurationModel.load):
        with pytest.raises(InvalidInputError, match="~nobody-has-this-name/d"):
            call("~nobody-has-this-name/d")


@pytest.mark.parametrize("content", [b"", b" \n", codecs.BOM_UTF8])
def test_an_empty_file_is_an_empty_model(tmp_path: Path, content: bytes) -> None:
    """A file without content, as `mktemp` makes it, knows nothing yet."""
    (tmp_path / "d.json").write_bytes(content)
    assert DurationModel.load(tmp_path / "d.json").count(KIND) == 0


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """A file that an editor saved with a byte order mark is read."""
    (tmp_path / "d.json").write_bytes(codecs.BOM_UTF8 + model(2).to_json())
    assert DurationModel.load(tmp_path / "d.json").count(KIND) == 2


def test_files_that_cannot_be_a_model(tmp_path: Path) -> None:
    """A folder and a file that is too large are refused with their names."""
    with pytest.raises(InvalidInputError, match=r"cannot read the duration model .*: Is a dir"):
        DurationModel.load(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate((1 << 24) + 1)
    with pytest.raises(InvalidInputError, match=r"large is too large"):
        DurationModel.load(tmp_path / "large")
