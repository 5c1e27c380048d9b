"""The dialect `observed`: what the vendor's own Go client decodes, and its fixtures show.

https://github.com/digitalocean/godo/blob/main/dedicated_inference.go (fields) and its _test.go;
https://github.com/digitalocean/doctl, integration/dedicated_inference_*_test.go (light list
items, `is_managed`, hardware of sizes, empty links).
"""

from attrs import evolve

from di_async.emulator.digitalocean.records import (
    Accelerator,
    Deployment,
    Instance,
    Model,
    Token,
    accelerator_id,
)

from .catalog import MODELS, REGIONS, SIZES
from .shapes import Json, Shapes, gpu_name, page_links, stamp_text


class Observed(Shapes):
    """How values look to the vendor's Go client."""

    token_created_status = 201

    def created(self, instance: Instance, word: str, token: Token) -> Json:
        """The answer to a create."""
        # The stamps of a create answer are the epoch: the row is not stored yet (godo fixture).
        pending = instance.pending and evolve(instance.pending, created=0, updated=0)
        unstored = evolve(instance, created=0, updated=0, pending=pending)
        return {
            "dedicated_inference": self.instance(unstored, word),
            "token": self._token(evolve(token, created=0)) | {"value": token.value},
        }

    def instance(self, instance: Instance, word: str) -> Json:
        """One instance, not wrapped."""
        value = self._head(instance, word)
        if instance.current:
            value["spec"] = self._deployment(instance, instance.current, "active")
        if instance.pending:
            state = "error" if word == "error" else "pending"
            value["pending_deployment_spec"] = self._deployment(instance, instance.pending, state)
        return value

    def row(self, instance: Instance, word: str) -> Json:
        """One item of a list: light, without specs."""
        spec = instance.current or instance.pending
        models = [model.provider_model_id for model in spec.models] if spec else []
        return self._head(instance, word) | {"provider_model_id": models}

    def _head(self, instance: Instance, word: str) -> Json:
        value: Json = {
            "id": instance.id,
            "name": instance.name,
            "region": instance.region,
            "status": self.status(word),
            "vpc_uuid": instance.vpc_uuid,
            "created_at": stamp_text(instance.created),
            "updated_at": stamp_text(instance.updated),
        }
        if instance.current or word == "active":
            value["endpoints"] = self._endpoints(instance)
        return value

    def _endpoints(self, instance: Instance) -> Json:
        kinds = ("public", "private") if instance.public else ("private",)
        return {
            f"{kind}_endpoint_fqdn": self.endpoint(instance, kind).removeprefix("https://")
            for kind in kinds
        }

    def _deployment(self, instance: Instance, spec: Deployment, state: str) -> Json:
        return {
            "version": spec.version,
            "id": spec.id,
            "dedicated_inference_id": instance.id,
            "state": self.cased(state),
            "enable_public_endpoint": instance.public,
            "vpc_config": {"vpc_uuid": instance.vpc_uuid},
            "model_deployments": [self._model(model, state) for model in spec.models],
            "created_at": stamp_text(spec.created),
            "updated_at": stamp_text(spec.updated),
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
        # Not assigned yet: an empty id, and "invalid" is a placeholder, no failure (godo fixture).
        assigned = bool(model.model_id)
        return {
            "accelerator_id": accelerator_id(model, entry, 0) if assigned else "",
            "accelerator_slug": entry.slug,
            "state": self.cased(state if assigned else "invalid"),
            "type": entry.type,
            "scale": entry.scale,
        }

    def token(self, token: Token, *, value: bool) -> Json:
        """One access token."""
        if value:
            return self._token(token) | {"value": token.value}
        return self._token(token) | {"is_managed": token.managed}

    def _token(self, token: Token) -> Json:
        return {
            "id": token.id,
            "name": token.name,
            "created_at": stamp_text(token.created),
        }

    def accelerator(
        self, instance: Instance, model: Model, entry: Accelerator, number: int
    ) -> Json:
        """One GPU in use."""
        return {
            "id": accelerator_id(model, entry, number),
            "name": gpu_name(model, entry, number),
            "slug": entry.slug,
            "status": self.cased("active"),
            "created_at": stamp_text(instance.created),
        }

    def sizes(self) -> Json:
        """Regions and prices, one row a size, with its hardware."""
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

    def models(self) -> list[Json]:
        """GPU and model configurations."""
        return [
            {
                "gpu_slugs": list(model.gpu_slugs),
                "model_slug": model.slug,
                "model_name": model.name,
                "is_model_gated": model.gated,
            }
            for model in MODELS
        ]

    def links(self, url: str, query: dict[str, str], page: int, per_page: int, total: int) -> Json:
        """The links of a page: none for the only one, an empty `next` on the last."""
        if total <= per_page:
            return {}
        return {"pages": {"next": ""} | page_links(url, query, page, per_page, total)}
