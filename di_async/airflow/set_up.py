"""A set-up task that creates a deployment, and the tear-down task that deletes it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from di_async.airflow.operators import NAME_TIMEOUT_S, CreateDeploymentOperator
from di_async.airflow.writes import DeleteDeploymentOperator

__all__ = ["temporary"]


def temporary(
    task_id: str,
    *,
    conn_id: str,
    spec: Mapping[str, Any],
    zone: str | None = None,
    token_variable: str | None = None,
    name_timeout: float = NAME_TIMEOUT_S,
    adopt_only_candidate: bool = False,
    create_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[CreateDeploymentOperator, DeleteDeploymentOperator]:
    """Return a set-up task that creates a deployment, and the tear-down task that deletes it.

    The set-up ends when the create is accepted: Airflow runs a tear-down only after a set-up that
    succeeded, and a deployment that fails must be deleted, too. So wait for it in the task between
    them, with `WaitUntilAnsweringOperator(id=create.output["id"], ...)` or `DeploymentSensor`.

    Args:
        task_id: of the set-up; the tear-down is `<task_id>_teardown`.
        conn_id: the connection.
        spec: as for `create`, templated. Without a name, it gets one from DAG, run and task.
        zone: of Exoscale.
        token_variable: see `CreateDeploymentOperator`.
        name_timeout: see `CreateDeploymentOperator`.
        adopt_only_candidate: see `CreateDeploymentOperator`.
        create_options: see `CreateDeploymentOperator`.
        options: further arguments of both operators, such as `retries`.
    """
    create = CreateDeploymentOperator(
        task_id=task_id,
        conn_id=conn_id,
        spec=spec,
        zone=zone,
        token_variable=token_variable,
        name_timeout=name_timeout,
        adopt_only_candidate=adopt_only_candidate,
        create_options=create_options,
        wait=False,
        **options,
    )
    created: Any = create.output
    named = spec.get("name") if isinstance(spec, Mapping) else None
    delete = DeleteDeploymentOperator(
        task_id=f"{task_id}_teardown",
        conn_id=conn_id,
        zone=zone,
        id=created["id"],
        name_of_task=None if named else create.task_id,
        **{
            "retries": 3,
            "retry_delay": timedelta(seconds=30),
            "end_from_trigger": True,
            **options,
        },
    )
    delete.as_teardown(setups=create)
    return create, delete
