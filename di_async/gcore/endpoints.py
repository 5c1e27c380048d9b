"""The endpoints of Gcore Everywhere Inference, as data: instances (v2), deployments (v3), tasks.

v2 keys an instance by its UUID, v3 a deployment by its name within a project.
https://api.gcore.com (Everywhere Inference); stored copies of the pages are named in the tests.
"""

from di_async.core.http import Endpoint

__all__ = ["DEPLOYMENTS", "INSTANCES", "TASK"]

_V2 = "/cloud/v2/inference/deployments"
_V2_ONE = f"{_V2}/{{instance_id}}"
_V3 = "/cloud/v3/inference/{project_id}/deployments"
_V3_ONE = f"{_V3}/{{deployment_name}}"
# A path segment that sits where a name would.
_RESERVED = frozenset({"check_limits"})


def _table(*endpoints: Endpoint) -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in endpoints}


INSTANCES = _table(
    Endpoint("list", "GET", _V2, "results"),
    Endpoint("create", "POST", _V2),
    Endpoint("get", "GET", _V2_ONE),
    Endpoint("update", "PUT", _V2_ONE),
    Endpoint("delete", "DELETE", _V2_ONE),
)

DEPLOYMENTS = _table(
    Endpoint("list", "GET", _V3, "results"),
    Endpoint("create", "POST", _V3, "tasks"),
    Endpoint("get", "GET", _V3_ONE, None, _RESERVED),
    Endpoint("update", "PATCH", _V3_ONE, "tasks", _RESERVED),
    Endpoint("delete", "DELETE", _V3_ONE, "tasks", _RESERVED),
    Endpoint("start", "POST", f"{_V3_ONE}/start", None, _RESERVED),
    Endpoint("stop", "POST", f"{_V3_ONE}/stop", None, _RESERVED),
    Endpoint("logs", "GET", f"{_V3_ONE}/logs", "results", _RESERVED),
)

TASK = Endpoint("get_task", "GET", "/cloud/v1/tasks/{task_id}")
