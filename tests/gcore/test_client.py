"""How a client is made, and what it complains of."""

import logging
import traceback

import pytest

from di_async import InvalidInputError, NotFoundError, RequestBudget, Secret
from di_async.gcore import Gcore
from tests.builders.gcore import HIDDEN, ID, a_deployment, an_instance
from tests.fake_network import FakeNetwork, answer
from tests.gcore.helpers import KEY, V3, routed

pytestmark = pytest.mark.looptime(noop_cycles=1)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that says nothing."""
    for name in ("GCORE_API_KEY", "GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def test_no_key() -> None:
    """Told at construction, with the variable to set."""
    with pytest.raises(InvalidInputError, match="GCORE_API_KEY"):
        Gcore()


def test_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the single quotes that it needs in some files."""
    monkeypatch.setenv("GCORE_API_KEY", f"'{KEY}'")
    assert Gcore().project_id is None


@pytest.mark.parametrize("name", ["GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"])
def test_project_from_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under either name; what is given wins."""
    monkeypatch.setenv(name, "7")
    assert Gcore(KEY).project_id == 7
    assert Gcore(KEY, 8).project_id == 8


@pytest.mark.parametrize("project", ["", "default", "-1", 0, "4 2", "../42", True])
def test_no_project(project: int | str) -> None:
    """A project is a number: it stands in paths."""
    with pytest.raises(InvalidInputError, match="project_id"):
        Gcore(KEY, project)


def test_base_url_in_the_clear() -> None:
    """The key is not sent without TLS."""
    with pytest.raises(InvalidInputError):
        Gcore(KEY, base_url="http://api.gcore.com")


def test_gentle_budget() -> None:
    """Ours, as Gcore documents none; another one, or none, may be given."""
    budgets = [
        client._engine.budget  # noqa: SLF001 - not told anywhere else before it is entered
        for client in (
            Gcore(KEY),
            Gcore(KEY, budget=None),
            Gcore(KEY, budget=RequestBudget(per_minute=5, per_hour=50)),
        )
    ]
    assert budgets[0] is not None
    assert (budgets[0].per_minute, budgets[0].per_hour) == (120, 3600)
    assert budgets[1] is None
    assert budgets[2] is not None
    assert budgets[2].per_minute == 5


async def test_v3_without_a_project() -> None:
    """It says what is missing, before anything is sent; v2 does without."""
    network = FakeNetwork({f"GET /cloud/v2/inference/deployments/{ID}": answer(200, an_instance())})
    async with Gcore(KEY, transport=network) as client:
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            await client.inference_deployments.get("web")
        with pytest.raises(InvalidInputError, match="GCORE_CLOUD_PROJECT_ID"):
            client.inference_deployments.list()
        assert (await client.inference_instances.get(ID)).id == ID
    assert len(network.requests) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "check_limits"])
async def test_names_that_are_other_endpoints(name: str) -> None:
    """They never get into a path."""
    async with routed({}) as (client, network):
        with pytest.raises(InvalidInputError):
            await client.inference_deployments.get(name)
    assert network.requests == []


async def test_names_are_quoted() -> None:
    """A name stays one part of the path."""
    async with routed({f"GET {V3}/a%2Fb": answer(200, a_deployment(name="a/b"))}) as (client, _):
        assert (await client.inference_deployments.get("a/b")).name == "a/b"


async def test_key_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a repr, nor in a log, nor in an error."""
    caplog.set_level(logging.DEBUG)
    key = f"77${HIDDEN}"
    echo = answer(404, {"exception_class": "NotFoundError", "message": f"APIKey {key}"})
    network = FakeNetwork({f"GET {V3}/web": echo})
    async with Gcore(Secret(key), 42, transport=network) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.inference_deployments.get("web")
    told = "".join(traceback.format_exception(caught.value))
    assert HIDDEN not in f"{client!r} {caplog.text} {told} {vars(caught.value)}"
