"""The interface of a vendor's API in a world, and the routing that all vendors share.

A provider draws ids and keys from `Simulation.id_stream(its name)`, so that one vendor's draws
never change another's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from attrs import frozen

from .faults import Fault, FaultRegistry, Operation
from .http import ApiError, Json, Request, Response
from .rate_limit import RateLimits, RateLimitStatus
from .simulation import IdGenerator, Settings, Simulation
from .store import StaleView, Store

S = TypeVar("S", bound=Store)
T = TypeVar("T")
_STALE_S = 30.0


@frozen
class Call:
    """A routed request, as handlers take it.

    `operation` is empty if the path or the method is unknown. `id` and `region` (or zone) are
    empty unless the request names one; faults can be limited to them.
    """

    now: float
    request: Request
    operation: str
    params: dict[str, str]
    id: str = ""
    region: str = ""
    path_exists: bool = True


Handler = Callable[[Call], Response]


@frozen
class ProviderContext(ABC, Generic[S]):
    """What the handlers of one vendor share."""

    simulation: Simulation
    ids: IdGenerator
    faults: FaultRegistry
    settings: Settings
    store: S

    @abstractmethod
    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Apply an outcome fault to the resource `fault.id` now; ValueError if it cannot."""

    def take_fault(
        self, call: Call, *kinds: str, id: str = "", regions: Sequence[str] = ()
    ) -> Fault | None:
        """Return the fault that applies to a call's resource (by default the call's own)."""
        id, regions = id or call.id, regions or (call.region,)
        return self.faults.take(kinds, call.now, call.operation, id=id, regions=regions)

    def stale_views(
        self,
        call: Call,
        before: T | None,
        id: str,
        regions: Sequence[str] = (),
        since: float | None = None,
    ) -> Iterator[StaleView[T]]:
        """Yield the views that hide a write from reads (from `since` on), if faults say so."""
        for kind in ("not_found" if before is None else "stale", "list_lag"):
            if fault := self.take_fault(call, kind, id=id, regions=regions):
                lasts = _STALE_S if fault.seconds is None else fault.seconds
                until = (call.now if since is None else since) + lasts
                yield StaleView(until, before, kind != "list_lag", kind != "not_found")


class Routes:
    """A table of handlers by `METHOD /path/{param}`; the first matching entry wins.

    A parameter matches any one segment except those in `reserved`.
    """

    def __init__(self, handlers: Mapping[str, Handler], reserved: Iterable[str] = ()) -> None:
        self.handlers = handlers
        self._reserved = frozenset(reserved)
        self._by_length: dict[int, list[tuple[str, str, tuple[str, ...]]]] = {}
        for operation in handlers:
            method, _, path = operation.partition(" ")
            parts = tuple(path.strip("/").split("/"))
            self._by_length.setdefault(len(parts), []).append((operation, method, parts))

    def match(self, method: str, path: tuple[str, ...]) -> tuple[str, dict[str, str], bool]:
        """Return the operation (or ""), its path parameters, and whether the path exists."""
        path_exists = False
        for operation, allowed, parts in self._by_length.get(len(path), ()):
            params = self._params(parts, path)
            if params is None:
                continue
            if method == allowed:
                return operation, params, True
            path_exists = True
        return "", {}, path_exists

    def allowed(self, path: tuple[str, ...]) -> list[str]:
        """Return the methods of a path, sorted (RFC 9110, 15.5.6)."""
        entries = self._by_length.get(len(path), ())
        return sorted(
            {method for _, method, parts in entries if self._params(parts, path) is not None}
        )

    def _params(self, parts: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str] | None:
        params = {}
        for part, segment in zip(parts, path, strict=True):
            if part.startswith("{") and segment not in self._reserved:
                params[part[1:-1]] = segment
            elif part != segment:
                return None
        return params


C = TypeVar("C", bound=ProviderContext[Any])


class Provider(ABC, Generic[C, S]):
    """One vendor's API in a world. The world calls it in the order of these methods."""

    context: C
    store: S
    routes: Routes
    regions: ClassVar[tuple[str, ...]]
    """The regions or zones that faults may be limited to."""
    is_in_region: ClassVar[bool] = False
    """Every request names a region."""
    fault_kinds: Mapping[str, Sequence[str]] = {}
    """The kinds of faults that other clouds lack, and the operations that each applies to."""
    id_params: ClassVar[tuple[str, ...]] = ("id",)
    """The path parameters that hold a resource's id."""
    method_not_allowed = "{method} is not allowed here"
    limits: RateLimits | None = None
    """The rate limits of each account; None has none."""

    def fault_operations(self) -> Iterator[Operation]:
        """Yield the operations that faults may be armed on."""
        for name in self.routes.handlers:
            more = tuple(kind for kind, names in self.fault_kinds.items() if name in names)
            yield Operation(name, type(self).__name__, self.regions, more, self.is_in_region)

    # -- requests --------------------------------------------------------------------------------

    @abstractmethod
    def owns(self, request: Request) -> bool:
        """Return whether the path belongs to this vendor."""

    def locate(self, request: Request) -> tuple[str, tuple[str, ...]]:
        """Return the region of a request, and the path to look up."""
        return "", request.segments

    def route(self, now: float, request: Request) -> Call:
        """Return the call that a request makes."""
        region, path = self.locate(request)
        operation, params, path_exists = self.routes.match(request.method, path)
        id = next((params[name] for name in self.id_params if name in params), "")
        return Call(now, request, operation, params, id, region, path_exists)

    @abstractmethod
    def authorize(self, call: Call) -> str:
        """Return the calling account, by any name; raise `ApiError` if it is unknown."""

    def answer(self, call: Call) -> Response:
        """Execute a call; raise `ApiError` for an error response."""
        if call.operation:
            return self.routes.handlers[call.operation](call)
        if call.path_exists:
            method = call.request.method
            error = ApiError(405, self.method_not_allowed.format(method=method))
            _, path = self.locate(call.request)
            error.headers["allow"] = ", ".join(self.routes.allowed(path))
            raise error
        raise self.unknown_path(call)

    @abstractmethod
    def unknown_path(self, call: Call) -> ApiError:
        """Return the 404 of a path without operations."""

    @abstractmethod
    def error_response(self, error: ApiError, request_id: str) -> Response:
        """Render an error in the vendor's format; any status may come, those of faults too."""

    def headers(
        self, now: float, status: RateLimitStatus | None, request_id: str
    ) -> dict[str, str]:
        """Return the headers of every response; `status` is None without rate limits."""
        return {}

    @abstractmethod
    def serve(self, now: float, request: Request) -> Response | None:
        """Answer a data-plane request; None if the key is not of this vendor."""

    # -- tests -----------------------------------------------------------------------------------

    @abstractmethod
    def state_rows(self, now: float) -> list[Json]:
        """Return all existing resources, for `/_emulator/state`."""
