"""`client.deployments`: models on GPUs, in one zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.http import Request
from di_async.core.secret import Secret
from di_async.core.waiting.observation import Expectation, Observation
from di_async.core.waiting.resource_adapter import Capabilities
from di_async.engine.listing import Listing
from di_async.engine.waiting.change import Change
from di_async.exoscale.lifecycle import duration_key, is_public, observe, observe_operation
from di_async.exoscale.models import CODEC, Deployment, LogEntry, Operation, RevealedKey
from di_async.exoscale.spec import SpecLike, checked, complete_spec, update_body
from di_async.exoscale.writes import DeploymentWrites
from di_async.exoscale.zone_requests import OPERATION, ZoneAdapter, ZoneRequests, ZoneResources

__all__ = ["CAPABILITIES", "Deployments", "is_public"]

CAPABILITIES = Capabilities(
    unique_names=False,
    spec_versions=False,
    updated_at=True,
    shows_sent=True,
    busy_status=409,
    operations=(OPERATION,),
)


class DeploymentAdapter(ZoneAdapter[Deployment]):
    """How waiting reads deployments."""

    noun = kind = "deployment"
    resource_type = Deployment
    endpoints = ("get_deployment", "list_deployments")
    capabilities = CAPABILITIES

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        """Return what a read of a deployment or an operation shows."""
        if isinstance(resource, Operation):
            return observe_operation(resource, expectation)
        return observe(resource, expectation)

    def duration_key(self, resource: Deployment) -> tuple[str, str]:
        """Return zone and GPU family."""
        return duration_key(self._zone.zone, resource)


class Deployments(ZoneResources[Deployment]):
    """Deployments of one zone. Nothing here sees another zone.

    Every write is answered with an operation (`change.initial`): the change settles when that has
    succeeded and then a read shows the deployment `ready`, with what was asked for.
    """

    def __init__(self, site: ZoneRequests) -> None:
        adapter = DeploymentAdapter(site)
        super().__init__(site, adapter, "get_deployment")
        self._writes = DeploymentWrites(site, adapter, self.find_all)

    def list(self, *, visibility: str | None = None) -> Listing[Deployment]:
        """An async iterator over the zone's deployments. Rows lack the engine's fields.

        Args:
            visibility: `private` for the organisation's own, `public` for those that Exoscale
                runs for all; not given, what the API gives.
        """

        def predicate(row: Deployment) -> bool:
            return visibility in (None, row.visibility or visibility)

        return self._site.listing(
            "list_deployments", Deployment, {"visibility": visibility}, predicate
        )

    async def get(self, id: str) -> Deployment:
        """One deployment. Raises `NotFoundError` where this zone has none of that id."""
        return await self._site.read("get_deployment", id, Deployment)

    async def find_all(self, name: str) -> builtins.list[Deployment]:
        """All deployments of that name, as list rows: names are not unique."""
        return [row async for row in self.list() if row.name == name and not is_public(row)]

    async def create(self, spec: SpecLike) -> Change[Deployment]:
        """A change that settles when the new deployment is proven ready. It bills from its GPUs on.

        Args:
            spec: a `DeploymentSpec` or a mapping of the documented shape. Its model must be
                `ready` in this zone (see `client.models`).

        Raises:
            InvalidInputError: the spec breaks a rule; nothing was sent.
            APIError: with status 412, there are not enough free GPUs.
            OutcomeUnknownError: the answer was lost, or did not tell the id. Names are not unique,
                so nothing is adopted that may be another's: `.candidates` are of that name and age,
                and may be it, and bill.

        Cancelling while the request is in flight may leave a deployment that bills; the
        `CancelledError` carries a note with its name.
        """
        given = complete_spec(spec)
        request = self._site.request("create_deployment", json=given.to_dict())
        return await self._writes.create(request, given.name)

    async def update(
        self,
        id: str,
        *,
        name: str | None = None,
        inference_engine_version: str | None = None,
        inference_engine_parameters: Sequence[str] | None = None,
        keep_version: bool = True,
        ready_timeout: float = 0,
    ) -> Change[Deployment]:
        """A change that settles when the deployment is ready and shows these values.

        Args:
            id: the deployment.
            name: a new one.
            inference_engine_version: a new one.
            inference_engine_parameters: command-line arguments; None leaves them as they are, `[]`
                clears them.
            keep_version: send the version that runs now along, if none is given: whether leaving
                it out keeps it or resets it to a default is not documented.
            ready_timeout: seconds to go on asking while the API answers 409 (another operation is
                under way); a few quick repeats are made in any case.

        Raises:
            InvalidInputError: nothing to update, or a rule is broken; nothing was sent.
            ConflictError: another operation was still under way.
            OutcomeUnknownError: the answer was lost and nothing shows that it was accepted.
        """
        body = update_body(name, inference_engine_version, inference_engine_parameters)
        if not body:
            raise InvalidInputError("nothing to update: give a name, a version or parameters")

        def request_of(live: Deployment) -> tuple[Request, Mapping[str, Any]]:
            kept = live.inference_engine_version if keep_version else None
            whole = {**({"inference-engine-version": kept} if kept else {}), **body}
            return self._site.request("update_deployment", id, json=whole), whole

        return await self._writes.modify(id, request_of, ready_timeout)

    async def scale(
        self, id: str, replicas: int, *, ready_timeout: float = 0
    ) -> Change[Deployment]:
        """A change that settles when the deployment is ready with so many replicas.

        0 is allowed: it frees the GPUs, and ends their cost.

        Raises:
            InvalidInputError: `replicas` is no whole number from 0 on.
            ConflictError: another operation was still under way (see `update`).
            APIError: with status 412, there are not enough free GPUs.
            OutcomeUnknownError: the answer was lost and nothing shows that it was accepted.
        """
        body = checked({"replicas": replicas})
        request = self._site.request("scale_deployment", id, json=body)
        return await self._writes.modify(id, lambda _: (request, body), ready_timeout)

    async def delete(self, id: str, *, ready_timeout: float = 0) -> Change[None]:
        """A change that settles when GET answers 404. It bills until then.

        What is not there gives a settled change with `.already_gone`: in the wrong zone that would
        be so too, and the deployment would go on billing.
        """
        request = self._site.request("delete_deployment", id)
        return await self._writes.delete(request, id, ready_timeout)

    async def reveal_api_key(self, id: str) -> Secret:
        """The key of a deployment's inference endpoint. It may be revealed any number of times."""
        body = await self._site.json("reveal_api_key", id)
        key = CODEC.structure(body, RevealedKey).api_key
        if key is None:
            raise DecodeError("the answer has no 'api-key' @ $")
        return key

    async def logs(self, id: str, *, tail: int | None = None) -> builtins.list[LogEntry]:
        """What the inference engine logged, or the last `tail` lines of it."""
        return await self._site.rows("logs", LogEntry, id, tail=tail)
