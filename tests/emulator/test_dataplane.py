"""The data plane over sockets, used with the OpenAI SDK."""

import base64
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from di_async.emulator import Emulator

from .helpers import BASE, MODEL

if TYPE_CHECKING:  # imported by the tests that use it: each worker collects all tests
    from openai import AsyncOpenAI

HELLO = "Hello from the emulator."


def openai(emu: Emulator, token: str) -> "AsyncOpenAI":
    """Return an SDK client that trusts the emulator's CA."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    tls = ssl.create_default_context(cadata=emu.ca_pem)
    return AsyncOpenAI(
        api_key=token,
        base_url=f"{emu.dataplane_url}/v1",
        http_client=DefaultAsyncHttpxClient(verify=tls),
        max_retries=0,
    )


@pytest.fixture
async def sdk(emu: Emulator) -> "AsyncIterator[AsyncOpenAI]":
    """Return an SDK client with a token of an active instance."""
    async with openai(emu, emu.add_token(emu.add_instance().id).value) as sdk:
        yield sdk


async def test_sdk_lists_the_models_of_its_instance(sdk: "AsyncOpenAI") -> None:
    """The token identifies the instance and its models."""
    assert [model.id async for model in sdk.models.list()] == [MODEL]


async def test_sdk_gets_a_completion_with_usage(sdk: "AsyncOpenAI") -> None:
    """A chat completion has a message and counts its tokens."""
    reply = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello?"}]
    )
    assert reply.choices[0].message.content == HELLO
    assert reply.usage is not None
    assert reply.usage.total_tokens == 12


async def test_sdk_streams_a_completion(sdk: "AsyncOpenAI") -> None:
    """The chunks of a stream add up to the same text."""
    stream = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert ("".join(pieces), len(pieces) > 3) == (HELLO, True)


async def test_sdk_gets_and_streams_plain_completions(sdk: "AsyncOpenAI") -> None:
    """The older completions endpoint works likewise."""
    whole = await sdk.completions.create(model=MODEL, prompt="Hello?")
    stream = await sdk.completions.create(model=MODEL, prompt="Hello?", stream=True)
    streamed = "".join([chunk.choices[0].text async for chunk in stream])
    assert (whole.choices[0].text, streamed) == (HELLO, HELLO)


async def test_sdk_retrieves_one_model(sdk: "AsyncOpenAI") -> None:
    """A model is read by its id, slash included; another one is not found."""
    from openai import NotFoundError

    assert (await sdk.models.retrieve(MODEL)).id == MODEL
    with pytest.raises(NotFoundError, match="does not exist"):
        await sdk.models.retrieve("other")


async def test_sdk_gets_and_streams_a_response(sdk: "AsyncOpenAI") -> None:
    """The Responses API returns the same text whole and in pieces."""
    whole = await sdk.responses.create(model=MODEL, input="Hello?")
    assert whole.output_text == HELLO
    assert whole.usage is not None
    assert whole.usage.total_tokens == 12
    stream = await sdk.responses.create(model=MODEL, input="Hello?", stream=True)
    events = [event async for event in stream]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == HELLO
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_sdk_gets_embeddings(sdk: "AsyncOpenAI", encoding: Any) -> None:
    """Each input has a vector, in either encoding."""
    reply = await sdk.embeddings.create(model=MODEL, input=["a", "b"], encoding_format=encoding)
    assert [one.index for one in reply.data] == [0, 1]
    plain = await sdk.embeddings.create(model=MODEL, input="a")
    assert plain.data[0].embedding == pytest.approx([0.6, 0.8, 0.0, 0.0])


@pytest.mark.parametrize("name", ["", None])
async def test_request_without_a_model_gets_the_first(emu: Emulator, name: str | None) -> None:
    """As with vLLM, a request that names no model is answered; one that names another is 404."""
    token = emu.add_token(emu.add_instance().id).value
    tls = ssl.create_default_context(cadata=emu.ca_pem)
    headers = {"Authorization": f"Bearer {token}"}
    messages = [{"role": "user", "content": "Hello?"}]
    async with aiohttp.ClientSession(emu.dataplane_url, headers=headers) as session:

        async def post(model: str | None) -> tuple[int, Any]:
            body = {"messages": messages, **({} if model is None else {"model": model})}
            async with session.post("/v1/chat/completions", json=body, ssl=tls) as reply:
                return reply.status, await reply.json()

        status, reply = await post(name)
        assert (status, reply["model"]) == (200, MODEL)
        status, reply = await post("dummy")
        assert (status, reply["error"]["type"]) == (404, "NotFoundError")


async def test_sdk_with_the_account_token_is_refused(emu: Emulator) -> None:
    """The account's token is not valid on the data plane."""
    from openai import AuthenticationError

    async with openai(emu, emu.token) as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.models.list()


async def test_ca_endpoint_returns_the_ca_of_the_data_plane(emu: Emulator) -> None:
    """A client that trusts the certificate of GET .../ca can connect."""
    instance = emu.add_instance()
    token = emu.add_token(instance.id).value
    account = {"Authorization": f"Bearer {emu.token}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{emu.url}{BASE}/{instance.id}/ca", headers=account) as reply:
            pem = base64.b64decode((await reply.json())["cert"]).decode()
        tls = ssl.create_default_context(cadata=pem)
        own = {"Authorization": f"Bearer {token}"}
        async with session.get(f"{emu.dataplane_url}/health", headers=own, ssl=tls) as health:
            assert health.status == 200
