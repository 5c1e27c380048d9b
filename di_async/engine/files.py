"""Files that users name: read one, and replace the content of one."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from di_async.core.errors import InvalidInputError
from di_async.core.text_input import MAX_INPUT

__all__ = ["output_path", "read_file", "replacement"]


def read_file(path: str | Path, what: str = "spec file", limit: int = MAX_INPUT) -> bytes:
    """Return the contents of a file, which messages call `what`; `~` is the home directory.

    Of a larger file, `limit` and one more bytes are returned.

    Raises:
        InvalidInputError: it cannot be read.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: no home directory
        reason = getattr(error, "strerror", None) or error
        raise InvalidInputError(f"cannot read the {what} {path}: {reason}") from error


def output_path(path: str | Path) -> Path:
    """Return the path of a file to write; `~` is the home directory.

    Raises:
        InvalidInputError: the home directory is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidInputError(f"cannot write the file {path}: {error}") from error


@contextmanager
def replacement(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Yield a function that replaces the content of a file.

    Readers see the old content or the new one, never a part: it is written to a draft, which takes
    the file's place and mode. A device or a pipe is opened and written.

    Raises:
        OSError: no file can be written there.
    """
    if not _is_replaceable(path):

        def write(content: bytes) -> None:
            path.write_bytes(content)

        yield write
        return
    target = path.resolve()  # a link stays, and its target is replaced
    # A random name: that of a process that was killed may be in the way of the next with its id.
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")

    def replace(content: bytes) -> None:
        with suppress(FileNotFoundError):
            shutil.copymode(target, draft)
        draft.write_bytes(content)
        draft.replace(target)

    draft.touch(exist_ok=False)
    try:
        yield replace
    finally:
        draft.unlink(missing_ok=True)


def _is_replaceable(path: Path) -> bool:
    """Return whether there is a regular file, or nothing yet. Raises `OSError` for a folder."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(mode)
