"""The operations of Exoscale's API; each write answers with an operation.

A choice that the vendor's documentation leaves open is explained
where it is made.
"""

from attrs import evolve

from di_async.emulator.cloud.http import ApiError, Json, Response, json_response
from di_async.emulator.cloud.provider import Call
from di_async.emulator.cloud.simulation import timestamp_text

from . import shapes
from .catalog import GATED, GPUS, MODEL_SIZE, PARAMETERS, ZONES
from .outcomes import Context, PlannedWrite
from .store import ApiKey, Deployment, Model, Operation, R, Resource, Timeline, list_zone
from .validation import (
    DeploymentRequest,
    invalid,
    parse_api_key,
    parse_deployment,
    parse_model,
    parse_replicas,
    parse_tail,
    parse_update,
    parse_visibility,
)

_LINES = {
    "creating": ("Waiting for GPUs",),
    "preparing": ("Waiting for GPUs", "Pulling the engine's image"),
    "deploying": ("Pulling the engine's image", "Loading the weights"),
    "error": ("Loading the weights", "The engine stopped"),
}
_RUNNING_LINES = ("Loading the weights", "Application startup complete.")
_KEY_DELETION_S = 2.0
# The order of the states is our reading of their names.
_CREATE_STAGES = ((0.0, "preparing"), (0.4, "deploying"))


class Operations(Context):
    """The handlers of Exoscale's operations."""

    # -- reads ------------------------------------------------------------------------------------

    def list_zones(self, call: Call) -> Response:
        """Return the zones, each with a base URL of this emulator."""
        host = call.request.headers.get("host", "api-ch-gva-2.exoscale.com")
        base = f"{self.settings.scheme}://{host}/zones"
        zones = [
            {
                "name": zone,
                "api-endpoint": f"{base}/{zone}/v2",
                "sos-endpoint": f"https://sos-{zone}.exo.io",
            }
            for zone in ZONES
        ]
        return json_response(200, {"zones": zones})

    def list_deployments(self, call: Call) -> Response:
        """Return the zone's deployments, by default including the vendor's own ones."""
        visibility = parse_visibility(call.request.query)
        rows = [
            self._with_faults(call, one, shapes.row(self.settings, one))
            for one in list_zone(self.store.deployments, call.region, call.now)
            if visibility in (None, one.visibility)
        ]
        return json_response(200, {"deployments": rows})

    def get_deployment(self, call: Call) -> Response:
        """Return one deployment; the vendor does not wrap it."""
        deployment = _read(self.store.deployments, call, "Deployment")
        fields = shapes.deployment(self.settings, deployment)
        return json_response(200, self._with_faults(call, deployment, fields))

    def reveal_api_key(self, call: Call) -> Response:
        """Return the API key of the deployment's own endpoint."""
        _check_own(_read(self.store.deployments, call, "Deployment"))
        key = next(key for key, id in self.store.keys.items() if id == call.id)
        return json_response(200, {"api-key": key})

    def get_logs(self, call: Call) -> Response:
        """Return the last log lines of the engine."""
        deployment = _read(self.store.deployments, call, "Deployment")
        _check_own(deployment)
        tail = parse_tail(call.request.query)
        lines = list(_LINES.get(deployment.state, _RUNNING_LINES))
        if deployment.state_details:
            lines.append(deployment.state_details)
        kept = lines if tail is None else lines[max(0, len(lines) - tail) :]
        at = timestamp_text(deployment.updated)
        node = f"{deployment.id[:8]}-0"
        logs = [{"time": at, "node": node, "message": message} for message in kept]
        return json_response(200, {"logs": logs})

    def list_models(self, call: Call) -> Response:
        """Return the zone's models."""
        rows = [
            self._with_faults(call, one, shapes.model(self.settings, one))
            for one in list_zone(self.store.models, call.region, call.now)
        ]
        return json_response(200, {"models": rows})

    def get_model(self, call: Call) -> Response:
        """Return one model."""
        model = _read(self.store.models, call, "Model")
        fields = shapes.model(self.settings, model)
        return json_response(200, self._with_faults(call, model, fields))

    def get_operation(self, call: Call) -> Response:
        """Return one operation of the zone, or 404, which the vendor does not document."""
        operation = self.store.operations.get(call.id)
        if operation is None or operation.zone != call.region:
            raise not_found("Operation")
        return json_response(200, shapes.operation(operation, call.now))

    def list_instance_types(self, call: Call) -> Response:
        """Return the GPU families of the zone."""
        types = [{"family": name, "authorized": may} for name, may in GPUS[call.region].items()]
        return json_response(200, {"instance-types": types})

    def get_engine_help(self, call: Call) -> Response:
        """Return the engine's parameters."""
        return json_response(200, {"parameters": list(PARAMETERS)})

    def get_quota(self, call: Call) -> Response:
        """Return that there is no quota."""
        return json_response(200, {"quota-uom-per-minute": None})

    def list_api_keys(self, call: Call) -> Response:
        """Return the keys, without their values."""
        keys = [key for key in self.store.api_keys.values() if key.exists(call.now)]
        return json_response(200, {"ai-api-keys": [shapes.api_key(key) for key in keys]})

    def get_api_key(self, call: Call) -> Response:
        """Return one key, without its value."""
        return json_response(200, shapes.api_key(self._api_key(call)))

    def create_api_key(self, call: Call) -> Response:
        """Create a key; this response alone shows its value."""
        name, scope = parse_api_key(call.request.body)
        timeline = self.store.deployments.get(scope)
        if scope != "public" and (timeline is None or timeline.at(call.now) is None):
            raise not_found("Deployment")
        created = self.simulation.timestamp(call.now)
        key = ApiKey(self.ids.new_uuid(), name, scope, self.ids.new_hex(40), created)
        self.store.save_api_key(key)
        return json_response(200, shapes.api_key(key, value=True))

    def delete_api_key(self, call: Call) -> Response:
        """Delete a key; its operation takes a moment."""
        key = self._api_key(call)
        ends_at = call.now + _KEY_DELETION_S
        self.store.save_api_key(evolve(key, deleted_at=ends_at))
        link = f"/v2/ai/api-key/{key.id}"
        operation = Operation(
            self.ids.new_uuid(), call.region, key.id, link, "get-ai-api-key", ends_at
        )
        self.store.add_operation(operation)
        return json_response(200, shapes.operation(operation, call.now))

    def _api_key(self, call: Call) -> ApiKey:
        key = self.store.api_keys.get(call.id)
        if key is None or not key.exists(call.now):
            raise not_found("AI API key")
        return key

    # -- writes -----------------------------------------------------------------------------------

    def create_deployment(self, call: Call) -> Response:
        """Create a deployment; names need not be unique."""
        request = parse_deployment(call.request.body, self.settings.engine_version)
        model = self._model_of(call, request)
        _check_gpu(call, request.gpu_type)
        self._check_capacity(call)
        stamp = self.simulation.timestamp(call.now)
        deployment = Deployment(
            id=self.ids.new_uuid(),
            zone=call.region,
            name=request.name,
            state="creating",
            model_id=model.id,
            model_name=model.name,
            gpu_type=request.gpu_type,
            gpu_count=request.gpu_count,
            replicas=request.replicas,
            version=request.version,
            parameters=request.parameters,
            created=stamp,
            updated=stamp,
        )
        planned = PlannedWrite(
            action="create",
            duration=self.settings.lifecycle.create,
            after=deployment,
            stages=_CREATE_STAGES,
        )
        timeline = self.store.add_deployment(deployment, self.new_api_key())
        return self._accept(call, timeline, planned)

    def update_deployment(self, call: Call) -> Response:
        """Change the name, engine or parameters; omitted fields stay as they are.

        The schema has a default version here, too. No page says that omitting it resets the
        version, so it does not.
        """
        timeline, before = self._writable_deployment(call)
        after = evolve(before, **parse_update(call.request.body))  # type: ignore[arg-type]
        planned = self._planned_change("update", "updating", before, after)
        return self._accept(call, timeline, planned)

    def scale_deployment(self, call: Call) -> Response:
        """Change the number of replicas; at 0 the state is `ready` (no page has another state)."""
        timeline, before = self._writable_deployment(call)
        replicas = parse_replicas(call.request.body)
        if replicas > before.replicas:
            self._check_capacity(call)
        after = evolve(before, replicas=replicas)
        planned = self._planned_change("scale", "scaling", before, after)
        return self._accept(call, timeline, planned)

    def delete_deployment(self, call: Call) -> Response:
        """Delete a deployment; no state shows it, a GET is 404 once the operation has ended."""
        timeline, before = self._writable_deployment(call)
        return self._delete(call, timeline, before)

    def create_model(self, call: Call) -> Response:
        """Create a model: its download takes as long as an update of a deployment."""
        name, has_token = parse_model(call.request.body)
        stamp = self.simulation.timestamp(call.now)
        model = Model(
            id=self.ids.new_uuid(),
            zone=call.region,
            name=name,
            state="creating",
            created=stamp,
            updated=stamp,
            size=MODEL_SIZE,
        )
        planned = PlannedWrite(
            action="create",
            duration=self.settings.lifecycle.update,
            after=model,
            stages=((0.0, "downloading"),),
            # A 200 promises nothing: whether the weights are accessible shows in the download.
            ends_well=has_token or not name.startswith(GATED),
        )
        return self._accept(call, self.store.add_model(model), planned)

    def delete_model(self, call: Call) -> Response:
        """Delete a model that no deployment uses."""
        timeline, before = _existing(self.store.models, call, "Model")
        used_by = [
            other.id
            for other in (one.at(call.now) for one in self.store.deployments.values())
            if other is not None and other.model_id == before.id
        ]
        if used_by:
            raise ApiError(412, "The model is in use", body={"deployments": used_by})
        return self._delete(call, timeline, before)

    # -- helpers ----------------------------------------------------------------------------------

    def _writable_deployment(self, call: Call) -> tuple[Timeline[Deployment], Deployment]:
        """Return a deployment of the account's own without a pending operation."""
        timeline, current = _existing(self.store.deployments, call, "Deployment")
        _check_own(current)
        if timeline.has_pending_operation(call.now):
            raise ApiError(409, "Another operation is pending on this deployment")
        return timeline, current

    def _with_faults(self, call: Call, resource: Resource, fields: Json) -> Json:
        """Return the fields, altered by faults."""
        unknown = self.take_fault(call, "unknown_status", id=resource.id)
        if unknown:
            fields = {**fields, "state": unknown.word}
        renamed = self.take_fault(call, "old_names", id=resource.id)
        return shapes.old_names(fields) if renamed else fields

    def _planned_change(
        self, action: str, word: str, before: Deployment, after: Deployment
    ) -> PlannedWrite[Deployment]:
        return PlannedWrite(
            action=action,
            duration=self.settings.lifecycle.update,
            before=before,
            after=after,
            stages=((0.0, word),),
        )

    def _delete(self, call: Call, timeline: Timeline[R], before: R) -> Response:
        duration = self.settings.lifecycle.delete
        planned = PlannedWrite(action="delete", duration=duration, before=before)
        return self._accept(call, timeline, planned)

    def _accept(self, call: Call, timeline: Timeline[R], planned: PlannedWrite[R]) -> Response:
        operation = self.begin_write(call, timeline, planned)
        return json_response(200, shapes.operation(operation, call.now))

    def _model_of(self, call: Call, request: DeploymentRequest) -> Model:
        found = [
            model
            for model in (timeline.at(call.now) for timeline in self.store.models.values())
            if model is not None
            and model.zone == call.region
            and request.model_id in (None, model.id)
            and request.model_name in (None, model.name)
        ]
        if not found:
            raise invalid("model", "does not exist in this zone")
        # Names are not unique: one that failed does not hide a later one that is ready.
        model = next((one for one in found if one.state == "ready"), found[-1])
        if model.state != "ready":
            # 412 means too few GPUs, so a model that is not ready is the request's error.
            raise invalid("model", f"is not ready: it is {model.state}")
        return model

    def _check_capacity(self, call: Call) -> None:
        fault = self.take_fault(call, "no_capacity")
        if fault:
            raise ApiError(412, fault.message or "Insufficient GPUs")


def not_found(what: str) -> ApiError:
    """Return the vendor's 404; the same for what is in another zone."""
    return ApiError(404, f"{what} not found")


def _read(timelines: dict[str, Timeline[R]], call: Call, what: str) -> R:
    """Return the resource as reads see it."""
    timeline = timelines.get(call.id)
    found = timeline.read(call.now) if timeline and timeline.zone == call.region else None
    if found is None:
        raise not_found(what)
    return found


def _existing(timelines: dict[str, Timeline[R]], call: Call, what: str) -> tuple[Timeline[R], R]:
    """Return the resource itself, for writes."""
    timeline = timelines.get(call.id)
    current = timeline.at(call.now) if timeline and timeline.zone == call.region else None
    if timeline is None or current is None:
        raise not_found(what)
    return timeline, current


def _check_own(deployment: Deployment) -> None:
    if deployment.visibility == "public":
        raise ApiError(403, "This deployment is managed by Exoscale")


def _check_gpu(call: Call, family: str) -> None:
    offered = GPUS[call.region]
    if family not in offered:
        raise invalid("gpu-type", f"must be one of: {', '.join(offered) or 'none in this zone'}")
    if not offered[family]:
        raise ApiError(403, f"Your organization may not use {family}")
