"""The client's methods: each request is as documented, and invalid input is not sent."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from di_async import (
    DigitalOcean,
    GatewayError,
    InvalidInputError,
    ResourceVanishedError,
    Secret,
)
from di_async.digitalocean import DedicatedInferences
from di_async.emulator import World
from tests.builders.digitalocean import BASE, GPU, ID, a_spec, one, sample
from tests.digitalocean.helpers import TOKEN, an_instance, scripted_client
from tests.fake_network import TEN_MINUTES, Step, answer, plain, virtual_client
from tests.support import VIRTUAL

pytestmark = VIRTUAL
PAGES = (("page", "1"), ("per_page", "200"))
Call = Callable[[DedicatedInferences], Any]


async def drain(given: Any) -> None:
    """Await a call, or iterate over a listing to its end."""
    if isinstance(given, AsyncIterator):
        async for _ in given:
            pass
    else:
        await given


REQUESTS: dict[str, tuple[Call, Step, tuple[Any, ...]]] = {
    "list": (
        lambda c: c.list(),
        answer(200, sample("list_200")),
        ("GET", BASE, PAGES),
    ),
    "list of a region": (
        lambda c: c.list(region="nyc2", page_size=20),
        answer(200, sample("list_200")),
        ("GET", BASE, (("region", "nyc2"), ("page", "1"), ("per_page", "20"))),
    ),
    "get": (
        lambda c: c.get(ID),
        answer(200, one(an_instance())),
        ("GET", f"{BASE}/{ID}", ()),
    ),
    "delete": (lambda c: c.delete(ID), answer(202), ("DELETE", f"{BASE}/{ID}", ())),
    "accelerators": (
        lambda c: c.list_accelerators(ID),
        answer(200, sample("list_accelerators_200")),
        ("GET", f"{BASE}/{ID}/accelerators", PAGES),
    ),
    "accelerators of a slug": (
        lambda c: c.list_accelerators(ID, slug=GPU),
        answer(200, sample("list_accelerators_200")),
        ("GET", f"{BASE}/{ID}/accelerators", (("slug", GPU), *PAGES)),
    ),
    "accelerator": (
        lambda c: c.get_accelerator(ID, "a-1"),
        answer(200, sample("get_accelerator_200")),
        ("GET", f"{BASE}/{ID}/accelerators/a-1", ()),
    ),
    "ca": (
        lambda c: c.ca_certificate(ID),
        answer(200, sample("ca_certificate_200")),
        ("GET", f"{BASE}/{ID}/ca", ()),
    ),
    "tokens": (
        lambda c: c.list_tokens(ID),
        answer(200, sample("list_tokens_200")),
        ("GET", f"{BASE}/{ID}/tokens", PAGES),
    ),
    "revoke": (
        lambda c: c.revoke_token(ID, "t-1"),
        answer(204),
        ("DELETE", f"{BASE}/{ID}/tokens/t-1", ()),
    ),
    "sizes": (lambda c: c.sizes(), answer(200, sample("sizes_200")), ("GET", f"{BASE}/sizes", ())),
    "models": (
        lambda c: c.gpu_model_configs(),
        answer(200, sample("gpu_model_configs_200")),
        ("GET", f"{BASE}/gpu-model-config", ()),
    ),
}


@pytest.mark.parametrize("name", sorted(REQUESTS))
async def test_request_without_a_body(name: str) -> None:
    """Method, path and query are as documented; there is no body."""
    call, script, expected = REQUESTS[name]
    async with scripted_client(script) as (client, network):
        await drain(call(client.dedicated_inferences))
    (request,) = network.requests
    assert (request.method, request.path, request.params) == expected
    assert request.body is None


async def test_create_request() -> None:
    """The vendor's curl body, passed as a mapping, is sent with the same values."""
    body = sample("create_curl")
    async with scripted_client(answer(202, sample("create_202"))) as (client, network):
        change = await client.dedicated_inferences.create(
            body["spec"], access_tokens=body["access_tokens"]
        )
    (request,) = network.requests
    assert (request.method, request.path, request.params) == ("POST", BASE, ())
    assert orjson.loads(request.body or b"") == body
    assert change.access_token.value.reveal() == sample("create_202")["token"]["value"]


async def test_create_without_tokens() -> None:
    """Without provider tokens the body has no key for them."""
    created = sample("create_202")
    async with scripted_client(answer(202, created)) as (client, network):
        await client.dedicated_inferences.create(
            a_spec(created["dedicated_inference"]["spec"]["name"])
        )
    assert set(orjson.loads(network.requests[0].body or b"")) == {"spec"}


async def test_update_request() -> None:
    """The vendor's PATCH curl is completed to the spec that the API needs."""
    wanted = {**sample("update_curl")["spec"]}
    steps: list[Step] = [answer(200, one(an_instance())), answer(202, one(an_instance()))]
    async with scripted_client(*steps) as (client, network):
        await client.dedicated_inferences.update(ID, spec=wanted)
    request = network.requests[1]
    assert (request.method, request.path, request.params) == ("PATCH", f"{BASE}/{ID}", ())
    spec = orjson.loads(request.body or b"")["spec"]
    assert (spec["version"], spec["enable_public_endpoint"], spec["name"]) == (
        3, True, "renamed-dedicated-inference"
    )  # fmt: skip
    assert spec["model_deployments"][0]["model_id"] == "m-1"
    assert spec["model_deployments"][0]["accelerators"] == [
        {"accelerator_slug": GPU, "scale": 3, "type": "prefill_decode"}
    ]


async def test_create_token_request() -> None:
    """The body holds the name only."""
    async with scripted_client(answer(202, sample("create_token_202"))) as (client, network):
        await client.dedicated_inferences.create_token(ID, "new-inference-token")
    (request,) = network.requests
    assert (request.method, request.path) == ("POST", f"{BASE}/{ID}/tokens")
    assert orjson.loads(request.body or b"") == sample("create_token_request")


# --- what is not sent -----------------------------------------------------------------------------

BAD_IDS = ["", "  ", ".", "..", "sizes", "gpu-model-config", None, 5]
ID_CALLS: dict[str, Callable[[DedicatedInferences, Any], Any]] = {
    "get": lambda c, at: c.get(at),
    "update": lambda c, at: c.update(at, spec={"name": "x"}),
    "scale": lambda c, at: c.scale(at, 2),
    "delete": lambda c, at: c.delete(at),
    "accelerators": lambda c, at: c.list_accelerators(at),
    "accelerator": lambda c, at: c.get_accelerator(at, "a"),
    "ca": lambda c, at: c.ca_certificate(at),
    "tokens": lambda c, at: c.list_tokens(at),
    "create_token": lambda c, at: c.create_token(at, "x"),
    "revoke": lambda c, at: c.revoke_token(at, "t"),
    "wait_until_active": lambda c, at: c.wait_until_active(at),
    "wait_until_deleted": lambda c, at: c.wait_until_deleted(at),
    "watch": lambda c, at: c.watch(at),
}


# Without an id `watch` is of the whole account.
BAD_CALLS = [(n, bad) for n in sorted(ID_CALLS) for bad in BAD_IDS if (n, bad) != ("watch", None)]


@pytest.mark.parametrize(("name", "bad"), BAD_CALLS)
async def test_bad_id(name: str, bad: Any) -> None:
    """An id that would address another endpoint is a ValueError; nothing is sent."""
    async with scripted_client() as (client, network):
        with pytest.raises(ValueError, match=r"dedicated_inference_id|predicate"):
            await drain(ID_CALLS[name](client.dedicated_inferences, bad))
    assert network.requests == []


@pytest.mark.parametrize("bad", ["", ".", ".."])
async def test_bad_second_id(bad: str) -> None:
    """Token and accelerator ids are checked, too: an empty one would address the collection."""
    async with scripted_client() as (client, network):
        with pytest.raises(ValueError, match="token_id"):
            await client.dedicated_inferences.revoke_token(ID, bad)
        with pytest.raises(ValueError, match="accelerator_id"):
            await client.dedicated_inferences.get_accelerator(ID, bad)
    assert network.requests == []


async def test_id_with_a_slash_is_quoted() -> None:
    """An id is quoted into one path segment."""
    async with scripted_client(answer(202)) as (client, network):
        await client.dedicated_inferences.delete("../x?y#z")
    assert network.requests[0].path == f"{BASE}/..%2Fx%3Fy%23z"


@pytest.mark.parametrize("size", [0, -1, 201])
@pytest.mark.parametrize("of", ["instances", "accelerators", "tokens"])
async def test_page_size_limits(size: int, of: str) -> None:
    """A page size outside 1 to 200 is rejected before anything is sent."""
    async with scripted_client() as (client, network):
        api = client.dedicated_inferences
        listings: dict[str, Callable[[], Any]] = {
            "instances": lambda: api.list(page_size=size),
            "accelerators": lambda: api.list_accelerators(ID, page_size=size),
            "tokens": lambda: api.list_tokens(ID, page_size=size),
        }
        with pytest.raises(InvalidInputError, match="page_size: expected 1 to 200"):
            listings[of]()
    assert network.requests == []


async def test_nothing_to_update() -> None:
    """An update without changes is rejected: it would be a new version, and a rollout."""
    async with scripted_client() as (client, network):
        with pytest.raises(InvalidInputError, match="nothing to update"):
            await client.dedicated_inferences.update(ID)
        with pytest.raises(InvalidInputError, match="nothing to update"):
            await client.dedicated_inferences.update(ID, spec={})
    assert network.requests == []


@pytest.mark.parametrize("spec", [5, "web", None])
async def test_spec_of_a_wrong_type(spec: Any) -> None:
    """A value that is not a spec is rejected before anything is sent."""
    async with scripted_client() as (client, network):
        with pytest.raises(InvalidInputError):
            await client.dedicated_inferences.create(spec)
    assert network.requests == []


@pytest.mark.parametrize("tokens", ["hf_secret12", {"hugging_face_token": 5}, ["hf_secret12"]])
async def test_provider_tokens_of_a_wrong_type(tokens: Any) -> None:
    """Provider tokens of another type are rejected; the message does not repeat them."""
    async with scripted_client() as (client, network):
        with pytest.raises(InvalidInputError, match="access_tokens: a mapping") as caught:
            await client.dedicated_inferences.create(a_spec(), access_tokens=tokens)
    assert network.requests == []
    assert "hf_secret" not in repr(caught.value)


@pytest.mark.parametrize("key", ["tokens", "", None])
async def test_secrets_key_is_one_of_two(key: Any) -> None:
    """Another key is rejected when the client is created."""
    with pytest.raises(ValueError, match="secrets_key"):
        DigitalOcean(TOKEN, secrets_key=key)


async def test_update_uses_the_secrets_key() -> None:
    """`secrets_key` applies to updates as well."""
    steps: list[Step] = [answer(200, one(an_instance())), answer(202, one(an_instance()))]
    async with scripted_client(*steps, secrets_key="secrets") as (client, network):
        await client.dedicated_inferences.update(ID, access_tokens={"hugging_face_token": "hf"})
    sent = orjson.loads(network.requests[1].body or b"")
    assert sent == {"secrets": {"hugging_face_token": "hf"}}


@pytest.mark.parametrize("token", ["di_x", ["di_x"], 7])
async def test_create_whose_token_cannot_be_read(
    token: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The instance was created: its change is returned, and a warning reports the lost token."""
    made = answer(202, {**one(an_instance()), "token": token})
    async with scripted_client(made) as (client, network):
        change = await client.dedicated_inferences.create(a_spec())
    assert (change.id, change.access_token, len(network.requests)) == (ID, None, 1)
    assert "token of a new instance is lost" in caplog.text
    assert "di_x" not in caplog.text


@pytest.mark.parametrize("more", [{}, {"is_managed": "perhaps"}])
async def test_create_whose_token_lacks_fields(more: dict[str, str]) -> None:
    """The schema requires no field of the token, and others only inform; its value counts."""
    made = answer(202, {**one(an_instance()), "token": {"value": "di_x", **more}})
    async with scripted_client(made) as (client, _):
        token = (await client.dedicated_inferences.create(a_spec())).access_token
    assert token is not None
    assert token.value == Secret("di_x")


async def test_update_drops_undocumented_fields(caplog: pytest.LogCaptureFixture) -> None:
    """A PATCH replaces the spec: a warning lists what it cannot repeat."""
    live = an_instance()
    live["spec"] = {**live["spec"], "autoscaling": {"max": 3}, "nothing": None}
    (deployment,) = live["spec"]["model_deployments"]
    live["spec"]["model_deployments"] = [{**deployment, "cache": "on"}]
    steps: list[Step] = [answer(200, one(live)), answer(202, one(live))]
    async with scripted_client(*steps) as (client, _):
        await client.dedicated_inferences.scale(ID, 3)
    for lost in ("'spec.autoscaling'", "'spec.model_deployments[0].cache'"):
        assert lost in caplog.text
    assert "nothing" not in caplog.text


@pytest.mark.parametrize("dialect", ["documented", "observed"])
async def test_update_of_a_known_spec_drops_nothing(
    dialect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What the vendor documents, and what its clients decode, makes no warning."""
    async with virtual_client(World(dialect, seed=0)) as (client, network):
        id = network.world.add_instance(now=network.now(), name="web").id
        await client.dedicated_inferences.scale(id, 3)
    assert "undocumented" not in caplog.text


# --- find, watch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["documented", "observed"])
async def test_find(dialect: Any) -> None:
    """`find` returns the instance with its spec, which a light row lacks."""
    world = World(dialect, seed=0, lifecycle=TEN_MINUTES)
    async with virtual_client(world) as (client, network):
        for name in ("web", "web-2", "other"):
            world.add_instance(now=network.now(), name=name)
        found = await client.dedicated_inferences.find("web")
    assert found is not None
    assert (found.name, found.spec is not None) == ("web", True)


@pytest.mark.parametrize("dialect", ["documented", "observed"])
async def test_find_nothing(dialect: Any) -> None:
    """`find` returns None if no instance has exactly that name."""
    async with virtual_client(World(dialect, seed=0)) as (client, network):
        network.world.add_instance(now=network.now(), name="web-2")
        assert await client.dedicated_inferences.find("web") is None


async def test_find_row_deleted_meanwhile() -> None:
    """A row that is deleted before its GET is skipped."""
    gone = answer(404, {"id": "not_found", "message": "m"})
    rows = answer(200, {"dedicated_inferences": [an_instance()]})
    async with scripted_client(rows, gone) as (client, _):
        assert await client.dedicated_inferences.find("web") is None


async def test_find_raises_on_a_foreign_404() -> None:
    """A gateway's 404 to the GET does not mean that the name is free."""
    rows = answer(200, {"dedicated_inferences": [an_instance()]})
    async with scripted_client(rows, *[plain(404, "not here")] * 4) as (client, _):
        with pytest.raises(GatewayError):
            await client.dedicated_inferences.find("web")


async def test_watch_starts_with_a_snapshot_and_ends_with_the_instance() -> None:
    """The stream starts with the present state and ends with an error when it is deleted."""
    async with virtual_client() as (client, network):
        world = network.world
        id = world.add_instance(now=network.now(), status="provisioning", settles_in=60).id
        seen: list[str | None] = []

        async def follow() -> None:
            async for event in client.dedicated_inferences.watch(id):
                seen.append(event.status)
                if event.status == "active" and "deleting" not in seen:
                    await client.dedicated_inferences.delete(id)

        with pytest.raises(ResourceVanishedError):
            await follow()
    words = [word for at, word in enumerate(seen) if word != seen[at - 1] or at == 0]
    assert words == ["provisioning", "active", "deleting"]


async def test_watch_left_early_sends_no_more() -> None:
    """A stream that is left sends no requests."""
    async with virtual_client() as (client, network):
        id = network.world.add_instance(now=network.now(), status="active").id
        async for _ in client.dedicated_inferences.watch(id):
            break
        asked_so_far = len(network.requests_of("GET"))
        await drain(client.dedicated_inferences.sizes())
    assert len(network.requests_of("GET")) == asked_so_far + 1
