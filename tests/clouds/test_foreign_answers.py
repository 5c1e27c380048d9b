"""Tests that an answer not written by the API proves nothing, on every cloud, for every action."""

import asyncio

import pytest

from di_async import DecodeError, GatewayError, OutcomeUnknownError, WaitTimeoutError
from di_async.core.http import Request, Response
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, Delayed, EmulatorNetwork, answer

pytestmark = [everywhere, VIRTUAL]

FOREIGN = {
    "text": Response(404, {"content-type": "text/plain"}, b"404 page not found"),
    "html": Response(404, {"content-type": "text/html"}, b"<html>404 Not Found</html>"),
    "empty": Response(404, {}, b""),
    "json": Response(404, {"content-type": "application/json"}, b'{"error": "no such route"}'),
    "json text": Response(404, {"content-type": "application/json"}, b'"not found"'),
    "json list": Response(404, {"content-type": "application/json"}, b"[]"),
    "another field": Response(404, {"content-type": "application/json"}, b'{"message": "gone"}'),
}
foreign = pytest.mark.parametrize("response", FOREIGN.values(), ids=FOREIGN)


def answer_every(network: EmulatorNetwork, method: str, response: Response) -> None:
    """Answer every request of this method with this response; the emulator acts all the same."""

    def intercept(request: Request, answer: Answer) -> Answer:
        return response if request.method == method else answer

    network.intercept = intercept


@pytest.mark.half
@foreign
async def test_deletion_is_not_proven(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A wait for a deletion goes on, and ends when the API itself answers 404."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "GET", response)
        waiting = asyncio.ensure_future(cloud.api(client).wait_until_deleted(id, timeout=7200))
        await asyncio.sleep(600)
        assert not waiting.done()
        networks[0].intercept = None
        await cloud.delete(client, id)
        assert await waiting is None


@pytest.mark.half
@foreign
async def test_existing_resource_is_not_missing(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A wait for an existing resource reports neither "not found" nor "vanished"."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "GET", response)
        with pytest.raises(WaitTimeoutError) as caught:
            await cloud.api(client).wait_until_active(id, timeout=300)
        assert isinstance(caught.value.last_error, GatewayError)


@pytest.mark.half
@foreign
async def test_delete_answered_by_a_gateway_is_not_done(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """`delete` raises, or returns an open change where a GET shows that it is being deleted."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-404")
        answer_every(networks[0], "DELETE", response)
        try:
            change = await cloud.delete(client, id)
        except GatewayError:
            return
        assert (change.outcome, change.already_gone) == (None, False)
        assert await change.wait() is None


# --- any status ----------------------------------------------------------------------------------

HTML = b"<html><title>Attention Required!</title></html>"
JSON = {"content-type": "application/json"}
ANSWERS = {
    **{f"{status} page": Response(status, {}, HTML) for status in (200, 400, 401, 403, 407, 410)},
    "redirect": Response(302, {"location": "https://login.example/?next=x"}, b""),
    "401 empty": Response(401, {}, b""),
    "403 json": Response(403, JSON, b'{"message": "Forbidden"}'),
    "403 text": Response(403, {"content-type": "text/plain"}, b"blocked by policy"),
    "200 json": Response(200, JSON, b'{"status": "ok"}'),
    "200 list": Response(200, JSON, b"[]"),
    "200 empty": Response(200, {}, b""),
}
each_answer = pytest.mark.parametrize("response", ANSWERS.values(), ids=ANSWERS)


def answer_between(network: EmulatorNetwork, start: float, end: float, response: Response) -> None:
    """Answer every GET that is sent in this time (seconds from now) with this response."""
    began = asyncio.get_running_loop().time()

    def intercept(request: Request, answer: Answer) -> Answer:
        elapsed = asyncio.get_running_loop().time() - began
        return response if request.method == "GET" and start <= elapsed < end else answer

    network.intercept = intercept


@pytest.mark.half
@each_answer
async def test_wait_goes_on(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """Minutes of such answers end no wait; they are in its history."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        change = await cloud.create(client, "web-1")
        answer_between(networks[0], 100, 220, response)
        assert await change.wait() is not None
    assert any("Error" in (step.note or "") for step in change.history)


@pytest.mark.half
@each_answer
async def test_create_with_such_an_answer_is_looked_up(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A create that was carried out, but answered so, is found by its name and not sent again."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        answer_every(networks[0], "POST", response)
        if cloud.can(client).unique_names:
            assert (await cloud.create(client, "web-1")).adopted
        else:
            with pytest.raises(OutcomeUnknownError, match="web-1"):
                await cloud.create(client, "web-1")
        assert networks[0].count("POST") == 1


@pytest.mark.half
@each_answer
async def test_delete_with_such_an_answer_is_not_done(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A GET with such an answer settles no delete."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-1")
        answer_every(networks[0], "GET", response)
        with pytest.raises(WaitTimeoutError):
            await cloud.api(client).wait_until_deleted(id, timeout=300)


@pytest.mark.half
@each_answer
async def test_call_with_such_an_answer_is_repeated(
    cloud: Cloud, networks: list[EmulatorNetwork], response: Response
) -> None:
    """A read is repeated, and the error that is raised then does not blame token or resource."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-1")
        answer_between(networks[0], 0, 0.2, response)
        assert (await cloud.api(client).get(id)).name == "web-1"
        answer_every(networks[0], "GET", response)
        with pytest.raises((GatewayError, DecodeError)) as caught:
            await cloud.api(client).get(id)
        assert caught.value.transient


async def test_body_of_another_resource_is_not_an_answer(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """What a GET shows of another resource under this id does not settle a wait."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        other = await cloud.settled(client, "web-other")
        shown: list[Response] = []

        def keep(request: Request, answer: Answer) -> Answer:
            if request.path.endswith(other) and isinstance(answer, Delayed):
                assert isinstance(answer.answer, Response)
                shown.append(answer.answer)
            return answer

        networks[0].intercept = keep
        await cloud.api(client).get(other)
        networks[0].intercept = None
        change = await cloud.create(client, "web-1")
        answer_between(networks[0], 0, 300, shown[0])
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=250)
        assert isinstance(caught.value.last_error, DecodeError)
        assert caught.value.resource is None or caught.value.resource.name != "web-other"


# --- deletes -------------------------------------------------------------------------------------


def own_404(cloud: Cloud) -> Response:
    """Return a 404 of the cloud's own form."""
    fields = {"id": "not_found", "message": "m", "title": "Not Found", "detail": "d"}
    return answer(404, {**fields, "exception_class": "NotFoundError"})


async def test_404_to_the_delete_itself_is_checked(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """While a GET shows the resource, a 404 to the DELETE is not believed; it is sent again."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-1")
        left = [own_404(cloud)] * 2

        def intercept(request: Request, given: Answer) -> Answer:
            return left.pop() if request.method == "DELETE" and left else given

        networks[0].intercept = intercept
        change = await cloud.delete(client, id)
        assert not change.already_gone
        assert await change.wait() is None


async def test_404_of_a_replica_that_does_not_know_a_new_resource(
    cloud: Cloud, networks: list[EmulatorNetwork]
) -> None:
    """For two minutes after a create, a 404 settles no delete of what no read has shown."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        change = await cloud.create(client, "web-1")
        began = asyncio.get_running_loop().time()
        answer_between(networks[0], 0, 60, own_404(cloud))
        api = cloud.api(client)
        with pytest.raises(WaitTimeoutError):
            await api.begin_wait(change.id, deleted=True).wait(timeout=90)
        assert asyncio.get_running_loop().time() - began >= 90


async def test_delete_among_empty_answers(cloud: Cloud, networks: list[EmulatorNetwork]) -> None:
    """A delete whose requests are all answered by an empty 200 first is carried out and proven."""
    world = a_world(rate_limits=False)
    async with cloud.client(world, budget=None) as client:
        id = await cloud.settled(client, "web-1")
        answered: set[tuple[str, str]] = set()

        def intercept(request: Request, answer: Answer) -> Answer:
            key = request.method, request.path
            if key in answered:
                return answer
            answered.add(key)
            return Response(200, {}, b"")

        networks[0].intercept = intercept
        change = await cloud.delete(client, id)
        await change.wait()
    assert not world.truth(id).exists


# --- answers in a form like the API's own ---------------------------------------------------------

MAINTENANCE = [
    (200, b'{"message": "under maintenance"}'),
    (202, b'{"status": "ok"}'),
    (200, b"[]"),
    (202, b'"ok"'),
]


@pytest.mark.half
@pytest.mark.parametrize(("status", "body"), MAINTENANCE, ids=repr)
async def test_delete_that_something_else_answers_is_sent_again(
    cloud: Cloud, networks: list[EmulatorNetwork], status: int, body: bytes
) -> None:
    """A 200 with foreign JSON accepts no delete: the DELETE is sent again, by name after a read."""
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-1")
        lost = [Response(status, JSON, body)]

        def intercept(request: Request, given: Answer) -> Answer:
            return lost.pop() if request.method == "DELETE" and lost else given

        networks[0].intercept = intercept
        change = await cloud.delete(client, id)
        assert await change.wait() is None
        by_name = cloud.name == "gcore-v3"  # the read shows that this delete was carried out
        assert networks[0].count("DELETE") >= (1 if by_name else 2)


CONTRADICTORY = {
    "digitalocean": [
        b'{"id": "service_unavailable", "message": "no upstream"}',
        b'{"id": "", "message": ""}',
        b'{"error": "no route", "root_causes": []}',
    ],
    "gcore": [
        b'{"exception_class": "HTTPError", "message": "no route"}',
        b'{"exception_class": "", "message": ""}',
    ],
    "exoscale": [
        b'{"code": "no_route", "error": "no upstream"}',
        b'{"title": "Bad Gateway", "detail": "no upstream", "status": 502}',
        b'{"title": "", "detail": ""}',
    ],
}


@pytest.mark.parametrize("status", [404, 410])
async def test_404_that_says_something_else_proves_no_deletion(
    cloud: Cloud, networks: list[EmulatorNetwork], status: int
) -> None:
    """A 404 in the API's form whose code is about a gateway, or empty, is not the API's."""
    bodies = CONTRADICTORY[cloud.name.partition("-")[0]]
    async with cloud.client(a_world(rate_limits=False), budget=None) as client:
        id = await cloud.settled(client, "web-1")
        for body in bodies:
            answer_every(networks[0], "GET", Response(status, JSON, body))
            with pytest.raises(WaitTimeoutError):
                await cloud.api(client).wait_until_deleted(id, timeout=120)
