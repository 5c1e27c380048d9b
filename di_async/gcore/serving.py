"""Where deployments and instances serve, and the key that their endpoints need. Pure."""

from di_async.core.errors import InvalidInputError
from di_async.core.serving import ConnectOptions, NotServingYetError, ServingTarget
from di_async.gcore.models import Inference

__all__ = ["check_connect", "check_serving", "serving_target"]


def check_connect(options: ConnectOptions) -> None:
    """Check what is passed to `connect`. Raises `InvalidInputError`."""
    if options.private:
        raise InvalidInputError("private: Gcore has no private endpoints")
    if options.mint_token is not None:
        raise InvalidInputError(
            "mint_token: a key opens a Gcore deployment only if its spec names it; create one with "
            "`client.api_keys`, name it in `api_keys`, and pass it as access_token="
        )


def check_serving(found: Inference) -> None:
    """Check that it is not stopped. Raises `InvalidInputError`."""
    if found.status == "DISABLED":
        raise InvalidInputError(f"{found.name} is stopped; start it before you connect")


def serving_target(found: Inference, options: ConnectOptions) -> ServingTarget:
    """Return the address of a deployment or an instance, with the caller's key.

    Raises:
        InvalidInputError: it is stopped, or its key was not passed.
        NotServingYetError: it has no address yet.
    """
    check_serving(found)
    if not found.address:
        raise NotServingYetError(f"{found.name} has no address yet (status {found.status})")
    if options.access_token is None and found.auth_enabled is not False:
        raise InvalidInputError(
            f"the API shows no key of {found.name}; pass access_token=, the secret of one of its "
            "`api_keys`"
        )
    asleep = found.status == "PENDING"
    return ServingTarget(
        url=found.address,
        access_token=options.access_token,
        note="it is scaled to zero; the first probe wakes it" if asleep else None,
    )
