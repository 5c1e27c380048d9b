"""Deployments as generic code sees them: temporary deployments and tries in many zones."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from di_async.core.capacity import FailureKind, explain
from di_async.core.errors import DIError
from di_async.core.pricing import Placement
from di_async.core.serving import ConnectOptions
from di_async.engine.deployments.deployable import Deployable, Named, OnUnreadable, collect_rows
from di_async.exoscale.adapter import check_connect
from di_async.exoscale.lifecycle import is_public
from di_async.exoscale.models import Deployment
from di_async.exoscale.placement import places_with_model, unpriced_reason
from di_async.exoscale.spec import DeploymentSpec, complete_spec
from di_async.exoscale.zone_requests import ZoneRequests

if TYPE_CHECKING:
    from di_async.exoscale.deployments import Deployments

__all__ = ["ExoscaleDeployable"]

_CAPACITY = (412,)


@frozen(eq=False, repr=False)
class ExoscaleDeployable(Deployable[Deployment]):
    """The deployments of a zone."""

    api: "Deployments"
    zone: str
    requests: ZoneRequests
    in_zone: "Callable[[str], ExoscaleDeployable]"
    noun = "deployment"

    def complete(self, spec: Any) -> DeploymentSpec:
        """Return the spec in full."""
        found = complete_spec(spec)
        found.to_dict()  # checks it
        return found

    def placed(self, fields: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Return the spec itself: the zone is not part of it."""
        return dict(fields)

    def name_of(self, spec: DeploymentSpec) -> str:
        """Return its name."""
        return spec.name

    def renamed(self, spec: DeploymentSpec, name: str) -> DeploymentSpec:
        """Return it with another name."""
        return evolve(spec, name=name)

    def check_connect(self, spec: DeploymentSpec, options: ConnectOptions) -> None:
        """Check what `connect` will be called with."""
        check_connect(options)

    def place_of(self, spec: DeploymentSpec) -> tuple[str, str]:
        """Return the zone and the GPU family."""
        return self.zone, spec.gpu_type

    def moved(self, spec: DeploymentSpec, region: str, accelerator: str) -> DeploymentSpec:
        """Return it on another GPU family; the zone is not part of it."""
        return evolve(spec, gpu_type=accelerator)

    async def places(self, spec: Any) -> Sequence[Placement[Any]]:
        """Return the zones whose GPUs may be used and where the model is ready, and its own.

        Zones that could not be read have a reason.
        """
        return await places_with_model(self.requests, complete_spec(spec))

    def in_region(self, region: str) -> "ExoscaleDeployable":
        """Return the deployments of a zone."""
        return self if region == self.zone else self.in_zone(region)

    async def find_named(self, name: str) -> Sequence[Named]:
        """Return all deployments of that name in the zone."""
        return [self._named(row) for row in await self.api.find_all(name)]

    async def list_named(self, on_unreadable: OnUnreadable | None = None) -> Sequence[Named]:
        """Return the organisation's deployments in the zone."""
        rows = await collect_rows(self.api.list(), on_unreadable)
        return [self._named(row) for row in rows if not is_public(row)]

    async def read(self, id: str) -> Named:
        """Return one deployment."""
        return self._named(await self.api.get(id))

    async def offer_problem(self, spec: Any) -> str | None:
        """Return whether the zone lacks the GPU family."""
        return await unpriced_reason(self.requests, complete_spec(spec))

    def explain(self, error: DIError) -> FailureKind:
        """Return what a failure means."""
        return explain(error, capacity=_CAPACITY)

    def _named(self, found: Deployment) -> Named:
        return Named(found.id, found.name or "", self.zone, found)
