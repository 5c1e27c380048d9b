"""How values look on Gcore's wire.

Rules of this file: from values to JSON-able values. The dialects differ where the vendor's
reference and what its clients were seen to decode differ: `command` (a list; one text), stamps
(with a Z; naive, with microseconds), `retention_policy` (an object; a number of days).
"""

import uuid
from datetime import UTC, datetime

from di_async.emulator.cloud.settings import Settings
from di_async.emulator.cloud.simulation import Simulation
from di_async.emulator.gcore.records import ApiKey, Deployment, Spec, Task
from di_async.emulator.gcore.status import replicas, story

from .catalog import FLAVORS, REGIONS, Flavor, capacity

Json = dict[str, object]

_USER_ID = 1
_CLIENT_ID = 1


class Shapes:
    """A dialect of Gcore's."""

    def __init__(self, settings: Settings, simulation: Simulation, project_id: int) -> None:
        self._settings = settings
        self._observed = settings.dialect == "observed"
        self._simulation = simulation
        self._project_id = project_id

    def deployment(self, it: Deployment, now: float) -> Json:
        """A v3 deployment or a v2 instance, its status word left out."""
        value: Json = dict(it.spec)
        value["address"] = self.address(it)
        value["containers"] = [
            self._container(it, number, container, now)
            for number, container in enumerate(it.spec["containers"])
        ]
        value["created_at"] = self._stamp(it.created_at)
        if it.generation == 2:
            return value | {"id": it.id}
        if self._observed:
            value["command"] = None if it.spec["command"] is None else " ".join(it.spec["command"])
            value["logging"] = _days_alone(it.spec["logging"])
        return value | {"object_references": [], "project_id": self._project_id}

    def address(self, it: Deployment) -> str | None:
        """Where its endpoint is: nowhere until it has run once."""
        if not it.has_run:
            return None
        if self._settings.dataplane_url:
            return f"{self._settings.dataplane_url}/gcore/{it.id}"
        tail = uuid.uuid5(uuid.NAMESPACE_DNS, f"{self._project_id}/{it.id}").hex[:10]
        return f"https://{it.name}-{tail}.inference.example"

    def _container(self, it: Deployment, number: int, container: Spec, now: float) -> Json:
        ready, total = replicas(it, number, now)
        value: Json = {**container, "deploy_status": {"ready": ready, "total": total}}
        if it.generation == 3:
            value |= {"address": self.address(it), "error_message": story(it, now)}
        return value

    def task(self, task: Task, now: float) -> Json:
        """A task."""
        state = task.state(now)
        over = now >= task.ends_at
        made = task.type.startswith("create") and state == "FINISHED"
        acknowledged = task.acknowledged_at
        return {
            "id": task.id,
            "state": state,
            "task_type": task.type,
            "error": task.error if over else None,
            "detailed_state": state if over else None,
            "created_on": self._naive(task.created_at),
            "updated_on": self._naive(max(task.created_at, min(now, task.ends_at))),
            "finished_on": self._naive(task.ends_at) if over else None,
            "created_resources": {"inference_instances": [task.deployment]} if made else None,
            "data": task.request,
            "project_id": self._project_id,
            "region_id": None,
            "client_id": _CLIENT_ID,
            "user_id": _USER_ID,
            "user_client_id": _CLIENT_ID,
            "job_id": task.id,
            "schedule_id": None,
            "lifecycle_policy_id": None,
            "request_id": task.id,
            "acknowledged_at": None if acknowledged is None else self._naive(acknowledged),
            "acknowledged_by": None if acknowledged is None else _USER_ID,
        }

    def key(self, key: ApiKey, users: list[str], *, secret: bool = False) -> Json:
        """A key, with its secret at its making alone."""
        value: Json = {
            "name": key.name,
            "description": key.description,
            "expires_at": key.expires_at,
            "created_at": self._stamp(key.created_at),
            "deployment_names": users,
        }
        return value | {"secret": key.secret} if secret else value

    def flavor(self, flavor: Flavor) -> Json:
        """A size for sale."""
        return {
            "name": flavor.name,
            "description": flavor.description,
            "cpu": flavor.cpu,
            "memory": flavor.memory_gib,
            "gpu": flavor.gpus,
            "gpu_model": flavor.gpu_model,
            "gpu_memory": flavor.gpu_memory_gib,
            "gpu_compute_capability": flavor.compute_capability,
            "is_gpu_shared": False,
        }

    def capacity(self) -> list[Json]:
        """What each region has left."""
        return [
            {
                "region_id": region,
                "capacity": [
                    {"flavor_name": flavor.name, "capacity": capacity(region, flavor)}
                    for flavor in FLAVORS
                ],
            }
            for region in REGIONS
        ]

    def logs(self, it: Deployment, now: float) -> list[tuple[float, Json]]:
        """What its containers have said so far, with when."""
        return [
            (at, {"message": message, "pod": pod, "region_id": region, "time": self._stamp(at)})
            for number, region in enumerate(it.regions)
            for pod in [f"{it.name}-{number}-0"]
            for at, message in _said(it, now)
        ]

    def _stamp(self, at: float) -> str:
        moment = self._moment(at)
        if self._observed:
            return moment.isoformat(timespec="microseconds")
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _naive(self, at: float) -> str:
        return self._moment(at).isoformat(timespec="seconds")

    def _moment(self, at: float) -> datetime:
        return datetime.fromtimestamp(self._simulation.told(at), UTC).replace(tzinfo=None)


def _said(it: Deployment, now: float) -> list[tuple[float, str]]:
    said: list[tuple[float, str]] = []
    for write in it.writes:
        if write.outcome in ("running", "pending") and write.action in (
            "create",
            "update",
            "start",
        ):
            said.append((write.containers_at, f"Pulling image {it.spec['image']}"))
            said.append((write.settles_at, f"Listening on port {it.spec['listening_port']}"))
    return [(at, message) for at, message in said if at <= now]


def _days_alone(logging: Spec | None) -> Spec | None:
    policy = logging and logging["retention_policy"]
    if not logging or not isinstance(policy, dict):
        return logging
    return {**logging, "retention_policy": policy.get("period")}
