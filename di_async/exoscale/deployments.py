"""`client.deployments`: models on GPUs, in one zone.

https://openapi-v2.exoscale.com/group/endpoint-ai
"""

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from di_async.core.differences import Difference
from di_async.core.errors import ConflictError, InvalidInputError
from di_async.core.http import Request
from di_async.core.lost_create import Candidate
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement, ranked
from di_async.core.seconds import checked_seconds
from di_async.core.secret import Secret
from di_async.core.validation import check_value, whole_number
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.listing import Listing
from di_async.engine.reading import read_listed
from di_async.engine.waiting.change import Change
from di_async.engine.writes.ensure import Ensured, EnsureTarget, ensure
from di_async.engine.writes.lost_writes import (
    READ_FIRST,
    recover_write,
    retry_while_busy,
    unknown_write,
)
from di_async.engine.writes.retried_create import find_earlier_attempt, first_attempt
from di_async.exoscale.adapter import CAPABILITIES, ZoneAdapter, reveal_api_key
from di_async.exoscale.deployable import ExoscaleDeployable
from di_async.exoscale.lifecycle import (
    is_pending,
    spec_differences,
    update_expectation,
    was_accepted,
)
from di_async.exoscale.models import Deployment, LogEntry, Operation
from di_async.exoscale.placement import find_places
from di_async.exoscale.spec import (
    DeploymentSpec,
    SpecLike,
    checked,
    complete_spec,
    shown_spec,
    update_body,
)
from di_async.exoscale.zone_requests import ZoneRequests
from di_async.exoscale.zone_resources import ZoneResources

__all__ = ["Deployments"]

_ENGINE_FIELDS = ("inference-engine-version", "inference-engine-parameters")
MakeRequest = Callable[[Deployment], tuple[Request, Mapping[str, Any]]]
"""Returns the request for the live deployment, and the fields that must show it."""


class Deployments(ZoneResources[Deployment], DeployableApi[Deployment]):
    """Deployments of one zone. Other zones are not searched.

    Every write returns an operation (`change.initial`). The change settles when the operation has
    succeeded and a later read shows the deployment `ready` with the requested values.
    """

    def __init__(self, requests: ZoneRequests) -> None:
        super().__init__(requests, ZoneAdapter(requests, Deployment, CAPABILITIES))

    def list(self, *, visibility: str | None = None) -> Listing[Deployment]:
        """Return an async iterator over the zone's deployments. Rows lack the engine's fields.

        Args:
            visibility: `private` for the organisation's own, `public` for those that Exoscale
                runs for everyone; None for the API's default.
        """

        def predicate(row: Deployment) -> bool:
            return visibility in (None, row.visibility or visibility)

        params = {"visibility": visibility}
        return self._requests.listing("list_deployments", Deployment, params, predicate)

    async def create(
        self,
        spec: SpecLike,
        *,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[Deployment]:
        """Create a deployment; return a change that settles when a read shows it ready.

        Args:
            spec: a `DeploymentSpec` or a mapping of the documented shape. Its model must be
                `ready` in this zone (see `client.models`).
            max_hourly: the most that it may cost an hour: an amount, or one for each currency.
                Exoscale's API shows no prices, so this needs `allow_unknown_price`.
            allow_unknown_price: create it even though its price is not known.
            name_timeout: has no effect here: names are not unique, so none is ever taken.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. Names are not unique, so nothing is adopted. If one
                of this name was created since then, `OutcomeUnknownError` is raised; otherwise
                the create is sent two minutes after that time.

        Raises:
            InvalidInputError: The spec is invalid; no request was sent.
            PriceLimitError: `max_hourly` was passed without `allow_unknown_price`; nothing was
                created.
            APIError: With status 412, there are not enough free GPUs.
            OutcomeUnknownError: The response was lost, or did not show the id. Names are not
                unique, so nothing is adopted in doubt. `.candidates` have that name and age; they
                may be the new deployment, and bill.

        A call that is cut off in flight (cancelled, its client closed) may leave a deployment that
        bills; the error and the log name it.
        """
        complete = complete_spec(spec)
        check_value(whole_number(1), complete.replicas, "replicas")  # only a scale takes 0
        checked_seconds(name_timeout, "name_timeout")
        first = first_attempt(self._engine, first_attempt_at)
        check_price = self._price_check(complete, max_hourly, allow_unknown_price)
        await check_price()
        request = self._requests.request("create_deployment", json=complete.to_dict())
        place = self._requests.zone, complete.gpu_type
        await find_earlier_attempt(
            self._engine,
            request,
            complete.name,
            first,
            unique_names=False,
            find=partial(self.find_all, complete.name),
            candidate=lambda row: Candidate(row.id, row.created_at, matches_sent=True),
        )
        return await self._create(request, complete.name, place)

    async def ensure(
        self,
        spec: SpecLike,
        *,
        dry_run: bool = False,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
    ) -> Ensured[Deployment]:
        """Create the deployment of the spec's name, update what differs, or do nothing.

        Names are not unique. Two concurrent processes may create two deployments, and so may one
        that begins within two minutes of another's create, as lists lag. `.duplicates` and the log
        then have the ids of the others, which bill until they are deleted. The engine is updated
        before the deployment is scaled; a change in progress is waited for. `.change` of the result
        settles when the deployment is ready. Cancelling has the effects that `create` describes.

        Args:
            spec: see `create`; what it leaves out is not compared, nor is the product name.
            dry_run: send no write; `.action` and `.diff` show what would be done.
            max_hourly: see `create`; it is checked before an update, too.
            allow_unknown_price: see `create`.
            name_timeout: see `create`.

        Raises:
            InvalidInputError: a field differs that cannot change after creation (`.problems`), or
                the spec is invalid; nothing was sent.
            PriceLimitError, APIError, OutcomeUnknownError: see `create`.
            WaitError: a change that had to end first failed, or did not end in time.
        """
        complete = complete_spec(spec)
        body = complete.to_dict()

        async def find() -> builtins.list[Deployment]:
            return await self._find_full(complete.name)

        async def update(live: Deployment, found: Sequence[Difference]) -> Change[Deployment]:
            changed = {one.path for one in found}
            engine = {name: body[name] for name in _ENGINE_FIELDS if name in changed}
            if engine:
                change = await self.update(
                    live.id, **{name.replace("-", "_"): value for name, value in engine.items()}
                )
                if "replicas" not in changed:
                    return change
                await change.wait()
            return await self.scale(live.id, body["replicas"])

        target = EnsureTarget(
            name=complete.name,
            find=find,
            compare=lambda live: spec_differences(live, body),
            create=lambda _: self.create(complete),
            update=update,
            check_price=self._price_check(complete, max_hourly, allow_unknown_price),
            get=self.get,
            id_of=lambda live: live.id,
            account=self._requests.account,
        )
        return await ensure(
            self._engine, self, self._adapter, target, dry_run=dry_run, name_timeout=name_timeout
        )

    async def _find_full(self, name: str) -> builtins.list[Deployment]:
        """Return all deployments of a name as GET shows them: rows lack the engine's fields."""
        found = []
        for row in await self.find_all(name):
            request = self._requests.request("list_deployments")
            live = await read_listed(self._engine, self._adapter, request, row, self.get)
            found += [] if live is None else [live]
        return found

    async def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return None: Exoscale's API shows no prices. No I/O.

        Raises:
            InvalidInputError: The spec is invalid.
        """
        complete_spec(spec)
        return None

    async def find_capacity(
        self, spec: SpecLike, *, include_full: bool = False
    ) -> builtins.list[Placement[DeploymentSpec]]:
        """Return the zones whose GPUs of the spec's family the organisation may use.

        Whether GPUs are free is not shown; a create fails with status 412 if there are not enough.
        The model has to be ready in the zone where the deployment is created. `.region` is the
        zone: `client.in_zone(place.region).deployments.create(place.spec)`. A zone that cannot be
        read is left out, with a warning; if none can be read, the error names the reason of each.

        Args:
            spec: the deployment; it is the same in every zone.
            include_full: also zones where it cannot run or that could not be read, each with its
                `.reason`.
        """
        places = await find_places(self._requests, complete_spec(spec))
        return ranked(places, include_full=include_full)

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
        """Update a deployment; return a change that settles when it is ready with these values.

        Args:
            id: the deployment.
            name: a new name.
            inference_engine_version: a new version.
            inference_engine_parameters: command-line arguments; None leaves them as they are, `[]`
                clears them.
            keep_version: send the running version if none is passed. Whether the API keeps or
                resets an omitted version is not documented.
            ready_timeout: seconds to keep trying while another operation runs (409); a few quick
                repeats are made in any case.

        Raises:
            InvalidInputError: Nothing to update, or a value is invalid; no request was sent.
            ConflictError: Another operation was still under way.
            OutcomeUnknownError: The response was lost, and no read shows that it was accepted.
        """
        body = update_body(name, inference_engine_version, inference_engine_parameters)
        if not body:
            raise InvalidInputError("nothing to update: pass a name, a version or parameters")

        def make(live: Deployment) -> tuple[Request, Mapping[str, Any]]:
            kept = live.inference_engine_version if keep_version else None
            sent = {**({"inference-engine-version": kept} if kept else {}), **body}
            return self._requests.request("update_deployment", id, json=sent), sent

        return await self._modify(id, make, ready_timeout)

    async def scale(
        self, id: str, replicas: int, *, ready_timeout: float = 0
    ) -> Change[Deployment]:
        """Scale a deployment; return a change that settles when it is ready with these replicas.

        0 frees the GPUs, and ends their cost.

        Raises:
            InvalidInputError: `replicas` is not a whole number of at least 0.
            ConflictError: Another operation was still under way (see `update`).
            APIError: With status 412, there are not enough free GPUs.
            OutcomeUnknownError: The response was lost, and no read shows that it was accepted.
        """
        body = checked({"replicas": replicas})
        request = self._requests.request("scale_deployment", id, json=body)
        return await self._modify(id, lambda _: (request, body), ready_timeout)

    async def reveal_api_key(self, id: str) -> Secret:
        """Return the API key of a deployment's inference endpoint. May be called repeatedly."""
        return await reveal_api_key(self._requests, id)

    async def logs(self, id: str, *, tail: int | None = None) -> builtins.list[LogEntry]:
        """Return the inference engine's log, or its last `tail` lines."""
        return await self._requests.rows("logs", LogEntry, id, tail=tail)

    def deployable(self) -> ExoscaleDeployable:
        """Return the zone's deployments as generic code sees them. No I/O."""
        requests = self._requests

        def in_zone(zone: str) -> ExoscaleDeployable:
            return Deployments(requests.in_zone(zone)).deployable()

        request = requests.request("list_deployments")
        return ExoscaleDeployable(requests.engine, request, self, requests.zone, requests, in_zone)

    # -- update and scale ---------------------------------------------------------------------

    async def _modify(self, id: str, make: MakeRequest, ready_timeout: float) -> Change[Deployment]:
        async def write() -> Change[Deployment]:
            before = await self.get(id)
            request, sent = make(before)
            operation, adopted = await self._sent(request, before, sent)
            expectation = update_expectation(before, sent, self._engine.clock.now())
            place = self._adapter.duration_key(before)
            return self._change(
                id,
                expectation,
                operation,
                adopted=adopted,
                place=place,
                name=before.name,
                write=request,
                previous_spec=shown_spec(before),
            )

        return await retry_while_busy(self._engine, write, ready_timeout)

    async def _sent(
        self, request: Request, before: Deployment, sent: Mapping[str, Any]
    ) -> tuple[Operation, bool]:
        """Return the operation of a write, and whether only a read shows that it was accepted.

        After a lost response it is sent again only while nothing has changed: it sets values, so
        sending it twice has the same effect.
        """
        call = CallRecord()

        async def send() -> tuple[Operation, bool]:
            try:
                return await self._send(request, call), False
            except ConflictError:
                if not call.maybe_processed or is_pending(before.state):
                    raise
                # Nothing was under way before the first request, so its operation is.
                return Operation(), True

        def accepted(live: Deployment) -> tuple[Operation, bool] | None:
            return (Operation(), True) if was_accepted(before, live, sent) else None

        return await recover_write(
            self._engine,
            f"update of {before.id}",
            call,
            send=send,
            read=lambda: self.get(before.id),
            accepted=accepted,
            unknown=lambda lost, live: unknown_write(request, before.id, lost, live or before),
            attempts=self._engine.retry.attempts,
            lookup_hint=READ_FIRST,
            may_resend=lambda live: live == before,
            one_read=True,
        )
