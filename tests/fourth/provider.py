"""The client of an imaginary cloud: everything that a new provider has to write."""

from functools import partial
from typing import Any

from attrs import frozen

from di_async.core.codec import Codec
from di_async.core.errors import APIError, api_error
from di_async.core.http import Endpoint, Priority, Request, Response
from di_async.core.pagination import Page, read_page
from di_async.core.protocols import ApiDialect
from di_async.core.responses import error_body
from di_async.core.waiting.observation import Action, Expectation, Observation, Phase
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Client
from di_async.engine.engine import Engine
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change

# -- api.py: endpoints and dialect
LIST, CREATE = Endpoint("list", "GET", "/nodes"), Endpoint("create", "POST", "/nodes")
GET, RESIZE = Endpoint("get", "GET", "/nodes/{id}"), Endpoint("resize", "PATCH", "/nodes/{id}")
DELETE, JOB = Endpoint("delete", "DELETE", "/nodes/{id}"), Endpoint("job", "GET", "/jobs/{id}")
CODEC = Codec()


class Dialect(ApiDialect):
    def headers(self, request: Request, wall: float) -> dict[str, str]:
        return {"X-Key": "toy"}

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        body = error_body(response)  # this API's error bodies are plain JSON strings
        return api_error(response.status, str(body), method=request.method, path=request.path)

    def is_error(self, status: int, body: Any) -> bool:
        return isinstance(body, str)

    def redact(self, request: Request, text: str) -> str:
        return text.replace("toy", "***")


# -- models.py and lifecycle.py
@frozen
class Node:
    id: str
    state: str
    size: int


@frozen
class Job:
    id: str
    state: str
    node: str = ""
    why: str = ""


_PHASES = {
    Node: {"up": Phase.READY, "booting": Phase.WORKING, "down": Phase.FAILED},
    Job: {"done": Phase.READY, "running": Phase.WORKING, "broken": Phase.FAILED},
}


# -- nodes.py: the adapter that waiting reads through, and the writes
class NodeAdapter(ResourceAdapter[Node]):
    provider, noun, kind, resource_type = "fourth", "node", "node", Node
    capabilities = Capabilities(shows_sent=True, operations=("job",))

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine, self.base_url = engine, base_url

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        endpoint, model = (JOB, Job) if ref.kind == "job" else (GET, Node)
        read = partial(CODEC.structure, into=model)
        return await self._engine.json_once(endpoint.request(ref.id), read, priority, call)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        read = partial(read_page, key="nodes")
        return await self._engine.json_once(LIST.request(), read, Priority.SCHEDULED, call)

    def row_key(self, row: Any) -> tuple[str, int]:
        return row["id"], hash(row["state"])

    def decode_row(self, row: Any) -> Node:
        return CODEC.structure(row, Node)

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        state, phases = resource.state, _PHASES[type(resource)]
        phase, documented = phases.get(state, Phase.WORKING), state in phases
        if isinstance(resource, Job):
            return Observation(state, phase, reason=resource.why or None, documented=documented)
        matches = None if expectation.sent is None else str(resource.size) == expectation.sent
        return Observation(state, phase, matches_sent=matches, documented=documented)


class Nodes(ResourceApi[Node]):
    def __init__(self, engine: Engine, base_url: str) -> None:
        super().__init__(engine, NodeAdapter(engine, base_url), GET.request)

    async def create(self, size: int) -> Change[Node]:
        return await self._write(CREATE.request(json={"size": size}), Action.CREATE)

    async def resize(self, id: str, size: int) -> Change[Node]:
        before = await self._engine.json(GET.request(id), partial(CODEC.structure, into=Node))
        request, differed = RESIZE.request(id, json={"size": size}), before.size != size
        return await self._write(request, Action.UPDATE, sent=str(size), differed_before=differed)

    async def delete(self, id: str) -> Change[None]:
        return await self._write(DELETE.request(id), Action.DELETE)

    async def _write(self, request: Request, action: Action, **expected: Any) -> Change[Any]:
        job = await self._engine.json(request, partial(CODEC.structure, into=Job))
        wanted = Expectation(action=action, accepted_at=self._engine.clock.now(), **expected)
        jobs = [ResourceRef("job", job.id)]
        return self._engine.change(self._adapter, job.node, wanted, operations=jobs, initial=job)


class Fourth(Client):
    def __init__(self, base_url: str = "https://fourth.test", **options: Any) -> None:
        super().__init__(base_url, Engine.make(base_url, Dialect(), **options))
        self.nodes = Nodes(self._engine, base_url)
