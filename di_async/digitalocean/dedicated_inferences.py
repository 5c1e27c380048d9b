"""Dedicated inference instances: reads, waits, and writes that can be awaited.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

import builtins
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from di_async.core.differences import Difference
from di_async.core.errors import DecodeError, InvalidInputError
from di_async.core.pagination import rows_under, with_rows
from di_async.core.pricing import HourlyPrice, MaxHourly, Placement, ranked
from di_async.core.responses import deleted_body, own_id, own_name
from di_async.core.seconds import checked_seconds
from di_async.core.secret import Secret, reveal
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.digitalocean.adapter import DedicatedInferenceAdapter, read_instance
from di_async.digitalocean.api import ENDPOINTS, list_rows
from di_async.digitalocean.deployable import DedicatedInferenceDeployable
from di_async.digitalocean.differences import differences
from di_async.digitalocean.lifecycle import create_candidate, create_expectation, is_deleting
from di_async.digitalocean.models import (
    CODEC,
    Accelerator,
    AccessToken,
    CACertificate,
    DedicatedInference,
    GPUModelConfig,
    Sizes,
)
from di_async.digitalocean.placement import find_places, price_of
from di_async.digitalocean.serving import ca_certificate, create_token, list_tokens
from di_async.digitalocean.spec import (
    DedicatedInferenceSpec,
    SpecLike,
    complete_spec,
    merged_spec,
    scaled_spec,
    spec_fields,
)
from di_async.digitalocean.updating import MakeSpec, update_instance
from di_async.engine.concurrency import both
from di_async.engine.deployments.deployable_api import DeployableApi
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.log import Log
from di_async.engine.reading import read_listed
from di_async.engine.waiting.change import Change
from di_async.engine.writes.deletion import delete, delete_at_once
from di_async.engine.writes.ensure import Ensured, EnsureTarget, ensure
from di_async.engine.writes.lost_writes import AcceptedWrite, create_by_name
from di_async.engine.writes.retried_create import first_attempt
from di_async.engine.writes.taken_names import create_when_free

__all__ = ["DedicatedInferences"]

logger = Log("di_async")

AccessTokens = Mapping[str, str | Secret] | None


class DedicatedInferences(DeployableApi[DedicatedInference]):
    """Dedicated inference instances: `client.dedicated_inferences`."""

    def __init__(self, engine: Engine, base_url: str, secrets_key: str) -> None:
        adapter = DedicatedInferenceAdapter(engine, base_url)
        super().__init__(engine, adapter, ENDPOINTS["get"].request)
        self._secrets_key = secrets_key

    # -- reads --------------------------------------------------------------------------------

    def list(
        self, *, region: str | None = None, name: str | None = None, page_size: int = 200
    ) -> Listing[DedicatedInference]:
        """Return an async iterator over all instances of the team, in order.

        Pages are read concurrently. Rows may lack the spec. `name` is exact. See
        `Listing.drifted`.
        """
        return list_rows(
            self._engine,
            "list",
            self._adapter.decode_row,
            params={"region": region, "name": name},
            page_size=page_size,
            predicate=None if name is None else lambda di: di.name in (None, name),
        )

    async def get(self, id: str) -> DedicatedInference:
        """Return one instance. Raises `NotFoundError` if it does not exist."""
        request = ENDPOINTS["get"].request(id)
        return await self._engine.json(request, partial(read_instance, id=id))

    async def find(self, name: str) -> DedicatedInference | None:
        """Return the instance of that name, with its spec; None if there is none.

        If it was created less than two minutes ago, the spec may be missing: GET may lag.
        """
        found = await self._find_all(name)
        return found[0] if found else None

    async def _find_all(self, name: str) -> builtins.list[DedicatedInference]:
        """Return all instances of a name, each read by GET: a row may not show its name."""
        found = []
        async for row in self.list(name=name):
            instance = await read_listed(
                self._engine, self._adapter, ENDPOINTS["list"].request(), row, self.get
            )
            if instance is None:
                continue
            # The fresher read decides on the name; a row that shows none was selected by name.
            shown = instance.name or row.name or (name if instance is row else None)
            found += [instance] if shown == name else []
        return found

    # -- create -------------------------------------------------------------------------------

    async def create(
        self,
        spec: SpecLike,
        *,
        access_tokens: AccessTokens = None,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
        first_attempt_at: datetime | None = None,
    ) -> Change[DedicatedInference]:
        """Create an instance and return a change that settles when it is proven active.

        `.access_token.value.reveal()` is the endpoint's token, which the API shows only once.
        If the response is lost, the unique name is looked up; see `.adopted`.

        Args:
            spec: a `DedicatedInferenceSpec` or a mapping of the documented shape.
            access_tokens: provider tokens, such as `{"hugging_face_token": "hf_..."}`.
            max_hourly: the most that it may cost an hour: an amount, or one for each currency.
            allow_unknown_price: create it even if its price is not known.
            name_timeout: seconds to keep trying while the name is taken by an instance that is
                being deleted, or was until a moment ago. 0 tries once.
            first_attempt_at: when an earlier call, such as an earlier try of a task, may have sent
                this create: an aware datetime. An instance created since then is adopted.

        Raises:
            InvalidInputError: the spec breaks a rule; no request was sent.
            PriceLimitError: it costs more than `max_hourly`; nothing was created.
            ConflictError: the name is taken.
            OutcomeUnknownError: an instance may exist, and bill, that could not be found.

        A call that is cut off in flight (cancelled, its client closed) may leave an instance that
        bills; the error and the log name it.
        """
        sent = complete_spec(spec)
        checked_seconds(name_timeout, "name_timeout")
        first = first_attempt(self._engine, first_attempt_at)
        check_price = self._price_check(sent, max_hourly, allow_unknown_price)
        await check_price()
        body = {"spec": sent.to_dict(), **self._secrets(access_tokens)}
        find = partial(self._find_all, sent.name)
        create = partial(
            create_by_name,
            self._engine,
            ENDPOINTS["create"].request(json=body),
            sent.name,
            accept=partial(self._accept_create, sent),
            find=find,
            candidate=partial(create_candidate, sent),
            adopt=partial(self._adopt, sent),
            lookup_hint=f"Look with `find({sent.name!r})`",
            first=first,
        )
        return await create_when_free(
            self._engine, sent.name, name_timeout, create=create, find=find, is_leaving=is_deleting
        )

    def _accept_create(
        self, spec: DedicatedInferenceSpec, answer: Any
    ) -> Change[DedicatedInference]:
        accepted_at = self._engine.clock.now()
        initial = read_instance(answer)
        own_name(initial.name, spec.name)
        token = _new_token(answer.get("token"))
        expectation = create_expectation(initial, spec, accepted_at)
        return self._engine.change(
            self._adapter, initial.id, expectation, initial=initial, access_token=token
        )

    def _adopt(
        self, spec: DedicatedInferenceSpec, found: DedicatedInference
    ) -> Change[DedicatedInference]:
        logger.warning(
            "%r (%s) was created by a call whose response was lost, and is adopted. Its one-time "
            "token is lost; create another with create_token(%r, name)",
            spec.name,
            found.id,
            found.id,
        )
        expectation = create_expectation(found, spec, self._engine.clock.now())
        return self._engine.change(
            self._adapter, found.id, expectation, initial=found, adopted=True
        )

    async def ensure(
        self,
        spec: SpecLike,
        *,
        dry_run: bool = False,
        access_tokens: AccessTokens = None,
        max_hourly: MaxHourly | None = None,
        allow_unknown_price: bool = False,
        name_timeout: float = 0,
    ) -> Ensured[DedicatedInference]:
        """Create the instance of the spec's name, update what differs, or do nothing.

        Two concurrent processes create one instance; after lost responses both may say "created".
        A change in progress that leads to another spec is waited for before the update. `.change`
        of the result settles when the instance is active. Cancelling has the effects that `create`
        describes.

        Args:
            spec: see `create`; what a mapping leaves out is not compared.
            dry_run: send no write; `.action` and `.diff` show what would be done.
            access_tokens: sent with a create; they cannot be compared.
            max_hourly: see `create`; it is checked before an update, too.
            allow_unknown_price: see `create`.
            name_timeout: see `create`.

        Raises:
            InvalidInputError: a field differs that cannot change after creation (`.problems`), or
                the spec breaks a rule; nothing was sent.
            PriceLimitError, ConflictError, OutcomeUnknownError: see `create`.
            WaitTimeoutError: the change in progress did not end in time.
        """
        sent, fields = complete_spec(spec), spec_fields(spec)
        self._secrets(access_tokens)

        async def update(
            live: DedicatedInference, found: Sequence[Difference]
        ) -> Change[DedicatedInference]:
            names = {re.split(r"[.[]", difference.path)[0] for difference in found}
            changed = {name: fields[name] for name in names}
            return await self._update(live.id, lambda now: merged_spec(now, changed), None, 0)

        target = EnsureTarget(
            name=sent.name,
            find=partial(self._find_all, sent.name),
            compare=lambda live: differences(live, fields),
            create=lambda left: self.create(sent, access_tokens=access_tokens, name_timeout=left),
            update=update,
            check_price=self._price_check(sent, max_hourly, allow_unknown_price),
            get=self.get,
            id_of=lambda live: live.id,
        )
        return await ensure(
            self._engine, self, self._adapter, target, dry_run=dry_run, name_timeout=name_timeout
        )

    # -- update -------------------------------------------------------------------------------

    async def update(
        self,
        id: str,
        *,
        spec: SpecLike | None = None,
        access_tokens: AccessTokens = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """Update an instance and return a change that settles when this update is proven active.

        Version, immutable fields and `model_id` are taken from the live instance; a mapping
        may hold only what changes.

        Args:
            id: the instance.
            spec: the fields to change.
            access_tokens: `hugging_face_token` replaces the stored one; omitted, it is kept.
            ready_timeout: seconds to retry while the API answers 403, which it does (among other
                reasons) while an earlier change is in progress.

        Raises:
            InvalidInputError: nothing is given, a rule is broken or an immutable field would
                change; nothing was updated.
            ConflictError: another update came first.
            OutcomeUnknownError: the update may have been accepted.
        """
        fields = None if spec is None else spec_fields(spec)
        if not fields and not access_tokens:
            raise InvalidInputError("nothing to update: pass spec= or access_tokens=")
        return await self._update(
            id,
            lambda live: merged_spec(live, fields) if fields else None,
            access_tokens,
            ready_timeout,
        )

    async def scale(
        self,
        id: str,
        replicas: int,
        *,
        model: str | None = None,
        accelerator_slug: str | None = None,
        type: str | None = None,
        ready_timeout: float = 0,
    ) -> Change[DedicatedInference]:
        """Scale one accelerator entry and return a change that settles when it is proven active.

        Args:
            id: the instance.
            replicas: 1 or more.
            model: its slug or id; with `accelerator_slug` and `type` it selects the entry.
            accelerator_slug: the entry's GPU.
            type: the entry's type.
            ready_timeout: see `update`.

        Raises:
            InvalidInputError: no entry, or more than one, matches; the message lists them.
            ConflictError, OutcomeUnknownError: see `update`.
        """
        select = partial(
            scaled_spec,
            replicas=replicas,
            model=model,
            accelerator_slug=accelerator_slug,
            type=type,
        )
        return await self._update(id, select, None, ready_timeout)

    async def _update(
        self,
        id: str,
        make_spec: MakeSpec,
        access_tokens: AccessTokens,
        ready_timeout: float,
    ) -> Change[DedicatedInference]:
        secrets = self._secrets(access_tokens)
        return await update_instance(
            self._engine, self._adapter, id, make_spec, secrets, ready_timeout
        )

    # -- delete -------------------------------------------------------------------------------

    async def delete(self, id: str) -> Change[None]:
        """Delete an instance and return a change that settles when GET answers 404.

        It bills until then. If it was not found, the change is settled and `.already_gone` is
        true. A token of another team cannot see the instance either, and it continues to bill.
        """
        request = ENDPOINTS["delete"].request(id)

        async def send(call: CallRecord) -> AcceptedWrite:
            read = partial(deleted_body, names=("dedicated_inference",))  # documented without body
            await self._engine.json(request, read, call)
            return None, ()

        location_hint = "If it belongs to another team, it still bills"
        return await delete(self._engine, self._adapter, id, send, location_hint=location_hint)

    # -- accelerators, tokens, CA -------------------------------------------------------------

    def list_accelerators(
        self, id: str, *, slug: str | None = None, page_size: int = 200
    ) -> Listing[Accelerator]:
        """Return an async iterator over an instance's accelerators, all or of one GPU slug."""
        decode = partial(CODEC.structure, into=Accelerator)
        params = {"slug": slug}
        return list_rows(
            self._engine, "list_accelerators", decode, (id,), params=params, page_size=page_size
        )

    async def get_accelerator(self, id: str, accelerator_id: str) -> Accelerator:
        """Return one accelerator of an instance."""

        def read(body: Any) -> Accelerator:
            wrapped = isinstance(body, Mapping) and isinstance(body.get("accelerator"), Mapping)
            found = CODEC.structure(body["accelerator"] if wrapped else body, Accelerator)
            own_id(found.id, accelerator_id)
            return found

        request = ENDPOINTS["get_accelerator"].request(id, accelerator_id)
        return await self._engine.json(request, read)

    def list_tokens(self, id: str, *, page_size: int = 200) -> Listing[AccessToken]:
        """Return an async iterator over an instance's endpoint tokens, without their values."""
        return list_tokens(self._engine, id, page_size)

    async def create_token(self, id: str, name: str) -> AccessToken:
        """Create an endpoint token and return it with its value, which the API shows only once.

        Raises:
            OutcomeUnknownError: the response was lost; `.candidates` are the tokens of that name.
        """
        return await create_token(self._engine, id, name)

    async def revoke_token(self, id: str, token_id: str) -> None:
        """Revoke an endpoint token, immediately and permanently.

        A 404 counts as the success of an earlier attempt whose response was lost only if the list
        does not show the token either.

        Raises:
            NotFoundError: it does not exist.
            OutcomeUnknownError: a repeated DELETE answers 404, but the list shows it.
        """

        async def find() -> object:
            shown = [token async for token in self.list_tokens(id) if token.id == token_id]
            return shown[0] if shown else None

        request = ENDPOINTS["revoke_token"].request(id, token_id)
        story = f"it is not known whether token {token_id} of {id} was revoked; revoke it again"
        await delete_at_once(self._engine, request, find, story)

    async def ca_certificate(self, id: str) -> CACertificate:
        """Return the CA behind the private endpoint: `.pem` and `.ssl_context()`."""
        return await ca_certificate(self._engine, id)

    # -- catalog ------------------------------------------------------------------------------

    async def sizes(self) -> Sizes:
        """Return GPU sizes with their prices (Decimal, per hour), and the enabled regions."""

        def read(body: Any) -> Sizes:
            return CODEC.structure(with_rows(body, "sizes"), Sizes)

        return await self._engine.json(ENDPOINTS["sizes"].request(), read)

    async def gpu_model_configs(self) -> builtins.list[GPUModelConfig]:
        """Return which models run on which GPUs, and which of them are gated."""

        def read(body: Any) -> builtins.list[GPUModelConfig]:
            rows = rows_under(body, "gpu_model_configs")
            return [CODEC.structure(row, GPUModelConfig) for row in rows]

        return await self._engine.json(ENDPOINTS["gpu_model_configs"].request(), read)

    async def hourly_price(self, spec: SpecLike) -> HourlyPrice | None:
        """Return what an instance would cost an hour, by `sizes`; None if a GPU has no price.

        Raises:
            InvalidInputError: the spec breaks a rule.
        """
        complete = complete_spec(spec)
        return price_of(complete, await self.sizes())

    async def find_capacity(
        self, spec: SpecLike, *, include_full: bool = False
    ) -> builtins.list[Placement[DedicatedInferenceSpec]]:
        """Return where an instance could run, the cheapest first: `sizes` x `gpu_model_configs`.

        The API shows what is on offer, not what is free, so a create may still fail.

        Args:
            spec: the instance; its region is replaced, and its GPU if it uses one kind.
            include_full: also places where it cannot run, each with its `.reason`.
        """
        complete = complete_spec(spec)
        sizes, configs = await both(self.sizes, self.gpu_model_configs)
        return ranked(find_places(complete, sizes, configs), include_full=include_full)

    def deployable(self) -> DedicatedInferenceDeployable:
        """Return the instances as generic code sees them. No I/O."""
        return DedicatedInferenceDeployable(self._engine, ENDPOINTS["list"].request(), self)

    # -- helpers ------------------------------------------------------------------------------

    def _secrets(self, tokens: AccessTokens) -> dict[str, Any]:
        """Return the part of a request body that holds provider tokens."""
        if not tokens:
            return {}
        if not isinstance(tokens, Mapping) or not all(
            isinstance(value, str | Secret) for value in tokens.values()
        ):
            raise InvalidInputError("access_tokens: a mapping of names to tokens")
        return {self._secrets_key: {name: reveal(value) for name, value in tokens.items()}}


def _new_token(raw: Any) -> AccessToken | None:
    """Return the token in the answer to a create; None if it has none that can be read.

    The instance was created all the same.
    """
    if not raw:
        return None
    try:
        return CODEC.structure(raw, AccessToken)
    except DecodeError as error:
        logger.warning("the token of a new instance is lost; create another (%s)", error)
        return None
