"""Creating where there is room, on every cloud, in virtual time."""

from typing import Any

import pytest

from di_async import BadRequestError, InvalidInputError, NoCapacityError, UnprocessableEntityError
from tests.clouds.support import CLOUDS, VIRTUAL, a_world
from tests.clouds.test_temporary import names, spec_of

_DO, _, _V3, _EXO = CLOUDS
PLACES: dict[str, tuple[str, str]] = {
    _DO.name: ("atl1", "nyc2"),
    _V3.name: ("7", "1"),
    _EXO.name: ("ch-gva-2", "at-vie-1"),
}


@VIRTUAL
@pytest.mark.parametrize("cloud", [_DO, _V3], ids=lambda cloud: cloud.name)
async def test_next_region_after_one_without_room(cloud: Any) -> None:
    """A place without room is skipped, and the story of both tries is kept."""
    world = a_world()
    first, second = PLACES[cloud.name]
    world.fault("no_capacity", on=cloud.POST, region=first)
    async with cloud.client(world) as client:
        api = cloud.api(client)
        change = await api.create_first_available(spec_of(cloud), regions=[first, second])
        found = await change.wait()
        assert [attempt.region for attempt in change.attempts] == [first, second]
        assert change.attempts[-1].outcome == "created"
        assert await names(api) == [found.name]


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
        with pytest.raises(InvalidInputError, match="regions"):
            await api.create_first_available(spec_of(_DO), regions="atl1")
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
