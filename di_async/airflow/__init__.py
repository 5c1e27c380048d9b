"""A provider for Apache Airflow 3.3 and newer (extra `airflow`): durable and deferrable operators.

from di_async.airflow import CreateDeploymentOperator, DedicatedInferenceHook, temporary

Each name is imported on first use, as Airflow imports this package in each of its processes.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from di_async.airflow.batch import BatchCreateOperator
    from di_async.airflow.hook import DedicatedInferenceHook
    from di_async.airflow.operators import (
        CreateDeploymentOperator,
        EnsureDeploymentOperator,
        WaitUntilAnsweringOperator,
    )
    from di_async.airflow.sensor import DeploymentSensor
    from di_async.airflow.set_up import temporary
    from di_async.airflow.trigger import AllSettledTrigger, SettledTrigger
    from di_async.airflow.writes import (
        DeleteDeploymentOperator,
        ScaleDeploymentOperator,
        UpdateDeploymentOperator,
    )

__all__ = [
    "AllSettledTrigger",
    "BatchCreateOperator",
    "CreateDeploymentOperator",
    "DedicatedInferenceHook",
    "DeleteDeploymentOperator",
    "DeploymentSensor",
    "EnsureDeploymentOperator",
    "ScaleDeploymentOperator",
    "SettledTrigger",
    "UpdateDeploymentOperator",
    "WaitUntilAnsweringOperator",
    "temporary",
]

# The module of each name that is not in `operators`.
_MODULES = {
    "AllSettledTrigger": "trigger",
    "BatchCreateOperator": "batch",
    "DedicatedInferenceHook": "hook",
    "DeleteDeploymentOperator": "writes",
    "DeploymentSensor": "sensor",
    "ScaleDeploymentOperator": "writes",
    "SettledTrigger": "trigger",
    "UpdateDeploymentOperator": "writes",
    "temporary": "set_up",
}

if not typing.TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = importlib.import_module(f"di_async.airflow.{_MODULES.get(name, 'operators')}")
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
