"""The world: one account at the vendors', from the outside a function of time and a request.

Rules of this file: the order of a request's fate (authority, rate windows, faults, work, faults)
and nothing that only one vendor does. State moves when somebody looks; nothing runs by itself.
"""

from collections import Counter, deque
from collections.abc import Mapping

from attrs import evolve, frozen

from . import control, exoscale
from .cloud import fault_responses
from .cloud.durations import Lifecycle
from .cloud.faults import ANSWER_KINDS, OUTCOME_KINDS, Fault, FaultBook
from .cloud.http import Refusal, Request, Response, parse_request
from .cloud.provider import Provider, Truth, WriteRecord
from .cloud.rate_limit import Limits, RateLimitStatus, RequestCounter, Windows
from .cloud.settings import Case, Dialect, Settings
from .cloud.simulation import Simulation
from .digitalocean import DigitalOcean
from .digitalocean.catalog import CA_PEM
from .digitalocean.records import Instance, Token
from .gcore import Gcore
from .gcore.records import ApiKey
from .gcore.records import Deployment as GcoreDeployment


@frozen
class Stats:
    """What came in so far; `max_60s` and `max_3600s` count refused requests too."""

    total: int
    by_operation: dict[str, int]
    refused: int
    max_60s: int
    max_3600s: int


class World:
    """One account at the emulated vendors.

    `handle` is the whole of the control plane, `serve` the data plane; `truth` is what really
    is, faults or not. Equal arguments and equal calls give equal fault_responses.
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
        ca_pem: str = CA_PEM,
        dataplane_url: str | None = None,
        secure: bool = True,
    ) -> None:
        self.settings = Settings(
            dialect,
            lifecycle or Lifecycle(),
            status_case,
            active_word,
            ca_pem,
            dataplane_url,
            "https" if secure else "http",
        )
        self.limits = Limits(per_minute, per_hour, rate_limits, count_refused)
        self.simulation = Simulation(seed, time_scale)
        self.requests: deque[tuple[float, str, str, int]] = deque(maxlen=200_000)
        self.faults = FaultBook(self.simulation.fault_rng)
        told = (self.simulation, self.faults, self.settings)
        self.digitalocean = DigitalOcean(*told, self.limits)
        self.gcore = Gcore(*told)
        self.exoscale = exoscale.Exoscale(*told)
        # The first that owns a path answers; DigitalOcean owns the rest.
        self.providers: tuple[Provider, ...] = (self.gcore, self.exoscale, self.digitalocean)
        for provider in reversed(self.providers):
            self.faults.learn(provider.operations)
        self._windows: dict[str, Windows] = {}
        self._counter = RequestCounter()

    # -- what clients see ----------------------------------------------------------------------

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """The answer to a control-plane request that arrives at world time `now`."""
        now = self._advance_to(now)
        request = parse_request(method, path, headers, body)
        if request.segments[:1] == ("_emulator",):
            return control.answer(self, now, request)
        visit = self._visit(now, request)
        response = self._judged(visit)
        operation = visit.operation
        self._counter.add(now, operation or f"{request.method} (unknown)", response.status)
        self.requests.append((now, request.method, path, response.status))
        return response

    def serve(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """The answer of a deployment's own endpoint; no rate windows, no faults."""
        now = self._advance_to(now)
        request = parse_request(method, path, headers, body)
        served = (provider.serve(now, request) for provider in self.providers)
        return next((answer for answer in served if answer), Response(404))

    # -- what tests may know and do ------------------------------------------------------------

    def fault(self, kind: str, *, now: float | None = None, **settings: object) -> Fault:
        """Arm a fault (see `Fault` for the settings); ValueError if it makes no sense.

        `stuck`, `error` and `regress` with an `id` and no `on` strike that instance at once.
        """
        moment = self._advance_to(now)
        if kind in OUTCOME_KINDS and settings.get("id") and not settings.get("on"):
            fault = self.faults.make(kind, moment, **settings)
            self._home_of(fault.id or "").inject_outcome_fault(fault, moment)
            return fault
        return self.faults.arm(kind, moment, **settings)

    def truth(self, id: str, now: float | None = None) -> Truth[WriteRecord]:
        """What really is the matter with a resource of any vendor, faults and stale views aside."""
        moment = self._advance_to(now)
        return self._home_of(id).truth(id, moment)

    def add_instance(self, *, now: float | None = None, **settings: object) -> Instance:
        """Place an instance without a request; see `Placing` for the settings."""
        return self.digitalocean.place(self._advance_to(now), **settings)

    def add_token(self, id: str, name: str = "placed", *, now: float | None = None) -> Token:
        """Give an instance an access token without a request."""
        stamp = self.simulation.stamp(self._advance_to(now))
        return self.digitalocean.store.add_token(id, name, stamp)

    def add_gcore_deployment(
        self, *, now: float | None = None, **settings: object
    ) -> GcoreDeployment:
        """Place a Gcore deployment or instance; see `Placing` of `gcore` for the settings."""
        return self.gcore.place(self._advance_to(now), **settings)

    def add_gcore_key(self, name: str = "placed", *, now: float | None = None) -> ApiKey:
        """A key for Gcore deployments' own endpoints, without a request."""
        return self.gcore.add_key(self._advance_to(now), name)

    def add_exoscale_deployment(
        self, *, now: float | None = None, **settings: object
    ) -> exoscale.Deployment:
        """Place a deployment without a request; see `PlacedDeployment` for the settings."""
        return self.exoscale.place_deployment(self._advance_to(now), **settings)

    def add_exoscale_model(self, *, now: float | None = None, **settings: object) -> exoscale.Model:
        """Place a model without a request; see `PlacedModel` for the settings."""
        return self.exoscale.place_model(self._advance_to(now), **settings)

    @property
    def token(self) -> str:
        """A DigitalOcean token that works."""
        return self.digitalocean.token

    @property
    def read_only_token(self) -> str:
        """A DigitalOcean token that may only read."""
        return self.digitalocean.read_only_token

    @property
    def now(self) -> float | None:
        """The latest moment anybody has mentioned."""
        return self.simulation.now

    @property
    def time_scale(self) -> float:
        """World seconds per real second."""
        return self.simulation.time_scale

    @property
    def instances(self) -> Mapping[str, Instance]:
        """DigitalOcean's instances that exist, by id, as of the last look."""
        return self.digitalocean.store.instances

    @property
    def created(self) -> Mapping[str, int]:
        """How many were ever created under each name: more than 1 is a double create."""
        return sum((Counter(provider.created) for provider in self.providers), Counter())

    @property
    def stats(self) -> Stats:
        """What came in so far."""
        counter = self._counter
        return Stats(
            sum(counter.by_operation.values()),
            dict(counter.by_operation),
            counter.refused,
            counter.minute.most,
            counter.hour.most,
        )

    # -- a request's fate ----------------------------------------------------------------------

    def _advance_to(self, now: float | None) -> float:
        moment = self.simulation.advance_to(now)
        for provider in self.providers:
            provider.advance(moment)
        return moment

    def _home_of(self, id: str) -> Provider:
        homes = (provider for provider in self.providers if provider.knows(id))
        return next(homes, self.digitalocean)

    def _visit(self, now: float, request: Request) -> "_Visit":
        provider = next(provider for provider in self.providers if provider.owns(request))
        return _Visit(
            now, request, provider, provider.operation(request), self.simulation.new_uuid()
        )

    def _judged(self, visit: "_Visit") -> Response:
        now, provider = visit.now, visit.provider
        try:
            account = provider.authorize(now, visit.request, visit.operation)
        except Refusal as refusal:
            return visit.headed(visit.refused(refusal), None)
        if provider.limits is None:
            return visit.headed(self._faulted(visit), None)
        rate_limit_status = self._windows.setdefault(account, Windows(provider.limits)).admit(now)
        if rate_limit_status.refused_by is None:
            return visit.headed(self._faulted(visit), rate_limit_status)
        refused = visit.headed(
            visit.refused(Refusal(429, "API rate limit exceeded.")), rate_limit_status
        )
        if rate_limit_status.refused_by == "minute":
            seconds = fault_responses.whole_seconds(rate_limit_status.retry_in / self.time_scale)
            refused.headers["retry-after"] = seconds
        return refused

    def _faulted(self, visit: "_Visit") -> Response:
        about = visit.provider.target(visit.request, visit.operation)
        fault = self.faults.take(
            ANSWER_KINDS, visit.now, visit.operation or "", id=about.id, region=about.region
        )
        if fault is None:
            return visit.worked()
        if fault.kind == "rate_limit":
            refused = visit.refused(Refusal(429, "API rate limit exceeded."))
            windowed = visit.provider.limits is not None
            return fault_responses.storm(
                fault, visit.now, self.time_scale, refused, windowed=windowed
            )
        honest = visit.worked() if fault_responses.works_first(fault) else Response(200)
        return fault_responses.faulty_response(fault, honest, visit.refused)


@frozen
class _Visit:
    """A request on its way through the world."""

    now: float
    request: Request
    provider: Provider
    operation: str | None
    id: str

    def worked(self) -> Response:
        """The honest answer."""
        try:
            return self.provider.answer(self.now, self.request, self.operation)
        except Refusal as refusal:
            return self.refused(refusal)

    def refused(self, refusal: Refusal) -> Response:
        """A no, in the vendor's shape."""
        return self.provider.error(refusal, self.id)

    def headed(self, response: Response, rate_limit_status: RateLimitStatus | None) -> Response:
        """With the headers that every answer of the vendor has; the answer's own win."""
        headers = self.provider.headers(self.now, rate_limit_status, self.id)
        return evolve(response, headers={**headers, **response.headers})
