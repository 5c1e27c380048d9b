"""`connect` on every cloud, in virtual time: the endpoint answers later than the API says."""

import asyncio
import pickle
import re
from collections.abc import Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
import pytest

from di_async import (
    Change,
    ClientClosedError,
    DIError,
    InvalidInputError,
    ResourceVanishedError,
    Secret,
    SupersededError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.http import Request, Response
from di_async.emulator import Lifecycle, World
from di_async.engine.endpoints.serving import ServingEndpoint
from tests.clouds.support import CLOUDS, VIRTUAL, Cloud, a_world, now
from tests.fake_network import Answer, Delayed, EmulatorNetwork

pytestmark = VIRTUAL
CREATE_S, LAG_S, LEAD_S = 600.0, 240.0, 180.0
DATA = "https://data.test"
Script = Any


class DataPlane(EmulatorNetwork):
    """The data plane of a world, as a transport to one endpoint."""

    def __init__(self, network: "Clouds", base_url: str) -> None:
        super().__init__(network.world, base_url=base_url)
        self.network = network

    def now(self) -> float:
        """Return the world's time, which both planes share."""
        return self.network.now()

    def _answer(self, request: Request, headers: Mapping[str, str]) -> Answer:
        network = self.network
        network.probes.append((now(), f"{request.method} {request.path}"))
        if network.script is not None and (scripted := network.script(request)) is not None:
            return scripted  # type: ignore[no-any-return]
        path = urlsplit(self.base_url).path + request.path
        sent = {name.lower(): value for name, value in headers.items()}
        answer = self.world.serve(self.now(), request.method, path, sent, request.body or b"")
        return Response(answer.status, answer.headers, answer.body)


class Clouds(EmulatorNetwork):
    """A world's control plane as a transport, which opens its data plane."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.script: Script = None
        self.probes: list[tuple[float, str]] = []

    def endpoint(self, base_url: str, tls: object) -> DataPlane:
        """Return a transport to an endpoint."""
        plane = DataPlane(self, base_url)
        self.probes.append((now(), base_url))
        return plane


everywhere = pytest.mark.parametrize(
    "cloud", [one for one in CLOUDS if one.name != "gcore-v2"], ids=lambda cloud: cloud.name
)


class Scene:
    """A client of one cloud and its change."""

    def __init__(self, cloud: Cloud, **options: Any) -> None:
        lifecycle = Lifecycle(create=CREATE_S, update=300, delete=120, **options)
        self.world = a_world(lifecycle=lifecycle, dataplane_url=DATA)
        self.cloud = cloud
        self.network = Clouds(self.world)
        self.client: Any = cloud.make(self.world, transport=self.network)
        cloud.prepare(self.world)
        self.token: Any = None

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.aclose()

    async def create(self) -> Change[Any]:
        """Create a deployment that can be called with `self.token`."""
        if not self.cloud.name.startswith("gcore"):
            return await self.cloud.create(self.client, "webs")
        key = await self.client.api_keys.create("mine")
        self.token = key
        body = {**self.cloud.body("webs"), "api_keys": ["mine"]}  # type: ignore[attr-defined]
        change: Change[Any] = await self.client.inference_deployments.create(body)
        return change

    async def connect(self, change: Change[Any], **options: Any) -> ServingEndpoint:
        """Connect to a change's deployment."""
        return await change.connect(**{"access_token": self.token, **options})


@everywhere
async def test_connect_returns_when_a_completion_came_back(cloud: Cloud) -> None:
    """Models are listed minutes before they answer; both moments are in the history."""
    async with Scene(cloud, ready_lag=LAG_S, list_lead=LEAD_S) as scene:
        change = await scene.create()
        began = now()
        endpoint = await scene.connect(change)
        took = now() - began
    assert endpoint.base_url.startswith(DATA)
    assert endpoint.base_url.endswith("/v1")
    assert len(endpoint.models) == 1
    notes = [step.note or "" for step in change.history]
    settled = next(n for n, note in enumerate(notes) if note.startswith("settled"))
    assert notes[-1].startswith("answering: a completion of")
    assert settled < len(notes) - 1
    assert endpoint.history == change.history
    assert CREATE_S + LAG_S - 0.1 <= took <= CREATE_S + LAG_S + 3.6
    assert change.history[-1].elapsed == pytest.approx(took, abs=0.2)


@everywhere
async def test_probes_send_few_control_plane_requests(cloud: Cloud) -> None:
    """Probes go to the endpoint, 3 s apart at most; the API is read three times in four minutes."""
    async with Scene(cloud, ready_lag=LAG_S, list_lead=LEAD_S) as scene:
        change = await scene.create()
        await change.wait()
        before = len(scene.network.sent)
        await scene.connect(change)
        reads_of_key = 1 if cloud.name == "exoscale" else 0
        assert len(scene.network.sent) - before == 3 + reads_of_key
        times = [at for at, _ in scene.network.probes]
        assert len(times) > LAG_S / 3.5
        assert max(b - a for a, b in pairwise(times)) <= 3.3


@everywhere
async def test_probe_of_models_is_satisfied_by_the_list(cloud: Cloud) -> None:
    """With `probe="models"` the list is enough."""
    async with Scene(cloud, ready_lag=LAG_S, list_lead=LEAD_S) as scene:
        change = await scene.create()
        began = now()
        endpoint = await scene.connect(change, probe="models")
        assert now() - began < CREATE_S + LAG_S - LEAD_S + 3.6
        await endpoint.ready(timeout=10)  # the same probe again


@everywhere
async def test_connect_to_what_runs(cloud: Cloud) -> None:
    """`api.connect(id)` does the same for a deployment that is active."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        await change.wait()
        token = scene.token or change.access_token
        endpoint = await cloud.api(scene.client).connect(change.id, access_token=token)
    assert endpoint.models
    assert [step.note for step in endpoint.history][-1] == change_note(endpoint)


def change_note(endpoint: ServingEndpoint) -> str:
    """Return the last note of an endpoint that answers."""
    return f"answering: a completion of {', '.join(endpoint.models)} came back"


@everywhere
@pytest.mark.parametrize("status", [401, 403])
async def test_refusals_of_the_endpoint_fail_at_once(cloud: Cloud, status: int) -> None:
    """401 and 403 are final, and the error knows the change."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        await change.wait()
        scene.network.script = lambda _: Response(status, {}, b'{"error": {"message": "no"}}')
        began = now()
        with pytest.raises(WaitRefusedError, match=f"{status}.*pass an access token") as caught:
            await scene.connect(change)
        assert now() - began < 1
    error = caught.value
    assert getattr(error.last_error, "status", None) == status
    assert error.id == change.id
    assert error.resume_token
    assert error.history == change.history


@pytest.mark.half
@everywhere
@pytest.mark.parametrize("status", [400, 401, 403, 407, 451])
@pytest.mark.parametrize("body", [b"", b"<html>blocked</html>"])
async def test_one_page_of_a_gateway_is_not_a_refusal(
    cloud: Cloud, status: int, body: bytes
) -> None:
    """A refusal without the form of an error is final the third time in a row."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        await change.wait()
        pages = [Response(status, {}, body)] * 2

        def blocked(_: object) -> Response:
            page = pages.pop()
            scene.network.script = scene.network.script if pages else None
            return page

        scene.network.script = blocked
        assert (await scene.connect(change)).models
        scene.network.script = lambda _: Response(status, {}, body)
        with pytest.raises(WaitRefusedError, match=str(status)):
            await scene.connect(change)


@everywhere
async def test_one_timeout_for_wait_and_answer(cloud: Cloud) -> None:
    """What the wait leaves of the timeout is the endpoint's; the error can be resumed."""
    async with Scene(cloud, ready_lag=LAG_S) as scene:
        change = await scene.create()
        began = now()
        with pytest.raises(WaitTimeoutError, match=r"does not answer.*503.*warming up") as caught:
            await scene.connect(change, timeout=CREATE_S + 100)
        assert now() - began == pytest.approx(CREATE_S + 100, abs=1)
        assert "503" in (caught.value.history[-1].note or "")
        assert "bills" in str(caught.value)
        again = cloud.api(scene.client).resume(caught.value.resume_token)
        token = scene.token or change.access_token
        assert (await again.connect(access_token=token)).models


@everywhere
async def test_create_that_does_not_settle_is_a_timeout_too(cloud: Cloud) -> None:
    """The wait itself may use up the timeout."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        with pytest.raises(WaitTimeoutError, match="did not become active"):
            await scene.connect(change, timeout=60)
        assert not scene.network.probes


async def test_timeout_zero_sends_one_probe() -> None:
    """`timeout=0` reads once and probes once."""
    async with Scene(CLOUDS[0], ready_lag=LAG_S) as scene:
        change = await scene.create()
        await change.wait()
        with pytest.raises(WaitTimeoutError):
            await scene.connect(change, timeout=0)
        assert [what for _, what in scene.network.probes][1:] == ["GET /models"]


@pytest.mark.parametrize("status", [404, 425, 429, 500, 502, 503, 504, 302])
async def test_statuses_that_mean_not_yet(status: int) -> None:
    """Gateways answer while the endpoint starts."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        await change.wait()
        left = [Response(status, {}, b"<html>no</html>")] * 3
        scene.network.script = lambda _: left.pop() if left else None
        assert (await scene.connect(change)).models
    assert change.history[-2].times == 3


@pytest.mark.parametrize("body", [b"<html>", b'{"data": []}', b"[]", b'{"choices": []}'])
async def test_success_without_content_is_not_yet(body: bytes) -> None:
    """A page of a gateway with status 200 is not an answer."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        await change.wait()
        seen: list[str] = []

        def script(request: Request) -> Response | None:
            seen.append(request.path)
            return Response(200, {}, body) if seen.count(request.path) < 3 else None

        scene.network.script = script
        assert (await scene.connect(change)).models


async def test_other_refusals_name_the_other_probes() -> None:
    """A model that does not chat answers 400, which waiting does not change."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        scene.network.script = lambda request: (
            Response(400, {}, b'{"message": "does not support Chat"}')
            if request.method == "POST"
            else None
        )
        with pytest.raises(WaitRefusedError, match=r"400.*does not support Chat.*probe='models'"):
            await scene.connect(change)


async def test_own_probe_decides() -> None:
    """False and errors of connections are not yet; other errors are the caller's own."""
    answers: list[Any] = [False, ConnectionRefusedError("no"), TimeoutError(), None]
    seen: list[tuple[str, ...]] = []

    async def probe(endpoint: ServingEndpoint) -> object:
        seen.append(endpoint.models)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        endpoint = await scene.connect(change, probe=probe)
        assert seen == [endpoint.models] * 4
        assert change.history[-1].note == "answering: the probe succeeded"
        answers.append(KeyError("mine"))
        with pytest.raises(KeyError, match="mine"):
            await endpoint.ready()


@pytest.mark.parametrize("probe", ["health", None, lambda _: True])
async def test_other_probes_are_refused_before_the_wait(probe: Any) -> None:
    """A probe is one of two words or a coroutine function."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        with pytest.raises(InvalidInputError, match="probe: expected"):
            await scene.connect(change, probe=probe)
        assert now() < 10


async def test_request_that_hangs_counts_as_not_yet() -> None:
    """A probe is bounded, and the next one may be answered."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        await change.wait()
        original, first = scene.network.endpoint, [True]

        class Hanging(DataPlane):
            async def send(self, *args: Any) -> Response:
                if first.pop() if first else False:
                    await asyncio.Event().wait()
                return await super().send(*args)

        scene.network.endpoint = lambda base, _: Hanging(scene.network, base)  # type: ignore[method-assign,assignment]
        began = now()
        assert (await scene.connect(change)).models
        assert now() - began < 12
        scene.network.endpoint = original  # type: ignore[method-assign]


async def test_digitalocean_mints_a_token_or_says_that_it_is_lost() -> None:
    """A resumed create has no token: nothing is awaited without one."""
    async with Scene(CLOUDS[0]) as scene:
        api = scene.client.dedicated_inferences
        change = api.resume((await scene.create()).resume_token)
        with pytest.raises(InvalidInputError, match="mint_token=NAME"):
            await change.connect()
        assert now() < 10
        endpoint = await change.connect(mint_token="mine")
        names = [token.name async for token in api.list_tokens(change.id)]
        assert "mine" in names
        assert endpoint.access_token
        assert endpoint.access_token.reveal() not in repr(endpoint)


@pytest.mark.parametrize("end", ["timeout", "cancel", "close", "own error", "refused"])
async def test_a_key_that_was_created_is_in_the_error(end: str) -> None:
    """The API shows it once: whatever ends the call after that, the key works in the next one."""

    async def probe(endpoint: ServingEndpoint) -> bool:
        if end == "own error":
            raise ValueError("oh")
        if end == "refused":
            raise StatusError(401, b'{"message": "no"}')
        return False

    async with Scene(CLOUDS[0]) as scene:
        api = scene.client.dedicated_inferences
        change = api.resume((await scene.create()).resume_token)
        await change.wait()
        connecting = asyncio.create_task(change.connect(mint_token="mine", probe=probe, timeout=60))
        await asyncio.sleep(20)
        if end == "cancel":
            connecting.cancel()
        if end == "close":
            await scene.client.aclose()
        raised = {
            "timeout": WaitTimeoutError,
            "cancel": asyncio.CancelledError,
            "close": ClientClosedError,
            "own error": ValueError,
            "refused": WaitRefusedError,
        }
        with pytest.raises(raised[end]) as caught:
            await connecting
        key = caught.value.access_token  # type: ignore[attr-defined]
        assert isinstance(key, Secret)
        assert key.reveal() not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"
        if isinstance(caught.value, DIError):
            assert pickle.loads(pickle.dumps(caught.value)).access_token is None  # noqa: S301
        if end != "close":
            assert (await change.connect(access_token=key)).models


async def test_an_error_before_a_key_was_created_has_none() -> None:
    """A wait that fails first creates no key."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        with pytest.raises(WaitTimeoutError) as caught:
            await change.connect(mint_token="mine", timeout=5)
        assert caught.value.access_token is None


async def test_private_endpoint_of_digitalocean_trusts_one_ca() -> None:
    """`/ca` is read once; elsewhere there are no private endpoints."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        endpoint = await scene.connect(change, private=True)
        assert endpoint.ssl_context is not None
        assert endpoint.ssl_context.cert_store_stats()["x509_ca"] == 1
        assert [r.path for r in scene.network.requests].count(
            f"/v2/dedicated-inferences/{change.id}/ca"
        ) == 1
    for cloud in CLOUDS[2:]:
        async with Scene(cloud) as scene:
            change = await scene.create()
            with pytest.raises(InvalidInputError, match="no private endpoints"):
                await scene.connect(change, private=True)


async def test_gcore_deployment_that_is_scaled_to_zero_is_woken() -> None:
    """PENDING is settled; the first probe wakes it, and the history says so."""
    async with Scene(CLOUDS[2], wake_lag=90.0) as scene:
        key = scene.world.add_gcore_key("mine")
        api, body = scene.client.inference_deployments, CLOUDS[2].body("webs")  # type: ignore[attr-defined]
        body["containers"][0]["scale"] = {"min": 0, "max": 1}
        change = await api.create({**body, "api_keys": ["mine"]})
        await change.wait()
        began = now()
        await change.connect(access_token=key.secret)
        assert 90 <= now() - began <= 90 + 3.6
    notes = [step.note or "" for step in change.history]
    assert any("the first probe wakes it" in note for note in notes)


async def test_exoscale_deployment_without_replicas_is_not_awaited() -> None:
    """0 replicas are a settled state in which nothing answers."""
    async with Scene(CLOUDS[3]) as scene:
        change = await scene.create()
        await change.wait()
        await (await scene.client.deployments.scale(change.id, 0)).wait()
        with pytest.raises(InvalidInputError, match=r"0 replicas.*scale .* to 1 first"):
            await scene.client.deployments.connect(change.id)


async def test_gcore_without_a_key_says_what_to_pass() -> None:
    """The API shows no keys; an open deployment needs none."""
    async with Scene(CLOUDS[2]) as scene:
        change = await scene.create()
        with pytest.raises(InvalidInputError, match="access_token=, the secret of one"):
            await change.connect()
        with pytest.raises(InvalidInputError, match=r"client.api_keys"):
            await change.connect(mint_token="x")
        body = CLOUDS[2].body("open")  # type: ignore[attr-defined]
        api = scene.client.inference_deployments
        opened = await api.create({**body, "api_keys": []}, open_to_world=True)
        assert (await opened.connect()).access_token is None


@everywhere
async def test_delete_cannot_be_connected(cloud: Cloud) -> None:
    """What is deleted has no endpoint."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        await change.wait()
        gone = await cloud.delete(scene.client, change.id)
        with pytest.raises(InvalidInputError, match="deleted has no endpoint"):
            await gone.connect()


async def test_cancelling_names_what_bills() -> None:
    """A cancelled `connect` leaves nothing running here and says what goes on there."""
    async with Scene(CLOUDS[0], ready_lag=LAG_S) as scene:
        change = await scene.create()
        await change.wait()
        task = asyncio.create_task(scene.connect(change))
        await asyncio.sleep(20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert "bills" in "".join(caught.value.__notes__)
        assert asyncio.all_tasks() == {asyncio.current_task()}


# -- what ends a call, and what does not --------------------------------------------------------


class StatusError(Exception):
    """An error of an HTTP library, as a caller's probe raises it."""

    __module__ = "httpx"

    def __init__(self, status: int, body: bytes = b"", text: str = "no") -> None:
        super().__init__(text)
        self.status_code = status
        self.response = SimpleNamespace(content=body)


@everywhere
async def test_closing_the_client_ends_it_at_once(cloud: Cloud) -> None:
    """The error has the resume token; no further probe is sent."""
    async with Scene(cloud, ready_lag=LAG_S) as scene:
        change = await scene.create()
        await change.wait()
        connecting = asyncio.ensure_future(scene.connect(change))
        await asyncio.sleep(20)
    closed_at, probes = now(), len(scene.network.probes)
    with pytest.raises(ClientClosedError, match="closed while this wait was open") as caught:
        await connecting
    assert now() == closed_at
    assert len(scene.network.probes) == probes
    assert caught.value.resume_token == change.resume_token
    assert "bills" in str(caught.value)


@everywhere
async def test_own_delete_ends_it_at_once(cloud: Cloud) -> None:
    """A deployment that this client deletes is not probed until the timeout."""
    async with Scene(cloud, ready_lag=LAG_S) as scene:
        change = await scene.create()
        await change.wait()
        connecting = asyncio.ensure_future(scene.connect(change))
        await asyncio.sleep(20)
        await cloud.delete(scene.client, change.id)
        deleted_at = now()
        with pytest.raises(SupersededError, match="this client is deleting it") as caught:
            await connecting
        assert now() == deleted_at
        assert caught.value.id == change.id
        assert "Its deletion is under way, and it bills until it is gone" in str(caught.value)


@everywhere
async def test_own_delete_of_another_deployment_ends_nothing(cloud: Cloud) -> None:
    """Only the deployment that is deleted counts."""
    async with Scene(cloud, ready_lag=LAG_S) as scene:
        change, other = await scene.create(), await cloud.create(scene.client, "other")
        await change.wait()
        connecting = asyncio.ensure_future(scene.connect(change))
        await asyncio.sleep(20)
        await (await cloud.delete(scene.client, other.id))
        assert (await connecting).models


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_key_that_cannot_be_read_for_a_while(status: int) -> None:
    """A transient error of the API does not end a wait, nor does a 404 of a replica that lags."""
    async with Scene(CLOUDS[3]) as scene:
        change = await scene.create()
        await change.wait()
        until = now() + 20
        body = b'{"message": "Try later"}'
        scene.network.intercept = lambda request, answer: (
            Response(status, {"retry-after": "1"}, body)
            if request.path.endswith("/api-key") and now() < until
            else answer
        )
        assert (await scene.connect(change, timeout=120)).models
    assert any("Try later" in (step.note or "") for step in change.history)


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_key_that_the_api_refuses(status: int) -> None:
    """The error is a `WaitError`: it says that the deployment bills, and can be resumed."""
    async with Scene(CLOUDS[3]) as scene:
        change = await scene.create()
        await change.wait()
        scene.network.intercept = lambda request, answer: (
            Response(status, {}, b'{"title": "Refused", "detail": "Not yours"}')
            if request.path.endswith("/api-key")
            else answer
        )
        with pytest.raises(WaitRefusedError, match=r"cannot be read: .*Not yours") as caught:
            await scene.connect(change)
    assert caught.value.resume_token == change.resume_token
    assert "bills" in str(caught.value)


async def test_key_that_is_not_read_in_time() -> None:
    """The error of the timeout names the last error."""
    async with Scene(CLOUDS[3]) as scene:
        change = await scene.create()
        await change.wait()
        scene.network.intercept = lambda request, answer: (
            Response(503, {}, b'{"message": "Try later"}')
            if request.path.endswith("/api-key")
            else answer
        )
        with pytest.raises(WaitTimeoutError, match=r"not read in time: .*Try later") as caught:
            await scene.connect(change, timeout=60)
    assert getattr(caught.value.last_error, "status", None) == 503


async def test_gcore_address_that_comes_late() -> None:
    """ACTIVE without an address is read again until it has one."""
    async with Scene(CLOUDS[2]) as scene:
        change = await scene.create()
        await change.wait()
        until = now() + 20

        def without_address(request: Request, answer: Any) -> Any:
            if now() < until:
                return Response(200, {}, hidden_address(answer.answer.body))
            return answer

        scene.network.intercept = without_address
        api = scene.client.inference_deployments
        assert (await api.connect(change.id, access_token=scene.token)).models


def hidden_address(body: bytes) -> bytes:
    """Return a deployment's body without its address."""
    return orjson.dumps({**orjson.loads(body), "address": None})


@everywhere
@pytest.mark.parametrize("url", ["https://", " "])
async def test_unusable_url_is_read_again(cloud: Cloud, url: str) -> None:
    """A URL without a host may be shown for a while; a timeout says what was shown."""
    async with Scene(cloud) as scene:
        change = await scene.create()

        def unusable(request: Request, answer: Any) -> Any:
            found = answer.answer
            return Response(found.status, found.headers, with_url(found.body, url))

        scene.network.intercept = unusable
        with pytest.raises(WaitTimeoutError, match="is not the URL of an endpoint"):
            await scene.connect(change, timeout=2 * CREATE_S)
        scene.network.intercept = None
        assert (await scene.connect(change, timeout=60)).models


def with_url(body: bytes, url: str) -> bytes:
    """Return a body that shows this URL in the place of its endpoint's."""
    return re.sub(f'"{DATA}[^"]*"'.encode(), orjson.dumps(url), body)


async def test_deadline_while_a_token_is_created_names_it() -> None:
    """The token may exist, so the error of the timeout says how to look for it."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        await change.wait()
        late = Delayed(100.0, Response(201, {}, b""))
        scene.network.intercept = lambda request, answer: (
            late if request.path.endswith("/tokens") else answer
        )
        with pytest.raises(WaitTimeoutError, match=r"create of token 'mine'.*was cut off"):
            await change.connect(mint_token="mine", timeout=30)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refusals_of_an_own_probe(status: int) -> None:
    """One with a JSON error is final; a gateway's page is so the third time in a row."""
    pages: list[StatusError | None] = [StatusError(status, b"<html>")] * 2

    async def probe(_: ServingEndpoint) -> None:
        if pages and (page := pages.pop()):
            raise page

    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        endpoint = await scene.connect(change, probe=probe)
        pages += [StatusError(status, b"<html>")] * 4
        with pytest.raises(WaitRefusedError):
            await endpoint.ready()
        assert len(pages) == 1
        pages[:] = [StatusError(status, b'{"message": "no"}')]
        with pytest.raises(WaitRefusedError, match="the probe failed") as caught:
            await endpoint.ready()
        assert "probe='models'" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_errors_of_an_own_probe_show_no_key(status: int) -> None:
    """An endpoint may echo the key, which is then in the error of the HTTP library."""

    async def probe(endpoint: ServingEndpoint) -> None:
        assert endpoint.access_token
        raise StatusError(status, b"{}", f"wrong key {endpoint.access_token.reveal()}")

    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        with pytest.raises((WaitRefusedError, WaitTimeoutError)) as caught:
            await scene.connect(change, probe=probe, timeout=CREATE_S + 20)
    assert "wrong key **********" in str(caught.value)
    key = change.access_token.value.reveal()
    assert key not in f"{caught.value} {change.history} {caught.value.last_error}"


@pytest.mark.parametrize("status", [401, 404, 501])
async def test_endpoint_that_lists_no_models_is_left_to_an_own_probe(status: int) -> None:
    """An endpoint need not list its models; a probe that needs one of them is tried again."""
    models_needed = [True, True, False]

    async def probe(endpoint: ServingEndpoint) -> None:
        if models_needed.pop(0):
            endpoint.models[0]

    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        scene.network.script = lambda request: (
            Response(status, {}, b'{"message": "no list"}') if request.path == "/models" else None
        )
        endpoint = await scene.connect(change, probe=probe)
        assert endpoint.models == ()
        assert not models_needed


async def test_own_probe_is_called_although_the_list_hangs() -> None:
    """A list that does not come leaves half of the time of a round to the probe."""
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        await change.wait()
        scene.network.script = lambda request: (
            Delayed(1000.0, Response(200, {}, b"")) if request.path == "/models" else None
        )

        async def probe(_: ServingEndpoint) -> bool:
            return True

        assert await scene.connect(change, probe=probe)


async def test_names_of_models_are_escaped_in_the_history() -> None:
    """An endpoint's names may hold anything."""
    name = "m\n\u001b[31m"
    body = orjson.dumps({"data": [{"id": name}]})
    async with Scene(CLOUDS[0]) as scene:
        change = await scene.create()
        scene.network.script = lambda request: (
            Response(200, {}, body) if request.path == "/models" else None
        )
        endpoint = await scene.connect(change, probe="models")
    assert endpoint.models == (name,)
    note = change.history[-1].note or ""
    assert note.startswith("answering: it lists m")
    assert note.isprintable()


# --- what others do meanwhile ------------------------------------------------------------------

UNAVAILABLE = Response(503, {}, b"")


def gets_of(scene: Scene, id: str) -> int:
    """Return how often the API was asked for a deployment."""
    return sum(verb == "GET" and path.endswith(id) for _, verb, path, _ in scene.world.requests)


@pytest.mark.parametrize("cloud", CLOUDS[2:], ids=lambda cloud: cloud.name)
async def test_stopped_by_others_ends_it(cloud: Cloud) -> None:
    """What was stopped since the change settled is not probed until the timeout."""
    async with Scene(cloud) as scene, cloud.client(scene.world) as other:
        change = await scene.create()
        await change.wait()
        if cloud.name == "exoscale":
            await (await other.deployments.scale(change.id, 0)).wait()
        else:
            await (await cloud.api(other).stop(change.id)).wait()
        began = now()
        with pytest.raises(InvalidInputError, match=r"0 replicas|is stopped"):
            await scene.connect(change, timeout=3600)
        assert 30 <= now() - began < 60


@everywhere
async def test_deleted_by_others_ends_it(cloud: Cloud) -> None:
    """Two reads in a row that find nothing, or a deletion, end it with the error of a wait."""
    async with Scene(cloud) as scene, cloud.client(scene.world) as other:
        scene.network.script = lambda _: UNAVAILABLE
        change = await scene.create()
        await change.wait()
        gone = await cloud.delete(other, change.id)
        began = now()
        deleting = cloud.name != "exoscale"  # which has no state for it
        raised = SupersededError if deleting else ResourceVanishedError
        with pytest.raises(raised) as caught:
            await scene.connect(change, timeout=3600)
        assert now() - began < (60 if deleting else 360)
        assert caught.value.id == change.id
        await gone.wait()
        began = now()
        with pytest.raises(ResourceVanishedError):
            await scene.connect(change, timeout=3600)
        assert now() - began < 60


@everywhere
async def test_one_read_that_finds_nothing_does_not_end_it(cloud: Cloud) -> None:
    """A replica may lag: the next read shows that the deployment is there."""
    async with Scene(cloud, ready_lag=LAG_S) as scene:
        change = await scene.create()
        await change.wait()
        scene.world.fault("status", on=cloud.GET, status=404)
        assert (await scene.connect(change)).models


@everywhere
@pytest.mark.parametrize("status", [401, 500])
async def test_reads_that_fail_do_not_end_it(cloud: Cloud, status: int) -> None:
    """Only the endpoint decides whether it answers; the state is read a few times in an hour."""
    async with Scene(cloud) as scene:
        change = await scene.create()
        await change.wait()
        scene.network.script = lambda _: UNAVAILABLE
        scene.world.fault("status", on=cloud.GET, status=status, times=None)
        before = gets_of(scene, change.id)
        with pytest.raises(WaitTimeoutError, match="does not answer within the timeout"):
            await scene.connect(change, timeout=3600)
        assert 10 <= gets_of(scene, change.id) - before <= 16
