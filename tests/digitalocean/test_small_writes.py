"""Deletes and endpoint tokens whose responses are lost."""

from typing import Any

import pytest

from di_async import (
    ConnectError,
    DecodeError,
    GatewayError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransportError,
)
from di_async.emulator import World
from tests.builders.digitalocean import ID
from tests.digitalocean.helpers import scripted_client
from tests.fake_network import TEN_MINUTES, answer, plain, virtual_client
from tests.support import VIRTUAL

pytestmark = VIRTUAL
ONE = "/v2/dedicated-inferences/{id}"
LOST = TransportError("reset")
TOKENS = {"tokens": [{"id": "t-1", "name": "mine"}, {"id": "t-2", "name": "other"}]}


def a_world() -> World:
    """A world in which deletes take two minutes."""
    return World("documented", seed=0, lifecycle=TEN_MINUTES)


# --- delete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_commit", [True, False])
@pytest.mark.parametrize("kind", ["reset", "status", "html", "cut"])
async def test_lost_delete(kind: str, after_commit: bool) -> None:
    """A delete whose response was lost is sent again, and settles."""
    async with virtual_client(a_world()) as (client, network):
        id = network.world.add_instance(now=network.now(), name="web").id
        network.world.fault(kind, now=0, on=f"DELETE {ONE}", after_commit=after_commit)
        change = await client.dedicated_inferences.delete(id)
        await change.wait()
        assert not network.world.truth(id, network.now()).exists
    assert change.already_gone is False


async def test_delete_whose_first_answer_was_lost_and_is_gone() -> None:
    """A 404 to the second send is the success of the first: settled, not "already gone"."""
    gone = answer(404, {"id": "not_found", "message": "m"})
    async with scripted_client(LOST, gone, gone) as (client, _):
        change = await client.dedicated_inferences.delete(ID)
    assert (change.already_gone, change.outcome) == (False, "settled")


async def test_delete_of_what_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """The change is settled, and a warning names the other-team case."""
    async with virtual_client(a_world()) as (client, network):
        change = await client.dedicated_inferences.delete(ID)
        await change.wait()
    assert (change.already_gone, len(network.requests)) == (True, 2)
    assert "another team" in caplog.text


async def test_delete_of_what_was_never_sent_before() -> None:
    """An attempt that never connected cannot have deleted anything."""
    gone = answer(404, {"id": "not_found", "message": "m"})
    async with scripted_client(ConnectError("no"), gone, gone) as (client, _):
        assert (await client.dedicated_inferences.delete(ID)).already_gone is True


@pytest.mark.parametrize("body", ["<html>not here</html>", "not here", "", '{"error": "x"}'])
async def test_foreign_404_proves_no_deletion(body: str) -> None:
    """A gateway's 404 does not settle a delete."""
    page = plain(404, body)
    async with scripted_client(*[page] * 5) as (client, _):
        with pytest.raises(GatewayError):
            await client.dedicated_inferences.delete(ID)


@pytest.mark.parametrize("steps", [[answer(202)], [answer(204)], [answer(200), answer(202)]])
async def test_delete_status(steps: list[Any]) -> None:
    """202 is documented here, 204 for similar APIs; after an empty 200 it is sent again."""
    async with scripted_client(*steps) as (client, network):
        change = await client.dedicated_inferences.delete(ID)
    assert (change.already_gone, change.outcome) == (False, None)
    assert network.left == []


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [LOST, answer(503), plain(202, '{"tok')])
async def test_lost_token(lost: Any) -> None:
    """A token is never created twice: the outcome is unknown, with the tokens of that name."""
    async with scripted_client(lost, answer(200, TOKENS)) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="1 of that name") as caught:
            await client.dedicated_inferences.create_token(ID, "mine")
    assert [token.id for token in caught.value.candidates] == ["t-1"]
    assert len(network.requests_of("POST")) == 1


@pytest.mark.parametrize("broken", [TransportError("gone"), answer(503), answer(403)])
async def test_lost_token_and_no_list(broken: Any) -> None:
    """The outcome is unknown as well if the tokens cannot be listed."""
    async with scripted_client(LOST, *[broken] * 12) as (client, network):
        with pytest.raises(OutcomeUnknownError, match="'mine'"):
            await client.dedicated_inferences.create_token(ID, "mine")
    assert len(network.requests_of("POST")) == 1


async def test_token_that_was_never_sent() -> None:
    """A request that never connects is sent again, then raises `ConnectError`."""
    async with scripted_client(*[ConnectError("no")] * 4) as (client, network):
        with pytest.raises(ConnectError):
            await client.dedicated_inferences.create_token(ID, "mine")
    assert len(network.requests) == 4


@pytest.mark.parametrize("name", ["", "a b", "x" * 256])
async def test_token_name_rule(name: str) -> None:
    """An invalid token name is rejected before anything is sent."""
    async with scripted_client() as (client, network):
        with pytest.raises(InvalidInputError, match="name: expected 1 to 255 letters"):
            await client.dedicated_inferences.create_token(ID, name)
    assert network.requests == []


@pytest.mark.parametrize("after_commit", [True, False])
async def test_lost_revoke(after_commit: bool) -> None:
    """A revoke is sent again; a 404 then is the success of the first attempt."""
    async with virtual_client(a_world()) as (client, network):
        id = network.world.add_instance(now=network.now(), name="web").id
        token = network.world.add_token(id, "mine", now=network.now())
        network.world.fault(
            "reset", now=0, on=f"DELETE {ONE}/tokens/{{token_id}}", after_commit=after_commit
        )
        await client.dedicated_inferences.revoke_token(id, token.id)
        left = [t.id async for t in client.dedicated_inferences.list_tokens(id)]
    assert token.id not in left


async def test_revoke_of_what_is_not_there() -> None:
    """A 404 to the first attempt is an error: nothing was revoked."""
    async with scripted_client(answer(404, {"id": "not_found", "message": "m"})) as (client, _):
        with pytest.raises(NotFoundError):
            await client.dedicated_inferences.revoke_token(ID, "t-9")


async def test_revoke_refused() -> None:
    """A refusal is final and is not retried."""
    async with scripted_client(answer(403, {"id": "forbidden", "message": "m"})) as (
        client,
        network,
    ):
        with pytest.raises(PermissionDeniedError):
            await client.dedicated_inferences.revoke_token(ID, "t-1")
    assert len(network.requests) == 1


@pytest.mark.parametrize("body", [{"message": "ok"}, [], "<html>"])
async def test_revoke_needs_an_answer_without_a_body(body: Any) -> None:
    """A 200 with a body is a gateway's; the revoke is sent again."""
    foreign = plain(200, body) if isinstance(body, str) else answer(200, body)
    async with scripted_client(foreign, answer(204, None)) as (client, network):
        await client.dedicated_inferences.revoke_token(ID, "t-1")
    assert [request.method for request in network.requests] == ["DELETE", "DELETE"]


@pytest.mark.parametrize("listed", [True, False])
async def test_revoke_answered_without_a_body_is_decided_by_a_read(listed: bool) -> None:
    """Only 204 says that the token is revoked; after an empty 200 the list decides."""
    tokens = answer(200, {"tokens": [{"id": "t-1", "name": "ci"}] if listed else []})
    async with scripted_client(*[plain(200, "")] * 4, tokens) as (client, _):
        revoked = client.dedicated_inferences.revoke_token(ID, "t-1")
        if listed:
            with pytest.raises(DecodeError, match="empty"):
                await revoked
        else:
            await revoked


async def test_revoke_ignores_a_foreign_404() -> None:
    """A gateway's 404 after a lost response does not prove that the token is gone."""
    page = plain(404, "not here")
    async with scripted_client(LOST, page, page, page, answer(200, TOKENS)) as (client, _):
        with pytest.raises(GatewayError):
            await client.dedicated_inferences.revoke_token(ID, "t-1")
