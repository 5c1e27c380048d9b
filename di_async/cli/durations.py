"""What the commands learned about durations, in the file that DI_ASYNC_DURATIONS names.

Each command reads it and adds what it saw settle, so that progress can show the time that is left.
"""

import os
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

    try:
        return DurationModel.load(Path(name).expanduser())
    except (OSError, RuntimeError) as error:  # RuntimeError: no home directory
        raise InvalidInputError(f"cannot read {name} ({VARIABLE}): {error}") from error


def save_durations() -> str | None:
    """Write the model back; return what failed."""
    name = stripped(os.environ.get(VARIABLE, ""))
    if not name:
        return None
    try:
        target = Path(name).expanduser()
        part = target.with_name(f".{target.name}.{os.getpid()}")
        _load(name).save(part)
        part.replace(target)  # another command never reads half a file
    except OSError as error:
        return f"cannot write {name} ({VARIABLE}): {error.strerror or error}"
    return None
