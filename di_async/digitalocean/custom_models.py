"""Custom models: imported from Hugging Face or a Spaces bucket, and deployed like catalog models.

https://docs.digitalocean.com/reference/api/reference/gen-ai/ (custom models)
"""

import builtins
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from attrs import field, frozen
from msgspec.structs import replace

from di_async.core.codec import Codec, json_field, status_word, texts
from di_async.core.errors import APIError, DecodeError, InvalidInputError, NotFoundError
from di_async.core.http import Endpoint, Priority, endpoint_table
from di_async.core.pagination import Page, check_page_size, read_page
from di_async.core.responses import deleted_body, own_id, own_name
from di_async.core.secret import Secret, reveal
from di_async.core.validation import check_value, text
from di_async.core.waiting.observation import (
    Action,
    Expectation,
    Observation,
    Phase,
    ResourceVersion,
)
from di_async.core.waiting.page_index import NO_ROW, RowKey, make_row_key
from di_async.core.waiting.poll_schedule import PAGE_SIZE
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.digitalocean.api import MAX_PAGE, unwrap
from di_async.engine.engine import Engine
from di_async.engine.listing import Listing
from di_async.engine.log import Log
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change
from di_async.engine.writes.create_once import create_once
from di_async.engine.writes.cut_off import report_if_cut_off
from di_async.engine.writes.deletion import delete
from di_async.engine.writes.lost_writes import AcceptedWrite

__all__ = ["CustomModel", "CustomModels", "ModelSource"]

logger = Log("di_async")

_ROOT = "/v2/gen-ai/custom_models"
_ONE = f"{_ROOT}/{{uuid}}"
_RESERVED = frozenset({"import"})
ENDPOINTS = endpoint_table(
    Endpoint("list", "GET", _ROOT, "models"),
    Endpoint("import", "POST", f"{_ROOT}/import", "model"),
    Endpoint("get", "GET", _ONE, "model", _RESERVED),
    Endpoint("delete", "DELETE", _ONE, None, _RESERVED),
    Endpoint("metadata", "PATCH", f"{_ONE}/metadata", "model", _RESERVED),
)

_PHASES = {"importing": Phase.WORKING, "ready": Phase.READY, "failed": Phase.FAILED}
_DELETED = "deleted"
_INFORMS = json_field(informs=True)


def _word(value: Any, _: object) -> str:
    """Return a status or source word without the prefix that the API gives it."""
    text = status_word(value).lower()
    for prefix in ("status_", "source_type_"):
        text = text.removeprefix(prefix)
    return text


def _tags(value: Any, _: object) -> tuple[str, ...]:
    tags = value.get("tags") if isinstance(value, Mapping) else value
    return texts(tags or [])


@frozen(kw_only=True)
class ModelSource:
    """Where a model is imported from: a Hugging Face repository, or a Spaces bucket."""

    repo_id: str | None = None
    """A Hugging Face repository, such as `openai/gpt-oss-20b`."""
    commit_sha: str | None = None
    access_type: str | None = None
    """As the API shows it; not sent."""
    bucket: str | None = None
    prefix: str | None = None
    region: str | None = None


@frozen(kw_only=True)
class CustomModel:
    """A custom model. `status` is `importing`, `ready`, `failed` or `deleted`, in lower case."""

    id: str
    name: str = ""
    status: str = field(default="", metadata=json_field(decode=_word))
    description: str | None = None
    error_message: str | None = None
    """Why the last import failed; None otherwise."""
    source_type: str = field(default="", metadata=json_field(decode=_word))
    source_ref: ModelSource | None = field(default=None, metadata=_INFORMS)
    architecture: str | None = None
    context_length: int | None = field(default=None, metadata=_INFORMS)
    parameters: str | None = None
    license: str | None = None
    input_modalities: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    output_modalities: tuple[str, ...] = field(default=(), metadata=_INFORMS)
    cost_estimate_per_month: Decimal | None = None
    """Dollars for storing it."""
    file_count: int | None = field(default=None, metadata=_INFORMS)
    total_size_bytes: int | None = field(default=None, metadata=_INFORMS)
    storage_region: str | None = None
    tags: tuple[str, ...] = field(default=(), metadata=json_field(decode=_tags, informs=True))
    created_at: datetime | None = None
    updated_at: datetime | None = None


CODEC = Codec(normalize={CustomModel: lambda raw: _with_id(raw)})


def _with_id(raw: Any) -> Any:
    """Return a row with the model's `uuid` as its `id`."""
    return {**raw, "id": raw.get("uuid") or raw.get("id")}


class CustomModelAdapter(ResourceAdapter[CustomModel]):
    """How waiting reads custom models."""

    provider, noun, kind = "digitalocean", "custom model", "custom-model"
    resource_type = CustomModel
    capabilities = Capabilities(updated_at=True, busy_status=409)

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine = engine
        self.base_url = base_url

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> CustomModel:
        """GET a model once. Raises `NotFoundError` for one that shows status `deleted`."""
        request = ENDPOINTS["get"].request(ref.id)
        return await self._engine.json_once(request, partial(_existing, id=ref.id), priority, call)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        """GET a list page once."""
        request = ENDPOINTS["list"].request(params={"page": number, "per_page": PAGE_SIZE})
        return await self._engine.json_once(request, _page, Priority.SCHEDULED, call)

    def row_key(self, row: Any) -> RowKey:
        """Return a row's id and fingerprint."""
        if not isinstance(row, Mapping):
            return NO_ROW
        return make_row_key(row.get("id"), (row.get("status"), row.get("updated_at")))

    def decode_row(self, row: Any) -> CustomModel:
        """Return a list row as a model."""
        return CODEC.structure(row, CustomModel)

    def observe(self, resource: CustomModel, expectation: Expectation) -> Observation:
        """Return what a read shows."""
        phase = _PHASES.get(resource.status, Phase.WORKING)
        return Observation(
            status=resource.status,
            phase=Phase.DELETING if resource.status == _DELETED else phase,
            version=ResourceVersion(updated_at=resource.updated_at),
            reason=resource.error_message if phase is Phase.FAILED else None,
            documented=resource.status in _PHASES or resource.status == _DELETED,
        )

    def duration_key(self, resource: CustomModel) -> tuple[str, str]:
        """Return the storage region."""
        return resource.storage_region or "", ""


class CustomModels(ResourceApi[CustomModel]):
    """`client.custom_models`: models that the team has imported."""

    def __init__(self, engine: Engine, base_url: str) -> None:
        adapter = CustomModelAdapter(engine, base_url)
        super().__init__(engine, adapter, ENDPOINTS["get"].request)

    def list(self, *, status: str | None = None, page_size: int = 200) -> Listing[CustomModel]:
        """Return an async iterator over the team's models.

        Args:
            status: `importing`, `ready` or `failed`; None for all.
            page_size: rows for each request, 1 to 200.
        """
        check_page_size(page_size, MAX_PAGE)
        if status is not None:
            check_value(text(), status, "status")
        word = None if status is None else f"STATUS_{status.upper().removeprefix('STATUS_')}"

        async def fetch(number: int) -> Page:
            params = {"status": word, "page": number, "per_page": page_size}
            return await self._engine.json(ENDPOINTS["list"].request(params=params), _page)

        return Listing(fetch, self._adapter.decode_row, page_size)

    async def get(self, id: str) -> CustomModel:
        """Return one model. Raises `NotFoundError` if it does not exist, or is deleted."""
        return await self._engine.json(ENDPOINTS["get"].request(id), partial(_existing, id=id))

    async def import_model(
        self,
        name: str,
        *,
        source: ModelSource,
        description: str | None = None,
        tags: Sequence[str] = (),
        hf_token: str | Secret | None = None,
        preferred_gpu_region: str | None = None,
        accept_terms_and_conditions: bool = True,
    ) -> Change[CustomModel]:
        """Import a model and return a change that settles when it is `ready`.

        Args:
            name: for people.
            source: a Hugging Face repository (`repo_id`), or a Spaces bucket.
            description: free text.
            tags: free texts.
            hf_token: for a private or gated repository.
            preferred_gpu_region: where it will be deployed.
            accept_terms_and_conditions: the vendor's, for importing models.

        Raises:
            InvalidInputError: the source names neither a repository nor a bucket, or `tags` is
                not a list.
            OutcomeUnknownError: the response was lost; `.candidates` are the models of that name.
        """
        if not isinstance(source, ModelSource) or not (source.repo_id or source.bucket):
            raise InvalidInputError("source: expected a ModelSource with a repo_id or a bucket")
        fields = {
            "name": name,
            "description": description,
            "source_type": f"SOURCE_TYPE_{'HUGGINGFACE' if source.repo_id else 'SPACES_BUCKET'}",
            "source_ref": _source_body(source, reveal(hf_token)),
            "tags": {"tags": _checked_tags(tags)} if tags else None,
            "preferred_gpu_region": preferred_gpu_region,
            "accept_terms_and_conditions": accept_terms_and_conditions,
            "accept_hf_token_storage": True if hf_token else None,
        }
        body = {key: value for key, value in fields.items() if value is not None}

        async def find() -> builtins.list[CustomModel]:
            return [model async for model in self.list() if model.name == name]

        made = await create_once(
            self._engine,
            ENDPOINTS["import"].request(json=body),
            f"the custom model {name!r}",
            accept=partial(_imported, name=name),
            find=find,
        )
        logger.info("import of %s accepted: %s", name, made.id)
        expectation = Expectation(action=Action.CREATE, accepted_at=self._engine.clock.now())
        return self._engine.change(self._adapter, made.id, expectation, initial=made)

    async def update_metadata(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        license: str | None = None,
        parameters: str | None = None,
    ) -> CustomModel:
        """Change a model's metadata and return the model. Fields that are None stay unchanged.

        Raises:
            InvalidInputError: nothing is given, or `tags` is not a list.
        """
        fields = {
            "name": name,
            "description": description,
            "tags": None if tags is None else {"tags": _checked_tags(tags)},
            "license": license,
            "parameters": parameters,
        }
        body = {key: value for key, value in fields.items() if value is not None}
        if not body:
            raise InvalidInputError("nothing to update: pass at least one field")
        request, call = ENDPOINTS["metadata"].request(id, json=body), CallRecord()
        story = f"it is not known whether the metadata of {id} was changed; send it again"
        with report_if_cut_off(call, story):
            await self._engine.json(request, partial(_existing, id=id), call)
            return await self.get(id)

    async def delete(self, id: str) -> Change[None]:
        """Delete a model; return a change that settles when GET answers 404 or shows `deleted`."""
        request = ENDPOINTS["delete"].request(id)

        async def send(call: CallRecord) -> AcceptedWrite:
            answer = await self._engine.json(request, _deleted, call)
            if str(answer.get("status")).upper().endswith("_FAIL"):
                reason = answer.get("error") or "the API gave no reason"
                raise APIError(
                    f"the model was not deleted: {reason}", method="DELETE", path=request.path
                )
            return None, ()

        hint = "If it belongs to another team, it still exists"
        return await delete(self._engine, self._adapter, id, send, location_hint=hint)


def _existing(body: Any, id: str) -> CustomModel:
    model = CODEC.structure(unwrap(body, "model"), CustomModel)
    own_id(model.id, id, _RESERVED)
    if model.status == _DELETED:
        raise NotFoundError("the model is deleted", status=404, code="not_found")
    return model


def _deleted(body: Any) -> Mapping[str, Any]:
    """Return an answer to a delete; its status is such as `DELETE_CUSTOM_MODEL_STATUS_SUCCESS`."""
    found: Mapping[str, Any] = deleted_body(body, ("status", "model")) or {}
    if found and "model" not in found and "DELETE" not in str(found["status"]).upper():
        raise DecodeError("the answer is not one to a DELETE @ $.status", transient=True)
    return found


def _imported(body: Any, name: str) -> CustomModel:
    if isinstance(body, Mapping) and body.get("error") and not body.get("model"):
        raise APIError(f"the import was refused: {body['error']}", method="POST")
    model = CODEC.structure(unwrap(body, "model"), CustomModel)
    own_id(model.id, reserved=_RESERVED)
    own_name(model.name, name)
    return model


def _page(body: Any) -> Page:
    page = read_page(body, "models")
    rows = tuple(_with_id(row) if isinstance(row, Mapping) else row for row in page.rows)
    return replace(page, rows=rows)


def _checked_tags(tags: Any) -> list[str]:
    """Return the tags as a list; one text is not a list of its letters."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise InvalidInputError(f"tags: expected a list of texts, not {type(tags).__name__}")
    return list(tags)


def _source_body(source: ModelSource, token: str | None) -> dict[str, Any]:
    fields = {
        "repo_id": source.repo_id,
        "commit_sha": source.commit_sha,
        "bucket": source.bucket,
        "prefix": source.prefix,
        "region": source.region,
        "hf_token": token,
    }
    return {key: value for key, value in fields.items() if value is not None}
