"""SIGTERM while temporary deployments exist: raise SystemExit, so that their blocks delete them.

By default the signal ends the process at once, without any clean-up. A handler of the program's
own is left alone. SIGINT needs nothing: Python raises KeyboardInterrupt.
"""

import signal
import threading
from types import FrameType
from typing import NoReturn

from di_async.engine.deployments.sigterm import EXIT_CODE, forget_in_forks, is_unhandled

__all__ = ["enter", "leave"]


_blocks = 0
"""The blocks of the main thread, which the handler is installed for."""


def _count(change: int) -> None:
    global _blocks
    _blocks += change
    if _blocks and is_unhandled():
        signal.signal(signal.SIGTERM, _on_signal)
    elif not _blocks and signal.getsignal(signal.SIGTERM) is _on_signal:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def enter() -> bool:
    """Count a block if this is the main thread; return whether it is."""
    main = threading.current_thread() is threading.main_thread()
    if main:
        _count(1)
    return main


def leave() -> None:
    """Stop counting a block of the main thread."""
    if threading.current_thread() is threading.main_thread():
        _count(-1)


forget_in_forks(lambda: _blocks > 0, lambda: _count(-_blocks))


def _on_signal(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(EXIT_CODE)
