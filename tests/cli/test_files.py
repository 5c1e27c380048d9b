"""Tests of output files: new ones, and ones whose content is replaced."""

import os
import stat
from pathlib import Path

import pytest

from di_async import InvalidInputError
from di_async.cli.files import new_file, replace_file
from tests.cli.helpers import EASY, Di

OUTPUTS = (
    ("create", *EASY, "--token-out"),
    ("scan", "--html"),
    ("ca", "web", "--out"),
    ("tokens", "create", "web", "t", "--token-out"),
    ("--provider", "gcore", "keys", "create", "k", "--token-out"),
)


@pytest.fixture(autouse=True)
def working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("args", OUTPUTS)
@pytest.mark.parametrize("file", ["~nobody-has-this-name/x", "-", "missing/x", "."])
def test_names_of_no_file(di: Di, tmp_path: Path, args: tuple[str, ...], file: str) -> None:
    """An output that cannot be written is a usage error that names it; no request is sent."""
    result = di("--base-url", "http://127.0.0.1:9", *args, file)
    assert result.code == 2
    assert file in result.err or str(tmp_path) in result.err
    assert "bug in di-async" not in result.err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """In a working directory that was deleted, the message names the file."""
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for kind in (new_file, replace_file):
        with pytest.raises(InvalidInputError, match=r"cannot create the file x\.html"):
            kind(Path("x.html")).__enter__()


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    """What only its owner could read stays private; a link stays a link."""
    file, link = tmp_path / "page", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    with replace_file(link) as write:
        write("new")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o600)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "page"]


def test_a_file_that_is_not_written_is_kept(tmp_path: Path) -> None:
    """If the command fails before it writes, the old content stays, and no draft."""
    file = tmp_path / "page"
    file.write_text("old")
    with replace_file(file):
        pass
    assert (file.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_and_kept(tmp_path: Path) -> None:
    """A pipe or device is written, and not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with replace_file(pipe) as write:
        write("page")
    assert os.read(reader, 10) == b"page"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
