"""The emulator over sockets: in the running event loop, or in a thread of its own.

It maps real time to world time, binds the ports and returns the `Emulator`.
"""

import asyncio
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from email.utils import formatdate
from typing import TypedDict, Unpack

from aiohttp import web
from attrs import evolve

from . import http_server
from .access import ControlAccess
from .cloud.faults import Fault
from .cloud.http import Response
from .cloud.simulation import Case, Dialect, Lifecycle
from .cloud.store import Truth
from .digitalocean.store import Instance, Token
from .exoscale.store import Deployment as ExoscaleDeployment
from .exoscale.store import Model as ExoscaleModel
from .gcore.store import ApiKey
from .gcore.store import Deployment as GcoreDeployment
from .world import Stats, World


class Options(TypedDict, total=False):
    """The options of `running` and `threaded`; all are optional."""

    dialect: Dialect
    """Whether answers have the form that is "documented" (default), or that was "observed"."""
    time_scale: float
    """World seconds per real second (default 1), for lifecycles and rate limits."""
    rate_limits: bool
    """Whether rate limits are enforced (default True)."""
    per_minute: int
    """DigitalOcean's limit of requests a minute (default 250)."""
    per_hour: int
    """DigitalOcean's limit of requests an hour (default 5000)."""
    count_refused: bool
    """Whether refused requests count against the rate limits (default False)."""
    seed: int | None
    """Equal seeds return equal ids and durations; None draws one, see `Emulator.seed`."""
    tls: bool
    """Whether the control plane uses https, too (default False)."""
    clock: Callable[[], float] | None
    """Epoch seconds, in place of the system's clock; `time_scale` multiplies its progress, too.

    The `Date` of answers and the expiry of Exoscale's signatures follow it.
    """
    host: str
    """The address or name to listen on (default 127.0.0.1). Others that reach it may use it."""
    port: int
    """The control plane's port; 0 (default) picks a free one."""
    dataplane_port: int
    """The port of the endpoints that answer chat requests; 0 (default) picks a free one."""
    lifecycle: Lifecycle | None
    """How long each action takes; None for the defaults of `Lifecycle`."""
    status_case: Case
    """Whether DigitalOcean's status words are in "lower" (default) or "upper" case."""
    active_word: str
    """DigitalOcean's word for a deployment that is ready (default "active")."""
    engine_version: str
    """Exoscale's default version of the inference engine (default: the vendor's current one)."""


class Emulator:
    """A running emulator. Its methods may be called from any thread."""

    def __init__(
        self,
        world: World,
        clock: Callable[[], float],
        url: str,
        dataplane_url: str,
        seed: int,
        access: ControlAccess | None = None,
    ) -> None:
        self.world = world
        """The state of the three clouds. Its methods are for the emulator's own thread."""
        self.url = url
        """The base URL of the APIs of DigitalOcean and Gcore; see `exoscale_url`."""
        self.dataplane_url = dataplane_url
        """The base URL of the endpoints that answer chat requests."""
        self.seed = seed
        """The seed that repeats this run."""
        self._clock = clock
        self._anchor = clock()
        self._lock = threading.Lock()
        self._access = access or ControlAccess()
        world.simulation.advance_to(self._anchor)

    @property
    def control_key(self) -> str:
        """The key of the endpoints under `/_emulator`, in the header `X-Emulator-Key`."""
        return self._access.key

    @property
    def token(self) -> str:
        """A valid DigitalOcean token."""
        return self.world.token

    @property
    def read_only_token(self) -> str:
        """A DigitalOcean token that may only read; any other request is 403."""
        return self.world.read_only_token

    @property
    def gcore_api_key(self) -> str:
        """A valid permanent Gcore token."""
        return self.world.gcore.api_key

    @property
    def gcore_project_id(self) -> int:
        """The project of the Gcore key."""
        return self.world.gcore.project_id

    @property
    def exoscale_url(self) -> str:
        """The base URL of all Exoscale zones, with `{zone}` in place of the zone's name."""
        return f"{self.url}/zones/{{zone}}"

    @property
    def exoscale_api_key(self) -> str:
        """An Exoscale key that is valid in every zone."""
        return self.world.exoscale.api_key

    @property
    def exoscale_api_secret(self) -> str:
        """The secret that signs requests with the Exoscale key."""
        return self.world.exoscale.api_secret

    @property
    def ca_pem(self) -> str:
        """The CA that signed the data plane's certificate, and the control plane's with `tls`."""
        return self.world.settings.ca_pem

    @property
    def stats(self) -> Stats:
        """Request statistics so far."""
        with self._lock:
            return self.world.stats

    def now(self) -> float:
        """Return world time, in epoch seconds."""
        return self._anchor + (self._clock() - self._anchor) * self.world.time_scale

    def fault(self, kind: str, **settings: object) -> Fault:
        """Arm a fault; see `Fault` for the settings. Raise ValueError if it is invalid."""
        with self._lock:
            return self.world.fault(kind, now=self.now(), **settings)

    def clear_faults(self) -> None:
        """Disarm all faults."""
        with self._lock:
            self.world.faults.clear()

    def truth(self, id: str) -> Truth:
        """Return the real state of any vendor's resource, regardless of faults."""
        with self._lock:
            return self.world.truth(id, self.now())

    def add_instance(self, **settings: object) -> Instance:
        """Add a DigitalOcean instance without a request; see `SeedInstance` for the settings."""
        with self._lock:
            return self.world.add_instance(now=self.now(), **settings)

    def add_model(
        self, slug: str, *, name: str | None = None, gpus: Sequence[str] = (), gated: bool = False
    ) -> None:
        """Add a model to DigitalOcean's catalog; see `World.add_model`."""
        with self._lock:
            self.world.add_model(slug, name=name, gpus=gpus, gated=gated)

    def add_token(self, id: str, name: str = "placed") -> Token:
        """Add an access token of a DigitalOcean instance without a request."""
        with self._lock:
            return self.world.add_token(id, name, now=self.now())

    def add_gcore_deployment(self, **settings: object) -> GcoreDeployment:
        """Add a Gcore deployment or instance; see `SeedDeployment` of `gcore`."""
        with self._lock:
            return self.world.add_gcore_deployment(now=self.now(), **settings)

    def add_gcore_key(self, name: str = "placed") -> ApiKey:
        """Add a key for the endpoints of Gcore deployments, without a request."""
        with self._lock:
            return self.world.add_gcore_key(name, now=self.now())

    def add_exoscale_deployment(self, **settings: object) -> ExoscaleDeployment:
        """Add a deployment, and its model, without a request; see `SeedDeployment`."""
        with self._lock:
            return self.world.add_exoscale_deployment(now=self.now(), **settings)

    def add_exoscale_model(self, **settings: object) -> ExoscaleModel:
        """Add a model without a request; see `SeedModel` for the settings."""
        with self._lock:
            return self.world.add_exoscale_model(now=self.now(), **settings)

    def ask(self, request: web.BaseRequest, body: bytes) -> Response:
        """Answer a request to the control plane, dated by the emulator's clock."""
        with self._lock:
            now = self.now()
            response = self.world.handle(
                now, request.method, request.raw_path, request.headers, body, access=self._access
            )
            date = formatdate(self.world.simulation.real_time(now), usegmt=True)
        return evolve(response, headers={"date": date, **response.headers})

    def ask_dataplane(self, request: web.BaseRequest, body: bytes) -> Response:
        """Answer a request to the data plane."""
        with self._lock:
            return self.world.serve(
                self.now(), request.method, request.raw_path, request.headers, body
            )


@asynccontextmanager
async def running(**options: Unpack[Options]) -> AsyncIterator[Emulator]:
    """Run an emulator during the block, on loopback unless `host` says otherwise; see `Options`.

    Raise ValueError for an invalid option, OSError if a port is taken, ModuleNotFoundError without
    trustme.
    """
    authority = http_server.CertificateAuthority()
    tls = options.pop("tls", False)
    host = options.pop("host", http_server.HOSTS[1])
    async with AsyncExitStack() as stack:
        control = stack.enter_context(http_server.listen(host, options.pop("port", 0)))
        data = stack.enter_context(http_server.listen(host, options.pop("dataplane_port", 0)))
        ports = control.getsockname()[1], data.getsockname()[1]
        emulator = _emulator(options, authority.pem, tls, host, *ports)
        scale = emulator.world.time_scale
        context = authority.server_context(host)
        for sock, answer, ssl in (
            (control, emulator.ask, context if tls else None),
            (data, emulator.ask_dataplane, context),
        ):
            await stack.enter_async_context(http_server.serving(sock, answer, scale, ssl))
        yield emulator


@contextmanager
def threaded(**options: Unpack[Options]) -> Iterator[Emulator]:
    """Run an emulator in its own thread and loop during the block; options as in `running`."""
    started: Future[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            async with running(**options) as emulator:
                started.set_result((emulator, asyncio.get_running_loop(), stop))
                await stop.wait()
        except Exception as error:
            if started.done():  # it failed later: the thread's own hook reports it
                raise
            started.set_exception(error)

    thread = threading.Thread(
        target=lambda: asyncio.run(serve()), name="di-async-emulator", daemon=True
    )
    thread.start()
    try:
        emulator, loop, stop = started.result()
        try:
            yield emulator
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        if not sys.is_finalizing():  # threads no longer run then
            thread.join()


def _emulator(
    options: Options, ca_pem: str, tls: bool, host: str, port: int, dataplane_port: int
) -> Emulator:
    clock = options.pop("clock", None) or _steady_clock()
    requested = options.pop("seed", None)
    seed = secrets.randbits(32) if requested is None else requested
    address, name = _names(host)
    dataplane_url = f"https://{name}:{dataplane_port}"
    fixed = {"seed": seed, "secure": tls, "ca_pem": ca_pem, "dataplane_url": dataplane_url}
    world = World(**{**options, **fixed})  # type: ignore[arg-type]
    url = f"{'https' if tls else 'http'}://{address}:{port}"
    return Emulator(world, clock, url, dataplane_url, seed, ControlAccess([host]))


def _names(host: str) -> tuple[str, str]:
    """Return what URLs call the control plane and the data plane."""
    if host in {*http_server.HOSTS, *http_server.WILDCARDS}:
        return http_server.HOSTS[1], http_server.HOSTS[0]
    name = f"[{host}]" if ":" in host else host
    return name, name


def _steady_clock() -> Callable[[], float]:
    """Return the system's clock without its jumps."""
    epoch, start = time.time(), time.monotonic()
    return lambda: epoch + time.monotonic() - start
