"""Streams that fail: nothing is raised, and what cannot be had again is not lost."""

import errno
import io
import os
import stat
from pathlib import Path

import pytest

from di_async.cli import main
from di_async.cli.streams import OutputStream, Streams


class Broken(io.StringIO):
    """A stream that fails after so many writes."""

    def __init__(self, number: int = errno.ENOSPC, after: int = 0) -> None:
        super().__init__()
        self.number, self.left = number, after

    def write(self, text: str) -> int:
        """Write, or fail."""
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))
        self.left -= 1
        return super().write(text)


def streams(out: io.StringIO | None, err: io.StringIO | None) -> Streams:
    """Return the streams of a command."""
    return Streams(OutputStream(out), OutputStream(err))


@pytest.mark.parametrize("out", [None, Broken(), Broken(errno.EPIPE)])
def test_saved_text_goes_to_stderr_if_stdout_fails(out: io.StringIO | None) -> None:
    """A closed stdout, a full disk and a pipe without a reader lose nothing."""
    err = io.StringIO()
    streams(out, err).save("id 1\naccess token t\n")
    assert err.getvalue().endswith("so far:\nid 1\naccess token t\n")


def test_saved_text_is_repeated_if_stdout_fails_later() -> None:
    """The reader may have left before it read the text, as `head -1` does."""
    err = io.StringIO()
    both = streams(Broken(errno.EPIPE, after=1), err)
    both.save("id 1\ntoken t\n")
    assert err.getvalue() == ""
    both.write("status active\n")
    both.write("more\n")
    assert err.getvalue().count("id 1\ntoken t\n") == 1


def test_text_for_stderr_goes_to_stdout_if_stderr_fails() -> None:
    """A resume line is printed on stdout if stderr is closed."""
    out = io.StringIO()
    streams(out, None).save("Resume ...\n", to_err=True)
    assert out.getvalue() == "Resume ...\n"


@pytest.mark.parametrize("to_err", [True, False])
def test_a_file_holds_what_neither_stream_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_err: bool
) -> None:
    """It is in the state folder, and only its owner can read it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    streams(Broken(), Broken()).save("access token t\n", to_err=to_err)
    (file,) = (tmp_path / "di-async").iterdir()
    assert file.read_text() == "access token t\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_without_a_home_folder_a_temporary_file_holds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without HOME, and with a user id that the system does not know, nothing is lost either."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    streams(None, None).save("token t\n")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["token t\n"]


def test_a_reader_that_left_is_no_failure() -> None:
    """`| head` ends a command with 0; a full disk ends it with 1 and a line on stderr."""
    gone, full, err = streams(Broken(errno.EPIPE), None), io.StringIO(), io.StringIO()
    gone.write("row\n")
    assert gone.exit_code(0) == 0
    failed = streams(Broken(), err)
    failed.write("row\n")
    assert (failed.exit_code(0), failed.exit_code(3)) == (1, 3)
    assert "cannot write to stdout: No space left on device" in err.getvalue()
    assert streams(full, err).exit_code(0) == 0


def test_a_failed_stream_takes_no_more_text() -> None:
    """It is asked once, and the callback is called once."""
    calls: list[str] = []
    stream = OutputStream(Broken(after=0))
    stream.on_failure = lambda: calls.append("failed")
    assert [stream.write("a"), stream.write("b")] == [1, 1]
    assert (calls, stream.isatty(), stream.reader_left) == (["failed"], False, False)
    with pytest.raises(TypeError):
        stream.write(b"bytes")  # type: ignore[arg-type]


def test_a_closed_file_object_fails_as_a_closed_descriptor() -> None:
    """`sys.stdout.close()` is a failure like any other."""
    target = io.StringIO()
    target.close()
    stream = OutputStream(target)
    stream.write("text")
    assert stream.failure is not None
    assert (stream.failure.errno, stream.isatty()) == (errno.EBADF, False)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_characters_that_the_encoding_lacks_are_escaped(encoding: str) -> None:
    """No text raises UnicodeEncodeError."""
    raw = io.BytesIO()
    stream = OutputStream(io.TextIOWrapper(raw, encoding=encoding))
    stream.write("\u2588 \U0001f680 \ud83d\n")
    assert raw.getvalue().decode(encoding).endswith("\\ud83d\n")


def test_main_reports_a_stdout_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also before any command runs: the version on a full disk is exit code 1."""
    monkeypatch.setattr("sys.stdout", Broken())
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 1
    assert "cannot write to stdout" in capsys.readouterr().err
