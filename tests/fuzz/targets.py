"""What is fuzzed. Each target plays one seed and returns what went wrong, or None."""

import base64
import json
import pickle
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import yaml

from benchmarks.settle.virtual import run_virtual
from di_async import DIError, DurationModel
from di_async.core.http import Request, Response
from di_async.digitalocean import DedicatedInferenceSpec
from di_async.emulator import World
from di_async.exoscale import DeploymentSpec
from di_async.gcore import InferenceDeploymentSpec, InferenceInstanceSpec
from tests.builders import digitalocean, gcore
from tests.clouds.support import CLOUDS
from tests.fake_network import Answer, Delayed
from tests.faults.operations import OPERATIONS
from tests.faults.scene import Scene, leftover_tasks, scene
from tests.fuzz.junk import Junk

__all__ = ["TARGETS"]

# Far above what any of them needs, so that a busy machine does not fail; an endless loop does.
_LONGEST_S = 5.0
_LONGEST_MESSAGE = 20_000
_DURATIONS = Path(__file__).parents[1] / "data" / "durations.json"
_SPECS: tuple[tuple[Any, Any], ...] = (
    (DedicatedInferenceSpec, digitalocean.sample("create_request")["spec"]),
    (DeploymentSpec, {"name": "web", "model": "a/b", "gpu-type": "gpua5000", "replicas": 2}),
    (InferenceDeploymentSpec, gcore.a_spec()),
    (InferenceInstanceSpec, gcore.sample("update_request")),
)


def _problem(play: Callable[[], Any]) -> str | None:
    """Return what is wrong with how `play` ended; a `DIError` is right."""
    began = time.thread_time()
    try:
        play()
    except DIError as error:
        if len(str(error)) > _LONGEST_MESSAGE:
            return f"a message of {len(str(error))} characters"
        if str(pickle.loads(pickle.dumps(error))) != str(error):  # noqa: S301 - our own
            return f"{error!r} changes when it is pickled"
    except BaseException:
        return traceback.format_exc(limit=-4)
    took = time.thread_time() - began
    return f"took {took:.1f} s" if took > _LONGEST_S else None


def answers(seed: int) -> str | None:
    """Answer an operation's reads, or its write, with damaged or arbitrary JSON or bytes."""
    junk = Junk(seed)
    operation = OPERATIONS[seed % len(OPERATIONS)]
    status = junk.random.choice(
        (200,) * 6 + (202, 204, 301, 400, 401, 403, 404, 409, 422, 429, 500)
    )

    def alter(request: Request, execute: Callable[[], Answer]) -> Answer:
        answer = execute()
        inner = answer.answer if isinstance(answer, Delayed) else answer
        if not isinstance(inner, Response) or (operation.writes and request.method == "GET"):
            return answer
        return Response(
            status if status != 200 else inner.status, _headers(junk), _body(junk, inner)
        )

    async def play() -> None:
        async with scene(operation.cloud) as stage:
            if operation.prepare is not None:
                await operation.prepare(stage)
            stage.network.alter = alter
            try:
                await _run(operation.run, stage)
            finally:
                stage.network.alter = None
                await stage.calm()
                assert not leftover_tasks(), leftover_tasks()
                await stage.api.get(stage.placed)

    found = _problem(lambda: run_virtual(play))
    return found and f"{operation}: {found}"


async def _run(run: Callable[[Scene], Any], stage: Scene) -> None:
    try:
        await run(stage)
    except TimeoutError as error:
        if not isinstance(error, DIError) and "watch" not in str(error):
            return  # a stream of this test's own had nothing to show in its 300 s
        raise


def _headers(junk: Junk) -> dict[str, str]:
    names = ("retry-after", "ratelimit-remaining", "ratelimit-reset", "ratelimit-limit", "date")
    kept = {name: junk.text() for name in names if junk.random.random() < 0.1}
    return {"content-type": "application/json", **kept}


def _body(junk: Junk, real: Response) -> bytes:
    chance = junk.random.random()
    if chance < 0.1:
        return junk.damaged_text(real.body)
    try:
        value = orjson.loads(real.body)
    except orjson.JSONDecodeError:
        value = {}
    return _dumped(junk.json() if chance < 0.25 else junk.damaged(value))


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def emulator(seed: int) -> str | None:
    """Send an arbitrary request to the emulator's world: it answers."""
    junk, world = Junk(seed), World(seed=seed)
    cloud = junk.random.choice(CLOUDS)
    cloud.prepare(world)
    placed = world.add_instance(name="one").id
    roots = (cloud.LIST, cloud.GET, cloud.POST, cloud.CHANGE, cloud.DELETE, *cloud.STEPS)
    control = ("GET /_emulator/state", "POST /_emulator/faults", "DELETE /_emulator/faults")
    requests = []
    for _ in range(5):
        method, _, path = junk.random.choice((*roots, *control)).partition(" ")
        path = path.replace("{project}", str(world.gcore.project_id))
        path = path.replace("{id}", placed if junk.random.random() < 0.5 else junk.text())
        if junk.random.random() < 0.3:
            path = junk.damaged_text(path).decode("latin-1")
        if junk.random.random() < 0.3:
            path += f"?{junk.text()}={junk.text()}&page={junk.text()}&limit={junk.text()}"
        tokens = (world.token, f"{junk.text()}")
        authorization = junk.random.choice(
            (f"Bearer {junk.random.choice(tokens)}", f"APIKey {world.gcore.api_key}", junk.text())
        )
        body = junk.octets() if junk.random.random() < 0.3 else _dumped(_request_body(junk))
        headers = {"host": "127.0.0.1", "authorization": authorization}
        requests.append((junk.random.choice((method, "GET", junk.text())), path, headers, body))

    def play() -> None:
        for number, (method, path, headers, body) in enumerate(requests):
            answer = world.handle(1.8e9 + number, method, path, headers, body)
            assert 200 <= answer.status < 600, answer
            served = world.serve(1.8e9 + number, method, path, headers, body)
            assert 200 <= served.status < 600, served

    found = _problem(play)
    return found and f"{requests}: {found}"


def _request_body(junk: Junk) -> Any:
    _, body = junk.random.choice(_SPECS)
    body = junk.damaged(body) if junk.random.random() < 0.8 else junk.json()
    return {"spec": body} if junk.random.random() < 0.5 else body


def specs(seed: int) -> str | None:
    """Read a spec from a damaged mapping, and from damaged JSON and YAML."""
    junk = Junk(seed)
    kind, right = junk.random.choice(_SPECS)
    value = junk.damaged(right) if junk.random.random() < 0.8 else junk.json()
    text = junk.damaged_text(_yaml(value) if junk.random.random() < 0.5 else _dumped(value))

    def from_value() -> None:
        spec = kind.from_dict(value)
        spec.check()
        spec.to_dict()

    def from_text() -> None:
        kind.from_text(text, source="file").check()

    found = _problem(from_value) or _problem(from_text)
    return found and f"{kind.__name__} {str(value)[:500]} {text[:500]!r}: {found}"


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")


def tokens(seed: int) -> str | None:
    """Resume a damaged or arbitrary token, and wait for it."""
    junk = Junk(seed)
    cloud = CLOUDS[seed % len(CLOUDS)]

    async def play() -> None:
        async with scene(cloud) as stage:
            token = (await cloud.grow(stage.client, stage.placed)).resume_token
            stored = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            match junk.random.randrange(4):
                case 0:
                    damaged = junk.damaged_text(token).decode("latin-1")
                case 1:
                    damaged = junk.text()
                case _:
                    inner = _dumped(junk.damaged(stored))
                    damaged = base64.urlsafe_b64encode(inner).decode().rstrip("=")
            change = stage.api.resume(damaged)
            repr(change)
            await change.wait(timeout=60)
            assert change.resume_token

    found = _problem(lambda: run_virtual(play))
    return found and f"{cloud.name}: {found}"


def durations(seed: int) -> str | None:
    """Load a damaged or arbitrary file of learned durations."""
    junk = Junk(seed)
    right = orjson.loads(_DURATIONS.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "durations.json"
        value = junk.damaged(right) if junk.random.random() < 0.7 else junk.json()
        path.write_bytes(junk.octets() if junk.random.random() < 0.2 else _dumped(value))
        return _problem(lambda: DurationModel.load(path))


TARGETS: dict[str, Callable[[int], str | None]] = {
    target.__name__: target for target in (answers, emulator, specs, tokens, durations)
}
