"""The 13 endpoints of DigitalOcean Dedicated Inference, as data.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

from di_async.core.http import Endpoint

__all__ = ["ENDPOINTS"]

_ROOT = "/v2/dedicated-inferences"
_ONE = f"{_ROOT}/{{dedicated_inference_id}}"
# Path segments that sit where an id would: as an id they would read the wrong thing.
_RESERVED = frozenset({"sizes", "gpu-model-config"})

ENDPOINTS = {
    endpoint.name: endpoint
    for endpoint in (
        Endpoint("list", "GET", _ROOT, "dedicated_inferences"),
        Endpoint("create", "POST", _ROOT, "dedicated_inference"),
        Endpoint("get", "GET", _ONE, "dedicated_inference", _RESERVED),
        Endpoint("update", "PATCH", _ONE, "dedicated_inference", _RESERVED),
        Endpoint("delete", "DELETE", _ONE, None, _RESERVED),
        Endpoint("list_accelerators", "GET", f"{_ONE}/accelerators", "accelerators", _RESERVED),
        Endpoint(
            "get_accelerator",
            "GET",
            f"{_ONE}/accelerators/{{accelerator_id}}",
            "accelerator",
            _RESERVED,
        ),
        Endpoint("ca_certificate", "GET", f"{_ONE}/ca", None, _RESERVED),
        Endpoint("list_tokens", "GET", f"{_ONE}/tokens", "tokens", _RESERVED),
        Endpoint("create_token", "POST", f"{_ONE}/tokens", "token", _RESERVED),
        Endpoint("revoke_token", "DELETE", f"{_ONE}/tokens/{{token_id}}", None, _RESERVED),
        Endpoint("sizes", "GET", f"{_ROOT}/sizes"),
        Endpoint("gpu_model_configs", "GET", f"{_ROOT}/gpu-model-config", "gpu_model_configs"),
    )
}
