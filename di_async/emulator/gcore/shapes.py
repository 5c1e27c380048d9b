"""Gcore's resources as JSON.

The dialects differ where the vendor's reference and what its clients decode differ: `command` (a
list; one string), timestamps (with a Z; naive, with microseconds), `retention_policy` (an object; a
number of days).
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from di_async.emulator.cloud.http import Json, Request, Response, json_response
from di_async.emulator.cloud.simulation import Settings, Simulation

from .catalog import FLAVORS, REGIONS, Flavor, capacity
from .store import ApiKey, Deployment, Spec, Task
from .validation import parse_page

_USER_ID = 1
_CLIENT_ID = 1
_PROJECT_AGE_S = 30 * 86400
_REGION_CREATED = "2024-01-01T00:00:00Z"


class Shapes:
    """The JSON of one dialect."""

    def __init__(self, settings: Settings, simulation: Simulation, project_id: int) -> None:
        self._settings = settings
        self._observed = settings.dialect == "observed"
        self._simulation = simulation
        self._project_id = project_id

    def deployment(self, deployment: Deployment, now: float) -> Json:
        """Return a v3 deployment or a v2 instance, without its status."""
        spec = deployment.spec
        value: Json = dict(spec)
        value["address"] = self._address(deployment)
        value["containers"] = [
            self._container(deployment, container, now) for container in spec["containers"]
        ]
        value["created_at"] = self._timestamp(deployment.created_at)
        if deployment.generation == 2:
            return value | {"id": deployment.id}
        if self._observed:
            value["command"] = None if spec["command"] is None else " ".join(spec["command"])
            value["logging"] = _with_days(spec["logging"])
        return value | {"object_references": [], "project_id": self._project_id}

    def _address(self, deployment: Deployment) -> str | None:
        """Return the URL of its endpoint; None until it has run once."""
        if not deployment.has_run:
            return None
        if self._settings.dataplane_url:
            return f"{self._settings.dataplane_url}/gcore/{deployment.id}"
        unique = f"{self._project_id}/{deployment.id}"
        tail = uuid.uuid5(uuid.NAMESPACE_DNS, unique).hex[:10]
        return f"https://{deployment.name}-{tail}.inference.example"

    def _container(self, deployment: Deployment, container: Spec, now: float) -> Json:
        ready, total = deployment.replicas(container, now)
        value: Json = {**container, "deploy_status": {"ready": ready, "total": total}}
        if deployment.generation == 3:
            value["address"] = self._address(deployment)
            value["error_message"] = deployment.error_message(now)
        return value

    def task(self, task: Task, now: float) -> Json:
        """Return a task."""
        state = task.state(now)
        over = now >= task.ends_at
        created = task.type.startswith("create") and state == "FINISHED"
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
            "created_resources": {"inference_instances": [task.deployment]} if created else None,
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
        """Return a key and the deployments that use it."""
        value: Json = {
            "name": key.name,
            "description": key.description,
            "expires_at": key.expires_at,
            "created_at": self._timestamp(key.created_at),
            "deployment_names": users,
        }
        return value | {"secret": key.secret} if secret else value

    def flavor(self, flavor: Flavor) -> Json:
        """Return a flavor."""
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
        """Return how many of each flavor each region has left."""
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

    def project(self, now: float) -> Json:
        """Return the project."""
        return {
            "id": self._project_id,
            "client_id": _CLIENT_ID,
            "name": "Default",
            "description": None,
            "is_default": True,
            "state": "ACTIVE",
            "created_at": self._naive(now - _PROJECT_AGE_S) + "Z",
            "deleted_at": None,
            "task_id": None,
        }

    def region(self, id: int) -> Json:
        """Return a region."""
        features = ("ai", "baremetal", "basic_vm", "dbaas", "ddos", "k8s", "kvm", "sfs")
        return {
            "id": id,
            "display_name": f"Region {id}",
            "slug": f"region-{id}",
            "keystone_id": id,
            "keystone_name": f"region-{id}",
            "state": "ACTIVE",
            "access_level": "edge",
            "endpoint_type": "public",
            "country": "LU",
            "zone": "EMEA",
            "created_at": _REGION_CREATED,
            "created_on": _REGION_CREATED,
            "vlan_physical_network": "vlan",
            "task_id": None,
            "has_ai_gpu": True,
            **{f"has_{feature}": False for feature in features},
        }

    def logs(self, deployment: Deployment, now: float) -> list[tuple[float, Json]]:
        """Return the log lines of its containers so far, with their times."""
        lines: list[tuple[float, Json]] = []
        for number, region in enumerate(deployment.regions):
            pod = f"{deployment.name}-{number}-0"
            for at, message in _messages(deployment, now):
                time = self._timestamp(at)
                line: Json = {"message": message, "pod": pod, "region_id": region, "time": time}
                lines.append((at, line))
        return lines

    def _timestamp(self, at: float) -> str:
        moment = self._moment(at)
        if self._observed:
            return moment.isoformat(timespec="microseconds")
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _naive(self, at: float) -> str:
        return self._moment(at).isoformat(timespec="seconds")

    def _moment(self, at: float) -> datetime:
        return datetime.fromtimestamp(self._simulation.real_time(at), UTC).replace(tzinfo=None)


def list_response(rows: Sequence[object], count: int) -> Response:
    """Return one page of a list of `count` items."""
    return json_response(200, {"count": count, "results": rows})


def page_response(request: Request, rows: Sequence[object]) -> Response:
    """Return the requested page of a list."""
    limit, offset = parse_page(request)
    return list_response(rows[offset : offset + limit], len(rows))


def _messages(deployment: Deployment, now: float) -> list[tuple[float, str]]:
    spec, messages = deployment.spec, []
    for write in deployment.writes:
        runs = write.action in ("create", "update", "start")
        if runs and write.outcome in ("running", "pending", "failed"):
            messages.append((write.containers_at, f"Pulling image {spec['image']}"))
            listening = f"Listening on port {spec['listening_port']}"
            failed = write.outcome == "failed"
            messages.append((write.settles_at, write.message if failed else listening))
    return [(at, message) for at, message in messages if at <= now]


def _with_days(logging: Spec | None) -> Spec | None:
    policy = logging and logging["retention_policy"]
    if not logging or not isinstance(policy, dict):
        return logging
    return {**logging, "retention_policy": policy.get("period")}
