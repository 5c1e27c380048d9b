"""What is written by hand of blocking classes: opening clients, and SIGTERM in temporary blocks."""

import atexit
import functools
import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from di_async.blocking import sigterm
from di_async.blocking.derive import Blocking, BlockingContext, open_blocks
from di_async.blocking.portal import Call, portals
from di_async.core.errors import InvalidInputError

__all__ = ["BlockingClient", "BlockingTemporary"]

_open: "set[BlockingClient]" = set()


class BlockingClient(Blocking):
    """A client that is opened by `with`, or by `open` and `close`."""

    __slots__ = ("_holder",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("session") is not None:
            raise InvalidInputError(
                "session: an aiohttp session belongs to the loop that made it, which is not the "
                "blocking client's; pass its settings, such as ssl= and proxy="
            )
        call = Call(functools.partial(type(self).async_class, *args, **kwargs))
        del args, kwargs  # credentials
        self._target = call.make()
        self._holder: object = None

    def open(self) -> Self:
        """Open the client without a `with` block, in a notebook for example; return it.

        Raises:
            ClientClosedError: it was opened before; create a new one.
        """
        holder, entering = object(), Call(self._target.__aenter__)
        try:
            portals.lease(holder)
            portals.call(entering)
            self._holder = holder
            _open.add(self)
        except BaseException:
            if entering.succeeded:  # and interrupted since
                portals.call(Call(self._target.aclose))
            portals.release(holder)
            raise
        return self

    def close(self) -> None:
        """End every open wait and call with `ClientClosedError`, and close the network.

        Accepted changes continue at the provider, and bill. Closing twice does nothing, as does
        closing in a forked child of the process that opened it.
        """
        if self not in _open:
            return
        try:
            portals.call(Call(self._target.aclose))
        finally:
            portals.release(self._holder)
            _open.discard(self)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class BlockingTemporary(BlockingContext):
    """A block with a temporary deployment, which SIGTERM ends, too."""

    __slots__ = ("_guarded",)

    def _before(self) -> None:
        self._guarded = sigterm.enter()

    def _after(self) -> None:
        if self._guarded:
            sigterm.leave()


@atexit.register
def _close_all() -> None:
    """Leave the blocks and close the clients that the program has left open.

    Afterwards the interpreter stops all threads, so that nothing can be sent.
    """
    with ExitStack() as stack:
        for client in list(_open):
            stack.callback(client.close)
        for block in list(open_blocks):
            stack.callback(block.__exit__, SystemExit, SystemExit(), None)


# The clients of the parent process are not closed at the exit of a forked child.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)
