"""Update an instance: a PATCH with the complete spec, and what a lost response may have done."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from di_async.core.errors import APIError, PermissionDeniedError
from di_async.core.http import Request
from di_async.core.request_body import declared
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.digitalocean.adapter import read_instance
from di_async.digitalocean.api import ENDPOINTS
from di_async.digitalocean.lifecycle import update_expectation, was_accepted
from di_async.digitalocean.models import DedicatedInference
from di_async.digitalocean.spec import DedicatedInferenceSpec, previous_spec
from di_async.engine.engine import Engine
from di_async.engine.log import Log
from di_async.engine.waiting.change import Change
from di_async.engine.writes.lost_writes import (
    READ_FIRST,
    recover_write,
    retry_while_busy,
    unknown_write,
)

__all__ = ["MakeSpec", "update_instance"]

logger = Log("di_async")

MakeSpec = Callable[[DedicatedInference], DedicatedInferenceSpec | None]
"""Returns the complete spec to send for the live instance; None leaves its spec as it is."""


async def update_instance(
    engine: Engine,
    adapter: ResourceAdapter[DedicatedInference],
    id: str,
    make_spec: MakeSpec,
    secrets: Mapping[str, Any],
    ready_timeout: float,
) -> Change[DedicatedInference]:
    """Read an instance, and send the spec that `make_spec` returns for it, with these secrets."""

    def read(body: Any) -> tuple[DedicatedInference, list[str]]:
        found, lost = read_instance(body, id=id), list[str]()
        declared(DedicatedInferenceSpec, body["dedicated_inference"].get("spec"), lost, "spec")
        return found, lost

    async def write() -> Change[DedicatedInference]:
        before, lost = await engine.json(ENDPOINTS["get"].request(id), read)
        spec = make_spec(before)
        if spec and lost:
            logger.warning("an update of %s drops undocumented fields: %s", before.id, lost)
        body = {**({"spec": spec.to_dict()} if spec else {}), **secrets}
        request = ENDPOINTS["update"].request(before.id, json=body)
        return await _send(engine, adapter, id, request, before, spec)

    return await retry_while_busy(engine, write, ready_timeout, is_busy=_is_busy)


async def _send(
    engine: Engine,
    adapter: ResourceAdapter[DedicatedInference],
    id: str,
    request: Request,
    before: DedicatedInference,
    spec: DedicatedInferenceSpec | None,
) -> Change[DedicatedInference]:
    """Send an update once; after a lost response, adopt it or send it again."""
    call, read = CallRecord(), partial(read_instance, id=id)

    def change(shown: DedicatedInference, *, adopted: bool) -> Change[DedicatedInference]:
        expectation = update_expectation(before, shown, spec, engine.clock.now())
        return engine.change(
            adapter,
            id,
            expectation,
            initial=shown,
            adopted=adopted,
            previous_spec=previous_spec(before),
        )

    async def send() -> Change[DedicatedInference]:
        return change(await engine.json(request, read, call), adopted=False)

    def accepted(live: DedicatedInference) -> Change[DedicatedInference] | None:
        is_ours = spec is not None and was_accepted(before, live, spec)
        return change(live, adopted=True) if is_ours else None

    return await recover_write(
        engine,
        f"update of {id}",
        call,
        send=send,
        read=lambda: engine.json(ENDPOINTS["get"].request(id), read),
        accepted=accepted,
        unknown=partial(unknown_write, request, id),
        attempts=engine.retry.attempts,
        lookup_hint=READ_FIRST,
        one_read=True,
    )


def _is_busy(refusal: APIError) -> bool:
    """Return whether a refusal may mean "not yet": a PATCH during a change is answered with 403."""
    return isinstance(refusal, PermissionDeniedError) and refusal.method == "PATCH"
