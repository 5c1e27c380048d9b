"""Models: downloaded from Hugging Face, awaited and deleted."""

import pytest

from di_async import (
    APIError,
    DeploymentFailedError,
    InvalidInputError,
    OutcomeUnknownError,
    Secret,
    TransportError,
)
from tests.builders.exoscale import EARLY, ID, MODEL, listed, operation, problem
from tests.exoscale.helpers import VIRTUAL, body, scripted, sent
from tests.fake_network import answer

pytestmark = VIRTUAL
MODELS = "/v2/ai/model"
TOKEN = "hf_" + "abc123" * 5


def a_model(state: str = "ready", **fields: object) -> dict[str, object]:
    """Return a model as the API shows it."""
    return {"id": ID, "name": MODEL, "state": state, "model-size": 7, "created-at": EARLY} | fields


async def test_list_and_find_all() -> None:
    """All models of a name are returned; names are not unique."""
    rows = a_model(), a_model(id="b"), a_model(id="c", name="other/model")
    async with scripted(listed(*rows, key="models"), listed(*rows, key="models")) as (client, net):
        assert [model.id async for model in client.models.list()] == [ID, "b", "c"]
        assert [model.id for model in await client.models.find_all(MODEL)] == [ID, "b"]
    assert sent(net) == [f"GET {MODELS}"] * 2


async def test_get() -> None:
    """A model is read by its id."""
    async with scripted(answer(200, a_model())) as (client, network):
        assert (await client.models.get(ID)).model_size == 7
    assert sent(network) == [f"GET {MODELS}/{ID}"]


async def test_create_waits_until_it_is_ready() -> None:
    """`created` and `downloading` do not settle the change."""
    states = "created", "downloading", "ready"
    steps = [answer(200, a_model(state)) for state in states]
    pending, done = answer(200, operation()), answer(200, operation("success"))
    async with scripted(pending, done, *steps) as (client, network):
        found = await (await client.models.create(MODEL)).wait()
    assert found.state == "ready"
    assert body(network.requests[0]) == {"name": MODEL}
    assert network.left == []


@pytest.mark.parametrize("token", [TOKEN, Secret(TOKEN)])
async def test_create_with_a_token(token: str | Secret, caplog: pytest.LogCaptureFixture) -> None:
    """The token is sent, and no repr or log shows it."""
    caplog.set_level("DEBUG")
    refused = answer(403, {"code": "forbidden_operation", "error": f"{TOKEN} is not allowed"})
    async with scripted(answer(200, operation()), refused) as (client, network):
        change = await client.models.create(MODEL, huggingface_token=token)
        with pytest.raises(APIError) as caught:
            await client.models.create(MODEL, huggingface_token=token)
    assert body(network.requests[0]) == {"name": MODEL, "huggingface-token": TOKEN}
    texts = f"{change!r}{vars(change)}{change.resume_token}{caught.value!r}{caught.value}"
    assert TOKEN not in texts + repr(vars(caught.value)) + caplog.text


async def test_failure_that_echoes_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """A token in an operation's message is masked in error and log."""
    caplog.set_level("DEBUG")
    failed = operation("failure", reason="forbidden", message=f"the hub refused {TOKEN}")
    async with scripted(answer(200, operation()), answer(200, failed)) as (client, _):
        change = await client.models.create(MODEL, huggingface_token=TOKEN)
        with pytest.raises(DeploymentFailedError, match=r"the hub refused \*+") as caught:
            await change.wait()
    texts = f"{caught.value}{vars(caught.value)}{change.history}{change.latest}"
    assert TOKEN not in texts + caplog.text


async def test_create_that_fails() -> None:
    """A model in `error` fails the change."""
    async with scripted(answer(200, operation("success")), answer(200, a_model("error"))) as (c, _):
        with pytest.raises(DeploymentFailedError, match="state error"):
            await (await c.models.create(MODEL)).wait()


async def test_lost_create_is_not_sent_again() -> None:
    """The create is not sent again; models of that name are candidates."""
    young = a_model(**{"created-at": "2099-01-01T00:00:00Z"})
    lost = TransportError("reset")
    async with scripted(lost, *[listed(young, key="models")] * 3) as (client, network):
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.models.create(MODEL)
    assert [model.id for model in caught.value.candidates] == [ID]
    assert sent(network) == [f"POST {MODELS}", *[f"GET {MODELS}"] * 3]


@pytest.mark.parametrize("name", ["", " "])
async def test_no_name(name: str) -> None:
    """An empty name is rejected before a request is sent."""
    async with scripted() as (client, network):
        with pytest.raises(InvalidInputError, match="name"):
            await client.models.create(name)
    assert network.requests == []


async def test_delete() -> None:
    """A delete settles after its operation, with a 404."""
    steps = answer(200, operation()), answer(200, operation("success")), problem(404)
    async with scripted(*steps) as (client, network):
        await (await client.models.delete(ID)).wait()
    assert sent(network)[0] == f"DELETE {MODELS}/{ID}"
    assert network.left == []


async def test_delete_of_one_in_use() -> None:
    """Deleting a model in use raises an error that names the deployments."""
    async with scripted(answer(412, {"deployments": ["web"]})) as (client, _):
        with pytest.raises(APIError, match="in use by the deployments web") as caught:
            await client.models.delete(ID)
    assert caught.value.status == 412


async def test_capabilities() -> None:
    """Models do not show what was sent."""
    async with scripted() as (client, _):
        assert client.models.capabilities.shows_sent is False
        assert client.deployments.capabilities.shows_sent is True
        assert client.deployments.capabilities.busy_status == 409
        assert client.deployments.capabilities.unique_names is False
