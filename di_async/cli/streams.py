"""stdout and stderr of the command. Writing to them never raises, and nothing important is lost.

A stream can be closed, a pipe without a reader, or a file on a full disk. The rules:

- A stream that has failed takes no more text. The command goes on.
- Text that cannot be had again (`save`: ids, access tokens, resume tokens) goes to stdout or
  stderr, whichever works, and else to a file of mode 0600 in the state folder.
- A reader of stdout that leaves early (`| head`) is not an error. Any other failure of stdout makes
  the exit code 1.
- Characters that the encoding of a stream lacks are written as escapes.
"""

import contextlib
import errno
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from attrs import define, field

__all__ = ["OutputStream", "Streams", "current_streams", "open_streams", "reserve_descriptors"]


@define(eq=False)
class OutputStream:
    """A text stream that records its first failure instead of raising it."""

    target: TextIO | None
    failure: OSError | None = None
    """Why nothing can be written any more."""
    on_failure: Callable[[], None] | None = None
    """Called once when the stream fails."""

    def __attrs_post_init__(self) -> None:
        if self.target is None:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        elif isinstance(self.target, io.TextIOWrapper):
            self.target.reconfigure(errors="backslashreplace")

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return getattr(self.target, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:
        """How characters that the encoding lacks are written."""
        return "backslashreplace"

    @property
    def reader_left(self) -> bool:
        """Whether the stream is a pipe that nobody reads any more."""
        return self.failure is not None and self.failure.errno in (errno.EPIPE, errno.ESHUTDOWN)

    def write(self, text: str) -> int:
        """Write and flush the text, unless the stream has failed; return its length."""
        if not isinstance(text, str):
            raise TypeError("a text stream takes text only")
        if self.failure is None and self.target is not None:
            try:
                self.target.write(text)
                self.target.flush()
            except OSError as error:
                self._fail(error)
            except ValueError:  # the file object is closed
                self._fail(OSError(errno.EBADF, os.strerror(errno.EBADF)))
        return len(text)

    def flush(self) -> None:
        """Do nothing: every write is flushed."""

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        try:
            return self.target is not None and self.failure is None and self.target.isatty()
        except ValueError:  # closed
            return False

    def fileno(self) -> int:
        """Return the file descriptor."""
        if self.target is None:
            raise io.UnsupportedOperation("fileno")
        return self.target.fileno()

    def writable(self) -> bool:
        """Return True: a stream that has failed ignores what is written."""
        return True

    def readable(self) -> bool:
        """Return False."""
        return False

    def _fail(self, error: OSError) -> None:
        self.failure = error
        with contextlib.suppress(OSError, ValueError):
            # What the buffer still holds would raise again when the interpreter ends.
            descriptor = self.fileno()
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)
        if self.on_failure is not None:
            self.on_failure()


@define(eq=False)
class Streams:
    """Both streams of a command."""

    out: OutputStream
    err: OutputStream
    _saved: list[str] = field(init=False, factory=list)
    _repeated: bool = field(init=False, default=False)

    def write(self, text: str) -> None:
        """Write text to stdout. If stdout fails, what was saved there is repeated on stderr."""
        self.out.write(text)
        self._repeat_if_out_failed()

    def save(self, text: str, *, to_err: bool = False) -> None:
        """Write lines that must not be lost: to stdout (or stderr), else where it is possible."""
        if to_err:
            self.err.write(text)
            if self.err.failure is not None:
                self.out.write(text)
                if self.out.failure is not None:
                    _save_to_file(text)
            return
        self._saved.append(text)
        self.out.write(text)
        self._repeat_if_out_failed()

    def exit_code(self, code: int) -> int:
        """Return the exit code, which is not 0 if output was lost; report the loss on stderr."""
        failure = self.out.failure
        if failure is None or self.out.reader_left or code != 0:
            return code
        self.err.write(f"error: cannot write to stdout: {failure.strerror}\n")
        return 1

    def _repeat_if_out_failed(self) -> None:
        if self.out.failure is None or not self._saved:
            return
        if not self._repeated:
            self._repeated = True
            self.err.write(f"stdout failed ({self.out.failure.strerror}); its output so far:\n")
        text = "".join(self._saved)
        self._saved.clear()
        self.err.write(text)
        if self.err.failure is not None:
            _save_to_file(text)


_current: Streams | None = None


def current_streams() -> Streams:
    """Return the streams of the open block; outside of one, new ones."""
    return _current or Streams(OutputStream(sys.stdout), OutputStream(sys.stderr))


@contextmanager
def open_streams() -> Iterator[Streams]:
    """Replace `sys.stdout` and `sys.stderr` for the block; inside another block, share its own."""
    global _current
    if _current is not None:
        yield _current
        return
    before: tuple[Any, Any] = (sys.stdout, sys.stderr)
    _current = current_streams()
    sys.stdout, sys.stderr = _current.out, _current.err
    try:
        yield _current
    finally:
        _current = None
        sys.stdout, sys.stderr = before


def reserve_descriptors() -> None:
    """Open the null device on each of the descriptors 0 to 2 that is closed.

    Otherwise the first sockets get these numbers, and whatever writes to "stderr" writes to them.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _state_folder() -> Path:
    """Return the folder for files that are kept between commands."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "di-async"


def _save_to_file(text: str) -> None:
    """Write a new file of mode 0600, since both streams have failed."""
    for find_folder in (_state_folder, tempfile.gettempdir):
        # RuntimeError: no home directory, as for a user id that the system does not know.
        with contextlib.suppress(OSError, RuntimeError):
            folder = Path(find_folder())
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, _ = tempfile.mkstemp(prefix="di-async-output-", suffix=".txt", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return
