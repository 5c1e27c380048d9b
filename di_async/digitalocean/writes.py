"""Writes that survive a lost answer: sent once, then settled by looking, never repeated blindly."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from di_async.core.errors import (
    APIError,
    ConflictError,
    ConnectError,
    DecodeError,
    DIError,
    InvalidInputError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from di_async.core.lost_create import Candidate
from di_async.core.secret import Secret, reveal
from di_async.core.waiting.resource_adapter import CallRecord, ResourceAdapter
from di_async.digitalocean.endpoints import ENDPOINTS
from di_async.digitalocean.lifecycle import create_expectation, update_expectation
from di_async.digitalocean.models import CODEC, AccessToken, DedicatedInference
from di_async.digitalocean.spec import (
    DedicatedInferenceSpec,
    check_name,
    latest_spec,
    spec_digest,
)
from di_async.engine.client import Engine
from di_async.engine.listing import Listing
from di_async.engine.lost_writes import (
    AMBIGUOUS_ERRORS,
    LOOKUP_DELAYS_S,
    AcceptedWrite,
    create_by_name,
    delete,
    recover_write,
    retry_while_busy,
    unknown_write,
)
from di_async.engine.waiting.change import Change

__all__ = ["Writes", "unwrap"]

logger = logging.getLogger("di_async")

Tokens = Mapping[str, str | Secret] | None


def unwrap(body: Any, key: str) -> Any:
    """What sits under `key` in an answer.

    Raises:
        DecodeError: nothing does.
    """
    if not isinstance(body, dict) or key not in body:
        raise DecodeError(f"the answer has no {key!r} @ $")
    return body[key]


class Writes:
    """The five writes of one provider."""

    def __init__(
        self,
        engine: Engine,
        adapter: ResourceAdapter[DedicatedInference],
        secrets_key: str,
        *,
        get: Callable[[str], Awaitable[DedicatedInference]],
        find: Callable[[str], Awaitable[list[DedicatedInference]]],
    ) -> None:
        self._engine = engine
        self._adapter = adapter
        self._secrets_key = secrets_key
        self._get = get
        self._find = find

    # -- create -------------------------------------------------------------------------------

    async def create(
        self, spec: DedicatedInferenceSpec, access_tokens: Tokens
    ) -> Change[DedicatedInference]:
        """See `DedicatedInferences.create`."""
        body = {"spec": spec.to_dict(), **self._secrets(access_tokens)}
        return await create_by_name(
            self._engine,
            ENDPOINTS["create"].request(json=body),
            spec.name,
            accept=partial(self._created, spec),
            find=partial(self._find, spec.name),
            candidate=partial(_candidate, spec),
            adopt=partial(self._adopt, spec),
            lookup_hint=f"Look with `find({spec.name!r})`",
        )

    def _created(self, spec: DedicatedInferenceSpec, answer: Any) -> Change[DedicatedInference]:
        accepted_at = self._engine.clock.now()
        initial = CODEC.structure(unwrap(answer, "dedicated_inference"), DedicatedInference)
        token = CODEC.structure(answer["token"], AccessToken) if answer.get("token") else None
        logger.info("create of %s accepted: %s", spec.name, initial.id)
        expectation = create_expectation(initial, spec, accepted_at)
        return self._engine.change(
            self._adapter, initial.id, expectation, initial=initial, access_token=token
        )

    def _adopt(
        self, spec: DedicatedInferenceSpec, found: DedicatedInference
    ) -> Change[DedicatedInference]:
        logger.warning(
            "%s (%s) was made by a create whose answer was lost: adopted. Its one-time token is "
            "lost with the answer: create_token(%r, name) makes another",
            spec.name,
            found.id,
            found.id,
        )
        expectation = create_expectation(found, spec, self._engine.clock.now())
        return self._engine.change(
            self._adapter, found.id, expectation, initial=found, adopted=True
        )

    # -- update -------------------------------------------------------------------------------

    async def update(
        self,
        id: str,
        make_spec: Callable[[DedicatedInference], DedicatedInferenceSpec | None],
        access_tokens: Tokens,
        ready_timeout: float,
    ) -> Change[DedicatedInference]:
        """See `DedicatedInferences.update`; `make_spec` makes the whole spec of the live one."""
        secrets = self._secrets(access_tokens)

        async def write() -> Change[DedicatedInference]:
            before = await self._get(id)
            spec = make_spec(before)
            body = {**({"spec": spec.to_dict()} if spec else {}), **secrets}
            answer, adopted = await self._patch(before, spec, body)
            expectation = update_expectation(before, answer, spec, self._engine.clock.now())
            logger.info("update of %s accepted", id)
            return self._engine.change(
                self._adapter, id, expectation, initial=answer, adopted=adopted
            )

        return await retry_while_busy(self._engine, write, ready_timeout, is_busy=_is_not_yet)

    async def _patch(
        self,
        before: DedicatedInference,
        spec: DedicatedInferenceSpec | None,
        body: dict[str, Any],
    ) -> tuple[DedicatedInference, bool]:
        request = ENDPOINTS["update"].request(before.id, json=body)

        async def send() -> tuple[DedicatedInference, bool]:
            answer = unwrap(await self._engine.json(request), "dedicated_inference")
            return CODEC.structure(answer, DedicatedInference), False

        def accepted(live: DedicatedInference) -> tuple[DedicatedInference, bool] | None:
            return (live, True) if spec and _was_accepted(before, live, spec) else None

        return await recover_write(
            self._engine,
            before.id,
            send=send,
            read=lambda: self._get(before.id),
            accepted=accepted,
            unknown=partial(unknown_write, request, before.id),
            attempts=self._engine.retry.attempts,
            delays=LOOKUP_DELAYS_S[:1],
        )

    # -- delete, tokens -----------------------------------------------------------------------

    async def delete(self, id: str) -> Change[None]:
        """See `DedicatedInferences.delete`."""
        request = ENDPOINTS["delete"].request(id)

        async def send(call: CallRecord) -> AcceptedWrite:
            await self._engine.json(request, call)
            return None, ()

        elsewhere = "If the token is of another team, it still bills"
        return await delete(self._engine, self._adapter, id, send, location_hint=elsewhere)

    async def create_token(
        self, id: str, name: str, list_tokens: Callable[[str], Listing[AccessToken]]
    ) -> AccessToken:
        """See `DedicatedInferences.create_token`."""
        check_name(name)
        request = ENDPOINTS["create_token"].request(id, json={"name": name})
        try:
            body = await self._engine.json(request)
            return CODEC.structure(unwrap(body, "token"), AccessToken)
        except ConnectError:
            raise
        except AMBIGUOUS_ERRORS as lost:
            try:
                found = [token async for token in list_tokens(id) if token.name == name]
                seen = f"{len(found)} of that name exist"
            except DIError as error:
                found, seen = [], f"looking for it failed too ({error})"
            raise OutcomeUnknownError(
                f"whether a token {name!r} was created is not known ({lost}); its value is lost "
                f"either way. {seen}: revoke what you do not know and create anew",
                method="POST",
                path=request.path,
                candidates=tuple(found),
            ) from lost

    # -- helpers ------------------------------------------------------------------------------

    def _secrets(self, tokens: Tokens) -> dict[str, Any]:
        if not tokens:
            return {}
        if not isinstance(tokens, Mapping) or not all(
            isinstance(value, str | Secret) for value in tokens.values()
        ):
            raise InvalidInputError("access_tokens: a mapping of names to tokens")
        return {self._secrets_key: {name: reveal(value) for name, value in tokens.items()}}


def _candidate(spec: DedicatedInferenceSpec, di: DedicatedInference) -> Candidate:
    shown = latest_spec(di)
    as_sent = (
        shown is not None
        and spec_digest(shown) == spec_digest(spec)
        and shown.enable_public_endpoint in (None, spec.enable_public_endpoint)
        and di.region in (None, spec.region)
        and (spec.vpc is None or di.vpc_uuid in (None, spec.vpc.uuid))
    )
    return Candidate(di.id, di.created_at, as_sent)


def _is_not_yet(refusal: APIError) -> bool:
    """403 to a PATCH is also the API's word for "not yet accepting updates"."""
    return isinstance(refusal, PermissionDeniedError) and refusal.method == "PATCH"


def _was_accepted(
    before: DedicatedInference, live: DedicatedInference, spec: DedicatedInferenceSpec
) -> bool:
    """The live instance shows that our update was accepted.

    Raises:
        ConflictError: it shows that somebody else's was.
    """
    was = before.spec.version if before.spec and before.spec.version else 0
    for shown in (live.pending_deployment_spec, live.spec):
        if shown is not None and (shown.version or 0) > was:
            if spec_digest(shown) == spec_digest(spec) and shown.name in (None, spec.name):
                return True
            raise ConflictError(
                f"{live.id} is at spec version {shown.version}, which is not what was sent: "
                "somebody else's update came first",
                method="PATCH",
                status=409,
            )
    pending = live.pending_deployment_spec
    new = pending is not None and before.pending_deployment_spec is None
    return new and pending is not None and spec_digest(pending) == spec_digest(spec)
