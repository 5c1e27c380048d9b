"""Access to the endpoints of instances: tokens, the private endpoint's CA, and URLs."""

from functools import partial

from di_async.core.errors import InvalidInputError
from di_async.core.serving import ConnectOptions, ServingTarget
from di_async.digitalocean.api import ENDPOINTS, list_rows, unwrap
from di_async.digitalocean.models import (
    CODEC,
    AccessToken,
    CACertificate,
    DedicatedInference,
    read_ca,
)
from di_async.digitalocean.spec import check_name
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.writes.create_once import create_once

__all__ = ["ca_certificate", "check_connect", "create_token", "list_tokens", "serving_target"]


def list_tokens(engine: Engine, id: str, page_size: int = 200) -> Listing[AccessToken]:
    """Return an async iterator over an instance's endpoint tokens, without their values."""
    decode = partial(CODEC.structure, into=AccessToken)
    return list_rows(engine, "list_tokens", decode, (id,), page_size=page_size)


async def create_token(engine: Engine, id: str, name: str) -> AccessToken:
    """Create an endpoint token; see `DedicatedInferences.create_token`."""
    check_name(name)
    request = ENDPOINTS["create_token"].request(id, json={"name": name})

    async def find() -> list[AccessToken]:
        return [token async for token in list_tokens(engine, id) if token.name == name]

    return await create_once(
        engine,
        request,
        f"token {name!r} of {id}",
        accept=lambda body: CODEC.structure(unwrap(body, "token"), AccessToken),
        find=find,
        one_time_value=True,
    )


async def ca_certificate(engine: Engine, id: str) -> CACertificate:
    """Return the CA behind the private endpoint."""
    request = ENDPOINTS["ca_certificate"].request(id)
    return await engine.json(request, read_ca)


def check_connect(options: ConnectOptions) -> None:
    """Check that a key is known, or can be created.

    Raises:
        InvalidInputError: neither.
    """
    if options.mint_token is not None:
        check_name(options.mint_token)
    elif options.access_token is None:
        raise InvalidInputError(
            "the endpoint's token is not known, as only the create's answer shows it; pass "
            "access_token=, or mint_token=NAME to create another"
        )


async def serving_target(
    engine: Engine, di: DedicatedInference, options: ConnectOptions
) -> ServingTarget:
    """Return an active instance's endpoint; create the token of `mint_token`, read the CA.

    Raises:
        InvalidInputError: it has no such endpoint.
    """
    at = di.endpoints
    host = at and (at.private_endpoint_fqdn if options.private else at.public_endpoint_fqdn)
    if not host:
        kind, other = ("private", "out") if options.private else ("public", "")
        raise InvalidInputError(
            f"{di.name or di.id} has no {kind} endpoint; connect with{other} private=True"
        )
    ca = (await ca_certificate(engine, di.id)).pem if options.private else None
    key = options.access_token
    if options.mint_token is not None:
        key = (await create_token(engine, di.id, options.mint_token)).value
    return ServingTarget(url=host, access_token=key, ca_pem=ca)
