"""Calls that type checkers check: the public names infer the promised types."""

from typing import assert_type

from di_async import Change, DigitalOcean, StatusChange
from di_async.digitalocean import AccessToken, DedicatedInference, DedicatedInferenceSpec, Sizes


async def check(spec: DedicatedInferenceSpec) -> None:
    """Check the type of each result."""
    async with DigitalOcean() as do:
        made = await do.dedicated_inferences.create(spec)
        assert_type(made, Change[DedicatedInference])
        assert_type(await made.wait(timeout=3600), DedicatedInference)
        assert_type(await do.dedicated_inferences.find("x"), DedicatedInference | None)
        assert_type(await do.dedicated_inferences.wait_until_active("x"), DedicatedInference)
        assert_type(await do.dedicated_inferences.sizes(), Sizes)
        gone = await do.dedicated_inferences.delete(made.id)
        assert_type(gone, Change[None])
        async for token in do.dedicated_inferences.list_tokens(made.id):
            assert_type(token, AccessToken)
        async for event in made.events():
            assert_type(event, StatusChange)
