"""Duration statistics that can be kept in a file."""

from pathlib import Path
from typing import Self

from di_async.core.errors import InvalidInputError
from di_async.core.waiting.durations import DurationStatistics
from di_async.engine.files import output_path, read_file, replacement

__all__ = ["DurationModel"]

_MAX_BYTES = 16 * 1024 * 1024


class DurationModel(DurationStatistics):
    """What is known about how long changes take. Pass it as `PollPolicy(durations=...)`.

    `DurationModel()` is empty. Every change that settles in this process is added. `save` writes
    versioned JSON that holds no secrets.
    """

    def save(self, path: str | Path) -> None:
        """Write the model as JSON; `~` is the home directory.

        Other processes see the old content or the new one, never a part.

        Raises:
            OSError: it cannot be written. The old content stays.
            InvalidInputError: (a `ValueError`) the home directory is not known.
        """
        with replacement(output_path(path)) as replace:
            replace(self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the model that `save` wrote; an empty one if the file is empty or does not exist.

        `~` is the home directory.

        Raises:
            InvalidInputError: (a `ValueError`) not such a file, damaged, an unknown version, too
                large, or it cannot be read.
        """
        try:
            text = read_file(path, "duration model", _MAX_BYTES)
        except InvalidInputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return cls()
            raise
        if len(text) > _MAX_BYTES:
            raise InvalidInputError(f"{path} is too large for a duration model")
        return cls.from_json(text, str(path))
