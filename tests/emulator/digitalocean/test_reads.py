"""Lists, pages, accelerators, tokens."""

import base64
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from di_async.emulator import World

from ..helpers import NOW, Desk, a_model  # noqa: TID252

Make = Callable[..., Desk]


@pytest.fixture
def fleet(desk: Desk) -> Desk:
    """Five instances: a to e, c and d in nyc2."""
    for name in "abcde":
        desk.world.add_instance(now=NOW, name=name, region="nyc2" if name in "cd" else "atl1")
    return desk


def names(desk: Desk, query: str) -> list[str]:
    """The names of a list's rows, whatever the dialect."""
    rows = desk.listed(query)
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
def test_list_filters_and_pages(fleet: Desk, query: str, expected: str) -> None:
    """Region and the undocumented name filter, and pages past the end are empty."""
    assert names(fleet, query) == list(expected)


def test_links_lead_through_all_pages_and_keep_the_filters(fleet: Desk) -> None:
    """Following next from the first page visits every row once."""
    query, seen = "?per_page=2&region=atl1", ""
    while query:
        reply = fleet.ask("GET", query, Host="127.0.0.1:8080")
        seen += "".join(names(fleet, query))
        following = reply.json["links"]["pages"].get("next")
        assert reply.json["links"]["pages"]["last"].startswith("https://127.0.0.1:8080/v2/")
        query = f"?{urlsplit(following).query}" if following else ""
    assert (seen, reply.json["meta"]["total"]) == ("abe", 3)


def test_links_of_a_single_page_differ_by_dialect(make_desk: Make) -> None:
    """Documented: first and last. Observed: an empty object."""
    links = [make_desk(dialect).ask("GET", "").json["links"] for dialect in DIALECTS]
    assert links[0]["pages"].keys() == {"first", "last"}
    assert links[1] == {}


def test_next_of_the_last_page_differs_by_dialect(make_desk: Make) -> None:
    """Documented: no next. Observed: an empty text (godo fixture)."""
    following = []
    for dialect in DIALECTS:
        desk = make_desk(dialect)
        for _ in range(2):
            desk.world.add_instance()
        reply = desk.ask("GET", "?per_page=1&page=2")
        following.append(reply.json["links"]["pages"].get("next", "absent"))
    assert following == ["absent", ""]


DIALECTS = ("documented", "observed")


def test_page_past_the_end_leads_back(fleet: Desk) -> None:
    """`prev` of a page that does not exist is the last that does."""
    pages = fleet.ask("GET", "?per_page=2&page=9").json["links"]["pages"]
    assert pages["prev"] == pages["last"]


def test_one_accelerator_a_gpu_once_it_runs(desk: Desk) -> None:
    """Scale 2 is two GPUs; while they are being sought there are none."""
    id = desk.create()
    assert desk.ask("GET", f"/{id}/accelerators").json["meta"]["total"] == 0
    desk.now += 600
    gpus = desk.ask("GET", f"/{id}/accelerators").json["accelerators"]
    assert len({gpu["id"] for gpu in gpus}) == 2
    one = desk.ask("GET", f"/{id}/accelerators/{gpus[1]['id']}")
    assert one.json == gpus[1]


def test_accelerators_are_filtered_by_slug_and_paged(desk: Desk) -> None:
    """Two kinds of GPU, one asked for."""
    kinds = ("gpu-mi300x1-192gb", "gpu-h100x1-80gb")
    entries = [{"scale": 2, "type": "decode", "accelerator_slug": slug} for slug in kinds]
    id = desk.active(model_deployments=[a_model(accelerators=entries)])
    reply = desk.ask("GET", f"/{id}/accelerators?slug={kinds[1]}&per_page=1")
    assert reply.json["meta"]["total"] == 2
    assert [gpu["slug"] for gpu in reply.json["accelerators"]] == [kinds[1]]


def test_ca_is_base64_of_the_worlds_pem() -> None:
    """Decoded it is the PEM of the CA that the world was given."""
    desk = Desk(World(ca_pem="-----BEGIN CERTIFICATE-----\n"))
    cert = desk.ask("GET", f"/{desk.create()}/ca").json["cert"]
    assert base64.b64decode(cert) == b"-----BEGIN CERTIFICATE-----\n"


def test_token_value_is_shown_once(desk: Desk) -> None:
    """The create answers have it, the list does not."""
    id = desk.create()
    made = desk.ask("POST", f"/{id}/tokens", {"name": "mine"}).json["token"]
    listed = desk.ask("GET", f"/{id}/tokens").json["tokens"]
    assert made["value"].startswith("di_")
    assert [token["name"] for token in listed][1:] == ["mine"]
    assert not any("value" in token for token in listed)


def test_revoked_token_is_gone_at_once(desk: Desk) -> None:
    """Revoking answers 204; the second time 404."""
    id = desk.create()
    (token,) = desk.ask("GET", f"/{id}/tokens").json["tokens"]
    path = f"/{id}/tokens/{token['id']}"
    assert [desk.ask("DELETE", path).status for _ in range(2)] == [204, 404]


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
def test_unknown_instance_is_404_everywhere(desk: Desk, method: str, path: str) -> None:
    """Every operation with an id answers 404 with the vendor's body."""
    reply = desk.ask(method, path, {"name": "x"})
    assert (reply.status, reply.json["id"]) == (404, "not_found")
    assert reply.json["message"] == "The resource you requested could not be found."


def test_unknown_accelerator_is_404(desk: Desk) -> None:
    """So is a GPU that the instance does not have."""
    assert desk.ask("GET", f"/{desk.active()}/accelerators/x").status == 404


def test_tokens_of_a_stale_view_are_empty(desk: Desk) -> None:
    """A stale read of what is gone still answers, without tokens."""
    id = desk.active()
    desk.world.fault("stale", seconds=100)
    desk.ask("DELETE", f"/{id}")
    desk.now += 70
    assert desk.ask("GET", f"/{id}/tokens").json["tokens"] == []
