"""The client of a cloud that does not exist: all that a provider has to say. Under 120 lines."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from di_async.core.budget import RateNews
from di_async.core.codec import Codec
from di_async.core.errors import APIError, api_error
from di_async.core.paging import Page, rows_under
from di_async.core.ports import Capabilities, Source, Trip
from di_async.core.stages import Stage
from di_async.core.waiter import Action, Case, Phase, Sight
from di_async.core.wire import Endpoint, Priority, Request, Response
from di_async.engine.change import Change
from di_async.engine.client import Client, Engine
from di_async.engine.resources import Resources

LIST, CREATE = Endpoint("list", "GET", "/nodes"), Endpoint("create", "POST", "/nodes")
GET, RESIZE = Endpoint("get", "GET", "/nodes/{id}"), Endpoint("resize", "PATCH", "/nodes/{id}")
DELETE, JOB = Endpoint("delete", "DELETE", "/nodes/{id}"), Endpoint("job", "GET", "/jobs/{id}")

CODEC = Codec(lambda converter: None)


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


def sight(node: Node, case: Case) -> Sight:
    """One look at a node."""
    as_sent = None if case.sent is None else str(node.size) == case.sent
    phase = _STATES.get(node.state, Phase.WORKING)
    return Sight(node.state, phase, as_sent=as_sent, known=node.state in _STATES)


def job_sight(job: Job, case: Case) -> Sight:
    """One look at a job."""
    phase = _ENDS.get(job.state, Phase.WORKING)
    return Sight(job.state, phase, why=job.why or None, known=job.state in _ENDS)


class Conventions:
    def headers(self, request: Request, wall: float) -> Mapping[str, str]:
        return {"X-Key": "toy"}

    def error(self, request: Request, response: Response, wall: float) -> APIError:
        told = response.body.decode()
        return api_error(response.status, told, method=request.method, path=request.path)

    def rate(self, response: Response, wall: float) -> RateNews:
        return RateNews(limited=response.status == 429)


class Nodes(Resources[Node]):
    def __init__(self, engine: Engine, base_url: str) -> None:
        named: dict[str, Any] = {"provider": "fourth", "base_url": base_url}
        job = Source[Job](**named, noun="job", kind="job", fetch=self._job, sight=job_sight)
        node = Source[Node](
            **named, noun="node", kind="node", fetch=self._fetch, sight=sight, row=_node,
            sweep=self._sweep, glance=lambda row: (row["id"], hash(row["state"])),
            steps=(job,), capabilities=Capabilities(shows_sent=True, steps=("job",)),
        )  # fmt: skip
        super().__init__(engine, node, GET.request)

    async def create(self, size: int) -> Change[Node]:
        return await self._write(CREATE.request(json={"size": size}), Action.CREATE)

    async def resize(self, id: str, size: int) -> Change[Node]:
        before = _node(await self._engine.json(GET.request(id)))
        asked, told = RESIZE.request(id, json={"size": size}), {"unlike": before.size != size}
        return await self._write(asked, Action.UPDATE, sent=str(size), **told)

    async def delete(self, id: str) -> Change[None]:
        return await self._write(DELETE.request(id), Action.DELETE)

    async def _write(self, request: Request, action: Action, **told: Any) -> Change[Any]:
        job = CODEC.structure(await self._engine.json(request), Job)
        case = Case(action=action, accepted_at=self._engine.clock.now(), **told)
        steps = [Stage("job", job.id)]
        return self._engine.change(self._source, job.node, case, steps=steps, initial=job)

    async def _fetch(self, stage: Stage, priority: Priority, trip: Trip) -> Node:
        return _node(await self._engine.json_once(GET.request(stage.id), priority, trip))

    async def _job(self, stage: Stage, priority: Priority, trip: Trip) -> Job:
        body = await self._engine.json_once(JOB.request(stage.id), priority, trip)
        return CODEC.structure(body, Job)

    async def _sweep(self, page: int, trip: Trip, region: str | None = None) -> Page:
        body = await self._engine.json_once(LIST.request(), Priority.SWEEP, trip)
        return Page(tuple(rows_under(body, "nodes")), None, None, None)


def _node(row: Any) -> Node:
    return CODEC.structure(row, Node)


class Fourth(Client):
    def __init__(self, base_url: str = "https://fourth.test", **options: Any) -> None:
        super().__init__(base_url, Engine.make(base_url, Conventions(), **options))
        self.nodes = Nodes(self._engine, base_url)
