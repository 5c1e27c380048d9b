"""What Airflow reads of this provider; imported by each of its processes, so it imports nothing."""

from typing import Any

__all__ = ["get_provider_info"]

_HOOKS = "di_async.airflow.hook"
_TYPES = (
    ("digitalocean_inference", "DigitalOceanInferenceHook", "DigitalOcean Dedicated Inference"),
    ("gcore_inference", "GcoreInferenceHook", "Gcore Inference"),
    ("exoscale_inference", "ExoscaleInferenceHook", "Exoscale Dedicated Inference"),
)
_NAME = "Dedicated inference"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, by Airflow's schema."""
    return {
        "package-name": "di-async",
        "name": _NAME,
        "description": "Dedicated LLM inference at DigitalOcean, Gcore and Exoscale: durable and "
        "deferrable operators.",
        "integrations": [{"integration-name": _NAME, "tags": ["service"]}],
        "operators": [
            {
                "integration-name": _NAME,
                "python-modules": [
                    "di_async.airflow.operators",
                    "di_async.airflow.writes",
                    "di_async.airflow.batch",
                ],
            }
        ],
        "sensors": [
            {"integration-name": _NAME, "python-modules": ["di_async.airflow.sensor"]},
        ],
        "hooks": [{"integration-name": _NAME, "python-modules": [_HOOKS]}],
        "triggers": [
            {"integration-name": _NAME, "python-modules": ["di_async.airflow.trigger"]},
        ],
        "connection-types": [
            {
                "connection-type": name,
                "hook-class-name": f"{_HOOKS}.{hook}",
                "hook-name": title,
            }
            for name, hook, title in _TYPES
        ],
        "extra-links": ["di_async.airflow.links.EndpointLink"],
    }
