"""Custom models and the model catalog, against the emulated DigitalOcean."""

import asyncio
from typing import Any

import pytest

from di_async import (
    DeploymentFailedError,
    DigitalOcean,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    WaitTimeoutError,
)
from di_async.digitalocean import ModelSource
from di_async.digitalocean.custom_models import CODEC, CustomModel
from di_async.emulator import Lifecycle, World
from tests.builders.digitalocean import a_spec
from tests.digitalocean.helpers import scripted_client
from tests.fake_network import TEN_MINUTES, EmulatorNetwork, answer
from tests.support import VIRTUAL

pytestmark = VIRTUAL

SOURCE = ModelSource(repo_id="acme/own-model")
IMPORT = "POST /v2/gen-ai/custom_models/import"


def a_client() -> tuple[DigitalOcean, World]:
    """Return a client of a new world, not entered yet."""
    world = World(seed=0, lifecycle=TEN_MINUTES)
    return DigitalOcean(world.token, transport=EmulatorNetwork(world)), world


async def test_lifecycle() -> None:
    """An import settles when it is ready; metadata changes at once; a deletion settles at 404."""
    client, _ = a_client()
    async with client:
        api = client.custom_models
        change = await api.import_model("own", source=SOURCE, tags=["prod"], description="x")
        assert change.initial.status == "importing"
        model = await change.wait()
        assert (model.status, model.tags, model.source_type) == ("ready", ("prod",), "huggingface")
        changed = await api.update_metadata(model.id, name="new", tags=[])
        assert (changed.name, changed.tags, changed.description) == ("new", (), "x")
        assert [row.id for row in await api.list(status="ready").collect()] == [model.id]
        assert await api.list(status="failed").collect() == []
        await (await api.delete(model.id)).wait()
        with pytest.raises(NotFoundError):
            await api.get(model.id)
        assert (await api.delete(model.id)).already_gone


async def test_unreadable_numbers_leave_the_model() -> None:
    """Numbers that only describe a model count as missing if they cannot be read."""
    junk = dict.fromkeys(("context_length", "file_count", "total_size_bytes"), "many")
    assert CODEC.structure({"uuid": "m", **junk}, CustomModel) == CustomModel(id="m")


async def test_failed_import() -> None:
    """A failed import raises with the API's own reason."""
    client, world = a_client()
    world.add_model("acme/gated-model", gated=True)
    async with client:
        for repo in ("acme/gated-model", "meta-llama/Llama-3.1-8B-Instruct"):
            source = ModelSource(repo_id=repo)
            change = await client.custom_models.import_model("llama", source=source)
            with pytest.raises(DeploymentFailedError, match="access to the repository was denied"):
                await change.wait()
        ok = await client.custom_models.import_model("llama", source=source, hf_token="hf_secret1")
        assert (await ok.wait()).status == "ready"


async def test_import_under_faults() -> None:
    """An import fails, never ends or fails after it was ready, as faults of writes say."""
    client, world = a_client()
    async with client:
        api = client.custom_models
        world.fault("error", on=IMPORT, message="the disk is full")
        with pytest.raises(DeploymentFailedError, match="the disk is full"):
            await (await api.import_model("own", source=SOURCE)).wait()
        world.fault("stuck", on=IMPORT)
        with pytest.raises(WaitTimeoutError):
            await (await api.import_model("own", source=SOURCE)).wait(timeout=7200)
        world.fault("regress", on=IMPORT, seconds=60)
        model = await (await api.import_model("own", source=SOURCE)).wait()
        assert model.status == "ready"
        await asyncio.sleep(60)
        assert (await api.get(model.id)).status == "failed"


async def test_import_takes_as_long_as_an_update() -> None:
    """The lifecycle of a world holds for imports, too."""
    world = World(seed=0, lifecycle=Lifecycle(update=30))
    async with DigitalOcean(world.token, transport=EmulatorNetwork(world)) as client:
        change = await client.custom_models.import_model("own", source=SOURCE)
        await change.wait()
        assert 30 <= change.elapsed < 40


async def test_lost_import() -> None:
    """An import whose response was lost is not sent again, and names what it may have made."""
    client, world = a_client()
    world.fault("reset", on=IMPORT, after_commit=True)
    async with client:
        with pytest.raises(OutcomeUnknownError, match="custom model 'own'") as unknown:
            await client.custom_models.import_model("own", source=SOURCE)
        assert [model.name for model in unknown.value.candidates] == ["own"]


async def test_bad_input() -> None:
    """A source that names nothing, tags in one text and an empty update are not sent."""
    client, _ = a_client()
    async with client:
        for source in (ModelSource(), "meta/llama", {"repo_id": "meta/llama"}, None):
            with pytest.raises(InvalidInputError, match="repo_id or a bucket"):
                await client.custom_models.import_model("own", source=source)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="tags: expected a list"):
            await client.custom_models.import_model("own", source=SOURCE, tags="prod")
        with pytest.raises(InvalidInputError, match="tags: expected a list"):
            await client.custom_models.update_metadata("id", tags="prod")
        with pytest.raises(InvalidInputError, match="nothing to update"):
            await client.custom_models.update_metadata("id")
        with pytest.raises(InvalidInputError, match="page_size"):
            client.custom_models.list(page_size=0)
        with pytest.raises(InvalidInputError, match="another endpoint"):
            await client.custom_models.get("import")


@pytest.mark.parametrize("status", ["STATUS_DELETED", "deleted"])
async def test_deleted_status_is_not_found(status: str) -> None:
    """A model that the API shows as deleted is gone."""
    shown = {"model": {"uuid": "m-1", "name": "own", "status": status}}
    async with scripted_client(answer(200, shown)) as (client, _):
        with pytest.raises(NotFoundError):
            await client.custom_models.get("m-1")


async def test_refused_deletion() -> None:
    """A deletion that the API answers as failed raises with its reason."""
    refusal = {"status": "DELETE_CUSTOM_MODEL_STATUS_FAIL", "error": "in use"}
    async with scripted_client(answer(200, refusal)) as (client, _):
        with pytest.raises(Exception, match="not deleted: in use"):
            await client.custom_models.delete("m-1")


@pytest.mark.parametrize("word", ["STATUS_READY", "READY", "ready"])
def test_status_words(word: str) -> None:
    """The prefix of status words does not matter."""
    assert CODEC.structure({"uuid": "m-1", "status": word}, CustomModel).status == "ready"


@pytest.mark.parametrize("tags", ["prod", ["prod"], {"tags": ["prod"]}, {"tags": "prod"}])
def test_forms_of_tags(tags: Any) -> None:
    """Tags may be nested, and a text is one tag."""
    assert CODEC.structure({"uuid": "m", "tags": tags}, CustomModel).tags == ("prod",)
    assert CODEC.structure({"uuid": "m", "tags": {"tags": None}}, CustomModel).tags == ()


async def test_catalog() -> None:
    """The catalog lists what can be deployed; a model that is added is in it."""
    client, world = a_client()
    world.add_model("acme/own-model", name="Own model", gpus=["gpu-h100x1-80gb"])
    async with client:
        listed = await client.model_catalog().collect()
        assert "acme/own-model" in {model.model_id for model in listed}
        (found,) = await client.model_catalog(search="own MODEL").collect()
        assert (found.name, found.availability) == ("Own model", ("dedicated",))
        assert await client.model_catalog(availability="serverless").collect() == []


async def test_any_model_can_be_deployed() -> None:
    """A model that is not listed is accepted by its slug, as the vendor's examples use some."""
    client, _ = a_client()
    async with client:
        spec = a_spec(model_slug="deepseek-r1-distill-qwen-14b")
        change = await client.dedicated_inferences.create(spec)
        found = await change.wait()
    assert found.spec is not None
    assert found.spec.model_deployments[0].model_slug == "deepseek-r1-distill-qwen-14b"
