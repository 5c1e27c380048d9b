"""Promise 4: which answers end a wait, and which only delay it.

403 is asked again on PATCH alone, for `ready_timeout` at most. 401, any other 403 and 422 end a
wait at once: `WaitRefusedError` with the API's own error as `.last_error` and cause, and all that
is needed to go on later. 429 only moves the next look, and is no attempt. 5xx, resets, HTML bodies
and timeouts are borne until the deadline, and written down.
"""

from collections.abc import Callable

import pytest

from di_async import (
    APIError,
    AuthenticationError,
    DecodeError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    UnprocessableEntityError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.http import Response
from tests.builders.digitalocean import (
    DIALECTS,
    ID,
    a_spec,
    acceptance,
    an_instance,
    creation,
    refusal,
)
from tests.fake_network import answer, virtual_client
from tests.promises.support import (
    HTML,
    ONE,
    VIRTUAL,
    Step,
    client_on,
    created,
    fake_api,
    now,
    scaled,
    world,
)

pytestmark = VIRTUAL

NO_UPDATES_YET = refusal(403)
DONE = an_instance(version=2, scale=2)
TROUBLES: dict[str, tuple[Callable[[], Step], type[Exception]]] = {
    "500": (lambda: refusal(500), ServerError),
    "503": (lambda: refusal(503), ServerError),
    "504 without a body": (lambda: answer(504), ServerError),
    "reset": (lambda: TransportError("reset by peer"), TransportError),
    "timeout": (lambda: RequestTimeoutError("no answer in time"), RequestTimeoutError),
    "HTML 502": (lambda: HTML, ServerError),
    "HTML 200": (lambda: Response(200, {}, b"<html>hello</html>"), DecodeError),
    "cut JSON": (lambda: Response(200, {}, b'{"dedicated_inf'), DecodeError),
    "other JSON": (lambda: answer(200, {"unexpected": 1}), DecodeError),
}
each_trouble = pytest.mark.parametrize("trouble", TROUBLES)


# --- 403 on PATCH ----------------------------------------------------------------------------


async def test_403_on_patch_while_it_may_be_retried() -> None:
    """Within `ready_timeout` a PATCH is tried again after 403, from a fresh read."""
    network = fake_api(an_instance(), an_instance(), DONE, patch=[NO_UPDATES_YET, acceptance()])
    async with client_on(network) as client:
        change = await client.dedicated_inferences.scale(ID, 2, ready_timeout=60)
    assert (network.count("PATCH"), network.count("GET"), change.action) == (2, 2, "update")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_403_on_patch_until_an_earlier_update_has_settled(dialect: str) -> None:
    """An update given time to get ready goes through once the earlier change has settled."""
    async with virtual_client(world(dialect)) as (client, net):
        ours = client.dedicated_inferences
        id = net.world.add_instance(now=net.now(), status="updating", settles_in=100).id
        change = await ours.scale(id, 5, ready_timeout=300)
        assert 100 <= now() < 110
        found = await change.wait()
        assert found.spec is not None
        assert found.spec.model_deployments[0].accelerators[0].scale == 5


@pytest.mark.parametrize("ready_timeout", [0, 40])
async def test_403_on_patch_that_goes_on(ready_timeout: float) -> None:
    """When `ready_timeout` (0 by default) is over, the API's 403 is raised as it is."""
    network = fake_api(an_instance(), patch=[NO_UPDATES_YET])
    async with client_on(network) as client:
        with pytest.raises(PermissionDeniedError):
            await client.dedicated_inferences.scale(ID, 2, ready_timeout=ready_timeout)
    assert ready_timeout <= now() < ready_timeout + 1
    assert network.count("PATCH") == (1 if ready_timeout == 0 else 9)


async def test_403_on_anything_else() -> None:
    """403 on GET, POST and DELETE is raised after one request."""
    network = fake_api(refusal(403), post=[refusal(403)], delete=[refusal(403)])
    async with client_on(network) as client:
        ours = client.dedicated_inferences
        for call in (lambda: ours.get(ID), lambda: ours.delete(ID), lambda: ours.create(a_spec())):
            with pytest.raises(PermissionDeniedError):
                await call()
    assert [network.count(method) for method in ("GET", "DELETE", "POST")] == [1, 1, 1]


async def test_403_on_the_read_before_a_patch() -> None:
    """`ready_timeout` is about the PATCH alone: a 403 on its read is raised at once."""
    network = fake_api(refusal(403), patch=[acceptance()])
    async with client_on(network) as client:
        with pytest.raises(PermissionDeniedError):
            await client.dedicated_inferences.scale(ID, 2, ready_timeout=60)
    assert len(network.sent) == 1


# --- what ends a wait ------------------------------------------------------------------------

REFUSALS = [
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (422, UnprocessableEntityError),
]


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
async def test_refusal_while_waiting(status: int, kind: type[APIError]) -> None:
    """401, 403 and 422 end a wait at once, with the API's error as `.last_error` and cause."""
    network = fake_api(an_instance(status="provisioning"), refusal(status), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        with pytest.raises(WaitRefusedError) as caught:
            await change.wait()
    assert network.count("GET") == 2
    assert type(caught.value.last_error) is kind
    assert caught.value.__cause__ is caught.value.last_error


@pytest.mark.parametrize(("status", "kind"), REFUSALS)
async def test_refusal_of_a_wait_without_a_write(status: int, kind: type[APIError]) -> None:
    """`wait_until_active`, `wait_until_deleted` and `wait_until` are refused in the same way."""
    network = fake_api(refusal(status))
    async with client_on(network) as client:
        ours = client.dedicated_inferences
        for waiting in (
            ours.wait_until_active(ID),
            ours.wait_until_deleted(ID),
            ours.wait_until(ID, bool),
        ):
            with pytest.raises(WaitRefusedError) as caught:
                await waiting
            assert isinstance(caught.value.last_error, kind)


async def test_refusal_that_is_mended() -> None:
    """The resume token in the refusal goes on waiting once the API lets us look again."""
    network = fake_api(refusal(401), an_instance(), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        with pytest.raises(WaitRefusedError) as caught:
            await change.wait()
        assert caught.value.id == ID
        resumed = client.dedicated_inferences.resume(caught.value.resume_token or "")
        assert (await resumed.wait()).status == "active"


async def test_change_waited_for_again_after_a_refusal() -> None:
    """A refusal settles nothing: the same change can be waited for again."""
    network = fake_api(refusal(403), an_instance(), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        with pytest.raises(WaitRefusedError):
            await change.wait()
        assert change.outcome is None
        assert (await change.wait()).status == "active"


# --- what only delays ------------------------------------------------------------------------


async def test_429_tells_when_to_look_again() -> None:
    """After a 429 the next look comes when the API said, and the wait goes on."""
    network = fake_api(refusal(429, retry_after="45"), an_instance(), post=[creation()])
    async with client_on(network) as client:
        await (await created(client)).wait()
    looks = [sent.at for sent in network.sent if sent.request.method == "GET"]
    assert 45 <= looks[1] - looks[0] < 51


async def test_429_is_no_attempt() -> None:
    """No number of 429s uses up the attempts of a retry policy or ends a wait."""
    network = fake_api(*[refusal(429, retry_after="1")] * 40, an_instance(), post=[creation()])
    async with client_on(network, retry=RetryPolicy(attempts=1)) as client:
        assert (await (await created(client)).wait()).status == "active"
    assert network.count("GET") == 41


async def test_429_does_not_ease_the_polling() -> None:
    """A 429 is no failure: the pauses after it stay as they were."""
    network = fake_api(*[refusal(429, retry_after="1")] * 6, an_instance(), post=[creation()])
    async with client_on(network) as client:
        await (await created(client)).wait()
    assert now() < 7 * 6


async def test_429_until_the_deadline() -> None:
    """A 429 that asks for more patience than there is ends in a timeout that tells of it."""
    network = fake_api(refusal(429, retry_after="3000"), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=100)
    assert now() < 107
    assert isinstance(caught.value.last_error, RateLimitError)


@each_trouble
async def test_trouble_while_polling(trouble: str) -> None:
    """5xx, resets, HTML bodies and timeouts are borne, and kept in the history."""
    make, kind = TROUBLES[trouble]
    network = fake_api(*[make() for _ in range(8)], an_instance(), post=[creation()])
    async with client_on(network) as client:
        change = await created(client)
        assert (await change.wait()).status == "active"
    assert (change.history[0].times, network.count("GET")) == (8, 9)
    assert (change.history[0].note or "").startswith(kind.__name__)


@each_trouble
async def test_trouble_until_the_deadline(trouble: str) -> None:
    """When they do not end, the deadline does, and the error carries the last of them."""
    make, kind = TROUBLES[trouble]
    async with client_on(fake_api(make(), post=[creation()])) as client:
        change = await created(client)
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=600)
    assert 600 <= now() < 606
    assert isinstance(caught.value.last_error, kind)


@pytest.mark.parametrize("status", [501, 505])
async def test_5xx_that_no_call_would_repeat(status: int) -> None:
    """Every 5xx is borne while polling, 501 and 505 of a gateway included."""
    async with client_on(fake_api(refusal(status), an_instance(), post=[creation()])) as client:
        assert (await (await created(client)).wait()).status == "active"


@pytest.mark.parametrize("kind", ["reset", "html", "status", "cut"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_provider_that_stumbles_for_minutes(dialect: str, kind: str) -> None:
    """Five minutes of one trouble in the midst of a create cost nothing but those minutes."""
    async with virtual_client(world(dialect)) as (client, net):
        change = await client.dedicated_inferences.create(a_spec())
        net.world.fault(kind, on=ONE, seconds=300)
        await change.wait()
        assert 600 <= now() < 600 + 8


async def test_update_whose_polls_are_refused_once() -> None:
    """A refusal ends an update's wait as well: 403 is retried on the PATCH, not on its polls."""
    network = fake_api(an_instance(), refusal(403), DONE, patch=[acceptance()])
    async with client_on(network) as client:
        change = await scaled(client)
        with pytest.raises(WaitRefusedError):
            await change.wait()
