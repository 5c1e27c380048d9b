"""The openai SDK against an instance's endpoint, with its CA and token."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from di_async import DigitalOcean, PollPolicy
from di_async.digitalocean import DedicatedInference
from di_async.emulator import Emulator
from tests.builders.digitalocean import MODEL, a_spec

if TYPE_CHECKING:  # imported by the tests that use it: each worker collects all tests
    import openai
    from openai.types.chat import ChatCompletionMessageParam

HELLO: "list[ChatCompletionMessageParam]" = [{"role": "user", "content": "hello"}]


@pytest.fixture
def di_emulator_options() -> dict[str, Any]:
    """Return options ten times as fast as the fixture's defaults."""
    return {"time_scale": 1000.0}


@asynccontextmanager
async def deployed(
    emu: Emulator,
) -> AsyncIterator[tuple[DigitalOcean, DedicatedInference, str, ssl.SSLContext]]:
    """Yield a client, an active instance, its token, and a TLS context of its CA alone."""
    async with DigitalOcean(
        emu.token, base_url=emu.url, polling=PollPolicy(target_lag=0.02)
    ) as client:
        change = await client.dedicated_inferences.create(a_spec())
        di = await change.wait(timeout=10)
        ca = await client.dedicated_inferences.ca_certificate(di.id)
        yield client, di, change.access_token.value.reveal(), ca.ssl_context()


def base_url(emu: Emulator, di: DedicatedInference) -> str:
    """Return the SDK's base URL: the API's endpoint, with or without a scheme."""
    assert di.endpoints is not None
    host = di.endpoints.public_endpoint_fqdn or ""
    url = host if host.startswith("https://") else f"https://{host}"
    assert url == emu.dataplane_url
    return f"{url}/v1"


@asynccontextmanager
async def sdk(emu: Emulator, token: str | None = None) -> "AsyncIterator[openai.AsyncOpenAI]":
    """Return the asynchronous SDK for a new instance."""
    import openai

    async with (
        deployed(emu) as (_, di, own, context),
        openai.DefaultAsyncHttpxClient(verify=context) as network,
        openai.AsyncOpenAI(
            api_key=token or own, base_url=base_url(emu, di), http_client=network, max_retries=0
        ) as client,
    ):
        yield client


async def test_models(di_emulator: Emulator) -> None:
    """The SDK lists the deployed model."""
    async with sdk(di_emulator) as client:
        assert [model.id async for model in client.models.list()] == [MODEL]


async def test_chat_completion(di_emulator: Emulator) -> None:
    """A completion has a message and its usage."""
    async with sdk(di_emulator) as client:
        completion = await client.chat.completions.create(model=MODEL, messages=HELLO)
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens
        == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )


async def test_streaming(di_emulator: Emulator) -> None:
    """The chunks of a stream add up to the same text."""
    async with sdk(di_emulator) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=HELLO)
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        parts = [part.choices[0].delta.content or "" async for part in stream if part.choices]
    assert len(parts) > 1
    assert "".join(parts) == whole.choices[0].message.content


async def test_wrong_token(di_emulator: Emulator) -> None:
    """The account's token is 401 at the endpoint."""
    import openai

    async with sdk(di_emulator, token=di_emulator.token) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model=MODEL, messages=HELLO)


async def test_revoked_token(di_emulator: Emulator) -> None:
    """A created token is valid until it is revoked."""
    import openai

    async with (
        deployed(di_emulator) as (client, di, _, context),
        openai.DefaultAsyncHttpxClient(verify=context) as network,
    ):
        token = await client.dedicated_inferences.create_token(di.id, "mine")
        assert token.value is not None
        options: dict[str, Any] = {"http_client": network, "max_retries": 0}
        sdk_client = openai.AsyncOpenAI(
            api_key=token.value.reveal(), base_url=base_url(di_emulator, di), **options
        )
        assert (await sdk_client.chat.completions.create(model=MODEL, messages=HELLO)).choices
        await client.dedicated_inferences.revoke_token(di.id, token.id)
        with pytest.raises(openai.AuthenticationError):
            await sdk_client.chat.completions.create(model=MODEL, messages=HELLO)


async def test_untrusted_without_the_ca(di_emulator: Emulator) -> None:
    """Without the instance's CA the endpoint is not trusted."""
    import openai

    async with (
        deployed(di_emulator) as (_, di, token, _context),
        openai.AsyncOpenAI(
            api_key=token, base_url=base_url(di_emulator, di), max_retries=0
        ) as client,
    ):
        with pytest.raises(openai.APIConnectionError):
            await client.models.list()


@contextmanager
def sync_sdk(emu: Emulator) -> "Iterator[openai.OpenAI]":
    """Return the synchronous SDK for an added instance."""
    import openai

    token = emu.add_token(emu.add_instance().id)
    context = ssl.create_default_context(cadata=emu.ca_pem)
    with (
        openai.DefaultHttpxClient(verify=context) as network,
        openai.OpenAI(
            api_key=token.value,
            base_url=f"{emu.dataplane_url}/v1",
            http_client=network,
            max_retries=0,
        ) as client,
    ):
        yield client


def test_synchronous_chat(di_emulator: Emulator) -> None:
    """The synchronous SDK receives the same completion."""
    with sync_sdk(di_emulator) as client:
        completion = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert completion.choices[0].message.content


def test_synchronous_streaming(di_emulator: Emulator) -> None:
    """The synchronous SDK receives the same chunks."""
    with sync_sdk(di_emulator) as client:
        stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
        parts = [part.choices[0].delta.content for part in stream if part.choices]
    assert len(parts) > 1
