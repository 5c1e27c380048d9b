"""Hand-written answers in both wire dialects, and a transport that plays them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from di_async import Change, DigitalOcean
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle, World
from tests.support import TEN_MINUTES, WorldTransport, a_spec, answer

ID = "08a45244-33e0-415e-b127-d766a9e5b267"
VPC = "997615ce-132d-4bae-9270-9ee21b395e5d"
BASE = "/v2/dedicated-inferences"
ONE = f"GET {BASE}/{{id}}"
LIST = f"GET {BASE}"
POST = f"POST {BASE}"
PATCH = f"PATCH {BASE}/{{id}}"
DELETE = f"DELETE {BASE}/{{id}}"
DIALECTS = ("documented", "observed")
EARLY, LATE, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "2026-01-01T00:09:00Z"
NEVER = "1970-01-01T00:00:00Z"
_HOST = "dedicated-inference.do-infra.ai"

# Time jumps as soon as nothing is ready: no test here has threads to give a chance to.
VIRTUAL = pytest.mark.looptime(noop_cycles=1)

Again = Callable[[], Awaitable[None]]
Body = dict[str, Any]


# --- what the API shows ----------------------------------------------------------------------


def shown_spec(dialect: str, version: int | None, scale: int = 1, **more: Any) -> Body:
    """A spec as the API shows it; without a version it has no id either."""
    accelerator = {"accelerator_slug": "gpu-mi300x1-192gb", "scale": scale}
    accelerator |= {"type": "prefill_decode"}
    deployment = {"model_slug": "mistral/mistral-7b-instruct-v3", "model_provider": "hugging_face"}
    spec: Body = {
        "version": version,
        "enable_public_endpoint": True,
        "model_deployments": [{**deployment, "accelerators": [accelerator]}],
    }
    if dialect == "documented":
        spec |= {"name": "web", "region": "atl1", "vpc": {"uuid": VPC}}
    else:
        spec |= {"id": version and f"spec-{version}", "vpc_config": {"vpc_uuid": VPC}}
    return {key: value for key, value in (spec | more).items() if value is not None}


def instance(
    dialect: str = "documented",
    status: str = "active",
    *,
    version: int | None = 1,
    scale: int = 1,
    updated: str = EARLY,
    endpoints: Iterable[str] = ("public", "private"),
    **more: Any,
) -> Body:
    """An instance as the API shows it; `more` are fields of its own, such as a pending spec."""
    public = more.pop("public", True)
    shown = {
        "id": ID,
        "name": "web" if dialect == "observed" else None,
        "region": "atl1",
        "status": status,
        "vpc_uuid": VPC,
        "endpoints": {f"{kind}_endpoint_fqdn": f"{kind}-{_HOST}" for kind in endpoints},
        "spec": shown_spec(dialect, version, scale, enable_public_endpoint=public),
        "created_at": EARLY,
        "updated_at": updated,
    }
    return {key: value for key, value in (shown | more).items() if value is not None}


def told(body: Body, status: int = 200, **more: Any) -> Response:
    """An answer with an instance in it."""
    return answer(status, {"dedicated_inference": body, **more})


def refused(status: int, **headers: str) -> Response:
    """An error answer as the API writes them."""
    body = {"id": "some_slug", "message": "some sentence", "request_id": "req-1"}
    return answer(status, body, **headers)


GONE = refused(404)
HTML = Response(502, {"content-type": "text/html"}, b"<html>502 Bad Gateway</html>")


# --- a network that plays them ---------------------------------------------------------------


@frozen
class Slow:
    """An answer that takes its time."""

    after_s: float
    answer: Response


@frozen
class Sent:
    """A request, and when it was sent."""

    at: float
    request: Request

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.path}"


Step = Body | Response | Slow | BaseException


class Play:
    """Answers by method: one step a request, the last one for ever. A mapping is an instance."""

    def __init__(self, *reads: Step, latency_s: float = 0.01, **writes: Iterable[Step]) -> None:
        self._steps = {"GET": list(reads)}
        self._steps |= {method.upper(): list(steps) for method, steps in writes.items()}
        self._latency_s = latency_s
        self.sent: list[Sent] = []

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, request: Request, headers: Mapping[str, str], again: Again) -> Response:
        """The next step for this method."""
        self.sent.append(Sent(asyncio.get_running_loop().time(), request))
        steps = self._steps[request.method]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        await asyncio.sleep(step.after_s if isinstance(step, Slow) else self._latency_s)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Slow):
            return step.answer
        return step if isinstance(step, Response) else told(step)

    def count(self, method: str) -> int:
        """How many requests of this method were sent."""
        return sum(sent.request.method == method for sent in self.sent)


@asynccontextmanager
async def playing(play: Play, **options: Any) -> AsyncIterator[DigitalOcean]:
    """A client whose network is a play."""
    async with DigitalOcean("dop_v1_secret", transport=play, **options) as client:
        yield client


@asynccontextmanager
async def serving(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The URL of a real server; on leaving, all its connections have ended."""
    open_: set[asyncio.Future[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        open_.add(ended)
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            ended.set_result(None)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*open_)
    await asyncio.sleep(0)


def now() -> float:
    """The loop's (virtual) time."""
    return asyncio.get_running_loop().time()


def creation(dialect: str = "documented", **more: Any) -> Response:
    """The answer to a create."""
    pending = shown_spec(dialect, 1)
    body = instance(dialect, "new", version=None, endpoints=(), pending_deployment_spec=pending)
    token = {"id": "t-1", "name": "auto", "value": "di_one_time_value"}
    return told(body | more, 202, token=token)


def acceptance(dialect: str = "documented", *, version: int | None = 1, **more: Any) -> Response:
    """The answer to an update from `version` to the next; None shows no versions."""
    pending = shown_spec(dialect, version + 1, 2) if version else None
    body = instance(dialect, "updating", version=version, pending_deployment_spec=pending)
    return told(body | more, 202)


async def created(client: DigitalOcean) -> Change[Any]:
    """A create that was accepted."""
    return await client.dedicated_inferences.create(a_spec())


async def scaled(client: DigitalOcean) -> Change[Any]:
    """An update to two replicas that was accepted."""
    return await client.dedicated_inferences.scale(ID, 2)


def world(dialect: Any = "documented", **options: Any) -> World:
    """The emulator's world: create 600 s, update 300 s, delete 120 s unless told otherwise."""
    return World(dialect, **{"seed": 0, "lifecycle": TEN_MINUTES, **options})


def lasting(create: float = 600, update: float = 300, delete: float = 120) -> Lifecycle:
    """How long each action takes."""
    return Lifecycle(create=create, update=update, delete=delete)


def delay(
    net: WorldTransport, seconds: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """Let every answer take that much longer; gives when they came."""
    send, came = net.send, list[float]()

    async def late(*sent: Any) -> Response:
        await asyncio.sleep(seconds())
        response = await send(*sent)
        came.append(now())
        return response

    monkeypatch.setattr(net, "send", late)
    return came
