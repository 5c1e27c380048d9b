"""Several vendors in one world are independent of each other."""

import pytest

from di_async.emulator import World

from .helpers import BASE, NOW, ApiClient

FOREIGN = ["/cloud/v3/inference/1/deployments", "/zones/ch-gva-2/v2/ai/deployment", "/v2/ai/model"]


@pytest.mark.parametrize("path", FOREIGN)
def test_each_vendor_answers_its_own_paths_only(path: str) -> None:
    """Each vendor has its own credentials and headers."""
    api = ApiClient(World())
    for target in (path, "/v2/dedicated-inferences"):
        reply = api.request("GET", target)
        is_digitalocean = target == BASE
        assert (reply.status == 200, "ratelimit-limit" in reply.headers) == (is_digitalocean,) * 2


def test_credentials_differ_and_repeat_with_the_seed() -> None:
    """Credentials repeat with the seed and differ between vendors."""

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
def test_rate_limits_of_one_vendor_do_not_affect_another(path: str) -> None:
    """A burst at Gcore or Exoscale is never 429 and uses no quota of DigitalOcean."""
    api = ApiClient(World(per_minute=1))
    assert 429 not in {api.request("GET", path).status for _ in range(5)}
    assert [api.request("GET", "").status for _ in range(2)] == [200, 429]


def test_truth_of_an_unknown_resource_is_unknown() -> None:
    """`truth` of an unknown id is not an error."""
    assert not World().truth("nobody", NOW).exists


def test_unknown_key_is_refused_by_the_data_plane() -> None:
    """A key of no deployment of any vendor is refused."""
    assert ApiClient(World()).request_dataplane("GET", "/v1/models", "stranger").status == 401
