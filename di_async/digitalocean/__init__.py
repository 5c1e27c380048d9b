"""DigitalOcean Dedicated Inference: its models and its client."""

from di_async.digitalocean.client import DigitalOcean
from di_async.digitalocean.custom_models import (
    CustomModel,
    CustomModels,
    ModelSource,
)
from di_async.digitalocean.dedicated_inferences import DedicatedInferences
from di_async.digitalocean.model_catalog import CatalogModel
from di_async.digitalocean.models import (
    GPU,
    VPC,
    Accelerator,
    AcceleratorConfig,
    AccessToken,
    CACertificate,
    DedicatedInference,
    DeploymentSpec,
    Disk,
    Endpoints,
    GPUModelConfig,
    ModelDeployment,
    Size,
    SizeCategory,
    Sizes,
)
from di_async.digitalocean.spec import DedicatedInferenceSpec

__all__ = [
    "GPU",
    "VPC",
    "Accelerator",
    "AcceleratorConfig",
    "AccessToken",
    "CACertificate",
    "CatalogModel",
    "CustomModel",
    "CustomModels",
    "DedicatedInference",
    "DedicatedInferenceSpec",
    "DedicatedInferences",
    "DeploymentSpec",
    "DigitalOcean",
    "Disk",
    "Endpoints",
    "GPUModelConfig",
    "ModelDeployment",
    "ModelSource",
    "Size",
    "SizeCategory",
    "Sizes",
]
