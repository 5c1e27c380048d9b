"""The world: one account at the vendors', from the outside a function of time and a request.

Rules of this file: the order of a request's fate (authority, rate windows, faults, work, faults)
and nothing that only one vendor does. State moves when somebody looks; nothing runs by itself.
"""

import math
from collections import deque
from collections.abc import Mapping

from attrs import evolve, frozen

from . import answers, control
from .digitalocean import OPERATIONS, DigitalOcean
from .digitalocean.records import Instance, Token, Truth
from .digitalocean.wire.catalog import CA_PEM
from .durations import Lifecycle
from .faults import ANSWER_KINDS, OUTCOME_KINDS, Fault, FaultBook
from .http import Refusal, Request, Response, error_response, parse_request
from .nature import Nature
from .settings import Case, Dialect, Settings
from .windows import Limits, Standing, Tally, Windows


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
    is, faults or not. Equal arguments and equal calls give equal answers.
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
        self.nature = Nature(seed, time_scale)
        self.token = "dop_v1_" + self.nature.new_hex(64)
        self.read_only_token = "dop_v1_" + self.nature.new_hex(64)
        self.requests: deque[tuple[float, str, str, int]] = deque(maxlen=200_000)
        self.faults = FaultBook(self.nature.mishaps, OPERATIONS)
        self._digitalocean = DigitalOcean(self.nature, self.faults, self.settings)
        self._windows: dict[str, Windows] = {}
        self._tally = Tally()

    # -- what clients see ----------------------------------------------------------------------

    def handle(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """The answer to a control-plane request that arrives at world time `now`."""
        now = self._see(now)
        request = parse_request(method, path, headers, body)
        if request.segments[:1] == ("_emulator",):
            return control.answer(self, now, request)
        operation = self._digitalocean.operation(request)
        response = self._judged(now, request, operation)
        self._tally.add(now, operation or f"{request.method} (unknown)", response.status)
        self.requests.append((now, request.method, path, response.status))
        return response

    def serve(
        self, now: float, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Response:
        """The answer of an instance's own endpoint; no rate windows, no faults."""
        now = self._see(now)
        return self._digitalocean.serve(now, parse_request(method, path, headers, body))

    # -- what tests may know and do ------------------------------------------------------------

    def fault(self, kind: str, *, now: float | None = None, **settings: object) -> Fault:
        """Arm a fault (see `Fault` for the settings); ValueError if it makes no sense.

        `stuck`, `error` and `regress` with an `id` and no `on` strike that instance at once.
        """
        moment = self._see(now)
        if kind in OUTCOME_KINDS and settings.get("id") and not settings.get("on"):
            fault = self.faults.make(kind, moment, **settings)
            self._digitalocean.strike(fault, moment)
            return fault
        return self.faults.arm(kind, moment, **settings)

    def truth(self, id: str, now: float | None = None) -> Truth:
        """What really is the matter with an instance, faults and stale views aside."""
        return self._digitalocean.truth(id, self._see(now))

    def add_instance(self, *, now: float | None = None, **settings: object) -> Instance:
        """Place an instance without a request; see `Placing` for the settings."""
        return self._digitalocean.place(self._see(now), **settings)

    def add_token(self, id: str, name: str = "placed", *, now: float | None = None) -> Token:
        """Give an instance an access token without a request."""
        stamp = self.nature.stamp(self._see(now))
        return self._digitalocean.estate.add_token(id, name, stamp)

    @property
    def now(self) -> float | None:
        """The latest moment anybody has mentioned."""
        return self.nature.now

    @property
    def time_scale(self) -> float:
        """World seconds per real second."""
        return self.nature.time_scale

    @property
    def instances(self) -> Mapping[str, Instance]:
        """The instances that exist, by id, as of the last look."""
        return self._digitalocean.estate.instances

    @property
    def created(self) -> Mapping[str, int]:
        """How many instances were ever created under each name: more than 1 is a double create."""
        return self._digitalocean.estate.created

    @property
    def stats(self) -> Stats:
        """What came in so far."""
        tally = self._tally
        return Stats(
            sum(tally.by_operation.values()),
            dict(tally.by_operation),
            tally.refused,
            tally.minute.most,
            tally.hour.most,
        )

    # -- a request's fate ----------------------------------------------------------------------

    def _see(self, now: float | None) -> float:
        moment = self.nature.see(now)
        self._digitalocean.estate.advance(moment)
        return moment

    def _judged(self, now: float, request: Request, operation: str | None) -> Response:
        request_id = self.nature.new_uuid()
        if request.bearer not in (self.token, self.read_only_token):
            refusal = error_response(401, "Unable to authenticate you.", request_id)
            return self._signed(refusal, Standing.untouched(self.limits, now), request_id)
        windows = self._windows.setdefault(request.bearer, Windows(self.limits))
        standing = windows.admit(now)
        if standing.refused_by:
            response = error_response(429, "API rate limit exceeded.", request_id)
        else:
            response = self._faulted(now, request, operation, request_id)
        return self._signed(response, standing, request_id)

    def _faulted(
        self, now: float, request: Request, operation: str | None, request_id: str
    ) -> Response:
        id = self._digitalocean.id_in(request, operation)
        fault = self.faults.take(ANSWER_KINDS, now, operation or "", id=id)
        if fault is None:
            return self._worked(now, request, operation, request_id)
        if fault.kind == "rate_limit":
            return answers.storm(fault, now, self.time_scale, request_id)
        works = answers.works_first(fault)
        honest = self._worked(now, request, operation, request_id) if works else Response(200)
        return answers.spoiled(fault, honest, request_id)

    def _worked(
        self, now: float, request: Request, operation: str | None, request_id: str
    ) -> Response:
        try:
            if request.bearer == self.read_only_token and request.method != "GET":
                raise Refusal(403, "You are not authorized to perform this operation")
            return self._digitalocean.answer(now, request, operation)
        except Refusal as refusal:
            return error_response(refusal.status, refusal.message, request_id)

    def _signed(self, response: Response, standing: Standing, request_id: str) -> Response:
        headers = {
            "ratelimit-limit": str(self.limits.per_hour),
            "ratelimit-remaining": str(standing.remaining),
            "ratelimit-reset": str(math.ceil(self.nature.told(standing.reset_at))),
            "x-request-id": request_id,
            **response.headers,
        }
        if standing.refused_by == "minute":
            headers["retry-after"] = answers.whole_seconds(standing.retry_in / self.time_scale)
        return evolve(response, headers=headers)
