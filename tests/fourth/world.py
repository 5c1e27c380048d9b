"""The fourth cloud's API in memory: a job takes a minute, a node ten."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from attrs import define

from di_async.core.http import Request, Response

Again = Callable[[], Awaitable[None]]
JOB_S, NODE_S, LATENCY_S = 60.0, 600.0, 0.05


@define
class Doing:
    """A job, and what it changes on its node."""

    id: str
    node: str
    action: str
    size: int
    since: float
    broken: str = ""
    forgotten: bool = False


class FourthWorld:
    """A transport that answers for the API. Its state is a function of the loop time."""

    def __init__(self) -> None:
        self.jobs: dict[str, Doing] = {}
        self.nodes: dict[str, tuple[Doing, ...]] = {}
        self.requests: list[Request] = []
        self.break_next = ""
        self.job_s, self.node_s = JOB_S, NODE_S
        self._ids = itertools.count(1)

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        self.requests.append(request)
        await asyncio.sleep(LATENCY_S)
        status, body = self.answer(request, asyncio.get_running_loop().time())
        await asyncio.sleep(LATENCY_S)
        return Response(status, {}, orjson.dumps(body))

    def count(self, prefix: str, method: str = "GET") -> int:
        """Return how many requests of a method begin with this path."""
        return sum(r.method == method and r.path.startswith(prefix) for r in self.requests)

    def answer(self, request: Request, now: float) -> tuple[int, Any]:
        collection, _, id = request.path.strip("/").partition("/")
        if collection == "jobs":
            job = self.jobs.get(id)
            return (404, "no job") if job is None or job.forgotten else (200, self._job(job, now))
        if request.method == "GET" and not id:
            rows = (self.node(id, now) for id in self.nodes)
            return 200, {"nodes": [row for row in rows if row]}
        if request.method == "GET":
            row = self.node(id, now)
            return (200, row) if row else (404, "no node")
        size = orjson.loads(request.body)["size"] if request.body else 0
        return 200, self._job(self._begin(request.method, id, size, now), now)

    def _begin(self, method: str, id: str, size: int, now: float) -> Doing:
        action = {"POST": "create", "PATCH": "resize", "DELETE": "delete"}[method]
        number = next(self._ids)
        job = Doing(f"job-{number}", id or f"node-{number}", action, size, now, self.break_next)
        self.break_next = ""
        self.jobs[job.id] = job
        self.nodes[job.node] = (*self.nodes.get(job.node, ()), job)
        return job

    def _job(self, job: Doing, now: float) -> dict[str, Any]:
        over = now >= job.since + self.job_s
        state = ("broken" if job.broken else "done") if over else "running"
        return {"id": job.id, "node": job.node, "state": state, "why": job.broken if over else ""}

    def node(self, id: str, now: float) -> dict[str, Any] | None:
        """Return what a GET shows. A job has no effect before it is done, a broken one never."""
        size, state = 0, "booting"
        for job in self.nodes.get(id, ()):
            if job.broken or now < job.since + self.job_s:
                continue
            if job.action == "delete":
                return None
            size = job.size
            state = "up" if now >= job.since + self.node_s else "booting"
        return {"id": id, "state": state, "size": size} if id in self.nodes else None
