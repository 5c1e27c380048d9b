"""Several vendors in one world: whose path it is, and that none shifts another."""

import pytest

from di_async.emulator import World

from .helpers import BASE, NOW, Desk

FOREIGN = ["/cloud/v3/inference/1/deployments", "/zones/ch-gva-2/v2/ai/deployment", "/v2/ai/model"]


@pytest.mark.parametrize("path", FOREIGN)
def test_each_vendor_answers_its_own_paths_only(path: str) -> None:
    """DigitalOcean's token opens no other vendor's door, nor do its rate headers show there."""
    desk = Desk(World())
    for target in (path, "/v2/dedicated-inferences"):
        reply = desk.ask("GET", target)
        is_digitalocean = target == BASE
        assert (reply.status == 200, "ratelimit-limit" in reply.headers) == (is_digitalocean,) * 2


def test_credentials_differ_and_repeat_with_the_seed() -> None:
    """Equal seeds, equal keys; other seeds, other keys; no key is another vendor's."""

    def keys(seed: int) -> list[object]:
        world = World(seed=seed)
        return [
            world.token,
            world.gcore.api_key,
            world.gcore.project_id,
            world.exoscale.api_key,
            world.exoscale.api_secret,
        ]

    assert keys(1) == keys(1)
    assert not set(keys(1)) & set(keys(2))
    assert len(set(keys(1))) == 5


@pytest.mark.parametrize("path", FOREIGN)
def test_windows_of_one_vendor_do_not_bite_another(path: str) -> None:
    """Gcore and Exoscale document no limit: a burst there is never 429 and costs no quota here."""
    desk = Desk(World(per_minute=1))
    assert 429 not in {desk.ask("GET", path).status for _ in range(5)}
    assert [desk.ask("GET", "").status for _ in range(2)] == [200, 429]


def test_resource_that_nobody_knows_is_told_as_unknown() -> None:
    """`truth` of a stranger is no error."""
    assert not World().truth("nobody", NOW).exists


def test_key_of_no_deployment_is_refused_by_the_data_plane() -> None:
    """Whatever vendor it might be of."""
    assert Desk(World()).ask_model("GET", "/v1/models", "stranger").status == 401
