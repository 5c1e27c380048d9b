"""Dedicated inference as generic code sees it: temporary deployments and tries in many places."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from di_async.core.capacity import FailureKind, explain
from di_async.core.errors import DeploymentFailedError, DIError, InvalidInputError, NotFoundError
from di_async.core.pricing import HourlyPrice
from di_async.core.serving import ConnectOptions
from di_async.digitalocean.models import DedicatedInference
from di_async.digitalocean.placement import accelerators_of, price_of, unpriced_reason, with_gpu
from di_async.digitalocean.spec import (
    DedicatedInferenceSpec,
    check_name,
    complete_spec,
    latest_spec,
)
from di_async.engine.deployments.deployable import Deployable, Named, OnUnreadable, collect_rows

if TYPE_CHECKING:
    from di_async.digitalocean.dedicated_inferences import DedicatedInferences

__all__ = ["DedicatedInferenceDeployable"]

# A 422 that names one of these refuses the input.
_FIELDS = (
    *("name", "region", "vpc", "model", "accelerator", "scale", "spec", "endpoint", "provider"),
    *("token", "required", "invalid"),
)


@frozen(eq=False, repr=False)
class DedicatedInferenceDeployable(Deployable[DedicatedInference]):
    """The instances of a team."""

    api: "DedicatedInferences"
    noun = "dedicated inference"

    def complete(self, spec: Any) -> DedicatedInferenceSpec:
        """Return the spec in full."""
        return complete_spec(spec)

    def placed(self, fields: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Return the spec with its region."""
        own = fields.get("region", region)
        if own != region:
            raise InvalidInputError(f"region: {region} is not the spec's own, {own!r}")
        return {**fields, "region": region}

    def name_of(self, spec: DedicatedInferenceSpec) -> str:
        """Return its name."""
        return spec.name

    def renamed(self, spec: DedicatedInferenceSpec, name: str) -> DedicatedInferenceSpec:
        """Return it with another name."""
        return evolve(spec, name=name)

    def check_connect(self, spec: DedicatedInferenceSpec, options: ConnectOptions) -> None:
        """Check what `connect` will be called with; the answer to the create holds a key."""
        if options.mint_token is not None:
            check_name(options.mint_token)
        if not (options.private or spec.enable_public_endpoint):
            raise InvalidInputError(
                "the spec has enable_public_endpoint=False; connect with private=True"
            )

    def place_of(self, spec: DedicatedInferenceSpec) -> tuple[str, str]:
        """Return its region and GPU slugs."""
        return spec.region, accelerators_of(spec)

    def moved(
        self, spec: DedicatedInferenceSpec, region: str, accelerator: str
    ) -> DedicatedInferenceSpec:
        """Return it in another region, whose own network it uses, or on another GPU."""
        if region != spec.region:
            spec = evolve(spec, region=region, vpc=None)
        return spec if accelerator == accelerators_of(spec) else with_gpu(spec, accelerator)

    async def find_named(self, name: str) -> Sequence[Named]:
        """Return the instance of that name, if there is one."""
        found = await self.api.find(name)
        return () if found is None else (_named(found, name),)

    async def list_named(self, on_unreadable: OnUnreadable | None = None) -> Sequence[Named]:
        """Return all instances; one whose row has no name is read."""
        found = []
        for row in await collect_rows(self.api.list(), on_unreadable):
            try:
                found.append(_named(row) if row.name else await self.read(row.id))
            except NotFoundError:
                continue
        return found

    async def read(self, id: str) -> Named:
        """Return one instance."""
        return _named(await self.api.get(id))

    async def offer_problem(self, spec: Any) -> str | None:
        """Return what `sizes` lacks."""
        return unpriced_reason(complete_spec(spec), await self.api.sizes())

    async def price_of(self, resource: DedicatedInference) -> HourlyPrice | None:
        """Return the price of an instance's latest spec."""
        spec = latest_spec(resource)
        if spec is None:
            resource = await self.api.get(resource.id)
            spec = latest_spec(resource)
        if spec is None:
            return None
        region = spec.region or resource.region or ""
        return price_of(evolve(spec, region=region), await self.api.sizes())

    def explain(self, error: DIError) -> FailureKind:
        """Return what a failure means; the API gives no reason for a failed create."""
        if isinstance(error, DeploymentFailedError):
            return FailureKind.UNEXPLAINED
        return explain(error, input_words=_FIELDS)


def _named(found: DedicatedInference, name: str = "") -> Named:
    return Named(found.id, found.name or name, found.region, found)
