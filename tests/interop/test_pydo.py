"""pydo, the vendor's generated client, and ours read the same from one emulator.

azure-core needs a CA as a file (`connection_verify`), and refuses bearer tokens over http.
"""

import base64
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pydo
import pydo.aio
import pytest

from di_async import DigitalOcean, PollPolicy, Secret
from di_async.digitalocean import DedicatedInferences
from di_async.emulator import Emulator
from tests.builders.digitalocean import a_spec

SPEC = a_spec(vpc="997615ce-132d-4bae-9270-9ee21b395e5d").to_dict()
GONE = "not_found"


def body(name: str = "web", **fields: Any) -> dict[str, Any]:
    """Return the body of a create or an update."""
    return {"spec": {**SPEC, "name": name, **fields}}


@pytest.fixture
def theirs(tls_emulator: Emulator, ca_file: str) -> Iterator[Any]:
    """Return pydo's synchronous client."""
    with pydo.Client(tls_emulator.token, endpoint=tls_emulator.url, connection_verify=ca_file) as c:
        yield c.dedicated_inferences


def ours(emu: Emulator) -> DigitalOcean:
    """Return our client of the same emulator."""
    context = ssl.create_default_context(cadata=emu.ca_pem)
    options: dict[str, Any] = {"base_url": emu.url, "ssl": context, "budget": None}
    return DigitalOcean(emu.token, polling=PollPolicy(target_lag=0.02), **options)


# --- agreement, field by field ----------------------------------------------------------------

# Where the two wire shapes have two names for one thing, ours has the documented one.
RENAMED = {"state": "status", "is_model_gated": "is_gated_model"}
# Shown by the observed shape on a spec; ours tell it by the instance the spec is in.
UNREAD = {"dedicated_inference_id"}


def same(pydos: Any, read: Any) -> bool:
    """Return whether pydo's JSON value and our attribute are equal."""
    if isinstance(read, Secret):
        return bool(pydos == read.reveal())
    if isinstance(read, datetime):
        return datetime.fromisoformat(pydos) == read
    if isinstance(read, Decimal):
        return Decimal(pydos) == read
    if isinstance(pydos, str) and isinstance(read, str):
        return pydos.lower() == read.lower()
    return bool(pydos == read) or (not pydos and not read)


def compare(pydos: Mapping[str, Any], read: Any, path: str = "$") -> Iterator[str]:
    """Return the differences between pydo's dict and the attributes of our model."""
    for key, value in pydos.items():
        if key in UNREAD:
            continue
        if key == "vpc_config":
            key, value = "vpc", {"uuid": value["vpc_uuid"]}
        attribute = getattr(read, RENAMED.get(key, key))
        yield from compare_value(value, attribute, f"{path}.{key}")


def compare_value(value: Any, attribute: Any, path: str) -> Iterator[str]:
    """Return the differences between two values."""
    if isinstance(value, Mapping) and not isinstance(attribute, Mapping | None):
        yield from compare(value, attribute, path)
    elif isinstance(value, list) and isinstance(attribute, tuple):
        if len(value) != len(attribute):
            yield f"{path}: {len(value)} rows, not {len(attribute)}"
        for at, (row, read) in enumerate(zip(value, attribute, strict=False)):
            yield from compare_value(row, read, f"{path}[{at}]")
    elif not same(value, attribute):
        yield f"{path}: {value!r} is read as {attribute!r}"


def assert_same(pydos: Any, read: Any) -> None:
    """Check that nothing differs, and that something was compared."""
    assert pydos
    assert list(compare_value(pydos, read, "$")) == []


def settle(theirs: Any, id: str) -> dict[str, Any]:
    """Return the instance once it is active, by polling as pydo's users must."""
    while True:
        pydos: dict[str, Any] = theirs.get(id)["dedicated_inference"]
        if pydos["status"].lower() == "active" and not pydos.get("pending_deployment_spec"):
            return pydos


Pair = tuple[Callable[[Any, str], Any], Callable[[DedicatedInferences, str], Awaitable[Any]]]


async def rows(listing: Any) -> tuple[Any, ...]:
    """Return all rows of a list."""
    return tuple([row async for row in listing])


async def first_accelerator(c: DedicatedInferences, id: str) -> str:
    """Return the id of an instance's first accelerator."""
    found = await anext(c.list_accelerators(id))
    return found.id


def their_first_accelerator(c: Any, id: str) -> str:
    """Return the first accelerator as pydo reads it."""
    return str(c.list_accelerators(id)["accelerators"][0]["id"])


async def our_first(c: DedicatedInferences, id: str) -> Any:
    """Return the first accelerator as we read it."""
    return await c.get_accelerator(id, await first_accelerator(c, id))


async def our_configs(c: DedicatedInferences) -> tuple[Any, ...]:
    """Return the GPU model configurations as we read them."""
    return tuple(await c.gpu_model_configs())


async def our_ca(c: DedicatedInferences, id: str) -> str:
    """Return the CA as we read it, in the format of the response."""
    return base64.b64encode((await c.ca_certificate(id)).pem.encode()).decode()


READS: dict[str, Pair] = {
    "list": (lambda c, _: c.list()["dedicated_inferences"], lambda c, _: rows(c.list())),
    "get": (lambda c, id_: c.get(id_)["dedicated_inference"], lambda c, id_: c.get(id_)),
    "list_accelerators": (
        lambda c, id_: c.list_accelerators(id_)["accelerators"],
        lambda c, id_: rows(c.list_accelerators(id_)),
    ),
    "get_accelerator": (
        lambda c, id_: c.get_accelerator(id_, their_first_accelerator(c, id_)),
        our_first,
    ),
    "get_ca": (lambda c, id_: c.get_ca(id_)["cert"], our_ca),
    "list_tokens": (
        lambda c, id_: c.list_tokens(id_)["tokens"],
        lambda c, id_: rows(c.list_tokens(id_)),
    ),
    "list_sizes": (lambda c, _: c.list_sizes(), lambda c, _: c.sizes()),
    "get_gpu_model_config": (
        lambda c, _: c.get_gpu_model_config()["gpu_model_configs"],
        lambda c, _: our_configs(c),
    ),
}


@pytest.mark.parametrize("name", sorted(READS))
async def test_both_read_the_same(tls_emulator: Emulator, theirs: Any, name: str) -> None:
    """Each key of pydo's response has the same value on our model."""
    id = theirs.create(body())["dedicated_inference"]["id"]
    settle(theirs, id)
    pydos, read = READS[name]
    async with ours(tls_emulator) as client:
        assert_same(pydos(theirs, id), await read(client.dedicated_inferences, id))


@pytest.mark.parametrize("status", ["new", "provisioning", "updating", "deleting", "error"])
async def test_both_read_the_same_while_pending(
    tls_emulator: Emulator, theirs: Any, status: str
) -> None:
    """Pending specs, missing endpoints and unassigned accelerators included."""
    id = tls_emulator.add_instance(status=status, settles_in=1e9).id
    async with ours(tls_emulator) as client:
        read = await client.dedicated_inferences.get(id)
    assert_same(theirs.get(id)["dedicated_inference"], read)


async def test_ours_waits_for_a_create_by_pydo(tls_emulator: Emulator, theirs: Any) -> None:
    """Created with pydo, awaited by us, and read as active by pydo."""
    id = theirs.create(body())["dedicated_inference"]["id"]
    async with ours(tls_emulator) as client:
        di = await client.dedicated_inferences.wait_until_active(id, timeout=10)
    assert_same(theirs.get(id)["dedicated_inference"], di)


async def test_pydo_reads_a_create_by_ours(tls_emulator: Emulator, theirs: Any) -> None:
    """Created and awaited by us, read by pydo."""
    async with ours(tls_emulator) as client:
        di = await (await client.dedicated_inferences.create(SPEC)).wait()
    assert_same(theirs.get(di.id)["dedicated_inference"], di)


# --- all 13 operations, by their synchronous and their asynchronous client -------------------


def test_lifecycle_with_the_synchronous_client(tls_emulator: Emulator, theirs: Any) -> None:
    """All 13 operations have the status codes that pydo insists on."""
    made = theirs.create(body())
    id = made["dedicated_inference"]["id"]
    assert made["token"]["value"]
    version = settle(theirs, id)["spec"]["version"]
    assert [di["id"] for di in theirs.list()["dedicated_inferences"]] == [id]
    one = theirs.get_accelerator(id, their_first_accelerator(theirs, id))
    assert one["id"] == their_first_accelerator(theirs, id)
    assert theirs.get_ca(id)["cert"]
    assert theirs.list_sizes()["sizes"]
    assert theirs.get_gpu_model_config()["gpu_model_configs"]
    theirs.patch(id, body(name="renamed", version=version))
    assert settle(theirs, id)["spec"]["version"] == version + 1
    theirs.delete(id)
    while theirs.get(id).get("id") != GONE:
        pass
    assert not tls_emulator.truth(id).exists


def test_tokens_with_the_synchronous_client(tls_emulator: Emulator, theirs: Any) -> None:
    """A token is made, listed and revoked; pydo insists on 202 for its create."""
    id = tls_emulator.add_instance().id
    token = theirs.create_tokens(id, {"name": "mine"})["token"]
    assert token["value"]
    theirs.delete_tokens(id, token["id"])
    assert token["id"] not in [t["id"] for t in theirs.list_tokens(id)["tokens"]]


async def test_lifecycle_with_the_asynchronous_client(tls_emulator: Emulator, ca_file: str) -> None:
    """All 13 operations by `pydo.aio`, awaited by us where pydo has no waiter."""
    options: dict[str, Any] = {"endpoint": tls_emulator.url, "connection_verify": ca_file}
    async with ours(tls_emulator) as client, pydo.aio.Client(tls_emulator.token, **options) as c:
        di, api = c.dedicated_inferences, client.dedicated_inferences
        id = (await di.create(body()))["dedicated_inference"]["id"]
        read = await api.wait_until_active(id, timeout=10)
        assert_same((await di.get(id))["dedicated_inference"], read)
        assert_same((await di.list())["dedicated_inferences"], await rows(api.list()))
        accelerators = (await di.list_accelerators(id))["accelerators"]
        one = await di.get_accelerator(id, accelerators[0]["id"])
        assert_same(one, await api.get_accelerator(id, one["id"]))
        assert_same((await di.get_ca(id))["cert"], await our_ca(api, id))
        assert_same(await di.list_sizes(), await api.sizes())
        assert_same((await di.get_gpu_model_config())["gpu_model_configs"], await our_configs(api))
        assert read.spec is not None
        await di.patch(id, body(version=read.spec.version))
        await api.wait_until_active(id, timeout=10)
        await di.delete(id)
        await api.wait_until_deleted(id, timeout=10)
        assert (await di.get(id))["id"] == GONE


async def test_custom_models_and_catalog(tls_emulator: Emulator, ca_file: str) -> None:
    """Custom models and the model catalog, by `pydo.aio` and by us."""
    options: dict[str, Any] = {"endpoint": tls_emulator.url, "connection_verify": ca_file}
    async with ours(tls_emulator) as client, pydo.aio.Client(tls_emulator.token, **options) as c:
        source = {"repo_id": "acme/own-model"}
        made = await c.genai.import_custom_model({"name": "own", "source_ref": source})
        id = made["model"]["uuid"]
        model = await client.custom_models.wait_until_active(id, timeout=10)
        shown = (await c.genai.get_custom_model(id))["model"]
        assert (shown["status"], shown["name"]) == ("STATUS_READY", model.name)
        listed = await c.genai.list_custom_models(status="STATUS_READY")
        assert [row["uuid"] for row in listed["models"]] == [id]
        await c.genai.update_custom_model_metadata(id, {"description": "new"})
        assert (await client.custom_models.get(id)).description == "new"
        catalog = await c.genai.list_model_catalog(availability=["dedicated"])
        ours_too = await client.model_catalog().collect()
        assert [row["model_id"] for row in catalog["data"]] == [row.model_id for row in ours_too]
        await c.genai.delete_custom_model(id)
        assert (await c.genai.get_custom_model(id))["id"] == GONE
