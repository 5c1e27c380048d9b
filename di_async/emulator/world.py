"""An account at all emulated vendors, as a function of time and request.

No sockets, no clock. A request is authorized, rate limited, checked for faults, then executed.
State advances when something is read; nothing runs by itself.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import asdict, evolve, frozen

from . import control
from .access import ControlAccess
from .cloud import faults
from .cloud.faults import OUTCOME_KINDS, RESPONSE_KINDS, Fault, FaultRegistry
from .cloud.http import ApiError, Json, Response, json_response, parse_request
from .cloud.provider import Call, Provider
from .cloud.rate_limit import RateLimiter, RateLimits, RateLimitStatus, RequestCounter
from .cloud.seeding import check_range
from .cloud.simulation import Case, Dialect, Lifecycle, Settings, Simulation
from .cloud.store import Truth
from .digitalocean.catalog import CA_PEM, offered_model
from .digitalocean.provider import DigitalOcean
from .digitalocean.seeding import add_instance
from .digitalocean.store import Instance, Token
from .exoscale import seeding as exoscale_seeding
from .exoscale.catalog import ENGINE_VERSION
from .exoscale.provider import Exoscale
from .exoscale.store import Deployment as ExoscaleDeployment
from .exoscale.store import Model as ExoscaleModel
from .gcore.provider import Gcore
from .gcore.seeding import add_deployment as add_gcore_deployment
from .gcore.store import ApiKey
from .gcore.store import Deployment as GcoreDeployment

T = TypeVar("T")
_INVALID_TARGET = json_response(400, {"message": "The request target is not valid."})
# What is kept of a request that made no sense.
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
)
_MAX_METHOD, _MAX_PATH = 20, 400


@frozen
class Stats:
    """Request statistics; `max_60s` and `max_3600s` include refused requests."""

    total: int
    by_operation: dict[str, int]
    refused: int
    max_60s: int
    max_3600s: int


class World:
    """One account at the emulated vendors.

    `handle` is the whole control plane, `serve` the data plane. `truth` returns the real state,
    regardless of faults. Equal arguments and equal calls return equal answers. The arguments are
    those of `Options` that do not concern sockets.
    """

    def __init__(
        self,
        dialect: Dialect = "documented",
        *,
        time_scale: float = 1.0,
        rate_limits: bool = True,
        per_minute: int = 250,
        per_hour: int = 5000,
        count_refused: bool = False,
        seed: int = 0,
        lifecycle: Lifecycle | None = None,
        status_case: Case = "lower",
        active_word: str = "active",
        engine_version: str = ENGINE_VERSION,
        ca_pem: str = CA_PEM,
        dataplane_url: str | None = None,
        secure: bool = True,
    ) -> None:
        self.settings = _checked(
            Settings,
            dialect,
            lifecycle or Lifecycle(),
            status_case,
            active_word,
            ca_pem,
            dataplane_url,
            "https" if secure else "http",
            engine_version,
        )
        """The arguments as they were read."""
        self.limits = _checked(RateLimits, per_minute, per_hour, rate_limits, count_refused)
        """DigitalOcean's limits."""
        self.simulation = Simulation(seed, time_scale)
        """Time, random numbers and the events to come."""
        self.requests: deque[tuple[float, str, str, int]] = deque(maxlen=200_000)
        """The last requests: time, method, path and status code."""
        self.faults = FaultRegistry(self.simulation.fault_rng)
        """The armed faults."""
        shared = (self.simulation, self.faults, self.settings)
        self.digitalocean = DigitalOcean(*shared, self.limits)
        """The state of this cloud."""
        self.gcore = Gcore(*shared)
        """The state of this cloud."""
        self.exoscale = Exoscale(*shared)
        """The state of this cloud."""
        self.providers = (self.gcore, self.exoscale, self.digitalocean)
        """The first that owns a path answers; DigitalOcean owns the rest."""
        for provider in reversed(self.providers):
            self.faults.register(provider.fault_operations())
        # A stream of their own: how often a test polls must not change the ids of resources.
        self._request_ids = self.simulation.id_stream("requests")
        self._limiters: dict[str, RateLimiter] = {}
        self._counter = RequestCounter()

    # -- requests ------------------------------------------------------------------------------

    def handle(
        self,
        now: float,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        access: ControlAccess | None = None,
    ) -> Response:
        """Answer a control-plane request that arrives at world time `now`.

        `access` decides who may use the emulator's own endpoints; None allows all.
        """
        now = self._advance(now)
        try:
            request = parse_request(method, path, headers, body)
        except ValueError:
            return _INVALID_TARGET
        if request.segments[:1] == ("_emulator",):
            if access is not None and (refusal := access.refuse(request.headers)):
                return refusal
            return control.answer(request, self.faults, self._arm, lambda: self._state(now))
        provider: Provider[Any, Any] = next(one for one in self.providers if one.owns(request))
        call = provider.route(now, request)
        request_id = self._request_ids.new_uuid()
        response, status = self._respond(
            provider, call, lambda error: provider.error_response(error, request_id)
        )
        defaults = provider.headers(now, status, request_id)
        response = evolve(response, headers={**defaults, **response.headers})
        known = request.method if request.method in _METHODS else "other"
        self._counter.add(now, call.operation or f"{known} (unknown)", response.status)
        shown = request.method[:_MAX_METHOD], path[:_MAX_PATH]
        self.requests.append((now, *shown, response.status))
        return response

    def serve(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """Answer a data-plane request; without rate limits and faults."""
        now = self._advance(now)
        try:
            request = parse_request(method, path, headers, body)
        except ValueError:
            return _INVALID_TARGET
        answers = (provider.serve(now, request) for provider in self.providers)
        return next((answer for answer in answers if answer), Response(404))

    def _respond(
        self, provider: Provider[Any, Any], call: Call, render: Callable[[ApiError], Response]
    ) -> tuple[Response, RateLimitStatus | None]:
        try:
            account = provider.authorize(call)
        except ApiError as error:
            return render(error), None
        if provider.limits is None:
            return self._execute(provider, call, render), None
        limiter = self._limiters.get(account)
        if limiter is None:
            limiter = self._limiters[account] = RateLimiter(provider.limits)
        status = limiter.admit(call.now)
        if status.refused_by is None:
            return self._execute(provider, call, render), status
        refused = render(_rate_limit_error())
        if status.refused_by == "minute":
            seconds = faults.whole_seconds(status.retry_in / self.time_scale)
            refused.headers["retry-after"] = seconds
        return refused, status

    def _execute(
        self, provider: Provider[Any, Any], call: Call, render: Callable[[ApiError], Response]
    ) -> Response:
        def execute() -> Response:
            try:
                return provider.answer(call)
            except ApiError as error:
                answer = render(error)
                return evolve(answer, headers={**answer.headers, **error.headers})

        fault = self.faults.take(
            RESPONSE_KINDS, call.now, call.operation, id=call.id, regions=(call.region,)
        )
        if fault is None:
            return execute()
        response = execute() if faults.is_executed(fault) else Response(200)
        if fault.kind != "rate_limit":
            return faults.faulty_response(fault, response, render)
        refused, has_limits = render(_rate_limit_error()), provider.limits is not None
        return faults.rate_limit_response(
            fault, call.now, self.time_scale, refused, has_limits=has_limits
        )

    def _arm(self, kind: str, settings: Mapping[str, object]) -> Fault:
        now = self._advance(None)
        if kind in OUTCOME_KINDS and settings.get("id") and not settings.get("on"):
            fault = self.faults.create(kind, now, settings)
            self._provider_of(fault.id or "").context.inject_outcome_fault(fault, now)
            fault.hit()
            return fault
        return self.faults.arm(kind, now, settings, self._owner_of(settings.get("id")))

    # -- tests ---------------------------------------------------------------------------------

    def fault(self, kind: str, *, now: float | None = None, **settings: object) -> Fault:
        """Arm a fault (see `Fault` for the settings); raise ValueError if it is invalid.

        `stuck`, `error` and `regress` with an `id` and no `on` apply to that resource at once.
        """
        self._advance(now)
        return self._arm(kind, settings)

    def truth(self, id: str, now: float | None = None) -> Truth:
        """Return the real state of any vendor's resource, regardless of faults."""
        moment = self._advance(now)
        truth: Truth = self._provider_of(id).store.truth(id, moment)
        return truth

    def add_instance(self, *, now: float | None = None, **settings: object) -> Instance:
        """Add a DigitalOcean instance without a request; see `SeedInstance` for the settings."""
        return add_instance(self.digitalocean.context, self._advance(now), **settings)

    def add_token(self, id: str, name: str = "placed", *, now: float | None = None) -> Token:
        """Add an access token of a DigitalOcean instance without a request."""
        stamp, store = self.simulation.timestamp(self._advance(now)), self.digitalocean.store
        if id not in store.items:
            raise ValueError(f"there is no instance {id!r}")
        check_range("name", name)
        return store.add_token(id, name, stamp)

    def add_model(
        self, slug: str, *, name: str | None = None, gpus: Sequence[str] = (), gated: bool = False
    ) -> None:
        """Add a model to DigitalOcean's catalog.

        `gpus` are the slugs of the GPUs that serve it, by default all. Other models are accepted
        in requests too, on any GPU.

        Raises:
            ValueError: the slug or a GPU slug is not valid.
        """
        check_range("name", name)
        self.digitalocean.store.catalog.add(offered_model(slug, name, gpus, gated=gated))

    def add_gcore_deployment(
        self, *, now: float | None = None, **settings: object
    ) -> GcoreDeployment:
        """Add a Gcore deployment or instance; see `SeedDeployment` of `gcore`."""
        return add_gcore_deployment(self.gcore.context, self._advance(now), **settings)

    def add_gcore_key(self, name: str = "placed", *, now: float | None = None) -> ApiKey:
        """Add a key for the endpoints of Gcore deployments, without a request."""
        if not name or name in self.gcore.store.keys:
            raise ValueError(f"{name!r} is empty, or the name of another key")
        check_range("name", name)
        return self.gcore.account.add_key(self._advance(now), name)

    def add_exoscale_deployment(
        self, *, now: float | None = None, **settings: object
    ) -> ExoscaleDeployment:
        """Add a deployment, and its model, without a request; see `SeedDeployment`."""
        return exoscale_seeding.add_deployment(
            self.exoscale.context, self._advance(now), **settings
        )

    def add_exoscale_model(self, *, now: float | None = None, **settings: object) -> ExoscaleModel:
        """Add a model without a request; see `SeedModel` for the settings."""
        return exoscale_seeding.add_model(self.exoscale.context, self._advance(now), **settings)

    @property
    def token(self) -> str:
        """A valid DigitalOcean token."""
        return self.digitalocean.token

    @property
    def read_only_token(self) -> str:
        """A DigitalOcean token that may only read."""
        return self.digitalocean.read_only_token

    @property
    def now(self) -> float | None:
        """The latest world time passed in."""
        return self.simulation.now

    @property
    def time_scale(self) -> float:
        """World seconds per real second."""
        return self.simulation.time_scale

    @property
    def instances(self) -> Mapping[str, Instance]:
        """The existing DigitalOcean instances by id, as of the latest call."""
        return self.digitalocean.store.items

    @property
    def created(self) -> Mapping[str, int]:
        """How many resources were ever created under each name: above 1 is a duplicate."""
        # Copies: a test may read this while the emulator's thread counts another one.
        return sum((provider.store.created.copy() for provider in self.providers), Counter())

    @property
    def stats(self) -> Stats:
        """Request statistics so far."""
        counter = self._counter
        return Stats(
            sum(counter.by_operation.values()),
            dict(counter.by_operation),
            counter.refused,
            counter.minute.most,
            counter.hour.most,
        )

    def _state(self, now: float) -> Json:
        return {
            "now": now,
            "dialect": self.settings.dialect,
            "time_scale": self.time_scale,
            "stats": asdict(self.stats),
            "instances": [row for one in self.providers for row in one.state_rows(now)],
        }

    def _advance(self, now: float | None) -> float:
        moment = self.simulation.advance_to(now)
        for provider in self.providers:
            provider.store.advance(moment)
        return moment

    def _owner_of(self, id: object) -> str | None:
        """Return the cloud of a resource; None if no cloud, or more than one, knows the id."""
        known = isinstance(id, str) and [one for one in self.providers if one.store.knows(id)]
        return type(known[0]).__name__ if known and len(known) == 1 else None

    def _provider_of(self, id: str) -> Provider[Any, Any]:
        owners = (provider for provider in self.providers if provider.store.knows(id))
        return next(owners, self.digitalocean)


def _checked(cls: type[T], *options: object) -> T:
    """Return an object of an attrs class; raise ValueError, with its message alone."""
    try:
        return cls(*options)
    except (TypeError, ValueError) as error:
        raise ValueError(error.args[0]) from None


def _rate_limit_error() -> ApiError:
    return ApiError(429, "API rate limit exceeded.")
