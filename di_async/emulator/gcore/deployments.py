"""Gcore's operations on instances (v2) and deployments (v3).

v2 is keyed by UUID, and its writes answer with the object. v3 is keyed by name, and its writes
answer with tasks. No page says which HTTP status goes with
which `exception_class`; each choice is explained where it is made.
"""

from attrs import evolve, frozen

from di_async.emulator.cloud.http import ApiError, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call

from . import validation
from .catalog import FLAVORS_BY_ID, FLAVORS_BY_NAME, Flavor, capacity, demand
from .outcomes import Context
from .shapes import list_response, page_response
from .store import Deployment, Generation, Spec
from .validation import not_found, parse_page


@frozen
class DeploymentOperations(Context):
    """The handlers of instances and deployments."""

    # -- reads of both generations ----------------------------------------------------------------

    def list_generation(self, generation: Generation, call: Call) -> Response:
        """Return one page of a generation's deployments."""
        rows = [one for one in self.store.read_all(call.now) if one.generation == generation]
        limit, offset = parse_page(call.request)
        on_page = rows[offset : offset + limit]
        return list_response([self._rendered(call, one) for one in on_page], len(rows))

    def get(self, generation: Generation, call: Call) -> Response:
        """Return one deployment of a generation."""
        return json_response(200, self._rendered(call, self._read(call, generation)))

    # -- v2 ---------------------------------------------------------------------------------------

    def create_instance(self, call: Call) -> Response:
        """Create an instance."""
        spec = self._instance_spec(call)
        return json_response(200, self._rendered(call, self._create(call, 2, spec)))

    def replace_instance(self, call: Call) -> Response:
        """Replace an instance's whole spec: fields that the request omits are dropped."""
        before = self._existing(call, 2)
        spec = self._instance_spec(call)
        self._check_name(call, 2, spec["name"], before.id)
        after = self._change(call, "update", before, spec=spec, name=spec["name"])
        return json_response(200, self._rendered(call, after))

    def delete_instance(self, call: Call) -> Response:
        """Delete an instance; the response is undocumented, so it is the object, too."""
        after = self._change(call, "delete", self._existing(call, 2))
        return json_response(200, self._rendered(call, after))

    def _instance_spec(self, call: Call) -> Spec:
        raw = parse_json_object(call.request.body)
        spec = validation.parse_instance(raw)
        if raw.get("project_id") not in (None, self.project_id):
            raise not_found(f"project {raw['project_id']}")
        return spec

    # -- v3 ---------------------------------------------------------------------------------------

    def create_deployment(self, call: Call) -> Response:
        """Create a deployment."""
        raw = parse_json_object(call.request.body)
        spec = validation.parse_deployment(raw)
        self._check_keys(spec)
        return self._tasks_response(call, self._create(call, 3, spec), raw)

    def update_deployment(self, call: Call) -> Response:
        """Change some fields."""
        before = self._existing(call, 3)
        raw = parse_json_object(call.request.body)
        spec = validation.parse_patch(before.spec, raw)
        self._check_keys(spec)
        after = self._change(call, "update", before, spec=spec)
        return self._tasks_response(call, after, raw)

    def delete_deployment(self, call: Call) -> Response:
        """Delete a deployment."""
        after = self._change(call, "delete", self._existing(call, 3))
        return self._tasks_response(call, after, {})

    def start_deployment(self, call: Call) -> Response:
        """Start a stopped deployment; a running one is unchanged."""
        before = self._existing(call, 3)
        self._check_unlocked(before, call.now)
        if before.stopped or before.is_stopping:
            self._change(call, "start", before, stopped=False)
        return Response(204)

    def stop_deployment(self, call: Call) -> Response:
        """Stop a deployment; a stopped one is unchanged."""
        before = self._existing(call, 3)
        self._check_unlocked(before, call.now)
        if not (before.stopped or before.is_stopping):
            self._change(call, "stop", before)
        return Response(204)

    def get_logs(self, call: Call) -> Response:
        """Return the log lines of its containers, the oldest first by default."""
        query = call.request.query
        order = query.get("order_by", "time.asc")
        if order not in ("time.asc", "time.desc"):
            raise validation.invalid({"order_by": "Input should be 'time.asc' or 'time.desc'"})
        rows = self.shapes.logs(self._read(call, 3), call.now)
        rows.sort(key=lambda row: row[0], reverse=order == "time.desc")
        region = query.get("region_id")
        lines = [line for _, line in rows if region in (None, str(line["region_id"]))]
        return page_response(call.request, lines)

    def check_limits(self, call: Call) -> Response:
        """Return the quota, its usage, and what the request would need.

        https://gcore.com/docs/api-reference/cloud/everywhere-inference/check-inference-deployment-quota
        """
        raw = validation.parse_limits(parse_json_object(call.request.body))
        needed = demand(FLAVORS_BY_NAME[raw["flavor_name"]], _max_replicas(raw))
        used = self._usage()
        limits: dict[str, int] = {}
        for attribute, limit in self.store.quota.items():
            limits[f"{attribute}_limit"] = limit
            limits[f"{attribute}_requested"] = needed[attribute]
            limits[f"{attribute}_usage"] = used[attribute]
        return json_response(200, limits)

    def _tasks_response(self, call: Call, deployment: Deployment, raw: Spec) -> Response:
        return json_response(200, {"tasks": self.add_tasks(call, deployment, raw)})

    def _check_keys(self, spec: Spec) -> None:
        for number, name in enumerate(spec["api_keys"]):
            if name not in self.store.keys:
                raise validation.invalid({f"api_keys.{number}": f"API key {name} does not exist"})

    # -- both generations -------------------------------------------------------------------------

    def _existing(self, call: Call, generation: Generation) -> Deployment:
        """Return the deployment itself, for writes."""
        return _of_generation(self.store.items.get(call.id), generation, call.id)

    def _read(self, call: Call, generation: Generation) -> Deployment:
        """Return the deployment as reads see it."""
        return _of_generation(self.store.get(call.id, call.now), generation, call.id)

    def _rendered(self, call: Call, deployment: Deployment) -> dict[str, object]:
        value = self.shapes.deployment(deployment, call.now)
        fault = self.take_fault(
            call, "unknown_status", id=deployment.id, regions=deployment.region_names
        )
        return value | {"status": fault.word if fault else deployment.status(call.now)}

    def _create(self, call: Call, generation: Generation, spec: Spec) -> Deployment:
        name: str = spec["name"]
        self._check_name(call, generation, name)
        blank = Deployment(
            id=name if generation == 3 else self.ids.new_uuid(),
            generation=generation,
            name=name,
            spec=spec,
            created_at=call.now,
        )
        self._check_capacity(call, blank, None)
        created = evolve(blank, writes=(self.begin_write(call, "create", blank),))
        self.store.put(created)
        self.store.add_views(
            created.id, self.stale_views(call, None, created.id, created.region_names)
        )
        return created

    def _change(self, call: Call, action: str, before: Deployment, **changes: object) -> Deployment:
        self._check_unlocked(before, call.now)
        after = evolve(before, **changes)  # type: ignore[arg-type]
        if action == "update":
            self._check_capacity(call, after, before)
        write = evolve(self.begin_write(call, action, after), before=before)
        # An earlier error message is cleared, except by a delete or stop.
        failed = before.failed if action in ("delete", "stop") else ""
        after = evolve(after, writes=(*before.writes, write), failed=failed)
        self.store.put(after)
        self.store.add_views(after.id, self.stale_views(call, before, after.id, after.region_names))
        return after

    def _check_name(
        self, call: Call, generation: Generation, name: str, owner: str | None = None
    ) -> None:
        holder = self.store.find(generation, name)
        if (holder and holder.id != owner) or self.store.holds_name(name, call.now):
            raise ApiError(409, f"Inference instance with name {name} already exists")

    def _check_capacity(
        self, call: Call, deployment: Deployment, before: Deployment | None
    ) -> None:
        flavor = _flavor_of(deployment)
        already = set(before.regions) if before and _flavor_of(before) is flavor else set()
        for region in deployment.regions:
            if region in already:
                continue
            fault = self.take_fault(call, "no_capacity", id=deployment.id, regions=(str(region),))
            if fault or not capacity(region, flavor):
                message = fault.message if fault else None
                default = f"Flavor {flavor.name} has no capacity in region {region}"
                raise ApiError(403, message or default)
        self._check_quota(deployment, before)

    def _check_quota(self, deployment: Deployment, before: Deployment | None) -> None:
        used, needed = self._usage(without=before), _demand_of(deployment)
        for attribute, limit in self.store.quota.items():
            over = used[attribute] + needed[attribute] - limit
            if over > 0 and needed[attribute]:
                info = {
                    "attribute": f"{attribute}_limit",
                    "current_usage": used[attribute],
                    "requested_usage": needed[attribute],
                    "limit": limit,
                }
                message = f"Quota limit for {attribute}_limit exceeded by {over}"
                raise ApiError(400, message, exception_class="QuotaLimitExceed", info=info)

    def _usage(self, without: Deployment | None = None) -> dict[str, int]:
        """Return what the project's deployments count for, by quota."""
        used = dict.fromkeys(self.store.quota, 0)
        for deployment in self.store.items.values():
            if without is None or deployment.id != without.id:
                for attribute, count in _demand_of(deployment).items():
                    used[attribute] += count
        return used

    def _check_unlocked(self, deployment: Deployment, now: float) -> None:
        # The vendor's SDK calls the 409 a lock and tries again.
        if deployment.in_flight and now < deployment.last_write.task_ends_at:
            raise ApiError(409, f"Inference instance {deployment.name} is locked by another task")


def _of_generation(found: Deployment | None, generation: Generation, id: str) -> Deployment:
    if found is None or found.generation != generation:
        raise not_found(id)
    return found


def _flavor_of(deployment: Deployment) -> Flavor:
    if deployment.generation == 3:
        return FLAVORS_BY_NAME[deployment.spec["flavor_name"]]
    return FLAVORS_BY_ID[deployment.spec["flavor_id"]]


def _demand_of(deployment: Deployment) -> dict[str, int]:
    """Return what a deployment counts for with all of its replicas."""
    return demand(_flavor_of(deployment), _max_replicas(deployment.spec))


def _max_replicas(spec: Spec) -> int:
    return sum(container["scale"]["max"] for container in spec["containers"])
