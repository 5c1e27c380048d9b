"""What the demo orders, and what is known of each instance; times are the emulator's."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from attrs import Factory, define, frozen

from di_async import Change, DIError, Secret, StatusChange
from di_async.cli.live import clock
from di_async.digitalocean import DedicatedInferenceSpec, Sizes

__all__ = ["DOOMED", "ORDERS", "Order", "Row", "cost"]

_CENT = Decimal("0.01")


@frozen
class Order:
    """One instance that is wanted."""

    name: str
    region: str
    model: str
    gpu: str
    gated: bool = False

    @property
    def spec(self) -> DedicatedInferenceSpec:
        """What to send."""
        return DedicatedInferenceSpec.of(
            self.name, region=self.region, model_slug=self.model, accelerator_slug=self.gpu
        )

    @property
    def secrets(self) -> dict[str, str | Secret] | None:
        """A gated model wants a Hugging Face token; the emulator takes any."""
        return {"hugging_face_token": Secret("hf_demo")} if self.gated else None


def _orders() -> tuple[Order, ...]:
    mi300x, h100 = "gpu-mi300x1-192gb", "gpu-h100x1-80gb"
    orders = []
    for region in ("atl1", "nyc2", "tor1"):
        orders += [
            Order(f"chat-{region}", region, "mistral/mistral-7b-instruct-v3", mi300x),
            Order(f"code-{region}", region, "Qwen/Qwen3-32B", h100),
            Order(f"agent-{region}", region, "openai/gpt-oss-120b", mi300x),
        ]
    gated = Order("llama-nyc2", "nyc2", "meta-llama/Llama-3.1-8B-Instruct", mi300x, gated=True)
    small = (Order(f"fast-{r}", r, "openai/gpt-oss-20b", h100) for r in ("atl1", "tor1"))
    return (*orders, gated, *small)


ORDERS = _orders()
DOOMED = "agent-tor1"
"""The one for which there is no capacity."""


@define(eq=False)
class Row:
    """One instance from its order to its end."""

    order: Order
    now: Callable[[], float]
    change: Change[Any] | None = None
    state: str = "ordered"
    note: str = ""
    began: float = 0.0
    ended: float | None = None
    requests_before: int = 0
    token: Secret | None = None
    made_at: float = 0.0
    active_after: float | None = None
    gone_at: float | None = None
    gpus_since: list[tuple[float, int]] = Factory(list)
    error: DIError | None = None

    @property
    def id(self) -> str:
        """Of what was created for it."""
        return self.change.id if self.change else ""

    @property
    def elapsed(self) -> float:
        """Emulated seconds that the present wait has lasted."""
        return (self.now() if self.ended is None else self.ended) - self.began

    @property
    def requests(self) -> int:
        """What waiting for this one has cost so far."""
        return self.requests_before + (self.change.requests if self.change else 0)

    def begin(self, change: Change[Any], began: float) -> None:
        """A write was accepted: follow it from here."""
        self.requests_before = self.requests
        self.change, self.began, self.ended, self.note = change, began, None, ""
        self.state = getattr(change.latest, "status", None) or self.state

    def learn(self, event: StatusChange) -> None:
        """Take over what an event tells."""
        self.state = event.status or self.state
        self.note = event.note or ""

    def end(self, state: str, note: str) -> None:
        """The wait is over."""
        self.ended, self.state, self.note = self.now(), state, note

    @property
    def story(self) -> str:
        """Its life in short."""
        if self.active_after is None:
            return "never was active: no capacity"
        scaled = f", scaled to {self.gpus_since[-1][1]}" if len(self.gpus_since) > 1 else ""
        return f"was active after {clock(self.active_after)}{scaled}"

    def gpu_seconds(self) -> float:
        """GPU seconds from each change of its size to the next, or to its end."""
        end = self.gone_at if self.gone_at is not None else self.now()
        ends = [since for since, _ in self.gpus_since[1:]] + [end]
        return sum(
            (until - since) * gpus
            for (since, gpus), until in zip(self.gpus_since, ends, strict=True)
        )


def cost(rows: list[Row], sizes: Sizes) -> Decimal:
    """Dollars for the emulated time that each instance existed, at the API's prices."""
    total = Decimal(0)
    for row in rows:
        price = next(
            size.price_per_hour
            for size in sizes.sizes
            if size.gpu_slug == row.order.gpu and row.order.region in size.regions
        )
        total += (price or Decimal(0)) * Decimal(str(row.gpu_seconds())) / 3600
    return total.quantize(_CENT)
