"""The endpoints of Exoscale Dedicated Inference that the client speaks, as data.

The version prefix belongs to the paths: signatures cover it.
https://openapi-v2.exoscale.com/group/endpoint-ai
"""

from di_async.core.http import Endpoint

__all__ = ["ENDPOINTS"]

_DEPLOYMENTS = "/v2/ai/deployment"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{deployment_id}}"
_MODELS = "/v2/ai/model"
_MODEL = f"{_MODELS}/{{model_id}}"

ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("list_deployments", "GET", _DEPLOYMENTS, "deployments"),
        Endpoint("create_deployment", "POST", _DEPLOYMENTS),
        Endpoint("get_deployment", "GET", _DEPLOYMENT),
        Endpoint("update_deployment", "PATCH", _DEPLOYMENT),
        Endpoint("scale_deployment", "POST", f"{_DEPLOYMENT}/scale"),
        Endpoint("delete_deployment", "DELETE", _DEPLOYMENT),
        Endpoint("reveal_api_key", "GET", f"{_DEPLOYMENT}/api-key", "api-key"),
        Endpoint("logs", "GET", f"{_DEPLOYMENT}/logs", "logs"),
        Endpoint("list_models", "GET", _MODELS, "models"),
        Endpoint("create_model", "POST", _MODELS),
        Endpoint("get_model", "GET", _MODEL),
        Endpoint("delete_model", "DELETE", _MODEL),
        Endpoint("get_operation", "GET", "/v2/operation/{operation_id}"),
        Endpoint("instance_types", "GET", "/v2/ai/instance-type", "instance-types"),
        Endpoint(
            "inference_engine_help",
            "GET",
            "/v2/ai/help/inference-engine-parameters",
            "parameters",
        ),
        Endpoint("zones", "GET", "/v2/zone", "zones"),
    )
}
