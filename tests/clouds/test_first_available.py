"""Creating where there is room, on every cloud, in virtual time; once over sockets."""

import asyncio
import logging
from typing import Any

import pytest

from di_async import (
    APIError,
    BadRequestError,
    CleanupError,
    ConflictError,
    InvalidInputError,
    NoCapacityError,
    PollPolicy,
    ServerError,
    UnprocessableEntityError,
)
from di_async.emulator import Lifecycle, World, running
from tests.clouds.support import (
    CLOUDS,
    CREATE_S,
    DELETE_S,
    VIRTUAL,
    Cloud,
    a_world,
    now,
    requests_of,
)
from tests.clouds.test_temporary import names, spec_of
from tests.functional.helpers import QUICKLY

_DO, _, _V3, _EXO = CLOUDS
PLACES: dict[str, tuple[str, str]] = {
    _DO.name: ("atl1", "nyc2"),
    _V3.name: ("7", "1"),
    _EXO.name: ("ch-gva-2", "at-vie-1"),
}
OTHER_ACCELERATOR = {
    _DO.name: "gpu-h100x1-80gb",
    _V3.name: "inference-16vcpu-232gib-1xl40s",
    _EXO.name: "gpu3080ti",
}
LAG_S = 60.0
everywhere = pytest.mark.parametrize("cloud", [_DO, _V3, _EXO], ids=lambda cloud: cloud.name)


def prepare(world: World) -> None:
    """Add the model that Exoscale needs in its second zone."""
    world.add_exoscale_model(name="openai/gpt-oss-20b", zone=PLACES[_EXO.name][1])


def in_zones(cloud: Cloud) -> dict[str, Any]:
    """Return the client's options with which Exoscale's zones are different places."""
    return {"base_url": "https://api.test/zones/{zone}"} if cloud is _EXO else {}


async def existing(cloud: Cloud, client: Any) -> list[str]:
    """Return the names of what exists, in all places."""
    if cloud is _EXO:
        zones = [client.in_zone(zone) for zone in PLACES[_EXO.name]]
        found = {row.id: row.name for zone in zones async for row in zone.deployments.list()}
        return list(found.values())
    return await names(cloud.api(client))


@VIRTUAL
@everywhere
async def test_next_region_after_one_without_room(cloud: Any) -> None:
    """A place without room is skipped, and the story of both tries is kept."""
    world = a_world()
    prepare(world)
    first, second = PLACES[cloud.name]
    world.fault("no_capacity", on=cloud.POST, region=first)
    async with cloud.client(world, **in_zones(cloud)) as client:
        api = cloud.api(client)
        change = await api.create_first_available(spec_of(cloud), regions=[first, second])
        found = await change.wait()
        assert [attempt.region for attempt in change.attempts] == [first, second]
        assert change.attempts[-1].outcome == "created"
        assert await existing(cloud, client) == [found.name]


@VIRTUAL
async def test_unexplained_failures_are_bounded() -> None:
    """DigitalOcean gives no reason: at most two alternatives, each failed one is deleted."""
    world = a_world()
    world.fault("error", on=_DO.POST, times=None)
    async with _DO.client(world) as client:
        api = _DO.api(client)
        with pytest.raises(NoCapacityError) as failed:
            await api.create_first_available(spec_of(_DO), regions=["atl1", "nyc2", "tor1"])
        assert len(failed.value.attempts) == 3
        assert {attempt.outcome for attempt in failed.value.attempts} == {"failed"}
        assert not [odd for odd in (".;", "..") if odd in str(failed.value)]
        assert await names(api) == []


@VIRTUAL
async def test_refused_input_is_not_tried_elsewhere() -> None:
    """After a refusal of the input there is no second try."""
    world = a_world()
    world.fault("status", status=400, on=_DO.POST, times=None)
    async with _DO.client(world) as client:
        api = _DO.api(client)
        with pytest.raises((BadRequestError, UnprocessableEntityError)):
            await api.create_first_available(spec_of(_DO), regions=["atl1", "nyc2"])
        for wrong in ("atl1", 7):
            with pytest.raises(InvalidInputError, match="regions: expected a list"):
                await api.create_first_available(spec_of(_DO), regions=wrong)
        assert world.created == {}


@VIRTUAL
@pytest.mark.parametrize("cloud", [_DO, _V3], ids=lambda cloud: cloud.name)
async def test_places_are_found(cloud: Any) -> None:
    """Without regions, the vendor's own list of places is used, the spec's own place first."""
    async with cloud.client(a_world()) as client:
        api = cloud.api(client)
        change = await api.create_first_available(spec_of(cloud))
        assert (await change.wait()).name == (await names(api))[0]
        assert change.attempts[0].outcome == "created"


@VIRTUAL
@pytest.mark.parametrize(("full", "tried"), [(None, ["7, 26"]), ("26", ["7, 26", "1"])])
async def test_a_spec_of_several_regions_is_tried_as_it_is(
    full: str | None, tried: list[str]
) -> None:
    """Gcore's own place may be several regions; only the alternatives are single ones."""
    world = a_world()
    if full is not None:
        world.fault("no_capacity", on=_V3.POST, region=full)
    scale = {"min": 1, "max": 1}
    spec = {**spec_of(_V3), "containers": [{"region_id": n, "scale": scale} for n in (7, 26)]}
    async with _V3.client(world) as client:
        change = await _V3.api(client).create_first_available(spec)
        assert [attempt.region for attempt in change.attempts] == tried
        regions = [container.region_id for container in (await change.wait()).containers]
        assert regions == [int(region) for region in tried[-1].split(", ")]


@VIRTUAL
async def test_zones_without_the_model_are_not_tried() -> None:
    """At Exoscale a zone counts as a place only if the model is ready there."""
    world = a_world()
    world.add_exoscale_model(name="openai/gpt-oss-20b", zone="at-vie-2", state="error")
    world.add_exoscale_model(name="openai/gpt-oss-120b", zone="ch-dk-2")
    world.add_exoscale_model(name="openai/gpt-oss-20b", zone="de-fra-1")
    world.fault("no_capacity", on=_EXO.POST, region="ch-gva-2")
    async with _EXO.client(world, **in_zones(_EXO)) as client:
        change = await _EXO.api(client).create_first_available(spec_of(_EXO))
        assert [attempt.region for attempt in change.attempts] == ["ch-gva-2", "de-fra-1"]
        model = (await client.models.find_all("openai/gpt-oss-20b"))[0]
        with pytest.raises(NoCapacityError) as nowhere:  # an id is one of its own zone
            await _EXO.api(client).create_first_available({**spec_of(_EXO), "model": model})
        assert [attempt.region for attempt in nowhere.value.attempts] == ["ch-gva-2"]


@VIRTUAL
@everywhere
async def test_name_of_a_failed_try_stays_taken(cloud: Any) -> None:
    """After the deletion of a failed try its name is taken for a while: the next create waits."""
    lifecycle = Lifecycle(create=CREATE_S, delete=DELETE_S, name_lag=LAG_S)
    world = a_world(lifecycle=lifecycle)
    prepare(world)
    first, second = PLACES[cloud.name]
    world.fault("error", on=cloud.POST, message="no capacity left")
    async with cloud.client(world, **in_zones(cloud)) as client:
        api = cloud.api(client)
        change = await api.create_first_available(spec_of(cloud), regions=[first, second])
        found = change.latest
        assert [attempt.outcome for attempt in change.attempts][1:] == ["created"]
        assert change.attempts[0].id is not None
        assert await existing(cloud, client) == [found.name]
        taken = sum(status == 409 for _, verb, _, status in world.requests if verb == "POST")
        assert (taken > 0) == (cloud is not _EXO)  # whose names are not unique
        assert taken <= LAG_S / PollPolicy().target_lag + 1


@VIRTUAL
@pytest.mark.parametrize("cloud", [_DO, _V3], ids=lambda cloud: cloud.name)
async def test_name_that_is_not_free_in_time(cloud: Any) -> None:
    """After `name_timeout` seconds the conflict is raised, with the tries so far; nothing bills."""
    world = a_world(lifecycle=Lifecycle(create=CREATE_S, delete=DELETE_S, name_lag=10_000))
    world.fault("error", on=cloud.POST, message="no capacity left")
    async with cloud.client(world, **in_zones(cloud)) as client:
        with pytest.raises(ConflictError) as refused:
            await cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name]), name_timeout=LAG_S
            )
        assert len(refused.value.attempts) == 2  # type: ignore[attr-defined]
        assert await existing(cloud, client) == []


@VIRTUAL
@pytest.mark.parametrize("cloud", [_DO, _V3], ids=lambda cloud: cloud.name)
async def test_name_of_another_deployment_is_a_refusal(cloud: Any) -> None:
    """A name that was taken before is not waited for, and what has it is left alone."""
    world = a_world()
    async with cloud.client(world, **in_zones(cloud)) as client:
        api, spec = cloud.api(client), spec_of(cloud)
        await (await api.create(spec)).wait()
        began = now()
        with pytest.raises(ConflictError):
            await api.create_first_available(spec, regions=list(PLACES[cloud.name]))
        assert now() - began < 10
        assert len(await existing(cloud, client)) == 1


@VIRTUAL
@pytest.mark.parametrize(("most", "tries"), [(0, 1), (1, 2), (2, 3), (5, 3)])
async def test_unexplained_failures_are_counted(most: int, tries: int) -> None:
    """`max_unexplained` alternatives are tried after the first failure without a reason."""
    world = a_world()
    world.fault("error", on=_DO.POST, times=None)
    async with _DO.client(world) as client:
        with pytest.raises(NoCapacityError) as failed:
            await _DO.api(client).create_first_available(
                spec_of(_DO), regions=["atl1", "nyc2", "tor1"], max_unexplained=most
            )
        assert len(failed.value.attempts) == tries
        assert len(requests_of(world, "POST")) == tries
        assert await existing(_DO, client) == []


@VIRTUAL
@everywhere
async def test_refusal_tries_no_other_place(cloud: Any) -> None:
    """After a refusal of the input, one create was sent, and nothing exists."""
    world = a_world()
    prepare(world)
    world.fault("status", status=400, on=cloud.POST, times=None)
    async with cloud.client(world, **in_zones(cloud)) as client:
        with pytest.raises(APIError) as refused:
            await cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name])
            )
        assert refused.value.status == 400
        assert [one.outcome for one in refused.value.attempts] == ["refused"]  # type: ignore[attr-defined]
        assert len(requests_of(world, "POST")) == 1
        assert await existing(cloud, client) == []


# the create is in flight, it is not settled, the failed first try is being deleted
@VIRTUAL
@everywhere
@pytest.mark.parametrize("after_s", [0.01, CREATE_S / 2, CREATE_S + 30])
async def test_cancelled_in_the_middle_leaves_nothing(cloud: Any, after_s: float) -> None:
    """The try under way is deleted, proven by a 404, before the cancellation is raised."""
    world = a_world()
    prepare(world)
    if after_s > CREATE_S:
        world.fault("error", on=cloud.POST, message="no capacity left")
    async with cloud.client(world, **in_zones(cloud)) as client:
        trying = asyncio.create_task(
            cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name])
            )
        )
        await asyncio.sleep(after_s)
        trying.cancel()
        await asyncio.sleep(1)
        trying.cancel()  # a second one does not cut the deletion short
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await trying
        notes = getattr(cancelled.value, "__notes__", ())
        assert not notes or "has been deleted: GET answered 404" in "; ".join(notes)
        assert not [note for note in notes if "bills" in note]
        assert len(requests_of(world, "POST")) == 1
        assert await existing(cloud, client) == []


@VIRTUAL
@everywhere
async def test_cancelled_and_not_deleted_is_said(
    cloud: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """If the deletion cannot be proven, CleanupError names what may bill, and the log has it."""
    world = a_world()
    async with cloud.client(world, **in_zones(cloud)) as client:
        trying = asyncio.create_task(
            cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name])
            )
        )
        await asyncio.sleep(CREATE_S / 2)
        world.fault("status", on=cloud.DELETE, status=500, times=None)
        with caplog.at_level(logging.ERROR, "di_async"):
            trying.cancel()
            with pytest.raises(CleanupError) as caught:
                await trying
        (name,) = await existing(cloud, client)
        assert caught.value.name == name
        assert name in caplog.text
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@VIRTUAL
@everywhere
async def test_deletion_that_fails_names_the_place_that_is_left(cloud: Cloud) -> None:
    """CleanupError has the price of the place that is left, and no advice to reap; so has the try.

    `reap` deletes temporary names only.
    """
    world = a_world()
    prepare(world)
    first, second = PLACES[cloud.name]
    world.fault("error", on=cloud.POST, message="no capacity left", times=None)
    async with cloud.client(world, **in_zones(cloud)) as client:
        api = cloud.api(client)
        world.fault("status", on=cloud.DELETE, status=403, message="no scope", times=None)
        target = api.deployable()
        own = target.complete(spec_of(cloud))
        other = OTHER_ACCELERATOR[cloud.name]
        price = await target.hourly_price(target.moved(own, first, other))
        with pytest.raises(CleanupError, match="no scope") as caught:
            await api.create_first_available(
                own, regions=[first, second], accelerators=[other], cleanup_timeout=60
            )
        assert caught.value.hourly_price == price
        assert (price is None) == (cloud is _EXO)
        assert price is None or price != await target.hourly_price(own)
        assert "reap" not in str(caught.value)
        (attempt,) = caught.value.attempts  # type: ignore[attr-defined]
        assert (attempt.outcome, attempt.id) == ("not deleted", caught.value.id)
        assert len(await existing(cloud, client)) == 1


@VIRTUAL
@everywhere
async def test_cancelled_while_the_answer_is_lost_says_what_may_exist(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    """It is deleted where it is surely ours; else the cancellation and the log name it."""
    world = a_world()
    prepare(world)
    world.fault("reset", on=cloud.POST, after_commit=True)
    async with cloud.client(world, **in_zones(cloud)) as client:
        trying = asyncio.create_task(
            cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name])
            )
        )
        await asyncio.sleep(0.2)  # while the name is looked up
        trying.cancel()
        caplog.set_level(logging.WARNING, "di_async")
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await trying
        left = await cloud.api(client).deployable().list_named()
        notes = "; ".join(getattr(cancelled.value, "__notes__", ()))
        assert len(left) == (cloud is _EXO)  # whose names are not unique
        assert all(one.id in notes and notes in caplog.text for one in left)


@VIRTUAL
@everywhere
async def test_cancelled_create_that_is_never_answered_is_named(cloud: Cloud) -> None:
    """A create that is cut off after a minute leaves its story in the cancellation."""
    world = a_world()
    prepare(world)
    world.fault("slow", on=cloud.POST, delay_s=500)
    options = {**in_zones(cloud), "request_timeout": 500}
    async with cloud.client(world, **options) as client:
        trying = asyncio.create_task(
            cloud.api(client).create_first_available(
                spec_of(cloud), regions=list(PLACES[cloud.name])
            )
        )
        await asyncio.sleep(5)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await trying
        assert "may exist and bill" in "; ".join(getattr(cancelled.value, "__notes__", ()))


@everywhere
async def test_over_sockets(cloud: Any) -> None:
    """A real client finds the place with room, and leaves nothing else."""
    lifecycle = Lifecycle(create=10, delete=5, name_lag=5)
    async with running(seed=0, time_scale=100.0, lifecycle=lifecycle) as emu:
        cloud.prepare(emu.world)
        prepare(emu.world)
        first, second = PLACES[cloud.name]
        emu.fault("no_capacity", on=cloud.POST, region=first)
        url = emu.exoscale_url if cloud is _EXO else emu.url
        options = {"base_url": url, "polling": QUICKLY, "transport": None, "budget": None}
        async with cloud.make(emu.world, **options) as client:
            api = cloud.api(client)
            change = await api.create_first_available(
                spec_of(cloud), regions=[first, second], timeout=20
            )
            assert [one.region for one in change.attempts] == [first, second]
            assert change.attempts[-1].outcome == "created"
            assert await existing(cloud, client) == [change.latest.name]


TYPES, MODELS = "GET /v2/ai/instance-type", "GET /v2/ai/model"
ZONES = ("ch-gva-2", "at-vie-2", "de-fra-1")


@VIRTUAL
@pytest.mark.parametrize("broken", [TYPES, MODELS])
@pytest.mark.parametrize("kind", ["status", "reset"])
async def test_a_zone_that_cannot_be_read_is_left_out(
    broken: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other zones are tried; a warning and the attempts name the zone and the reason."""
    world = a_world()
    for zone in ZONES:
        world.add_exoscale_model(name="openai/gpt-oss-20b", zone=zone)
    world.fault(kind, on=broken, region="at-vie-2", times=None)
    world.fault("no_capacity", on=_EXO.POST, region="ch-gva-2")
    async with _EXO.client(world, **in_zones(_EXO)) as client:
        change = await _EXO.api(client).create_first_available(spec_of(_EXO))
        assert [(one.region, one.outcome) for one in change.attempts] == [
            ("at-vie-2", "not read"),
            ("ch-gva-2", "no capacity"),
            ("de-fra-1", "created"),
        ]
        assert change.attempts[0].reason
        (warning,) = [line for line in caplog.messages if "at-vie-2" in line]
        assert warning.startswith("zone at-vie-2 could not be read, and is left out: ")


@VIRTUAL
async def test_no_zone_can_be_read() -> None:
    """The error is of the zones' kind, and names the reason of each; nothing was created."""
    world = a_world()
    world.fault("status", on=TYPES, status=503, times=None)
    async with _EXO.client(world, **in_zones(_EXO)) as client:
        for call in (_EXO.api(client).create_first_available, _EXO.api(client).find_capacity):
            with pytest.raises(ServerError, match="no zone could be read") as failed:
                await call(spec_of(_EXO))
            assert all(f"{zone}: {TYPES}: 503" in str(failed.value) for zone in ZONES)
            assert failed.value.status == 503
        assert not requests_of(world, "POST")


@VIRTUAL
async def test_no_capacity_names_the_zones_that_were_not_read() -> None:
    """Without any candidate, the error has the zone that could not be read among its attempts."""
    world = a_world()
    world.fault("status", on=TYPES, region="ch-gva-2", times=None)
    async with _EXO.client(world, **in_zones(_EXO)) as client:
        with pytest.raises(NoCapacityError, match="in ch-gva-2: not read: ") as failed:
            await _EXO.api(client).create_first_available(spec_of(_EXO))
        assert [one.outcome for one in failed.value.attempts] == ["not read"]


@VIRTUAL
async def test_capacity_of_zones_that_can_be_read() -> None:
    """`find_capacity` leaves out a zone that fails; with `include_full` it has the reason."""
    world = a_world()
    world.fault("status", on=TYPES, region="at-vie-2", times=None)
    async with _EXO.client(world, **in_zones(_EXO)) as client:
        api = _EXO.api(client)
        usable = {place.region for place in await api.find_capacity(spec_of(_EXO))}
        places = await api.find_capacity(spec_of(_EXO), include_full=True)
        reasons = {place.region: place.reason for place in places}
        assert usable
        assert "at-vie-2" not in usable
        assert reasons["at-vie-2"].startswith("the zone could not be read: ")


@VIRTUAL
async def test_a_price_that_cannot_be_read_does_not_end_the_search() -> None:
    """Gcore: the price of one region is then not known; the place is found, and ranked last."""
    world = a_world()
    world.fault("status", on="POST /cloud/v2/pricing/inference/deployments", status=422)
    async with _V3.client(world) as client:
        places = await _V3.api(client).find_capacity(spec_of(_V3))
        assert [place.price is None for place in places].count(True) == 1
        assert places[-1].price is None
