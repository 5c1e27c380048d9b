"""v3 deployments as generic code sees them: temporary deployments and tries in many places."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from di_async.core.capacity import FailureKind, explain
from di_async.core.errors import DeploymentFailedError, DIError, InvalidInputError
from di_async.core.pricing import HourlyPrice, Placement
from di_async.core.serving import ConnectOptions
from di_async.core.text_input import is_id_number
from di_async.engine.deployments.deployable import Deployable, Named, OnUnreadable, collect_rows
from di_async.gcore.adapter import check_connect
from di_async.gcore.api import find_named
from di_async.gcore.models import InferenceDeployment
from di_async.gcore.placement import read_price, unpriced_reason

if TYPE_CHECKING:
    from di_async.gcore.inference_deployments import InferenceDeployments

__all__ = ["GcoreDeployable"]

Json = dict[str, Any]
_CAPACITY = ("ForbiddenError", "QuotaLimitExceed")
_TASK_FAILED = "ERROR"


@frozen(eq=False, repr=False)
class GcoreDeployable(Deployable[InferenceDeployment]):
    """The deployments of a project."""

    api: "InferenceDeployments"
    complete_fields: Callable[[Any], Json]
    noun = "inference deployment"
    longest_name = 30
    id_is_name = True

    def complete(self, spec: Any) -> Json:
        """Return the checked fields."""
        return self.complete_fields(spec)

    def placed(self, fields: Mapping[str, Any], region: str) -> dict[str, Any]:
        """Return the spec with the region in its one container; without containers, of scale 1."""
        if not is_id_number(region):
            raise InvalidInputError(f"region: expected a region number, not {region!r}")
        containers = fields.get("containers", [{"scale": {"min": 1, "max": 1}}])
        only = containers[0] if isinstance(containers, list) and len(containers) == 1 else None
        if not isinstance(only, Mapping):
            raise InvalidInputError("region: the spec's containers must be a list of one")
        if str(only.get("region_id", region)) != region:
            raise InvalidInputError(
                f"region: {region} is not the spec's own, {only['region_id']!r}"
            )
        return {**fields, "containers": [{**only, "region_id": int(region)}]}

    def name_of(self, spec: Json) -> str:
        """Return its name."""
        return str(spec["name"])

    def renamed(self, spec: Json, name: str) -> Json:
        """Return it with another name."""
        return {**spec, "name": name}

    def check_connect(self, spec: Json, options: ConnectOptions) -> None:
        """Check what `connect` will be called with; the API shows no keys."""
        check_connect(options)
        if spec.get("api_keys") and options.access_token is None:
            raise InvalidInputError(
                "access_token: needed to connect, as the spec names `api_keys`; pass the secret of "
                "one of them"
            )

    def place_of(self, spec: Json) -> tuple[str, str]:
        """Return its regions and its flavor."""
        regions = ", ".join(str(container["region_id"]) for container in spec["containers"])
        return regions, str(spec["flavor_name"])

    def moved(self, spec: Json, region: str, accelerator: str) -> Json:
        """Return it with one container in that region, or with another flavor."""
        moved = {**spec, "flavor_name": accelerator}
        if region != self.place_of(spec)[0]:
            if not is_id_number(region):
                raise InvalidInputError(f"regions: expected a region number, not {region!r}")
            moved["containers"] = [{**spec["containers"][0], "region_id": int(region)}]
        return moved

    async def places(self, spec: Any) -> Sequence[Placement[Any]]:
        """Return the regions that have room, and the spec's own if it has several with room."""
        found = await self.api.find_capacity(spec)
        free = {place.region for place in found}
        own = {str(container["region_id"]) for container in spec["containers"]}
        if len(spec["containers"]) == 1 or not own <= free:
            return found
        return [Placement(*self.place_of(spec), spec), *found]

    async def find_named(self, name: str) -> Sequence[Named]:
        """Return the deployment of that name, if there is one."""
        return await find_named(self.read, name)

    async def list_named(self, on_unreadable: OnUnreadable | None = None) -> Sequence[Named]:
        """Return all deployments of the project."""
        return [_named(row) for row in await collect_rows(self.api.list(), on_unreadable)]

    async def read(self, id: str) -> Named:
        """Return one deployment."""
        return _named(await self.api.get(id))

    async def offer_problem(self, spec: Any) -> str | None:
        """Return what the regions lack."""
        return await unpriced_reason(self.engine, spec)

    async def price_of(self, resource: InferenceDeployment) -> HourlyPrice | None:
        """Return the price of a deployment at its maximum scale."""
        containers = [
            {"region_id": one.region_id, "scale": {"max": one.scale.max}}
            for one in resource.containers
            if one.scale is not None
        ]
        if not containers:
            return None
        fields = {"flavor_name": resource.flavor_name, "containers": containers}
        return await read_price(self.engine, fields)

    def explain(self, error: DIError) -> FailureKind:
        """Return what a failure means; a task that fails found no room."""
        if isinstance(error, DeploymentFailedError) and _in_task(error):
            return FailureKind.CAPACITY
        return explain(error, capacity=_CAPACITY)


def _in_task(error: DeploymentFailedError) -> bool:
    """Return whether the task failed; a container that fails shows the deployment's status."""
    last = error.history[-1] if error.history else None
    return getattr(last, "status", None) == _TASK_FAILED and error.resource is None


def _named(found: InferenceDeployment) -> Named:
    regions = ", ".join(str(one.region_id) for one in found.containers)
    return Named(found.name, found.name, regions or None, found)
