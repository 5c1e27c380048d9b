"""The OpenAI clients of an endpoint, as type checkers see them."""

from typing import assert_type

from openai import AsyncOpenAI, OpenAI

from di_async.blocking.engine import ServingEndpoint as BlockingEndpoint
from di_async.engine.endpoints.serving import ServingEndpoint


def check(endpoint: ServingEndpoint, blocking: BlockingEndpoint) -> None:
    """Each endpoint returns the client of its kind."""
    assert_type(endpoint.openai(), AsyncOpenAI)
    assert_type(endpoint.sync_openai(), OpenAI)
    assert_type(blocking.openai(), OpenAI)
