"""Exoscale Dedicated Inference: client and models.

`deployments.capabilities` lists what its API promises.
"""

from di_async.exoscale.client import Exoscale, ExoscaleZone, Operations
from di_async.exoscale.deployments import CAPABILITIES, Deployments
from di_async.exoscale.models import (
    Deployment,
    EngineParameter,
    InstanceType,
    LogEntry,
    Model,
    ModelRef,
    Operation,
    Reference,
    Zone,
)
from di_async.exoscale.models_api import Models
from di_async.exoscale.spec import DeploymentSpec

__all__ = [
    "CAPABILITIES",
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
    "Reference",
    "Zone",
]
