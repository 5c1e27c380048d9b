"""The instances of the demo. All times are the emulator's."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from attrs import Factory, define, frozen

from di_async import Change, DIError, Secret, StatusChange
from di_async.cli.output import format_duration
from di_async.digitalocean import DedicatedInferenceSpec, Sizes

__all__ = ["PLANS", "WITHOUT_CAPACITY", "Plan", "Row", "cost"]

_CENT = Decimal("0.01")


@frozen
class Plan:
    """One instance to create."""

    name: str
    region: str
    model: str
    gpu: str
    gated: bool = False

    @property
    def spec(self) -> DedicatedInferenceSpec:
        """The spec to send."""
        return DedicatedInferenceSpec.of(
            self.name, region=self.region, model_slug=self.model, accelerator_slug=self.gpu
        )

    @property
    def access_tokens(self) -> dict[str, str | Secret] | None:
        """A Hugging Face token for a gated model; the emulator accepts any."""
        return {"hugging_face_token": Secret("hf_demo")} if self.gated else None


def _plans() -> tuple[Plan, ...]:
    mi300x, h100 = "gpu-mi300x1-192gb", "gpu-h100x1-80gb"
    plans = []
    for region in ("atl1", "nyc2", "tor1"):
        plans += [
            Plan(f"chat-{region}", region, "mistral/mistral-7b-instruct-v3", mi300x),
            Plan(f"code-{region}", region, "Qwen/Qwen3-32B", h100),
            Plan(f"agent-{region}", region, "openai/gpt-oss-120b", mi300x),
        ]
    gated = Plan("llama-nyc2", "nyc2", "meta-llama/Llama-3.1-8B-Instruct", mi300x, gated=True)
    small = (Plan(f"fast-{r}", r, "openai/gpt-oss-20b", h100) for r in ("atl1", "tor1"))
    return (*plans, gated, *small)


PLANS = _plans()
WITHOUT_CAPACITY = "agent-tor1"
"""The instance whose create fails."""


@define(eq=False)
class Row:
    """One instance from its create to its delete, as the demo shows it."""

    plan: Plan
    now: Callable[[], float]
    change: Change[Any] | None = None
    state: str = "planned"
    note: str = ""
    started_at: float = 0.0
    ended_at: float | None = None
    token: Secret | None = None
    created_at: float = 0.0
    active_after: float | None = None
    deleted_at: float | None = None
    gpu_history: list[tuple[float, int]] = Factory(list)
    """Time and new number of GPUs of each change of size."""
    error: DIError | None = None

    @property
    def id(self) -> str:
        """The id; empty before the create."""
        return self.change.id if self.change else ""

    @property
    def elapsed(self) -> float:
        """Duration of the current wait in emulated seconds."""
        return (self.now() if self.ended_at is None else self.ended_at) - self.started_at

    def begin(self, change: Change[Any], started_at: float) -> None:
        """Follow a new change."""
        self.change, self.started_at, self.ended_at, self.note = change, started_at, None, ""
        self.state = getattr(change.latest, "status", None) or self.state

    def update(self, event: StatusChange) -> None:
        """Apply an event of the current change."""
        self.state = event.status or self.state
        self.note = event.note or ""

    def end(self, state: str, note: str) -> None:
        """End the current wait."""
        self.ended_at, self.state, self.note = self.now(), state, note

    @property
    def summary(self) -> str:
        """What happened to the instance, in a few words."""
        if self.active_after is None:
            return "never active: no capacity (an injected fault)"
        scaled = f", scaled to {self.gpu_history[-1][1]}" if len(self.gpu_history) > 1 else ""
        return f"active after {format_duration(self.active_after)}{scaled}"

    def gpu_seconds(self) -> float:
        """Return the GPU seconds from the create to the delete."""
        end = self.deleted_at if self.deleted_at is not None else self.now()
        ends = [since for since, _ in self.gpu_history[1:]] + [end]
        return sum(
            (until - since) * gpus
            for (since, gpus), until in zip(self.gpu_history, ends, strict=True)
        )


def cost(rows: list[Row], sizes: Sizes) -> Decimal:
    """Return the dollars for the emulated life of the instances, at the API's prices."""
    total = Decimal(0)
    for row in rows:
        price = next(
            size.price_per_hour
            for size in sizes.sizes
            if size.gpu_slug == row.plan.gpu and row.plan.region in size.regions
        )
        total += (price or Decimal(0)) * Decimal(str(row.gpu_seconds())) / 3600
    return total.quantize(_CENT)
