"""What an instance costs, and where it could run: GPU sizes by region, and models by GPU. Pure.

`sizes` shows what is on offer, not what is free: a create may still fail for lack of GPUs.
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/ (sizes, gpu-model-config)
"""

from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from di_async.core.pricing import HourlyPrice, Placement, offer_problem, total
from di_async.digitalocean.models import (
    AcceleratorConfig,
    DeploymentSpec,
    GPUModelConfig,
    Size,
    Sizes,
)
from di_async.digitalocean.spec import DedicatedInferenceSpec

__all__ = ["accelerators_of", "find_places", "price_of", "prices_of", "unpriced_reason", "with_gpu"]


def price_of(spec: DedicatedInferenceSpec | DeploymentSpec, sizes: Sizes) -> HourlyPrice | None:
    """Return the price of all of a spec's GPUs an hour; None if one of them has no price."""
    accelerators = (a for d in spec.model_deployments for a in d.accelerators)
    prices = prices_of(sizes)
    return total(
        (prices.get((a.accelerator_slug, spec.region or "")), a.scale) for a in accelerators
    )


def unpriced_reason(spec: DedicatedInferenceSpec, sizes: Sizes) -> str | None:
    """Return why one of a spec's GPUs has no price; None if all are on offer in its region."""
    offers: dict[str, list[str]] = {region: [] for region in sizes.enabled_regions}
    for size in sizes.sizes:
        for region in _regions(size, sizes):
            offers.setdefault(region, []).append(size.gpu_slug)
    found = (offer_problem(offers, spec.region, slug) for slug in _own_slugs(spec))
    return next(filter(None, found), None)


def prices_of(sizes: Sizes) -> dict[tuple[str, str], HourlyPrice]:
    """Return the price of one GPU of each size in each region where it is on offer and priced."""
    found: dict[tuple[str, str], HourlyPrice] = {}
    for size in sizes.sizes:
        if size.price_per_hour is not None:
            price = HourlyPrice(size.price_per_hour, size.currency or "USD")
            for region in _regions(size, sizes):
                found.setdefault((size.gpu_slug, region), price)
    return found


def _regions(size: Size, sizes: Sizes) -> Sequence[str]:
    """Return where a size is on offer; a size without regions is offered in all."""
    if size.regions:
        return size.regions
    return (size.region,) if size.region else sizes.enabled_regions


def find_places(
    spec: DedicatedInferenceSpec, sizes: Sizes, configs: Sequence[GPUModelConfig]
) -> Iterator[Placement[DedicatedInferenceSpec]]:
    """Yield every region and GPU for a spec, with the reason where it cannot run.

    GPUs are exchanged only in a spec that uses one kind; its count stays as it is.
    """
    own = _own_slugs(spec)
    slugs = dict.fromkeys([*own, *(size.gpu_slug for size in sizes.sizes)])
    for slug in slugs if len(own) == 1 else [None]:
        moved_to = spec if slug is None else with_gpu(spec, slug)
        for region in dict.fromkeys([*sizes.enabled_regions, spec.region]):
            moved = evolve(moved_to, region=region)
            reason = _reason(moved, sizes, configs)
            price = price_of(moved, sizes)
            yield Placement(region, accelerators_of(moved), moved, price, reason=reason)


def accelerators_of(spec: DedicatedInferenceSpec) -> str:
    """Return the GPU slugs of a spec."""
    return ", ".join(_own_slugs(spec))


def _own_slugs(spec: DedicatedInferenceSpec) -> list[str]:
    accelerators = (a for d in spec.model_deployments for a in d.accelerators)
    return list(dict.fromkeys(a.accelerator_slug for a in accelerators))


def with_gpu(spec: DedicatedInferenceSpec, slug: str) -> DedicatedInferenceSpec:
    """Return a spec on another GPU."""

    def changed(accelerators: Iterable[AcceleratorConfig]) -> tuple[AcceleratorConfig, ...]:
        return tuple(evolve(a, accelerator_slug=slug) for a in accelerators)

    deployments = tuple(
        evolve(d, accelerators=changed(d.accelerators)) for d in spec.model_deployments
    )
    return evolve(spec, model_deployments=deployments)


def _reason(
    spec: DedicatedInferenceSpec, sizes: Sizes, configs: Sequence[GPUModelConfig]
) -> str | None:
    """Return why a spec cannot run where it says; None if it can."""
    if spec.region not in sizes.enabled_regions:
        return f"region {spec.region} is not enabled"
    for slug in _own_slugs(spec):
        offered = [size for size in sizes.sizes if size.gpu_slug == slug]
        if not any(spec.region in _regions(size, sizes) for size in offered):
            return f"{slug} is not on offer in {spec.region}"
    by_model = {config.model_slug: config.gpu_slugs for config in configs}
    for deployment in spec.model_deployments:
        allowed = by_model.get(deployment.model_slug)
        for accelerator in deployment.accelerators if allowed else ():
            if accelerator.accelerator_slug not in (allowed or ()):
                return f"{deployment.model_slug} does not run on {accelerator.accelerator_slug}"
    return None
