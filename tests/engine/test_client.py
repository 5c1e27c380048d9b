"""Tests of the client: entered once, bound to a loop and a thread, and closed completely."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest

from di_async import (
    ClientClosedError,
    DecodeError,
    DigitalOcean,
    InvalidInputError,
    NotFoundError,
    RequestBudget,
    Secret,
    WaitTimeoutError,
)
from di_async.core.http import Priority, Request, Response
from di_async.core.responses import any_body
from di_async.core.waiting.observation import Action, Expectation
from di_async.core.waiting.resource_adapter import CallRecord
from di_async.core.waiting.resume_token import ResourceRef, ResumeToken
from di_async.engine.client import Client
from di_async.engine.client_options import full_user_agent
from di_async.engine.engine import Engine
from di_async.engine.environment import credential
from tests.engine.support import Fleet, PlainDialect, Thing, in_turn, plain_client, plain_engine
from tests.fake_network import FakeNetwork, Step, answer
from tests.support import VIRTUAL

URL = "https://api.test"
LOOPBACK = "http://127.0.0.1:9"


def a_client(*steps: Step) -> Client:
    """Return a client of the minimal provider, not entered."""
    return Client(URL, plain_engine(FakeNetwork(steps)))


# --- entering and leaving ----------------------------------------------------------------------


def test_client_is_built_without_a_loop() -> None:
    """A client can be constructed without a running loop."""
    assert repr(a_client()) == f"<Client {URL}>"


async def test_client_that_was_not_entered() -> None:
    """A client that was not entered raises an error that says how to enter it."""
    with pytest.raises(RuntimeError, match="Enter the client first"):
        await a_client().request("GET", "/x")


async def test_client_is_entered_once() -> None:
    """A client can be entered neither twice at a time nor again after leaving."""
    client = a_client()
    async with client:
        with pytest.raises(RuntimeError, match="entered once"):
            await client.__aenter__()
    with pytest.raises(RuntimeError, match="entered once"):
        await client.__aenter__()


async def test_closed_client_raises() -> None:
    """A closed client raises `ClientClosedError`; closing twice does nothing."""
    async with plain_client(FakeNetwork([])) as client:
        await client.aclose()
        with pytest.raises(ClientClosedError):
            await client.request("GET", "/x")
        await client.aclose()


async def test_client_closed_before_it_was_entered_stays_closed() -> None:
    """A client can be closed without having been entered, and stays closed."""
    client = a_client()
    await client.aclose()
    with pytest.raises(ClientClosedError):
        await client.request("GET", "/x")


def test_client_of_one_asyncio_run_is_refused_in_a_second() -> None:
    """A client is rejected in a second loop; a new client works there."""
    client = a_client(answer())

    async def enter() -> None:
        await client.__aenter__()

    async def use() -> None:
        with pytest.raises(RuntimeError, match="event loop"):
            await client.request("GET", "/x")

    async def enter_new_client() -> Any:
        async with plain_client(FakeNetwork([answer(200, {"ok": 1})])) as client:
            return await client.request("GET", "/x")

    # One worker thread, so that the main thread's own loop is left alone.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, enter()).result()
        thread.submit(asyncio.run, use()).result()
        assert thread.submit(asyncio.run, enter_new_client()).result() == {"ok": 1}


async def test_client_is_refused_in_another_thread() -> None:
    """A client is rejected in another thread, with or without a loop there."""
    async with plain_client(FakeNetwork([answer()])) as client:
        found: list[BaseException] = []

        def use_in_thread() -> None:
            try:
                asyncio.run(client.request("GET", "/x"))
            except RuntimeError as error:
                found.append(error)

        thread = threading.Thread(target=use_in_thread)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "event loop (and thread)" in str(found[0])


def entering(budget: RequestBudget, inside: Callable[[], object] = int) -> Coroutine[Any, Any, Any]:
    """Return a coroutine that enters a client with this budget, and calls `inside` there."""

    async def enter() -> object:
        async with DigitalOcean("t", base_url=LOOPBACK, budget=budget):
            return inside()

    return enter()


def in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns on a loop of another thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def test_budget_is_refused_while_another_running_loop_uses_it() -> None:
    """A budget, which has no lock, cannot be shared by threads; the loops may take turns."""
    budget = RequestBudget()
    with pytest.raises(InvalidInputError, match="another event loop"):
        in_thread(entering(budget, lambda: in_thread(entering(budget))))
    in_thread(entering(budget))
    in_thread(entering(budget))


def test_budget_of_a_loop_that_ended_without_closing_its_client() -> None:
    """A budget can be used again after a loop that ended without closing its client."""
    budget = RequestBudget()
    client = Client(URL, plain_engine(FakeNetwork([]), budget=budget))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, client.__aenter__()).result()
    in_thread(entering(budget))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_budget_in_a_forked_child() -> None:
    """In a forked child, the loops of the parent's threads do not count."""
    budget = RequestBudget()

    def fork() -> int:
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        status = 1
        try:
            in_thread(entering(budget))
            status = 0
        finally:
            os._exit(status)

    assert in_thread(entering(budget, fork)) == 0


async def test_client_that_could_not_be_entered() -> None:
    """A client whose entering failed is closed, and its budget is free."""
    budget = RequestBudget()
    client = DigitalOcean("t", base_url="https://api.test", budget=budget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
        with pytest.raises(InvalidInputError, match="socks5"):
            await client.__aenter__()
    with pytest.raises(ClientClosedError, match="The client is closed"):
        await client.dedicated_inferences.get("one")
    await client.aclose()
    await asyncio.to_thread(in_thread, entering(budget))


async def test_engine_without_a_running_loop_is_refused() -> None:
    """An engine without a running loop raises a clear error."""
    async with plain_client(FakeNetwork([])) as client:
        with pytest.raises(RuntimeError, match="create one client for each loop"):
            await asyncio.to_thread(lambda: client._engine.running)  # noqa: SLF001


async def test_entering_and_leaving_may_happen_in_different_tasks() -> None:
    """A client may be entered and left in different tasks, as pytest fixtures do."""
    client = a_client(answer(200, {"ok": 1}))
    await asyncio.create_task(client.__aenter__())
    assert await asyncio.create_task(client.request("GET", "/x")) == {"ok": 1}
    await asyncio.create_task(client.aclose())


@VIRTUAL
async def test_leaving_ends_open_waits_and_calls() -> None:
    """Leaving ends open waits and calls with `ClientClosedError`."""
    fleet = Fleet(in_turn(Thing("new")))
    async with plain_client(FakeNetwork([answer(503), answer()])) as client:
        expectation = Expectation(action=Action.ACTIVE, accepted_at=0.0)
        change = client._engine.change(fleet.adapter, "a", expectation)  # noqa: SLF001
        wait = asyncio.create_task(change.wait())
        call = asyncio.create_task(client.request("GET", "/x"))
        await asyncio.sleep(0.1)
    for task in (wait, call):
        with pytest.raises(ClientClosedError):
            await task


# --- request() ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("x", "//host/x", "/x?a=1", "/x#a", "", "https://else.test/x"),
        *("/v2/../x", "/v2/x/..", "/./x", "/v2/%2e%2E/x", "/v2/.%2e", "/.."),
    ],
)
async def test_invalid_path_is_rejected(path: str) -> None:
    """A path starts with one slash, and holds no query and no dot segments, encoded or not."""
    transport = FakeNetwork([answer()])
    async with plain_client(transport) as client:
        with pytest.raises(InvalidInputError, match="path"):
            await client.request("GET", path)
    assert transport.requests == []


async def test_dots_in_names() -> None:
    """Only whole segments of one or two dots have a meaning of their own."""
    transport = FakeNetwork([answer(), answer()])
    async with plain_client(transport) as client:
        for path in ("/v2/...", "/v2/a..b/.c"):
            await client.request("GET", path)
    assert [request.path for request in transport.requests] == ["/v2/...", "/v2/a..b/.c"]


async def test_request_reaches_any_endpoint() -> None:
    """`request` sends method, query and body unchanged and decodes the response."""
    transport = FakeNetwork([answer(200, [1])])
    async with plain_client(transport) as client:
        payload = await client.request("post", "/v2/tags", params={"a": True}, json={"name": "x"})
    assert payload == [1]
    assert transport.requests == [Request("POST", "/v2/tags", (("a", "true"),), b'{"name":"x"}')]


@pytest.mark.parametrize("body", [b"", b" \n"])
async def test_answer_without_a_body_is_none(body: bytes) -> None:
    """A response without a body is None."""
    async with plain_client(FakeNetwork([Response(204, {}, body)])) as client:
        assert await client.request("DELETE", "/x") is None


async def test_decode_error_has_the_request() -> None:
    """A decode error has method, path, status and request id."""
    html = Response(200, {"x-request-id": "r1"}, b"<html>")
    async with plain_client(FakeNetwork([html] * 4)) as client:
        with pytest.raises(DecodeError) as caught:
            await client.request("GET", "/x")
    error = caught.value
    attributes = (error.method, error.path, error.status, error.request_id)
    assert attributes == ("GET", "/x", 200, "r1")


async def test_errors_of_the_api_come_through() -> None:
    """`request` raises the same API errors as other calls."""
    async with plain_client(FakeNetwork([answer(404)])) as client:
        with pytest.raises(NotFoundError):
            await client.request("GET", "/x")


async def test_read_of_the_poller_is_decoded() -> None:
    """A poller's read is decoded and sent in a single attempt."""
    async with plain_client(FakeNetwork([answer(200, {"a": 1})])) as client:
        call, engine = CallRecord(), client._engine  # noqa: SLF001
        payload = await engine.json_once(Request("GET", "/x"), any_body, Priority.SCHEDULED, call)
    assert (payload, call.requests) == ({"a": 1}, 1)


# --- resuming ----------------------------------------------------------------------------------


def token(**fields: Any) -> str:
    """Return a resume token of the minimal provider."""
    payload: dict[str, Any] = {
        "provider": "none",
        "base_url": URL,
        "resource": ResourceRef("thing", "id-1"),
        "action": "create",
        "started_at": 1e9,
    }
    return ResumeToken(**{**payload, **fields}).encode()


@VIRTUAL
async def test_resumed_change_sends_no_request_until_awaited() -> None:
    """A resumed change sends no request until it is awaited; `elapsed` counts from the write."""
    fleet = Fleet(in_turn(Thing("new")))
    async with plain_client(FakeNetwork([])) as client:
        change = client._engine.resume(fleet.adapter, token())  # noqa: SLF001
        assert (change.id, change.action, change.initial) == ("id-1", "create", None)
        assert fleet.reads == []
        with pytest.raises(WaitTimeoutError) as caught:
            await change.wait(timeout=1)
    assert caught.value.elapsed > 1e6


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "another"},
        {"base_url": "https://evil.test"},
        {"scope": "zone"},
        {"resource": ResourceRef("task", "id-1")},
    ],
)
async def test_token_of_another_api_is_refused(fields: dict[str, Any]) -> None:
    """A token of another URL is rejected, and that URL is never contacted."""
    fleet = Fleet(in_turn(Thing("new")))
    async with plain_client(FakeNetwork([])) as client:
        with pytest.raises(InvalidInputError, match="this resume token is for"):
            client._engine.resume(fleet.adapter, token(**fields))  # noqa: SLF001


# --- credentials -------------------------------------------------------------------------------


def test_explicit_token_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit token, as text or as a secret, overrides the environment."""
    monkeypatch.setenv("FIRST", "env")
    assert credential("given", "token", "FIRST").reveal() == "given"
    assert credential(Secret("given"), "token", "FIRST").reveal() == "given"


def test_environment_variables_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are tried in order; empty ones are skipped, white space and quotes stripped."""
    monkeypatch.setenv("FIRST", "")
    monkeypatch.setenv("SECOND", " 'second' \n")
    assert credential(None, "token", "FIRST", "SECOND").reveal() == "second"


@pytest.mark.parametrize("token", [None, "", "  ", Secret("")])
def test_missing_token_names_the_variables(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or empty token raises a `ValueError` that names the variables."""
    monkeypatch.delenv("FIRST", raising=False)
    with pytest.raises(ValueError, match="no token: pass it, or set FIRST or SECOND"):
        credential(token, "token", "FIRST", "SECOND")


@pytest.mark.parametrize("token", ["a b", "a\nb", "tökén", "a\x00"])
def test_token_with_invalid_characters_is_rejected(token: str) -> None:
    """A token with invalid characters is rejected by a message that does not show it."""
    with pytest.raises(InvalidInputError) as caught:
        credential(token, "token")
    assert token not in str(caught.value)


def test_token_with_invalid_characters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable that holds the token, or the token, and what to do."""
    monkeypatch.setenv("SECOND", "a b")
    with pytest.raises(InvalidInputError, match=r"^SECOND holds blanks.*; copy it again"):
        credential(None, "token", "FIRST", "SECOND")
    with pytest.raises(InvalidInputError, match=r"^the token holds blanks"):
        credential("a b", "token", "FIRST", "SECOND")


def test_user_agent_ends_with_di_async() -> None:
    """The user agent ends with di_async's, after the caller's."""
    ours = full_user_agent(None)
    assert ours == f"di_async/{version('di-async')}"
    assert full_user_agent("mine/1") == f"mine/1 {ours}"


@pytest.mark.parametrize("name", ["retry", "polling", "budget"])
def test_setting_of_another_type_is_refused(name: str) -> None:
    """At construction, with the type that is expected."""
    with pytest.raises(ValueError, match=rf"{name}: expected a "):
        Engine.make("https://api.test", PlainDialect(), **{name: {"x": 1}})  # type: ignore[arg-type]
