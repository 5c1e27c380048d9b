"""The thirteen operations of DigitalOcean's API.

A choice that the vendor's documentation leaves open is explained
where it is made.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import orjson
from attrs import evolve, frozen

from di_async.emulator.cloud.http import ApiError, Json, Response, json_response, parse_json_object
from di_async.emulator.cloud.provider import Call

from .outcomes import BASE, Context
from .pages import list_page
from .store import Deployment, Instance, Model
from .validation import SpecRequest, parse_name, parse_secrets, parse_spec

LIST = f"GET {BASE}"

T = TypeVar("T")


@frozen
class Operations(Context):
    """The handlers of DigitalOcean's operations."""

    def list_instances(self, call: Call) -> Response:
        """Return the instances, filtered by region and name; `name` is undocumented but works."""
        region, name = call.request.query.get("region"), call.request.query.get("name")
        rows = self.store.read_all(call.now)
        if region:
            rows = [instance for instance in rows if instance.region == region]
        if name:
            rows = [instance for instance in rows if instance.name == name]
        return self._page_response(
            call, "dedicated_inferences", rows, lambda instance: self._rendered(call, instance)
        )

    def get_instance(self, call: Call) -> Response:
        """Return one instance."""
        rendered = self._rendered(call, self._read(call))
        return json_response(200, {"dedicated_inference": rendered})

    def list_accelerators(self, call: Call) -> Response:
        """Return the GPUs in use, optionally of one slug."""
        slug = call.request.query.get("slug")
        gpus = self._gpus(self._read(call))
        rows = [gpu for gpu in gpus if slug in (None, "", gpu["slug"])]
        return self._page_response(call, "accelerators", rows, lambda gpu: gpu)

    def get_accelerator(self, call: Call) -> Response:
        """Return one GPU; the vendor does not wrap it."""
        for gpu in self._gpus(self._read(call)):
            if gpu["id"] == call.params["accelerator_id"]:
                return json_response(200, gpu)
        raise not_found()

    def get_ca(self, call: Call) -> Response:
        """Return the CA of the data plane."""
        self._read(call)
        return json_response(200, self.shapes.ca())

    def list_tokens(self, call: Call) -> Response:
        """Return the access tokens, without their values."""
        self._read(call)
        tokens = list(self.store.tokens.get(call.id, {}).values())
        return self._page_response(
            call, "tokens", tokens, lambda token: self.shapes.token(token, value=False)
        )

    def get_sizes(self, call: Call) -> Response:
        """Return regions and prices."""
        return json_response(200, self.shapes.sizes())

    def get_gpu_model_config(self, call: Call) -> Response:
        """Return which model runs on which GPU."""
        return json_response(200, {"gpu_model_configs": self.shapes.models(self.store.catalog)})

    def create(self, call: Call) -> Response:
        """Create an instance and its first access token."""
        body = parse_json_object(call.request.body)
        has_secret = parse_secrets(body)
        spec = parse_spec(_spec_of(body), self.store.catalog)
        self._check_name(spec.name, "", call.now)
        instance = self.new_instance(call.now, spec, has_secret=has_secret)
        instance = instance.with_last_write(self.with_fault(instance, instance.last_write))
        store = self.store
        store.add(instance)
        token = store.add_token(
            instance.id, "auto-generated-during-provisioning", instance.created, managed=True
        )
        self._add_stale_views(call, instance, None)
        status = store.status(instance, call.now)
        return json_response(202, self.shapes.created(instance, status, token))

    def update(self, call: Call) -> Response:
        """Change the spec, the model provider's secret, or both."""
        before = self._existing(call)
        body = parse_json_object(call.request.body)
        has_secret = parse_secrets(body) or before.has_secret
        if before.in_flight or before.failed or before.current is None:
            raise ApiError(403, "This Dedicated Inference is not yet accepting updates.")
        spec = self._updated_spec(call, body, before, before.current)
        ends = self._expected_end(spec.models, has_secret=has_secret)
        stamp = self.simulation.timestamp(call.now, before.updated)
        after = self.store.add_write(
            before,
            self.begin_write("update", call.now, before, ends),
            name=spec.name,
            pending=self._deployment(spec, before.current.version + 1, stamp),
            has_secret=has_secret,
        )
        self._add_stale_views(call, after, before)
        rendered = self.shapes.instance(after, self.store.status(after, call.now))
        return json_response(202, {"dedicated_inference": rendered})

    def delete(self, call: Call) -> Response:
        """Delete an instance.

        Repeated during the deletion it answers 202 again: a GET still finds the instance, so a 404
        would wrongly report that it no longer exists.
        """
        before = self._existing(call)
        if not (before.in_flight and before.last_write.action == "delete"):
            write = self.begin_write("delete", call.now, before, "deleted")
            self._add_stale_views(call, self.store.add_write(before, write), before)
        return Response(202)

    def create_token(self, call: Call) -> Response:
        """Create an access token; no other response includes its value."""
        self._existing(call)
        name = parse_name(parse_json_object(call.request.body))
        token = self.store.add_token(call.id, name, self.simulation.timestamp(call.now))
        rendered = self.shapes.token(token, value=True)
        return json_response(202, {"token": rendered})

    def revoke_token(self, call: Call) -> Response:
        """Revoke an access token at once."""
        self._existing(call)
        if not self.store.revoke_token(call.id, call.params["token_id"]):
            raise not_found()
        return Response(204)

    def new_instance(self, now: float, spec: SpecRequest, *, has_secret: bool) -> Instance:
        """Return a newly requested instance, not stored yet."""
        stamp = self.simulation.timestamp(now)
        instance = Instance(
            id=self.ids.new_uuid(),
            name=spec.name,
            region=spec.region,
            vpc_uuid=spec.vpc_uuid or self.default_vpc,
            public=spec.public,
            created=stamp,
            updated=stamp,
            has_secret=has_secret,
            pending=self._deployment(spec, max(1, spec.version), stamp),
        )
        ends = self._expected_end(spec.models, has_secret=has_secret)
        return evolve(instance, writes=(self.planned_write("create", now, ends),))

    def _existing(self, call: Call) -> Instance:
        """Return the instance itself, for writes."""
        if call.id not in self.store.items:
            raise not_found()
        return self.store.items[call.id]

    def _read(self, call: Call) -> Instance:
        """Return the instance as reads see it."""
        instance = self.store.get(call.id, call.now)
        if instance is None:
            raise not_found()
        return instance

    def _rendered(self, call: Call, instance: Instance) -> orjson.Fragment:
        fault = self.take_fault(call, "unknown_status", id=instance.id, regions=(instance.region,))
        status = fault.word if fault else self.store.status(instance, call.now)
        text = self.shapes.rendered(instance, status, row=call.operation == LIST)
        self.shapes.forget_gone(self.store.items)
        return text

    def _page_response(
        self, call: Call, key: str, rows: Sequence[T], render: Callable[[T], object]
    ) -> Response:
        """Return the requested page of a list, with links and the total."""
        return list_page(self.settings, self.shapes.links, call.request, key, rows, render)

    def _gpus(self, instance: Instance) -> Iterator[Json]:
        # Only running ones: a GPU that is not assigned yet has no id.
        for model in instance.current.models if instance.current else ():
            for entry in model.accelerators:
                for number in range(entry.scale):
                    yield self.shapes.accelerator(instance, model, entry, number)

    def _expected_end(self, models: tuple[Model, ...], *, has_secret: bool) -> str:
        # Secrets are optional in the schema and no page documents a 422, so a gated model without
        # one is accepted and fails when its weights are downloaded.
        offered = (self.store.catalog.find(model.slug) for model in models)
        gated = any(model is not None and model.gated for model in offered)
        return "error" if gated and not has_secret else "active"

    def _updated_spec(
        self, call: Call, body: Json, before: Instance, current: Deployment
    ) -> SpecRequest:
        if body.get("spec") is not None:
            spec = parse_spec(_spec_of(body), self.store.catalog, current.models, before.region)
            self._check_update(call, spec, before, current)
            return spec
        if not (body.get("access_tokens") or body.get("secrets")):
            raise ApiError(400, "spec is required")
        # A new secret alone rolls the same models out again, as a new version.
        return SpecRequest(
            version=current.version,
            name=before.name,
            region=before.region,
            vpc_uuid=before.vpc_uuid,
            public=before.public,
            models=current.models,
        )

    def _check_update(
        self, call: Call, spec: SpecRequest, before: Instance, current: Deployment
    ) -> None:
        unchanged = {
            "region": spec.region == before.region,
            "vpc": spec.vpc_uuid in (None, before.vpc_uuid),
            "enable_public_endpoint": spec.public == before.public,
        }
        for name in unchanged:
            if not unchanged[name]:
                raise ApiError(422, f"spec.{name} cannot be changed after create")
        # The vendor's MCP server sends version 0, the zero value of Go.
        if spec.version not in (0, current.version):
            raise ApiError(
                409, f"spec.version {spec.version} does not match version {current.version}"
            )
        self._check_name(spec.name, before.id, call.now)

    def _check_name(self, name: str, id: str, now: float) -> None:
        if self.store.names.get(name, id) != id or self.store.holds_name(name, now):
            raise ApiError(409, f"A Dedicated Inference named {name!r} already exists.")

    def _deployment(self, spec: SpecRequest, version: int, stamp: int) -> Deployment:
        return Deployment(self.ids.new_uuid(), version, spec.name, spec.models, stamp, stamp)

    def _add_stale_views(self, call: Call, after: Instance, before: Instance | None) -> None:
        views = self.stale_views(call, before, after.id, (after.region,))
        self.store.add_views(after.id, views)


def not_found() -> ApiError:
    """Return the vendor's 404."""
    return ApiError(404, "The resource you requested could not be found.")


def _spec_of(body: Json) -> Json:
    spec = body.get("spec")
    if spec is None:
        raise ApiError(400, "spec is required")
    if not isinstance(spec, dict):
        raise ApiError(400, "spec must be an object")
    return spec
