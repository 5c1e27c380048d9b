"""What is passed in place of clients and changes is refused with what to do."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from di_async import (
    DigitalOcean,
    Fleet,
    Gcore,
    InvalidInputError,
    apply,
    as_completed,
    blocking,
    reap,
    scan,
    wait_all,
)

URL = "http://127.0.0.1:9"
ID = "11111111-1111-4111-8111-111111111111"
FLEET = Fleet.from_dict({"deployments": [{"provider": "digitalocean", "name": "web"}]})


async def create() -> None:
    """Stand for a create that was not awaited."""


async def completed(changes: Any) -> None:
    """Begin with `as_completed`, which raises."""
    as_completed(changes)


WAITS: dict[str, Callable[[Any], Any]] = {"wait_all": wait_all, "as_completed": completed}
SEARCHES: dict[str, Callable[..., Any]] = {
    "scan": scan,
    "reap": reap,
    "apply": lambda *clients: apply(FLEET, *clients),
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.parametrize("given", [lambda: [create()], lambda: [create(), create()], create])
async def test_forgotten_await(name: str, given: Callable[[], Any]) -> None:
    """The coroutines are closed: Python would warn, and warnings are errors here."""
    with pytest.raises(InvalidInputError, match=rf"{name}: expected .*not coroutine"):
        await WAITS[name](given())


@pytest.mark.parametrize("name", WAITS)
async def test_what_is_no_change(name: str) -> None:
    """Also one change without a list."""
    async with DigitalOcean("t", base_url=URL) as do:
        change = do.dedicated_inferences.begin_wait(ID)
        for wrong, said in {(ID,): "not str", (None,): "not NoneType", change: "a list of"}.items():
            with pytest.raises(InvalidInputError, match=f"{name}: expected .*{said}"):
                await WAITS[name](wrong)


@pytest.mark.parametrize("name", SEARCHES)
async def test_what_is_no_client(name: str) -> None:
    """The error says what is expected."""
    async with DigitalOcean("t", base_url=URL) as do:
        for wrong in (do.dedicated_inferences, FLEET, "do", None, DigitalOcean):
            kind = re.escape(type(wrong).__name__)
            expected = f"{name}: expected clients, not {kind}"
            with pytest.raises(InvalidInputError, match=expected):
                await SEARCHES[name](do, wrong)
        with pytest.raises(InvalidInputError, match="not coroutine; await it first"):
            await SEARCHES[name](create())


@pytest.mark.parametrize("name", ["scan", "reap"])
async def test_no_client(name: str) -> None:
    """An empty report would look like an empty account."""
    with pytest.raises(InvalidInputError, match=f"{name}: pass at least one client"):
        await SEARCHES[name]()


@pytest.mark.parametrize("wrong", [{"deployments": []}, None, "fleet.yaml"])
async def test_what_is_no_fleet(wrong: Any) -> None:
    """The error says how to make one."""
    async with DigitalOcean("t", base_url=URL) as do:
        with pytest.raises(InvalidInputError, match=r"expected a Fleet, .*Fleet\.from_dict"):
            await apply(wrong, do)


async def test_blocking_objects() -> None:
    """The error names the function for them."""
    with blocking.DigitalOcean("t", base_url=URL) as do:
        change: Any = do.dedicated_inferences.begin_wait(ID)
        with pytest.raises(InvalidInputError, match=r"call di_async\.blocking\.wait_all"):
            await wait_all([change])
        client: Any = do
        with pytest.raises(InvalidInputError, match=r"call di_async\.blocking\.scan"):
            await scan(client)


WRONG: dict[str, tuple[Callable[[DigitalOcean, Gcore, Any], Any], tuple[Any, ...]]] = {
    "regions": (lambda do, _, wrong: scan(do, regions=wrong), (1.5, object())),
    "on_progress": (lambda do, _, wrong: scan(do, on_progress=wrong), ("x", 5)),
    "status": (lambda do, _, wrong: do.custom_models.list(status=wrong), (5, ["ready"])),
    "connect_options": (
        lambda do, _, wrong: do.dedicated_inferences.temporary({}, connect_options=wrong),
        (5, b"x", [None]),
    ),
    "limit": (
        lambda _, gcore, wrong: gcore.inference_deployments.logs("web", limit=wrong),
        (0, -1, None, True, "5", 10**400),
    ),
    "offset": (
        lambda _, gcore, wrong: gcore.inference_deployments.logs("web", offset=wrong),
        (-1, None, "5", 1.5),
    ),
    "deployment_name": (
        lambda _, gcore, wrong: gcore.inference_deployments.update(wrong, {"image": "x"}),
        ("", None, 5),
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_values_of_the_wrong_kind(name: str) -> None:
    """No request is sent, and the error names the argument."""
    call, values = WRONG[name]
    async with (
        DigitalOcean("t", base_url=URL) as do,
        Gcore("1$t", project_id=1, base_url=URL) as gcore,
    ):
        for wrong in values:
            with pytest.raises(InvalidInputError, match=name):
                await call(do, gcore, wrong)


@pytest.mark.parametrize("wrong", [[], {}, None, 5, "keys"])
def test_secrets_key_of_the_wrong_kind(wrong: Any) -> None:
    """The error names the two keys."""
    with pytest.raises(InvalidInputError, match="'access_tokens' or 'secrets'"):
        DigitalOcean("t", secrets_key=wrong)
