"""Duration statistics that can be kept in a file."""

from pathlib import Path
from typing import Self

from di_async.core.waiting.durations import DurationStatistics

__all__ = ["DurationModel"]


class DurationModel(DurationStatistics):
    """What is known about how long changes take. Pass it as `PollPolicy(durations=...)`.

    `DurationModel()` is empty. Every change that settles in this process is added. `save` writes
    versioned JSON that holds no secrets.
    """

    def save(self, path: str | Path) -> None:
        """Write the model as JSON."""
        Path(path).write_bytes(self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the model that `save` wrote; an empty one if the file does not exist.

        Raises:
            InvalidInputError: (a `ValueError`) not such a file, damaged, or an unknown version.
        """
        try:
            text = Path(path).read_bytes()
        except FileNotFoundError:
            return cls()
        return cls.from_json(text, str(path))
