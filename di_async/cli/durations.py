"""What the commands learned about durations, in the file that DI_ASYNC_DURATIONS names.

Each command reads it and adds what it saw settle, so that progress can show the time that is left.
"""

import os
import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from di_async.core.text_input import stripped

if TYPE_CHECKING:
    from di_async import DurationModel

__all__ = ["VARIABLE", "known_durations", "save_durations"]

VARIABLE = "DI_ASYNC_DURATIONS"


def known_durations() -> "DurationModel | None":
    """Return the model in the file; None if the variable is not set.

    Raises:
        InvalidInputError: it is not a file of durations.
    """
    name = stripped(os.environ.get(VARIABLE, ""))
    return _load(name) if name else None


@cache
def _load(name: str) -> "DurationModel":
    from di_async import DurationModel, InvalidInputError

    what = f"file of {VARIABLE}"
    try:
        if not stat.S_ISREG(Path(name).expanduser().stat().st_mode):
            raise InvalidInputError(f"the {what} is {name}, which is not a regular file")
    except (OSError, RuntimeError):
        pass  # `load` says why, and `save_durations` makes a file that does not exist
    try:
        return DurationModel.load(name)
    except InvalidInputError as error:
        fix = "remove it, or name another file"
        raise InvalidInputError(f"the {what}: {error.message}; {fix}") from error


def save_durations() -> str | None:
    """Write the model back; return what failed."""
    name = stripped(os.environ.get(VARIABLE, ""))
    if not name:
        return None
    try:
        _load(name).save(name)
    except OSError as error:
        return f"cannot write {name} ({VARIABLE}): {error.strerror or error}"
    return None
