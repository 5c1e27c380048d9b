"""Output files: new ones, and ones whose content is replaced."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from di_async import DIError, InvalidInputError
from di_async.engine.files import output_path, replacement

__all__ = ["new_file", "replace_file", "write_token"]


@contextmanager
def new_file(path: Path | None) -> Iterator[TextIO | None]:
    """Create a file of mode 0600 before any request is sent; yield None without a path.

    The file is removed if nothing was written to it.

    Raises:
        InvalidInputError: the file exists, or cannot be created.
    """
    if path is None:
        yield None
        return
    path = _output_path(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InvalidInputError(
            f"cannot create the file {path}: {_reason(error)}, and it is not overwritten: name "
            "another file"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise InvalidInputError(f"cannot create the file {path}: {_reason(error)}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    finally:
        if path.stat().st_size == 0:
            path.unlink()


@contextmanager
def replace_file(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that replaces the content of a file; it does nothing without a path.

    That it can be written is checked before any request is sent; see `replacement`.

    Raises:
        InvalidInputError: no file can be written there. DIError: it could not be written.
    """
    if path is None:
        yield lambda _: None
        return
    path = _output_path(path)

    def write(text: str) -> None:
        try:
            replace(text.encode())
        except OSError as error:
            raise DIError(f"cannot write the file {path}: {_reason(error)}") from error

    with ExitStack() as stack:
        try:
            replace = stack.enter_context(replacement(path))
        except (OSError, ValueError) as error:
            raise InvalidInputError(f"cannot create the file {path}: {_reason(error)}") from error
        yield write


def _output_path(path: Path) -> Path:
    """Return the path of an output file; `~` is the home directory.

    Raises:
        InvalidInputError: it names no file.
    """
    if str(path) == "-":
        raise InvalidInputError("an output file cannot be '-': use the name of a file")
    return output_path(path)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def write_token(file: TextIO | None, token: str) -> str | None:
    """Write a one-time token to its file at once; return what failed, if the disk is full."""
    if file is None:
        return None
    data = f"{token}\n".encode()
    try:
        # Not through the file's buffer, which would fail a second time when it is closed.
        while data:
            data = data[os.write(file.fileno(), data) :]
        os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
        return error.strerror or str(error)
    return None
