"""Lists, pages, accelerators, tokens."""

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from di_async.emulator import World

from ..helpers import NOW, ApiClient, a_model  # noqa: TID252

Make = Callable[..., ApiClient]


@pytest.fixture
def fleet(api: ApiClient) -> ApiClient:
    """Return a client with five instances: a to e, c and d in nyc2."""
    for name in "abcde":
        api.world.add_instance(now=NOW, name=name, region="nyc2" if name in "cd" else "atl1")
    return api


def names(api: ApiClient, query: str) -> list[str]:
    """Return the names of a list's rows, in either dialect."""
    rows = api.rows(query)
    return [row["name"] if "name" in row else row["spec"]["name"] for row in rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "abcde"),
        ("?region=nyc2", "cd"),
        ("?name=b", "b"),
        ("?name=b&region=nyc2", ""),
        ("?region=", "abcde"),
        ("?per_page=2", "ab"),
        ("?per_page=2&page=3", "e"),
        ("?per_page=2&page=9", ""),
    ],
)
def test_list_filters_and_pages(fleet: ApiClient, query: str, expected: str) -> None:
    """Lists filter by region and (undocumented) name; pages past the end are empty."""
    assert names(fleet, query) == list(expected)


def test_links_lead_through_all_pages_and_keep_the_filters(fleet: ApiClient) -> None:
    """Following `next` from the first page visits every row once."""
    query, seen = "?per_page=2&region=atl1", ""
    while query:
        reply = fleet.request("GET", query, Host="127.0.0.1:8080")
        seen += "".join(names(fleet, query))
        following = reply.json["links"]["pages"].get("next")
        assert reply.json["links"]["pages"]["last"].startswith("https://127.0.0.1:8080/v2/")
        query = f"?{urlsplit(following).query}" if following else ""
    assert (seen, reply.json["meta"]["total"]) == ("abe", 3)


def test_links_of_a_single_page_differ_by_dialect(make_api: Make) -> None:
    """Documented: first and last. Observed: an empty object."""
    links = [make_api(dialect).request("GET", "").json["links"] for dialect in DIALECTS]
    assert links[0]["pages"].keys() == {"first", "last"}
    assert links[1] == {}


def test_next_of_the_last_page_differs_by_dialect(make_api: Make) -> None:
    """Documented: no `next`. Observed: an empty string (godo fixture)."""
    following = []
    for dialect in DIALECTS:
        api = make_api(dialect)
        for _ in range(2):
            api.world.add_instance()
        reply = api.request("GET", "?per_page=1&page=2")
        following.append(reply.json["links"]["pages"].get("next", "absent"))
    assert following == ["absent", ""]


DIALECTS = ("documented", "observed")


def test_prev_of_a_page_past_the_end_is_the_last_page(fleet: ApiClient) -> None:
    """`prev` of a page that does not exist is the last one that does."""
    pages = fleet.request("GET", "?per_page=2&page=9").json["links"]["pages"]
    assert pages["prev"] == pages["last"]


def test_each_running_gpu_is_an_accelerator(api: ApiClient) -> None:
    """Scale 2 is two GPUs; while they are not assigned there are none."""
    id = api.create()
    assert api.request("GET", f"/{id}/accelerators").json["meta"]["total"] == 0
    api.now += 600
    gpus = api.request("GET", f"/{id}/accelerators").json["accelerators"]
    assert len({gpu["id"] for gpu in gpus}) == 2
    one = api.request("GET", f"/{id}/accelerators/{gpus[1]['id']}")
    assert one.json == gpus[1]


def test_accelerators_are_filtered_by_slug_and_paged(api: ApiClient) -> None:
    """A list of two kinds of GPU can be limited to one."""
    kinds = ("gpu-mi300x1-192gb", "gpu-h100x1-80gb")
    entries = [{"scale": 2, "type": "decode", "accelerator_slug": slug} for slug in kinds]
    id = api.active(model_deployments=[a_model(accelerators=entries)])
    reply = api.request("GET", f"/{id}/accelerators?slug={kinds[1]}&per_page=1")
    assert reply.json["meta"]["total"] == 2
    assert [gpu["slug"] for gpu in reply.json["accelerators"]] == [kinds[1]]


def test_ca_is_base64_of_the_worlds_pem() -> None:
    """The decoded certificate is the PEM of the world's CA."""
    api = ApiClient(World(ca_pem="-----BEGIN CERTIFICATE-----\n"))
    cert = api.request("GET", f"/{api.create()}/ca").json["cert"]
    assert base64.b64decode(cert) == b"-----BEGIN CERTIFICATE-----\n"


def test_token_value_is_shown_once(api: ApiClient) -> None:
    """Only the responses to the creates have it."""
    id = api.create()
    made = api.request("POST", f"/{id}/tokens", {"name": "mine"}).json["token"]
    listed = api.request("GET", f"/{id}/tokens").json["tokens"]
    assert made["value"].startswith("di_")
    assert [token["name"] for token in listed][1:] == ["mine"]
    assert not any("value" in token for token in listed)


def test_revoked_token_is_gone_at_once(api: ApiClient) -> None:
    """The first revocation is 204, the second 404."""
    id = api.create()
    (token,) = api.request("GET", f"/{id}/tokens").json["tokens"]
    path = f"/{id}/tokens/{token['id']}"
    assert [api.request("DELETE", path).status for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nobody"),
        ("PATCH", "/nobody"),
        ("DELETE", "/nobody"),
        ("GET", "/nobody/accelerators"),
        ("GET", "/nobody/accelerators/x"),
        ("GET", "/nobody/ca"),
        ("GET", "/nobody/tokens"),
        ("POST", "/nobody/tokens"),
        ("DELETE", "/nobody/tokens/x"),
    ],
)
def test_unknown_instance_is_404_everywhere(api: ApiClient, method: str, path: str) -> None:
    """Every operation with an id answers 404 with the vendor's body."""
    reply = api.request(method, path, {"name": "x"})
    assert (reply.status, reply.json["id"]) == (404, "not_found")
    assert reply.json["message"] == "The resource you requested could not be found."


def test_unknown_accelerator_is_404(api: ApiClient) -> None:
    """A GPU that the instance does not have is 404."""
    assert api.request("GET", f"/{api.active()}/accelerators/x").status == 404


def test_tokens_of_a_stale_view_are_empty(api: ApiClient) -> None:
    """A stale read of a deleted instance still answers, without tokens."""
    id = api.active()
    api.world.fault("stale", seconds=100)
    api.request("DELETE", f"/{id}")
    api.now += 70
    assert api.request("GET", f"/{id}/tokens").json["tokens"] == []


@pytest.mark.parametrize("page", ["two", "1_0", "%D9%A1", "9" * 5000])
def test_a_page_is_a_whole_number(api: ApiClient, page: str) -> None:
    """Anything else is 400."""
    assert api.request("GET", f"?page={page}").status == 400
