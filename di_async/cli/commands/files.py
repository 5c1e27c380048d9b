"""Files that hold a secret or must not be written over."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from di_async import InvalidInputError

__all__ = ["new_file"]


@contextmanager
def new_file(path: Path | None) -> Iterator[TextIO | None]:
    """A new file that its owner alone can read, made before anything is asked of the API.

    It is removed again if nothing was written to it; None where no path is given.

    Raises:
        InvalidInputError: it is there already, or cannot be made.
    """
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidInputError(f"cannot make the file {path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    finally:
        if path.stat().st_size == 0:
            path.unlink()
