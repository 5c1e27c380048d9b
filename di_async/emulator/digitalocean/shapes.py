"""DigitalOcean's resources as JSON, in both dialects.

`documented` is exactly the reference page:
https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
`observed` is what the vendor's own Go client decodes, and its fixtures show:
https://github.com/digitalocean/godo/blob/main/dedicated_inference.go (fields) and its _test.go;
https://github.com/digitalocean/doctl, integration/dedicated_inference_*_test.go (list rows without
specs, `is_managed`, hardware of sizes, empty links).
"""

import base64
import math
import string
import uuid
from collections.abc import Collection
from urllib.parse import urlencode

import orjson
from attrs import evolve

from di_async.emulator.cloud.http import Json
from di_async.emulator.cloud.simulation import Settings, timestamp_text
from di_async.emulator.cloud.store import MAX_GONE

from .catalog import REGIONS, SIZES, ModelCatalog
from .store import Accelerator, Deployment, Instance, Model, Token, accelerator_id

_DIGITS = string.digits + string.ascii_lowercase


class Shapes:
    """The JSON of the reference page."""

    gated_field = "is_gated_model"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._rendered: dict[tuple[str, bool], tuple[Instance, str, bytes]] = {}

    def rendered(self, instance: Instance, status: str, *, row: bool) -> orjson.Fragment:
        """Return a row or a whole instance as JSON text, cached until it changes."""
        # Most requests list thousands of unchanged rows.
        key = instance.id, row
        cached = self._rendered.get(key)
        if cached and cached[0] is instance and cached[1] == status:
            return orjson.Fragment(cached[2])
        shape = self.row if row else self.instance
        text = orjson.dumps(shape(instance, status))
        self._rendered[key] = (instance, status, text)
        return orjson.Fragment(text)

    def forget_gone(self, existing: Collection[str]) -> None:
        """Forget the texts of instances that no longer exist, once there are many."""
        if len(self._rendered) > 2 * len(existing) + MAX_GONE:  # of each its row and its GET
            kept = {key: text for key, text in self._rendered.items() if key[0] in existing}
            self._rendered = kept

    def models(self, catalog: ModelCatalog) -> list[Json]:
        """Return GPU and model configurations."""
        return [
            {
                "gpu_slugs": list(model.gpu_slugs),
                "model_slug": model.slug,
                "model_name": model.name,
                self.gated_field: model.gated,
            }
            for model in catalog.listed()
        ]

    def ca(self) -> Json:
        """Return the CA certificate: base64 of its PEM."""
        return {"cert": base64.b64encode(self.settings.ca_pem.encode()).decode()}

    def cased(self, word: str) -> str:
        """Return a status word in the configured case."""
        return word.upper() if self.settings.status_case == "upper" else word

    def status(self, word: str) -> str:
        """Return an instance's status; `active` may be spelled `running`."""
        return self.cased(self.settings.active_word if word == "active" else word)

    def endpoint(self, instance: Instance, kind: str) -> str:
        """Return the URL of an endpoint: our data plane, or a name like the vendor's."""
        if self.settings.dataplane_url:
            return self.settings.dataplane_url
        return f"https://{_base36(instance.id)}-{kind}-dedicated-inference.do-infra.ai"

    def created(self, instance: Instance, status: str, token: Token) -> Json:
        """Return the response to a create."""
        return {
            "dedicated_inference": self.instance(instance, status),
            "token": self.token(token, value=True),
        }

    def instance(self, instance: Instance, status: str) -> Json:
        """Return one instance, not wrapped."""
        value: Json = {
            "id": instance.id,
            "status": self.status(status),
            "region": instance.region,
            "vpc_uuid": instance.vpc_uuid,
            "created_at": timestamp_text(instance.created),
            "updated_at": timestamp_text(instance.updated),
        }
        # The published 202 sample of a create has a spec: the requested one.
        spec = instance.current or instance.pending
        if spec:
            value["spec"] = self._spec(instance, spec, status)
        if instance.pending:
            value["pending_deployment_spec"] = self._pending(instance, instance.pending, status)
        if instance.current or status == "active":
            value["endpoints"] = self._endpoints(instance)
        return value

    def row(self, instance: Instance, status: str) -> Json:
        """Return one row of a list: the whole instance."""
        return self.instance(instance, status)

    def _endpoints(self, instance: Instance) -> Json:
        endpoints: Json = {"private_endpoint_fqdn": self.endpoint(instance, "private")}
        if instance.public:
            endpoints["public_endpoint_fqdn"] = self.endpoint(instance, "public")
        return endpoints

    def _spec(self, instance: Instance, spec: Deployment, status: str) -> Json:
        state = "active" if spec is instance.current else _rollout_status(status)
        return {
            "version": spec.version,
            "name": spec.name,
            "region": instance.region,
            "vpc": {"uuid": instance.vpc_uuid},
            "enable_public_endpoint": instance.public,
            "model_deployments": [self._model(model, state) for model in spec.models],
        }

    def _pending(self, instance: Instance, spec: Deployment, status: str) -> Json:
        state = _rollout_status(status)
        return {
            "id": spec.id,
            "version": spec.version,
            "name": spec.name,
            "status": self.cased("updating" if instance.current else "provisioning"),
            "vpc": {"uuid": instance.vpc_uuid},
            "enable_public_endpoint": instance.public,
            "model_deployments": [self._model(model, state) for model in spec.models],
            "created_at": timestamp_text(spec.created),
            "updated_at": timestamp_text(spec.updated),
        }

    def _model(self, model: Model, state: str) -> Json:
        value: Json = {"model_id": model.model_id} if model.model_id else {}
        return value | {
            "model_slug": model.slug,
            "model_provider": model.provider,
            "workload_config": {},
            "accelerators": [
                {
                    "accelerator_slug": entry.slug,
                    "scale": entry.scale,
                    "type": entry.type,
                    "status": self.cased(state),
                }
                for entry in model.accelerators
            ],
        }

    def token(self, token: Token, *, value: bool) -> Json:
        """Return one access token; only its create shows the value."""
        return _token(token) | ({"value": token.value} if value else {"is_managed": token.managed})

    def accelerator(
        self, instance: Instance, model: Model, entry: Accelerator, number: int
    ) -> Json:
        """Return one GPU in use."""
        return {
            "id": accelerator_id(model, entry, number),
            "name": gpu_name(model, entry, number),
            "slug": entry.slug,
            "role": entry.type,
            "status": self.cased("active"),
            "created_at": timestamp_text(instance.created),
        }

    def sizes(self) -> Json:
        """Return regions and prices, one row per region."""
        rows = [
            {
                "gpu_slug": size.slug,
                "price_per_hour": size.price,
                "currency": "USD",
                "region": region,
            }
            for size in SIZES
            for region in size.regions
        ]
        return {"enabled_regions": list(REGIONS), "sizes": rows}

    def links(self, url: str, query: dict[str, str], page: int, per_page: int, total: int) -> Json:
        """Return the links of a page, even of the only one."""
        return {"pages": page_links(url, query, page, per_page, total)}


class ObservedShapes(Shapes):
    """The JSON that the vendor's Go client decodes."""

    gated_field = "is_model_gated"

    def created(self, instance: Instance, status: str, token: Token) -> Json:
        """Return the response to a create."""
        # Its timestamps are the epoch: the row is not stored yet (godo fixture).
        pending = instance.pending and evolve(instance.pending, created=0, updated=0)
        unstored = evolve(instance, created=0, updated=0, pending=pending)
        return {
            "dedicated_inference": self.instance(unstored, status),
            "token": self.token(evolve(token, created=0), value=True),
        }

    def instance(self, instance: Instance, status: str) -> Json:
        """Return one instance, not wrapped."""
        value = self._summary(instance, status)
        if instance.current:
            value["spec"] = self._deployment(instance, instance.current, "active")
        if instance.pending:
            state = "error" if status == "error" else "pending"
            value["pending_deployment_spec"] = self._deployment(instance, instance.pending, state)
        return value

    def row(self, instance: Instance, status: str) -> Json:
        """Return one row of a list: a summary without specs."""
        spec = instance.current or instance.pending
        models = [model.provider_model_id for model in spec.models] if spec else []
        return self._summary(instance, status) | {"provider_model_id": models}

    def _summary(self, instance: Instance, status: str) -> Json:
        value: Json = {
            "id": instance.id,
            "name": instance.name,
            "region": instance.region,
            "status": self.status(status),
            "vpc_uuid": instance.vpc_uuid,
            "created_at": timestamp_text(instance.created),
            "updated_at": timestamp_text(instance.updated),
        }
        if instance.current or status == "active":
            kinds = ("public", "private") if instance.public else ("private",)
            value["endpoints"] = {
                f"{kind}_endpoint_fqdn": self.endpoint(instance, kind).removeprefix("https://")
                for kind in kinds
            }
        return value

    def _deployment(self, instance: Instance, spec: Deployment, state: str) -> Json:
        return {
            "version": spec.version,
            "id": spec.id,
            "dedicated_inference_id": instance.id,
            "state": self.cased(state),
            "enable_public_endpoint": instance.public,
            "vpc_config": {"vpc_uuid": instance.vpc_uuid},
            "model_deployments": [self._model(model, state) for model in spec.models],
            "created_at": timestamp_text(spec.created),
            "updated_at": timestamp_text(spec.updated),
        }

    def _model(self, model: Model, state: str) -> Json:
        return {
            "model_id": model.model_id,
            "model_slug": model.slug,
            "model_provider": model.provider,
            "provider_model_id": model.provider_model_id,
            "accelerators": [self._entry(model, entry, state) for entry in model.accelerators],
        }

    def _entry(self, model: Model, entry: Accelerator, state: str) -> Json:
        # Not assigned yet: an empty id, and "invalid" as a placeholder, not a failure (godo
        # fixture).
        assigned = bool(model.model_id)
        return {
            "accelerator_id": accelerator_id(model, entry, 0) if assigned else "",
            "accelerator_slug": entry.slug,
            "state": self.cased(state if assigned else "invalid"),
            "type": entry.type,
            "scale": entry.scale,
        }

    def accelerator(
        self, instance: Instance, model: Model, entry: Accelerator, number: int
    ) -> Json:
        """Return one GPU in use."""
        gpu = super().accelerator(instance, model, entry, number)
        del gpu["role"]
        return gpu

    def sizes(self) -> Json:
        """Return regions and prices, one row per size, with its hardware."""
        rows = [
            {
                "gpu_slug": size.slug,
                "price_per_hour": size.price,
                "regions": list(size.regions),
                "currency": "USD",
                "cpu": size.cpu,
                "memory": size.memory_mib,
                "gpu": {"count": size.gpus, "vram_gb": size.vram_gb, "slug": size.family},
                "size_category": {"name": "GPU Optimized", "fleet_name": f"gpu-{size.family}"},
                "disks": [{"type": "local", "size_gb": 720}, {"type": "scratch", "size_gb": 5120}],
            }
            for size in SIZES
        ]
        return {"enabled_regions": list(REGIONS), "sizes": rows}

    def links(self, url: str, query: dict[str, str], page: int, per_page: int, total: int) -> Json:
        """Return the links of a page: none for the only one, an empty `next` on the last."""
        if total <= per_page:
            return {}
        return {"pages": {"next": ""} | page_links(url, query, page, per_page, total)}


def gpu_name(model: Model, entry: Accelerator, number: int) -> str:
    """Return a GPU's name, like the vendor's `mi300x1-ghfpsf`."""
    letters = uuid.UUID(accelerator_id(model, entry, number)).int
    tail = "".join(chr(ord("a") + (letters >> 8 * at) % 26) for at in range(6))
    return f"{entry.slug.removeprefix('gpu-').split('-')[0]}-{tail}"


def page_links(
    url: str, query: dict[str, str], page: int, per_page: int, total: int
) -> dict[str, str]:
    """Return the links of a page: first and last always, next and prev if they exist."""
    last = max(1, math.ceil(total / per_page))
    kept = {name: value for name, value in query.items() if name not in ("page", "per_page")}

    def link(number: int) -> str:
        return f"{url}?{urlencode({**kept, 'page': number, 'per_page': per_page})}"

    links = {"first": link(1)}
    if page > 1:
        links["prev"] = link(min(page - 1, last))
    if page < last:
        links["next"] = link(page + 1)
    return {**links, "last": link(last)}


def _token(token: Token) -> Json:
    return {"id": token.id, "name": token.name, "created_at": timestamp_text(token.created)}


def _rollout_status(status: str) -> str:
    return "new" if status == "new" else "provisioning"


def _base36(id: str) -> str:
    number, digits = uuid.UUID(id).int, []
    while number:
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
