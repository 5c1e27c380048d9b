"""A minimal HTTP server in another process, so that the client's cost dominates.

It returns fixed bytes for each path as fast as asyncio can: an instance, 50 list pages of 200
instances as the emulator writes them, and a deployment as Gcore's API shows it. A POST is answered
as the create of one of the instances, in turn. The rate headers show a quota that cannot be used
up. `python -m benchmarks.server` prints its URL and serves until stdin ends.
"""

import asyncio
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from attrs import field, frozen

from di_async.emulator import Response, World
from di_async.emulator.cloud.simulation import Dialect

__all__ = ["GCORE_NAME", "LIST", "PAGE", "TOKEN", "Fleet", "gcore_deployment", "serving"]

LIST = "/v2/dedicated-inferences"
PAGE = 200
TOKEN = "dop_v1_" + "0" * 64
GCORE_NAME = "web-0"
_NOW = 1_800_000_000.0
_QUOTA = {"ratelimit-limit": "1000000000", "ratelimit-remaining": "999999999"}


@frozen
class Fleet:
    """Instances of the emulator's world, with the responses that show them."""

    instances: int
    status: str = "active"
    dialect: Dialect = "documented"
    world: World = field(init=False)
    ids: tuple[str, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        world = World(self.dialect, seed=0, rate_limits=False)
        names = [f"web-{n}" for n in range(self.instances)]
        made = [
            world.add_instance(now=_NOW, name=name, region="atl1", status=self.status)
            for name in names
        ]
        object.__setattr__(self, "world", world)
        object.__setattr__(self, "ids", tuple(one.id for one in made))

    def get(self, target: str) -> Response:
        """Return the API's response to a GET."""
        headers = {"authorization": f"Bearer {self.world.token}", "host": "api.digitalocean.com"}
        return self.world.handle(_NOW + 1.0, "GET", target, headers)

    def page(self, number: int = 1) -> bytes:
        """The body of a list page."""
        return self.get(f"{LIST}?page={number}&per_page={PAGE}").body


def gcore_deployment() -> bytes:
    """Return a v3 deployment as a GET shows it, about as long as DigitalOcean's instance."""
    scale = {"min": 1, "max": 2, "cooldown_period": 60, "polling_interval": 30}
    triggers = {"cpu": {"threshold": 80}, "gpu_utilization": None, "memory": None, "http": None}
    container = {
        "region_id": 19,
        "address": None,
        "deploy_status": {"ready": 1, "total": 1},
        "error_message": None,
        "scale": {**scale, "triggers": triggers},
    }
    payload = {
        "name": GCORE_NAME,
        "address": "https://web-0-4f2a.ai.gcore.dev",
        "auth_enabled": True,
        "api_keys": ["web-0-key"],
        "command": "vllm serve",
        "containers": [container],
        "created_at": "2026-05-23T05:07:31Z",
        "credentials_name": None,
        "description": "web",
        "envs": {"MODEL": "mistral/mistral-7b-instruct-v3"},
        "flavor_name": "inference-16vcpu-232gib-1xh100-80gb",
        "image": "vllm/vllm-openai:v0.12.0",
        "ingress_opts": None,
        "listening_port": 8000,
        "logging": None,
        "object_references": [],
        "probes": None,
        "project_id": 1,
        "status": "ACTIVE",
        "timeout": 120,
    }
    return orjson.dumps(payload)


def _answers(fleet: Fleet) -> Iterator[tuple[bytes, Response]]:
    pages = -(-fleet.instances // PAGE)
    targets = [f"{LIST}?page={n}&per_page={PAGE}" for n in range(1, pages + 1)]
    for target in [*targets, *(f"{LIST}/{id}" for id in fleet.ids)]:
        yield target.encode(), fleet.get(target)
    headers = {"content-type": "application/json"}
    target = f"/cloud/v3/inference/1/deployments/{GCORE_NAME}"
    yield target.encode(), Response(200, headers, gcore_deployment())


def _created(fleet: Fleet) -> Iterator[Response]:
    """Yield the responses to creates of the instances, repeatedly."""
    for id in itertools.cycle(fleet.ids):
        shown = fleet.get(f"{LIST}/{id}")
        payload = orjson.loads(shown.body)
        payload["dedicated_inference"]["status"] = "new"
        yield Response(202, shown.headers, orjson.dumps(payload))


def _raw(answer: Response) -> bytes:
    headers = {**answer.headers, **_QUOTA, "content-length": str(len(answer.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} OK\r\n{lines}\r\n".encode() + answer.body


class _Connection(asyncio.Protocol):
    """One connection, with requests one after the other."""

    def __init__(self, answers: dict[bytes, bytes], created: Iterator[Response]) -> None:
        self._answers = answers
        self._created = created
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, rest = self._read.partition(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            if method == b"GET":
                self._read = rest
                self._transport.write(self._answers[target])
                continue
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            self._read = rest[length:]
            self._transport.write(_raw(next(self._created)))


async def _serve(fleet: Fleet) -> None:
    answers = {target: _raw(answer) for target, answer in _answers(fleet)}
    created = _created(fleet)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(answers, created), "127.0.0.1", 0, backlog=512
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", *fleet.ids, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@frozen
class Served:
    """Where the server is, and its ids."""

    url: str
    ids: tuple[str, ...]


@contextmanager
def serving(instances: int, status: str = "active") -> Iterator[Served]:
    """Run the server in another process."""
    argv = [sys.executable, "-m", "benchmarks.server", str(instances), status]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout
        assert process.stdin
        url, *ids = process.stdout.readline().decode().split()
        assert re.match(r"http://127\.0\.0\.1:\d+$", url)
        try:
            yield Served(url, tuple(ids))
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(Fleet(int(sys.argv[1]), sys.argv[2])))
