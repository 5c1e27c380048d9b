"""OpenTelemetry for di_async: a span for each wait, and metrics of requests, budget and delays.

async with DigitalOcean(telemetry=Telemetry()) as client:
    ...

Needs the extra `otel`. Nothing else in di_async imports OpenTelemetry. docs/telemetry.md lists all
spans, attributes and metrics.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field

from di_async.core.errors import InvalidInputError
from di_async.core.printable import printable
from di_async.core.rate_limit import RequestBudget
from di_async.core.version import __version__
from di_async.core.waiting.events import StatusChange
from di_async.engine.observer import BudgetView, WaitInfo, WaitResult

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, Status, StatusCode, TracerProvider
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "di_async.telemetry needs the opentelemetry-api package: pip install 'di-async[otel]'",
        name="opentelemetry",
    ) from None

__all__ = ["Telemetry"]

Attributes = dict[str, str | bool | int | float]

_LONGEST_TEXT = 500
# Seconds: how late a change is noticed, and how long changes take.
_DELAYS_S = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0)
_DURATIONS_S = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1200.0, 1800.0, 3600.0)
_NO_ERRORS = frozenset({"cancelled", "abandoned"})


class Telemetry:
    """Pass it to clients as `telemetry=`; one object serves any number of clients.

    Args:
        tracer_provider: where spans go. Default: the global provider.
        meter_provider: where metrics go. Default: the global provider.
        attributes: added to every span and metric, such as `{"account": "prod"}`, which tells two
            clients of one provider apart. They must not hold secrets.

    Raises:
        InvalidInputError: (a `ValueError`) attributes that are not text, numbers or booleans.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        attributes: Mapping[str, str | bool | int | float] | None = None,
    ) -> None:
        self._instruments = _Instruments(
            _checked(attributes or {}), tracer_provider, meter_provider
        )

    def open_client(self, provider: str, budget: BudgetView | None) -> "_ClientTelemetry":
        """Return the telemetry of a client that is entered now. Clients call this."""
        self._instruments.client_opened(provider, budget)
        return _ClientTelemetry(self._instruments, provider, budget)


class _Instruments:
    """The tracer and the meter's instruments of one `Telemetry`, and the budgets to observe."""

    def __init__(
        self,
        attributes: Attributes,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
    ) -> None:
        self._attributes = attributes
        self._tracer = trace.get_tracer("di_async", __version__, tracer_provider)
        meter = metrics.get_meter("di_async", __version__, meter_provider)
        self._requests = meter.create_counter(
            "di.client.requests", "{request}", "Requests sent to the provider's API."
        )
        self._rate_limited = meter.create_counter(
            "di.client.rate_limited", "{request}", "Requests that were answered with 429."
        )
        self._durations = meter.create_histogram(
            "di.wait.duration",
            "s",
            "Time that callers waited, by outcome.",
            explicit_bucket_boundaries_advisory=_DURATIONS_S,
        )
        self._delays = meter.create_histogram(
            "di.wait.settle_delay",
            "s",
            "Time from the provider's updated_at of the settled resource to the wait's return.",
            explicit_bucket_boundaries_advisory=_DELAYS_S,
        )
        self._bounds = meter.create_histogram(
            "di.wait.settle_delay_bound",
            "s",
            "Time from the last read that showed progress to the wait's return.",
            explicit_bucket_boundaries_advisory=_DELAYS_S,
        )
        self._budgets: dict[RequestBudget, _OpenBudget] = {}
        meter.create_observable_gauge(
            "di.client.budget.remaining",
            [self._observe_budgets],
            "{request}",
            "Requests that the budget has left in the current minute and hour.",
        )

    def client_opened(self, provider: str, budget: BudgetView | None) -> None:
        """Observe a client's budget from now on; clients may share it."""
        if budget is not None:
            known = self._budgets.setdefault(budget.budget, _OpenBudget(provider, budget))
            known.clients += 1

    def client_closed(self, budget: BudgetView | None) -> None:
        """Observe the budget no longer if no other client uses it."""
        if budget is None:
            return
        known = self._budgets[budget.budget]
        known.clients -= 1
        if not known.clients:
            del self._budgets[budget.budget]

    def _observe_budgets(self, options: CallbackOptions) -> Iterable[Observation]:
        """Return what is left of each budget; the SDK may call this in another thread."""
        found = []
        for known in tuple(self._budgets.values()):
            whose = {**self._attributes, "di.provider": known.provider}
            for window, left in zip(("minute", "hour"), known.view.left(), strict=True):
                found.append(Observation(left, {**whose, "di.budget.window": window}))
        return found

    def count(self, provider: str, kind: str, count: int, status: int | None) -> None:
        """Count requests, of which the last one was answered with this status."""
        whose: Attributes = {
            **self._attributes,
            "di.provider": provider,
            "di.request.kind": kind,
        }
        unanswered = count if status is None else count - 1
        if unanswered:
            self._requests.add(unanswered, whose)
        if status is not None:
            self._requests.add(1, {**whose, "http.response.status_code": status})
        if status == 429:
            self._rate_limited.add(1, whose)

    def span(self, wait: WaitInfo) -> Span:
        """Start the span of a wait; its parent is the current span."""
        attributes: Attributes = {
            **self._attributes,
            "di.provider": wait.provider,
            "di.resource.kind": wait.kind,
            "di.resource.id": _text(wait.id),
            "di.action": wait.action,
            **_known(wait.name, wait.region),
        }
        name = f"di_async.{wait.call} {wait.action}"
        return self._tracer.start_span(name, attributes=attributes)

    def record(self, wait: WaitInfo, result: WaitResult) -> None:
        """Record the metrics of a wait that ended."""
        whose: Attributes = {
            **self._attributes,
            "di.provider": wait.provider,
            "di.resource.kind": wait.kind,
            "di.action": wait.action,
        }
        if result.region is not None:
            whose["di.region"] = _text(result.region)
        self._durations.record(result.seconds, {**whose, "di.outcome": result.outcome})
        if result.settle_delay is not None:
            self._delays.record(result.settle_delay, whose)
        if result.settle_delay_bound is not None:
            self._bounds.record(result.settle_delay_bound, whose)


@define(eq=False)
class _OpenBudget:
    """A budget that entered clients use."""

    provider: str
    view: BudgetView
    clients: int = field(default=0, init=False)


@define(eq=False)
class _ClientTelemetry:
    """What one client reports."""

    _instruments: _Instruments
    _provider: str
    _budget: BudgetView | None

    def requests_sent(self, kind: str, count: int, status: int | None) -> None:
        """Count requests."""
        self._instruments.count(self._provider, kind, count, status)

    def wait_begun(self, wait: WaitInfo) -> "_WaitTelemetry":
        """Start a span, whose parent is the caller's current one."""
        try:
            return _WaitTelemetry(self._instruments, wait, self._instruments.span(wait))
        except Exception as error:  # of a span processor; metrics need no span
            return _WaitTelemetry(self._instruments, wait, trace.INVALID_SPAN, error)

    def closed(self) -> None:
        """Observe the budget no longer."""
        self._instruments.client_closed(self._budget)


@define(eq=False)
class _WaitTelemetry:
    """The span of one wait."""

    _instruments: _Instruments
    _wait: WaitInfo
    _span: Span
    _start_error: Exception | None = None

    def step(self, event: StatusChange) -> None:
        """Add a span event."""
        if not self._span.is_recording():
            return
        found = {
            "di.status": event.status,
            "di.previous_status": event.previous,
            "di.note": event.note,
            "di.source": event.source,
            "di.outcome": event.outcome,
        }
        shown = {key: _text(value) for key, value in found.items() if value is not None}
        self._span.add_event("di.status_change", {**shown, "di.requests": event.requests})

    def ended(self, result: WaitResult) -> None:
        """End the span, and record the metrics, also if a span processor raises."""
        try:
            self._end_span(result)
        finally:
            self._instruments.record(self._wait, result)
        if self._start_error is not None:
            raise self._start_error

    def _end_span(self, result: WaitResult) -> None:
        span, error = self._span, result.error
        span.set_attributes(
            {
                "di.outcome": result.outcome,
                "di.status": _text(result.status),
                "di.requests": result.requests,
                **_known(result.name, result.region),
            }
        )
        if error is not None and result.outcome not in _NO_ERRORS:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, _text(str(error))))
        span.end()


def _known(name: str | None, region: str | None) -> Attributes:
    found = {"di.resource.name": name, "di.region": region}
    return {key: _text(value) for key, value in found.items() if value is not None}


def _text(value: str) -> str:
    """Return text from a server on one line, and of bounded length."""
    return printable(value[:_LONGEST_TEXT])


def _checked(attributes: Mapping[str, Any]) -> Attributes:
    if not isinstance(attributes, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str | bool | int | float)
        for key, value in attributes.items()
    ):
        raise InvalidInputError("attributes: expected names with text, numbers or booleans")
    return dict(attributes)
