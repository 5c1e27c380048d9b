"""The emulator over sockets, in the running loop.

Rules of this file: it maps real time to the world's, binds ports, and hands out the `Emulator`.
"""

import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict, Unpack

from aiohttp import web

from . import exoscale, http_server
from .cloud.durations import Lifecycle
from .cloud.faults import Fault
from .cloud.http import Response
from .cloud.provider import Truth, WriteRecord
from .cloud.settings import Case, Dialect
from .digitalocean.records import Instance, Token
from .gcore.records import ApiKey
from .gcore.records import Deployment as GcoreDeployment
from .tls import Authority
from .world import Stats, World


class Options(TypedDict, total=False):
    """What `running` and `threaded` take; all may be left out."""

    dialect: Dialect
    time_scale: float
    """World seconds per real second: lifecycles and rate windows run so much faster."""
    rate_limits: bool
    """Whether full windows refuse (default True)."""
    per_minute: int
    per_hour: int
    count_refused: bool
    """Whether refused requests count in the windows (default False)."""
    seed: int | None
    """Equal seeds give equal ids and durations; None draws one, see `Emulator.seed`."""
    tls: bool
    """Whether the control plane is https, too (default False)."""
    clock: Callable[[], float] | None
    """Epoch seconds, in place of the system's clock."""
    port: int
    """Of the control plane; 0 (default) takes a free one."""
    dataplane_port: int
    lifecycle: Lifecycle | None
    status_case: Case
    active_word: str


class Emulator:
    """A running emulator. Its methods may be called from any thread."""

    def __init__(
        self, world: World, clock: Callable[[], float], url: str, dataplane_url: str, seed: int
    ) -> None:
        self.world = world
        self.url = url
        self.dataplane_url = dataplane_url
        self.seed = seed
        self._clock = clock
        self._anchor = clock()
        self._lock = threading.Lock()
        world.simulation.advance_to(self._anchor)

    @property
    def token(self) -> str:
        """A DigitalOcean token that works."""
        return self.world.token

    @property
    def read_only_token(self) -> str:
        """A DigitalOcean token that may only read; anything else is 403."""
        return self.world.read_only_token

    @property
    def gcore_api_key(self) -> str:
        """A Gcore permanent token that works."""
        return self.world.gcore.api_key

    @property
    def gcore_project_id(self) -> int:
        """The project that the Gcore key belongs to."""
        return self.world.gcore.project_id

    @property
    def exoscale_url(self) -> str:
        """The base URL of any Exoscale zone, whose name goes where `{zone}` stands."""
        return f"{self.url}/zones/{{zone}}"

    @property
    def exoscale_api_key(self) -> str:
        """An Exoscale key that works in every zone."""
        return self.world.exoscale.api_key

    @property
    def exoscale_api_secret(self) -> str:
        """The secret that requests with the Exoscale key are signed with."""
        return self.world.exoscale.api_secret

    @property
    def ca_pem(self) -> str:
        """The CA that signed the data plane's certificate, and the control plane's if it is TLS."""
        return self.world.settings.ca_pem

    @property
    def stats(self) -> Stats:
        """What came in so far."""
        with self._lock:
            return self.world.stats

    def now(self) -> float:
        """World time, in epoch seconds."""
        return self._anchor + (self._clock() - self._anchor) * self.world.time_scale

    def fault(self, kind: str, **settings: object) -> Fault:
        """Arm a fault; see `Fault` for the settings. ValueError if it makes no sense."""
        with self._lock:
            return self.world.fault(kind, now=self.now(), **settings)

    def clear_faults(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self.world.faults.clear()

    def truth(self, id: str) -> Truth[WriteRecord]:
        """What really is the matter with a resource of any vendor, faults aside."""
        with self._lock:
            return self.world.truth(id, self.now())

    def add_instance(self, **settings: object) -> Instance:
        """Place a DigitalOcean instance without a request; see `Placing` for the settings."""
        with self._lock:
            return self.world.add_instance(now=self.now(), **settings)

    def add_token(self, id: str, name: str = "placed") -> Token:
        """Give a DigitalOcean instance an access token without a request."""
        with self._lock:
            return self.world.add_token(id, name, now=self.now())

    def add_gcore_deployment(self, **settings: object) -> GcoreDeployment:
        """Place a Gcore deployment or instance; see `Placing` of `gcore` for the settings."""
        with self._lock:
            return self.world.add_gcore_deployment(now=self.now(), **settings)

    def add_gcore_key(self, name: str = "placed") -> ApiKey:
        """A key for Gcore deployments' own endpoints, without a request."""
        with self._lock:
            return self.world.add_gcore_key(name, now=self.now())

    def add_exoscale_deployment(self, **settings: object) -> exoscale.Deployment:
        """Place a deployment, and its model, without a request: see `PlacedDeployment`."""
        with self._lock:
            return self.world.add_exoscale_deployment(now=self.now(), **settings)

    def add_exoscale_model(self, **settings: object) -> exoscale.Model:
        """Place a model without a request; see `PlacedModel` for the settings."""
        with self._lock:
            return self.world.add_exoscale_model(now=self.now(), **settings)

    def ask(self, request: web.BaseRequest, body: bytes) -> Response:
        """The control plane's answer."""
        with self._lock:
            return self.world.handle(
                self.now(), request.method, request.raw_path, request.headers, body
            )

    def ask_dataplane(self, request: web.BaseRequest, body: bytes) -> Response:
        """The data plane's answer."""
        with self._lock:
            return self.world.serve(
                self.now(), request.method, request.raw_path, request.headers, body
            )


@asynccontextmanager
async def running(**options: Unpack[Options]) -> AsyncIterator[Emulator]:
    """An emulator on loopback for as long as the block lasts; see `Options`.

    Raises OSError if a port is taken, ModuleNotFoundError without trustme.
    """
    authority = Authority()
    tls = options.pop("tls", False)
    async with AsyncExitStack() as stack:
        control = stack.enter_context(http_server.listen(options.pop("port", 0)))
        data = stack.enter_context(http_server.listen(options.pop("dataplane_port", 0)))
        emu = _emulator(options, authority, tls, control.getsockname()[1], data.getsockname()[1])
        scale = emu.world.time_scale
        context = authority.server_context()
        for sock, ask, secure in (
            (control, emu.ask, context if tls else None),
            (data, emu.ask_dataplane, context),
        ):
            await stack.enter_async_context(http_server.serving(sock, ask, scale, secure))
        yield emu


def _emulator(
    options: Options, authority: Authority, tls: bool, port: int, dataplane_port: int
) -> Emulator:
    clock = options.pop("clock", None) or _steady_clock()
    given = options.pop("seed", None)
    seed = secrets.randbits(32) if given is None else given
    dataplane_url = f"https://localhost:{dataplane_port}"
    made = {"seed": seed, "secure": tls, "ca_pem": authority.pem, "dataplane_url": dataplane_url}
    world = World(**{**options, **made})  # type: ignore[arg-type]
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    return Emulator(world, clock, url, dataplane_url, seed)


def _steady_clock() -> Callable[[], float]:
    """The system's clock, without its jumps."""
    epoch, start = time.time(), time.monotonic()
    return lambda: epoch + time.monotonic() - start
