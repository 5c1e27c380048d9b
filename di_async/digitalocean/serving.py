"""Access to the endpoints of instances: tokens, and the private endpoint's CA."""

from functools import partial

from di_async.digitalocean.api import ENDPOINTS, list_rows, unwrap
from di_async.digitalocean.models import CODEC, AccessToken, CACertificate, read_ca
from di_async.digitalocean.spec import check_name
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.writes.create_once import create_once

__all__ = ["ca_certificate", "create_token", "list_tokens"]


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
