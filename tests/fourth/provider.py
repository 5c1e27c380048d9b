"""The client of a cloud that does not exist: all that a provider has to say. Under 120 lines."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from di_async.core.codec import Codec
from di_async.core.errors import APIError, api_error
from di_async.core.http import Endpoint, Priority, Request, Response
from di_async.core.pagination import Page, rows_under
from di_async.core.rate_limit import RateLimitInfo
from di_async.core.waiting.observation import Action, Expectation, Observation, Phase
from di_async.core.waiting.page_index import RowKey
from di_async.core.waiting.resource_adapter import CallRecord, Capabilities, ResourceAdapter
from di_async.core.waiting.resume_token import ResourceRef
from di_async.engine.client import Client, Engine
from di_async.engine.resource_api import ResourceApi
from di_async.engine.waiting.change import Change

LIST, CREATE = Endpoint("list", "GET", "/nodes"), Endpoint("create", "POST", "/nodes")
GET, RESIZE = Endpoint("get", "GET", "/nodes/{id}"), Endpoint("resize", "PATCH", "/nodes/{id}")
DELETE, JOB = Endpoint("delete", "DELETE", "/nodes/{id}"), Endpoint("job", "GET", "/jobs/{id}")

CODEC = Codec()


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


_STATES = {"up": Phase.READY, "booting": Phase.WORKING, "down": Phase.FAILED}
_ENDS = {"done": Phase.READY, "running": Phase.WORKING, "broken": Phase.FAILED}


def observe_node(node: Node, expectation: Expectation) -> Observation:
    """One look at a node."""
    as_sent = None if expectation.sent is None else str(node.size) == expectation.sent
    phase = _STATES.get(node.state, Phase.WORKING)
    return Observation(node.state, phase, matches_sent=as_sent, documented=node.state in _STATES)


def observe_job(job: Job, expectation: Expectation) -> Observation:
    """One look at a job."""
    phase = _ENDS.get(job.state, Phase.WORKING)
    return Observation(job.state, phase, reason=job.why or None, documented=job.state in _ENDS)


class Dialect:
    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        return {"X-Key": "toy"}

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        told = response.body.decode()
        return api_error(response.status, told, method=request.method, path=request.path)

    def rate_limit(self, response: Response, wall: float) -> RateLimitInfo:
        return RateLimitInfo(limited=response.status == 429)


class NodeAdapter(ResourceAdapter[Node]):
    """How waiting reads nodes, and the jobs that change them."""

    provider, noun, kind, resource_type = "fourth", "node", "node", Node
    capabilities = Capabilities(shows_sent=True, operations=("job",))

    def __init__(self, engine: Engine, base_url: str) -> None:
        self._engine, self.base_url = engine, base_url

    async def get(self, ref: ResourceRef, priority: Priority, call: CallRecord) -> Any:
        request, into = (JOB, Job) if ref.kind == "job" else (GET, Node)
        body = await self._engine.json_once(request.request(ref.id), priority, call)
        return CODEC.structure(body, into)

    async def list_page(self, number: int, call: CallRecord, region: str | None = None) -> Page:
        body = await self._engine.json_once(LIST.request(), Priority.SWEEP, call)
        return Page(tuple(rows_under(body, "nodes")), None, None, None)

    def row_key(self, row: Any) -> RowKey:
        return row["id"], hash(row["state"])

    def decode_row(self, row: Any) -> Node:
        return CODEC.structure(row, Node)

    def observe(self, resource: Any, expectation: Expectation) -> Observation:
        observe = observe_job if isinstance(resource, Job) else observe_node
        return observe(resource, expectation)


class Nodes(ResourceApi[Node]):
    def __init__(self, engine: Engine, base_url: str) -> None:
        super().__init__(engine, NodeAdapter(engine, base_url), GET.request)

    async def create(self, size: int) -> Change[Node]:
        return await self._write(CREATE.request(json={"size": size}), Action.CREATE)

    async def resize(self, id: str, size: int) -> Change[Node]:
        before = _node(await self._engine.json(GET.request(id)))
        asked, told = (
            RESIZE.request(id, json={"size": size}),
            {"differed_before": before.size != size},
        )
        return await self._write(asked, Action.UPDATE, sent=str(size), **told)

    async def delete(self, id: str) -> Change[None]:
        return await self._write(DELETE.request(id), Action.DELETE)

    async def _write(self, request: Request, action: Action, **told: Any) -> Change[Any]:
        job = CODEC.structure(await self._engine.json(request), Job)
        expectation = Expectation(action=action, accepted_at=self._engine.clock.now(), **told)
        operations = [ResourceRef("job", job.id)]
        return self._engine.change(
            self._adapter, job.node, expectation, operations=operations, initial=job
        )


def _node(row: Any) -> Node:
    return CODEC.structure(row, Node)


class Fourth(Client):
    def __init__(self, base_url: str = "https://fourth.test", **options: Any) -> None:
        super().__init__(base_url, Engine.make(base_url, Dialect(), **options))
        self.nodes = Nodes(self._engine, base_url)
