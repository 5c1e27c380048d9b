"""Where deployments serve, and the key of their endpoints, which the API reveals."""

from typing import Any

from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.secret import Secret
from di_async.core.serving import ConnectOptions, NotServingYetError, ServingTarget
from di_async.exoscale.models import CODEC, Deployment, RevealedKey
from di_async.exoscale.zone_requests import ZoneRequests

__all__ = ["check_connect", "check_serving", "reveal_api_key", "serving_target"]


async def reveal_api_key(requests: ZoneRequests, id: str) -> Secret:
    """Return the API key of a deployment's inference endpoint."""

    def read(body: Any) -> Secret:
        key = CODEC.structure(body, RevealedKey).api_key
        if key is None:
            raise DecodeError("the answer has no 'api-key' @ $", transient=True)
        return key

    return await requests.json("reveal_api_key", read, id)


def check_connect(options: ConnectOptions) -> None:
    """Check what is passed to `connect`. Raises `InvalidInputError`."""
    if options.private:
        raise InvalidInputError("private: Exoscale has no private endpoints")
    if options.mint_token is not None:
        raise InvalidInputError(
            "mint_token: Exoscale reveals the key of a deployment; leave it out, or pass "
            "access_token="
        )


def check_serving(deployment: Deployment) -> None:
    """Check that it has replicas. Raises `InvalidInputError`."""
    if deployment.replicas == 0:
        raise InvalidInputError(
            f"{deployment.name} has 0 replicas, so nothing answers; scale {deployment.id} to 1 "
            "first"
        )


async def serving_target(
    requests: ZoneRequests, deployment: Deployment, options: ConnectOptions
) -> ServingTarget:
    """Return the URL of a ready deployment, with its key.

    Raises:
        InvalidInputError: it has no replicas.
        NotServingYetError: it has no URL yet.
    """
    check_serving(deployment)
    if not deployment.deployment_url:
        raise NotServingYetError(f"{deployment.name} has no deployment-url yet")
    key = options.access_token or await reveal_api_key(requests, deployment.id)
    return ServingTarget(url=deployment.deployment_url, access_token=key)
