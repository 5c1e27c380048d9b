"""Tests of replaced files; those of the command's output files are in tests/cli/test_files.py."""

from pathlib import Path

from di_async.engine.files import replacement


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Of two replacements at once, in one process or in two, the last one counts."""
    file = tmp_path / "file"
    with replacement(file) as first, replacement(file) as second:
        second(b"second")
        first(b"first")
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]
