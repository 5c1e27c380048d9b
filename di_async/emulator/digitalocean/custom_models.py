"""DigitalOcean's custom models and model catalog.

An import takes as long as an update, as the download of a model does at Exoscale. That of a gated
repository without a token fails. Fields that the vendor documents and that
nobody needs for a deployment are left out.
https://docs.digitalocean.com/reference/api/reference/gen-ai/
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import define, evolve, field, frozen

from di_async.emulator.cloud.faults import OUTCOME_KINDS, Fault, FaultRegistry
from di_async.emulator.cloud.http import ApiError, Json, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call, Handler
from di_async.emulator.cloud.simulation import IdGenerator, Settings, Simulation, timestamp_text

from .catalog import ModelCatalog
from .pages import Links, list_page

T = TypeVar("T")

ROOT = "/v2/gen-ai/custom_models"
CATALOG = "/v2/gen-ai/models/catalog"
_IMPORT = f"POST {ROOT}/import"
_SIZE_BYTES = 14_483_464_192
_TEAM = "11c4d0f5-4d4b-4c1f-9a5b-6f4f6f1d2c3e"


@frozen
class CustomModel:
    """A model; it is imported until `ready_at`, then ready; from `failed_at` on it has failed."""

    id: str
    name: str
    created_at: float
    ready_at: float
    source: Json
    source_type: str
    description: str = ""
    tags: tuple[str, ...] = ()
    failed_at: float = math.inf
    failure: str = ""

    def status(self, now: float) -> str:
        """Return the status word without its prefix."""
        if now < self.ready_at:
            return "IMPORTING"
        return "READY" if now < self.failed_at else "FAILED"

    def failing(self, reason: str, after: float = 0.0) -> "CustomModel":
        """Return it with a failure so many seconds after its import."""
        return evolve(self, failed_at=self.ready_at + after, failure=reason)

    def with_fault(self, fault: Fault) -> "CustomModel":
        """Return it with an import that ends as a fault says."""
        if fault.kind == "stuck":
            return evolve(self, ready_at=math.inf)
        after = fault.seconds or 0.0 if fault.kind == "regress" else 0.0
        return self.failing(fault.message or fault.reason or "the import failed", after)


@define
class CustomModelOperations:
    """The handlers of custom models and of the catalog, with their state."""

    simulation: Simulation
    ids: IdGenerator
    faults: FaultRegistry
    settings: Settings
    catalog: ModelCatalog
    links: Links
    models: dict[str, CustomModel] = field(factory=dict)

    def handlers(self) -> dict[str, Handler]:
        """Return the handlers by operation."""
        one = f"{ROOT}/{{uuid}}"
        return {
            f"GET {ROOT}": self.list_models,
            _IMPORT: self.import_model,
            f"GET {one}": self.get_model,
            f"DELETE {one}": self.delete_model,
            f"PATCH {one}/metadata": self.update_metadata,
            f"GET {CATALOG}": self.list_catalog,
        }

    def list_models(self, call: Call) -> Response:
        """Return the models, optionally of one status."""
        wanted = call.request.query.get("status", "").removeprefix("STATUS_")
        rows = [
            model
            for model in self.models.values()
            if wanted in ("", "UNSPECIFIED", model.status(call.now))
        ]
        return self._page(call, "models", rows, lambda model: self._json(model, call.now))

    def get_model(self, call: Call) -> Response:
        """Return one model."""
        return json_response(200, {"model": self._json(self._model(call), call.now)})

    def import_model(self, call: Call) -> Response:
        """Begin an import."""
        body = parse_json_object(call.request.body)
        name, source = body.get("name"), body.get("source_ref")
        if not isinstance(name, str) or not name:
            raise ApiError(400, "name is required")
        if not isinstance(source, dict) or not (source.get("repo_id") or source.get("bucket")):
            raise ApiError(400, "source_ref needs a repo_id or a bucket")
        tags = body.get("tags")
        listed = tags.get("tags", []) if isinstance(tags, dict) else []
        offered = self.catalog.find(str(source.get("repo_id") or ""))
        gated = offered is not None and offered.gated and not source.get("hf_token")
        shown = {key: value for key, value in source.items() if key != "hf_token"}
        model = CustomModel(
            id=self.ids.new_uuid(),
            name=name,
            created_at=call.now,
            ready_at=call.now + self.simulation.draw(self.settings.lifecycle.update),
            source=shown,
            source_type=str(body.get("source_type") or "SOURCE_TYPE_HUGGINGFACE"),
            description=str(body.get("description") or ""),
            tags=tuple(map(str, listed)),
        )
        if gated:
            model = model.failing("access to the repository was denied")
        if fault := self.faults.take(OUTCOME_KINDS, call.now, _IMPORT, id=model.id):
            model = model.with_fault(fault)
        self.models[model.id] = model
        return json_response(200, {"model": self._json(model, call.now)})

    def delete_model(self, call: Call) -> Response:
        """Delete a model."""
        del self.models[self._model(call).id]
        return json_response(200, {"status": "DELETE_CUSTOM_MODEL_STATUS_SUCCESS"})

    def update_metadata(self, call: Call) -> Response:
        """Change name, description and tags."""
        model, body = self._model(call), parse_json_object(call.request.body)
        name, description = body.get("name"), body.get("description")
        tags = body.get("tags")
        listed = tags.get("tags", []) if isinstance(tags, dict) else model.tags
        self.models[model.id] = model = evolve(
            model,
            name=str(name or model.name),
            description=model.description if description is None else str(description),
            tags=tuple(map(str, listed)),
        )
        return json_response(200, {"model": self._json(model, call.now)})

    def list_catalog(self, call: Call) -> Response:
        """Return the vendor's models; all of them can be deployed."""
        query = call.request.query
        search = query.get("search", "").lower()
        rows = [model for model in self.catalog.listed() if search in model.name.lower()]
        wanted = query.get("availability") or query.get("availability[]") or "dedicated"
        if wanted != "dedicated":
            rows = []
        return self._page(
            call,
            "data",
            rows,
            lambda model: {
                "id": model.slug,
                "model_id": model.slug,
                "name": model.name,
                "availability": ["dedicated"],
                "hugging_face_id": model.slug,
            },
        )

    def _page(
        self, call: Call, key: str, rows: Sequence[T], render: Callable[[T], object]
    ) -> Response:
        return list_page(self.settings, self.links, call.request, key, rows, render)

    def _model(self, call: Call) -> CustomModel:
        model = self.models.get(call.params["uuid"])
        if model is None:
            raise ApiError(404, "The resource you requested could not be found.")
        return model

    def _json(self, model: CustomModel, now: float) -> Json:
        status = model.status(now)
        changed = {"IMPORTING": now, "READY": model.ready_at, "FAILED": model.failed_at}[status]
        return {
            "uuid": model.id,
            "name": model.name,
            "description": model.description,
            "status": f"STATUS_{status}",
            "error_message": model.failure if status == "FAILED" else "",
            "source_type": model.source_type,
            "source_ref": model.source,
            "tags": {"tags": list(model.tags)},
            "total_size_bytes": str(_SIZE_BYTES if status == "READY" else 0),
            "team_id": _TEAM,
            "created_at": self._time(model.created_at),
            "updated_at": self._time(changed),
        }

    def _time(self, at: float) -> str:
        return timestamp_text(self.simulation.timestamp(at))
