"""Exoscale Dedicated Inference: client and models.

`deployments.capabilities` lists what its API promises.
"""

from di_async.exoscale.account import AIAPIKeys
from di_async.exoscale.adapter import CAPABILITIES
from di_async.exoscale.client import Exoscale, ExoscaleZone, Operations
from di_async.exoscale.deployments import Deployments
from di_async.exoscale.models import (
    AIAPIKey,
    Deployment,
    EngineParameter,
    InstanceType,
    LogEntry,
    Model,
    ModelRef,
    Operation,
    Quota,
    Reference,
    Zone,
)
from di_async.exoscale.models_api import Models
from di_async.exoscale.spec import DeploymentSpec

__all__ = [
    "CAPABILITIES",
    "AIAPIKey",
    "AIAPIKeys",
    "Deployment",
    "DeploymentSpec",
    "Deployments",
    "EngineParameter",
    "Exoscale",
    "ExoscaleZone",
    "InstanceType",
    "LogEntry",
    "Model",
    "ModelRef",
    "Models",
    "Operation",
    "Operations",
    "Quota",
    "Reference",
    "Zone",
]
