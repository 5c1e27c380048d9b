"""What every provider's client is: entered once, bound to one loop, owner of all that runs.

No cancel scope stays open between entering and leaving, so the two may happen in different tasks
(pytest fixtures, start-up and shut-down hooks of web frameworks).
"""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import unquote

import anyio
from attrs import evolve

from di_async.core.errors import InvalidInputError
from di_async.core.http import Request, json_bytes, query
from di_async.core.responses import any_body
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.client_bound import ClientBound
from di_async.engine.engine import Engine
from di_async.engine.environment import log_base_url
from di_async.engine.frames import clears_frames
from di_async.engine.waiting.stats import Stats
from di_async.engine.writes.cut_off import report_if_cut_off

if TYPE_CHECKING:
    from di_async.engine.deployments.deployable import Deployable

__all__ = ["Client"]


class Client(ClientBound):
    """The part of a client that is the same for every provider."""

    provider: str = ""
    base_url: str = ""
    _url_variable: str | None = None
    _instead = "make a client in each process and event loop"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):  # its arguments are credentials
            constructor: Any = clears_frames(cls.__init__)
            cls.__init__ = constructor  # type: ignore[method-assign]

    def __init__(self, base_url: str, engine: Engine, *, variable: str | None = None) -> None:
        self.base_url = base_url
        """The URL that requests are sent to."""
        self._url_variable = variable
        """The environment variable that the base URL came from."""
        self._engine = engine
        log_base_url(type(self).__name__, base_url, variable)

    def __repr__(self) -> str:
        source = f" (from {self._url_variable})" if self._url_variable else ""
        return f"<{type(self).__name__} {self.base_url}{source}>"

    def __enter__(self) -> NoReturn:
        raise TypeError(f"use `async with {type(self).__name__}(...)`, not `with`")

    def __exit__(self, *error: object) -> None:
        """Do nothing: `__enter__` raises. Python looks this up first."""

    async def __aenter__(self) -> Self:
        """Bind the client to the running loop.

        Raises:
            ClientClosedError: it was entered before, or no asyncio loop runs; create a new one.
            InvalidInputError: an open client of another loop uses its budget, its `session`
                belongs to another loop, or the proxy is not supported.
        """
        await self._engine.open(self.provider)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every open wait and call with `ClientClosedError`, and close the network.

        Accepted changes continue at the provider, and bill; what `temporary` blocks that are still
        open have made is deleted first. Closing twice does nothing.
        """
        # An anyio scope that is cancelled would cancel this, too, and so replace the error of the
        # call that it ended, with its notes.
        with anyio.CancelScope(shield=True):
            await self._engine.close()

    def require_open(self) -> None:
        """Check that requests can be sent: entered, not closed, and on the loop that entered it.

        Raises:
            ClientClosedError: they cannot. `scan`, `reap` and `apply` raise it before they begin.
        """
        self._engine.running  # noqa: B018 - it raises

    async def deployables(self) -> "Sequence[Deployable[Any]]":
        """Return the deployments that `reap` searches. Exoscale's zones are read."""
        return ()

    def deployable(self, region: str | None = None) -> "Deployable[Any]":
        """Return the deployments that `apply` works on; Exoscale: those of a zone. No I/O.

        Raises:
            InvalidInputError: the client has none.
        """
        raise InvalidInputError(f"{type(self).__name__} has no deployments to work on")

    def stats(self) -> Stats:
        """Return how many requests its waits have sent, and their current pace. No I/O."""
        runtime = self._engine.running
        minute, hour = runtime.session.used() or (None, None)
        refused = runtime.session.refused
        return evolve(runtime.poller.stats(), minute=minute, hour=hour, refused=refused)

    @clears_frames
    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> Any:
        """Return the decoded JSON answer of any other endpoint; None where it has no body.

        Authentication, budget, retries and errors are those of every call. A POST or PATCH is
        sent again only if the provider cannot have processed it.

        Args:
            method: such as GET.
            path: below the base URL, percent-encoded, without `.` and `..`.
            params: the query.
            json: the body.

        Raises:
            InvalidInputError: (a `ValueError`) an argument is invalid.
            APIError: the API refused the request.
            TransportError: there is no response.
            DecodeError: the answer is not JSON.
        """
        if not (isinstance(method, str) and method.isascii() and method.isalpha()):
            raise InvalidInputError("method: expected a word such as GET or POST")
        if not (isinstance(path, str) and path.isascii() and path.isprintable()) or " " in path:
            raise InvalidInputError("path: expected printable ASCII text; percent-encode the rest")
        if not path.startswith("/") or path.startswith("//") or "?" in path or "#" in path:
            raise InvalidInputError("path: expected one leading '/' and no query; use params=")
        if any(unquote(part) in (".", "..") for part in path.split("/")):
            raise InvalidInputError("path: '.' and '..' address another endpoint; write it out")
        request = Request(method.upper(), path, query(params or {}), json_bytes(json))
        call = CallRecord()
        if request.method in ("GET", "HEAD"):
            return await self._engine.json(request, any_body, call)
        story = f"the {request.method} {path} was cut off; it may have been carried out"
        with report_if_cut_off(call, story):
            return await self._engine.json(request, any_body, call)
