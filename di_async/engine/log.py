"""The library's loggers: records are one line each, and a broken handler interrupts no call."""

import logging
import sys
import traceback
from typing import Any

from di_async.core.printable import printable

__all__ = ["Log"]


class Log:
    """A logger of the standard library whose records cannot be forged by what servers send.

    A handler that raises does not interrupt the call that logs: a write may have been accepted,
    and its id must reach the caller. The handler's traceback goes to stderr, as with `logging`.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, *args: object) -> None:
        """Log with level DEBUG."""
        if self._logger.isEnabledFor(logging.DEBUG):
            self._log(logging.DEBUG, message, args)

    def info(self, message: str, *args: object) -> None:
        """Log with level INFO."""
        self._log(logging.INFO, message, args)

    def warning(self, message: str, *args: object) -> None:
        """Log with level WARNING."""
        self._log(logging.WARNING, message, args)

    def error(self, message: str, *args: object) -> None:
        """Log with level ERROR."""
        self._log(logging.ERROR, message, args)

    def defect(self, message: str, error: BaseException | None) -> None:
        """Log a defect, of this library or of a callback, with level ERROR and its traceback."""
        self._log(logging.ERROR, message, (), error)

    def _log(
        self,
        level: int,
        message: str,
        args: tuple[object, ...],
        defect: BaseException | None = None,
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        try:
            safe = tuple(map(_safe, args))
            # The caller of `info` is three frames up.
            self._logger.log(level, printable(message), *safe, exc_info=defect, stacklevel=3)
        except Exception:
            _report_broken_handler()


def _safe(value: object) -> Any:
    """Return an argument of a record: numbers as they are, all else as printable text."""
    return value if isinstance(value, int | float) else printable(str(value))


def _report_broken_handler() -> None:
    if not logging.raiseExceptions:
        return
    try:
        traceback.print_exc(file=sys.stderr)
    except Exception:
        return  # stderr is broken as well
