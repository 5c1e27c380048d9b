"""Tests of clocks that are wrong or step, on every cloud: nobody else's resource is adopted."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import attrs
import pytest

from di_async import (
    ConflictError,
    OutcomeUnknownError,
    PermissionDeniedError,
    TransportError,
)
from di_async.core.http import Request, Response
from tests.clouds.ensuring import ENSURABLE, a_body, ensure
from tests.clouds.support import VIRTUAL, Cloud, a_world, everywhere
from tests.fake_network import Answer, Delayed, EmulatorNetwork, answer

pytestmark = VIRTUAL
NAME = "thing-1"
RESET = TransportError("reset")
HOUR = 3600.0
DAY = 24 * HOUR

Step = Callable[[float], None]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Return a function that sets the machine's clock to this many seconds ahead of the world's."""
    real = time.time

    def set_ahead(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return set_ahead


def network_of(client: Any) -> EmulatorNetwork:
    """Return the network of a client of `Cloud.client`."""
    network: EmulatorNetwork = client._engine.transport  # noqa: SLF001
    return network


def dated(network: EmulatorNetwork, answer: Answer) -> Answer:
    """Return an answer with the world's time in its `Date` header."""
    if isinstance(answer, Delayed):
        return attrs.evolve(answer, answer=dated(network, answer.answer))  # type: ignore[arg-type]
    if isinstance(answer, Response):
        date = formatdate(network.now(), usegmt=True)
        return attrs.evolve(answer, headers={**answer.headers, "date": date})
    return answer


def is_refusal(answer: Answer) -> bool:
    """Return whether the API refuses the signature."""
    found = answer.answer if isinstance(answer, Delayed) else answer
    return isinstance(found, Response) and found.status == 403


def lose_posts(client: Any, *, dates: bool, on_loss: Callable[[], None] = lambda: None) -> None:
    """Lose the answer to every POST that is carried out, and date all other answers."""
    network = network_of(client)

    def intercept(request: Request, answer: Answer) -> Answer:
        if request.method == "POST" and not is_refusal(answer):
            on_loss()
            return RESET
        return dated(network, answer) if dates or is_refusal(answer) else answer

    network.intercept = intercept


@pytest.mark.parametrize("ahead", [-HOUR, -600.0, 600.0, HOUR])
@everywhere
async def test_own_instance_is_known_whatever_this_machines_clock_shows(
    cloud: Cloud, ahead: float, step: Step
) -> None:
    """By the answers' dates a lost create's own instance is adopted, or is the one candidate."""
    world = a_world()
    async with cloud.client(world) as client:
        step(ahead)
        lose_posts(client, dates=True)
        if cloud.can(client).unique_names:
            assert (await cloud.create(client, NAME)).adopted
        else:
            with pytest.raises(OutcomeUnknownError) as caught:
                await cloud.create(client, NAME)
            assert len(caught.value.candidates) == 1
    assert world.created[NAME] == 1


@pytest.mark.half
@pytest.mark.parametrize("dates", [True, False])
@pytest.mark.parametrize(
    ("before", "during"),
    [(0.0, 0.0), (-HOUR, 0.0), (HOUR, 0.0), (0.0, HOUR), (0.0, -HOUR), (-HOUR, -HOUR)],
)
@everywhere
async def test_a_strangers_instance_is_never_adopted(
    cloud: Cloud, before: float, during: float, dates: bool, step: Step
) -> None:
    """An instance that is 40 minutes old is not adopted, wherever the machine's clock steps."""
    world = a_world()
    async with cloud.client(world) as client:
        stranger = await cloud.settled(client, NAME)
        await asyncio.sleep(2400)
        step(before)
        lose_posts(client, dates=dates, on_loss=lambda: step(during))
        with pytest.raises((ConflictError, OutcomeUnknownError)) as caught:
            await cloud.create(client, NAME)
    candidates = getattr(caught.value, "candidates", ())
    named = [getattr(one, "id", one.name) for one in candidates]
    assert isinstance(caught.value, OutcomeUnknownError) or stranger in str(caught.value)
    if dates and before == during:
        assert stranger not in named  # by the dates it is surely older than the call


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
@everywhere
async def test_waits_go_on_through_steps_of_the_clock(
    cloud: Cloud, ahead: float, step: Step
) -> None:
    """A step of the machine's clock during a wait changes neither its end nor its requests."""
    world = a_world()
    async with cloud.client(world) as client:
        network = network_of(client)
        network.intercept = lambda _, answer: dated(network, answer)
        change = await cloud.create(client, NAME)
        waiting = asyncio.ensure_future(change.wait())
        await asyncio.sleep(60)
        step(ahead)
        await waiting
    assert change.outcome == "settled"
    assert change.elapsed < 700


SIGNED = everywhere.args[1][-1]


@pytest.mark.parametrize("dates", [True, False])
@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
async def test_signatures_follow_the_clock(ahead: float, dates: bool, step: Step) -> None:
    """With a wrong clock a request is signed again with the server's time, and once only."""
    cloud, world = SIGNED, a_world()
    async with cloud.client(world) as client:
        network = network_of(client)
        if dates:
            network.intercept = lambda _, answer: dated(network, answer)
            step(ahead)
        else:  # the clock is wrong and nothing shows it, until it is set
            step(ahead)
            if ahead < 0:
                with pytest.raises(Exception, match="expired"):
                    await client.deployments.find_all(NAME)
            step(0.0)
        network.sent.clear()
        for _ in range(3):
            assert await client.deployments.find_all(NAME) == []
        assert len(network.sent) == (4 if dates and ahead < 0 else 3)


@pytest.mark.parametrize("ahead", [-HOUR, -DAY])
async def test_signatures_survive_a_step_of_the_clock_without_dates(
    ahead: float, step: Step
) -> None:
    """What was accepted before the clock was set back shows the time; one request is repeated."""
    cloud, world = SIGNED, a_world()
    async with cloud.client(world) as client:
        network = network_of(client)
        await client.deployments.find_all(NAME)
        await asyncio.sleep(3600)
        step(ahead)
        network.sent.clear()
        for _ in range(3):
            assert await client.deployments.find_all(NAME) == []
        assert len(network.sent) == 4
        step(0.0)  # and the clock is put right again
        for _ in range(3):
            assert await client.deployments.find_all(NAME) == []
        assert len(network.sent) <= 8


REFUSALS = {
    "problem": answer(403, {"title": "Forbidden", "detail": "no", "status": 403}),
    "error": answer(403, {"error": "the request is too old"}),
    "nested": answer(401, {"error": {"message": "invalid"}}),
    "empty": answer(401, None),
}


@pytest.mark.parametrize("dates", [True, False])
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_signing_again_needs_no_words(refusal: Response, dates: bool, step: Step) -> None:
    """However the API words that a signature has expired, a read is signed again."""
    cloud, world = SIGNED, a_world()
    async with cloud.client(world) as client:
        network = network_of(client)

        def reword(_: Request, found: Answer) -> Answer:
            worded = refusal if is_refusal(found) else found
            return dated(network, worded) if dates else worded

        network.intercept = reword
        await client.deployments.find_all(NAME)
        step(-DAY)
        network.sent.clear()
        assert await client.deployments.find_all(NAME) == []
        assert len(network.sent) == 2


async def test_refusal_without_dates_is_final_after_three_times(step: Step) -> None:
    """A key that the API refuses is tried with each time that it may be, and no more."""
    cloud, world = SIGNED, a_world()
    async with cloud.client(world) as client:
        network = network_of(client)
        await client.deployments.find_all(NAME)
        refusal = {"title": "Forbidden", "detail": "no"}
        network.intercept = lambda _, __: answer(403, refusal)
        step(-HOUR)
        network.sent.clear()
        with pytest.raises(PermissionDeniedError):
            await client.deployments.find_all(NAME)
        assert len(network.sent) == 2
        step(-HOUR)
        with pytest.raises(PermissionDeniedError):
            await client.deployments.find_all(NAME)
        assert len(network.sent) <= 5


@pytest.mark.parametrize("cloud", ENSURABLE, ids=lambda cloud: cloud.name)
async def test_ensure_remembers_what_it_made_when_the_clock_is_set(
    cloud: Cloud, step: Step
) -> None:
    """A second call makes no second resource, though the list lags and the clock has stepped."""
    world = a_world()
    async with cloud.client(world) as client:
        world.fault("list_lag", on=cloud.POST, seconds=30)
        first = await ensure(cloud, client, a_body(cloud))
        step(HOUR)
        second = await ensure(cloud, client, a_body(cloud))
        assert (second.action, second.id) == ("unchanged", first.id)


@everywhere
async def test_an_unavailable_api_says_when_to_come_back(cloud: Cloud) -> None:
    """A read that is answered 503 with a `Retry-After` is sent again after that time."""
    async with cloud.client(a_world()) as client:
        id = await cloud.settled(client, NAME)
        network = network_of(client)
        network.sent.clear()

        def unavailable_once(_request: Request, _real: Answer) -> Answer:
            network.intercept = None
            return answer(503, retry_after="7")

        network.intercept = unavailable_once
        assert await cloud.api(client).get(id)
        first, second = (sent.at for sent in network.sent)
        assert 7 <= second - first < 8
