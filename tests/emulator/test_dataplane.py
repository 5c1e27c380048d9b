"""The data plane over sockets, used with the OpenAI SDK."""

import base64
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from openai import AsyncOpenAI, AuthenticationError, DefaultAsyncHttpxClient

from di_async.emulator import Emulator

from .helpers import BASE, MODEL

HELLO = "Hello from the emulator."


def openai(emu: Emulator, token: str) -> AsyncOpenAI:
    """Return an SDK client that trusts the emulator's CA."""
    tls = ssl.create_default_context(cadata=emu.ca_pem)
    return AsyncOpenAI(
        api_key=token,
        base_url=f"{emu.dataplane_url}/v1",
        http_client=DefaultAsyncHttpxClient(verify=tls),
        max_retries=0,
    )


@pytest.fixture
async def sdk(emu: Emulator) -> AsyncIterator[AsyncOpenAI]:
    """Return an SDK client with a token of an active instance."""
    async with openai(emu, emu.add_token(emu.add_instance().id).value) as sdk:
        yield sdk


async def test_sdk_lists_the_models_of_its_instance(sdk: AsyncOpenAI) -> None:
    """The token identifies the instance and its models."""
    assert [model.id async for model in sdk.models.list()] == [MODEL]


async def test_sdk_gets_a_completion_with_usage(sdk: AsyncOpenAI) -> None:
    """A chat completion has a message and counts its tokens."""
    reply = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello?"}]
    )
    assert reply.choices[0].message.content == HELLO
    assert reply.usage is not None
    assert reply.usage.total_tokens == 12


async def test_sdk_streams_a_completion(sdk: AsyncOpenAI) -> None:
    """The chunks of a stream add up to the same text."""
    stream = await sdk.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Hello?"}], stream=True
    )
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert ("".join(pieces), len(pieces) > 3) == (HELLO, True)


async def test_sdk_gets_and_streams_plain_completions(sdk: AsyncOpenAI) -> None:
    """The older completions endpoint works likewise."""
    whole = await sdk.completions.create(model=MODEL, prompt="Hello?")
    stream = await sdk.completions.create(model=MODEL, prompt="Hello?", stream=True)
    streamed = "".join([chunk.choices[0].text async for chunk in stream])
    assert (whole.choices[0].text, streamed) == (HELLO, HELLO)


async def test_sdk_with_the_account_token_is_refused(emu: Emulator) -> None:
    """The account's token is not valid on the data plane."""
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
