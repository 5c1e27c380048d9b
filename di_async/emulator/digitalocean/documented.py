"""The dialect `documented`: exactly what the vendor's reference page says.

https://docs.digitalocean.com/reference/api/reference/dedicated-inference/
"""

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


class Documented(Shapes):
    """How values look on the vendor's reference page."""

    token_created_status = 202

    def created(self, instance: Instance, word: str, token: Token) -> Json:
        """The answer to a create."""
        return {
            "dedicated_inference": self.instance(instance, word),
            "token": self.token(token, value=True),
        }

    def instance(self, instance: Instance, word: str) -> Json:
        """One instance, not wrapped."""
        value: Json = {
            "id": instance.id,
            "status": self.status(word),
            "region": instance.region,
            "vpc_uuid": instance.vpc_uuid,
            "created_at": stamp_text(instance.created),
            "updated_at": stamp_text(instance.updated),
        }
        # The published 202 sample of a create has a spec: what was asked for.
        spec = instance.current or instance.pending
        if spec:
            value["spec"] = self._spec(instance, spec, word)
        if instance.pending:
            value["pending_deployment_spec"] = self._pending(instance, instance.pending, word)
        if instance.current or word == "active":
            value["endpoints"] = self._endpoints(instance)
        return value

    def row(self, instance: Instance, word: str) -> Json:
        """One item of a list: the whole instance."""
        return self.instance(instance, word)

    def _endpoints(self, instance: Instance) -> Json:
        endpoints: Json = {"private_endpoint_fqdn": self.endpoint(instance, "private")}
        if instance.public:
            endpoints["public_endpoint_fqdn"] = self.endpoint(instance, "public")
        return endpoints

    def _spec(self, instance: Instance, spec: Deployment, word: str) -> Json:
        state = "active" if spec is instance.current else _rollout(word)
        return {
            "version": spec.version,
            "name": spec.name,
            "region": instance.region,
            "vpc": {"uuid": instance.vpc_uuid},
            "enable_public_endpoint": instance.public,
            "model_deployments": [self._model(model, state) for model in spec.models],
        }

    def _pending(self, instance: Instance, spec: Deployment, word: str) -> Json:
        return {
            "id": spec.id,
            "version": spec.version,
            "name": spec.name,
            "status": self.cased("updating" if instance.current else "provisioning"),
            "vpc": {"uuid": instance.vpc_uuid},
            "enable_public_endpoint": instance.public,
            "model_deployments": [self._model(model, _rollout(word)) for model in spec.models],
            "created_at": stamp_text(spec.created),
            "updated_at": stamp_text(spec.updated),
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
        """One access token."""
        shown: Json = {
            "id": token.id,
            "name": token.name,
            "created_at": stamp_text(token.created),
        }
        return shown | {"value": token.value} if value else shown

    def accelerator(
        self, instance: Instance, model: Model, entry: Accelerator, number: int
    ) -> Json:
        """One GPU in use."""
        return {
            "id": accelerator_id(model, entry, number),
            "name": gpu_name(model, entry, number),
            "slug": entry.slug,
            "role": entry.type,
            "status": self.cased("active"),
            "created_at": stamp_text(instance.created),
        }

    def sizes(self) -> Json:
        """Regions and prices, one row a region."""
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

    def models(self) -> list[Json]:
        """GPU and model configurations."""
        return [
            {
                "gpu_slugs": list(model.gpu_slugs),
                "model_slug": model.slug,
                "model_name": model.name,
                "is_gated_model": model.gated,
            }
            for model in MODELS
        ]

    def links(self, url: str, query: dict[str, str], page: int, per_page: int, total: int) -> Json:
        """The links of a page, even of the only one."""
        return {"pages": page_links(url, query, page, per_page, total)}


def _rollout(word: str) -> str:
    return "new" if word == "new" else "provisioning"
