"""DigitalOcean's instance as Stainless would generate it, on gradient's own base class.

No Stainless client supports dedicated inference yet; the code that reads responses is complete.
"""

from datetime import datetime
from typing import Any

from gradient._models import BaseModel

__all__ = ["Listed", "Wrapped"]


class Vpc(BaseModel):
    uuid: str


class AcceleratorConfig(BaseModel):
    accelerator_slug: str
    scale: int
    type: str
    status: str | None = None


class ModelDeployment(BaseModel):
    accelerators: list[AcceleratorConfig]
    model_slug: str
    model_id: str | None = None
    model_provider: str | None = None
    workload_config: dict[str, Any] | None = None


class DeploymentSpec(BaseModel):
    enable_public_endpoint: bool
    model_deployments: list[ModelDeployment]
    name: str
    region: str
    version: int
    vpc: Vpc
    id: str | None = None
    created_at: datetime | None = None
    status: str | None = None
    updated_at: datetime | None = None


class Endpoints(BaseModel):
    private_endpoint_fqdn: str | None = None
    public_endpoint_fqdn: str | None = None


class DedicatedInference(BaseModel):
    id: str | None = None
    created_at: datetime | None = None
    endpoints: Endpoints | None = None
    pending_deployment_spec: DeploymentSpec | None = None
    region: str | None = None
    spec: DeploymentSpec | None = None
    status: str | None = None
    updated_at: datetime | None = None
    vpc_uuid: str | None = None


class Wrapped(BaseModel):
    """The response to a GET of one instance."""

    dedicated_inference: DedicatedInference


class Listed(BaseModel):
    """The response to a GET of a page."""

    dedicated_inferences: list[DedicatedInference]
