"""An instance's own endpoint."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from di_async.emulator import Lifecycle

from ..helpers import MODEL, NOW, Desk, a_spec  # noqa: TID252

Make = Callable[..., Desk]
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello?"}]


def with_token(desk: Desk) -> tuple[str, str]:
    """A new instance's id and access token."""
    made = desk.ask("POST", "", {"spec": a_spec()}).json
    return made["dedicated_inference"]["id"], made["token"]["value"]


def events(chunks: tuple[bytes, ...]) -> list[Any]:
    """The events of a stream but its end mark."""
    assert chunks[-1] == b"data: [DONE]\n\n"
    return [orjson.loads(chunk.removeprefix(b"data: ")) for chunk in chunks[:-1]]


def test_endpoint_is_503_until_the_create_has_settled(desk: Desk) -> None:
    """The readiness race: the token works at once, the model does not."""
    _, token = with_token(desk)
    assert desk.ask_model("GET", "/health", token).status == 503
    desk.now += 600
    assert desk.ask_model("GET", "/health", token).status == 200


def test_ready_lag_keeps_the_endpoint_at_503_after_active(make_desk: Make) -> None:
    """Some seconds after `active` the weights are still loading."""
    desk = make_desk(lifecycle=Lifecycle(create=600, ready_lag=20))
    id, token = with_token(desk)
    desk.now += 619
    assert (desk.status(id), desk.ask_model("GET", "/health", token).status) == ("active", 503)
    desk.now += 1
    assert desk.ask_model("GET", "/health", token).status == 200


def test_account_token_and_revoked_token_are_401(desk: Desk) -> None:
    """Only the instance's own living tokens open it."""
    placed = desk.world.add_instance(now=NOW)
    token = desk.world.add_token(placed.id)
    assert desk.ask_model("GET", "/v1/models", token.value).status == 200
    desk.ask("DELETE", f"/{placed.id}/tokens/{token.id}")
    refused = [desk.ask_model("GET", "/v1/models", t) for t in (token.value, desk.world.token)]
    assert [reply.status for reply in refused] == [401, 401]
    assert refused[0].json["error"]["message"] == "Unauthorized"


def test_token_dies_with_its_instance(desk: Desk) -> None:
    """After the deletion the token opens nothing."""
    placed = desk.world.add_instance(now=NOW)
    token = desk.world.add_token(placed.id).value
    desk.ask("DELETE", f"/{placed.id}")
    assert desk.ask_model("GET", "/health", token).status == 200
    desk.now += 60
    assert desk.ask_model("GET", "/health", token).status == 401


def test_failed_instance_is_503(desk: Desk) -> None:
    """An instance in error serves nobody."""
    placed = desk.world.add_instance(now=NOW)
    token = desk.world.add_token(placed.id).value
    desk.world.fault("error", id=placed.id)
    assert desk.ask_model("GET", "/v1/models", token).status == 503


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nope", None, 404),
        ("POST", CHAT, {"model": "other", "messages": HELLO}, 404),
        ("POST", CHAT, {"model": MODEL}, 400),
        ("POST", "/v1/completions", {"model": MODEL}, 400),
        ("POST", CHAT, [], 400),
        ("POST", CHAT, {"model": MODEL, "messages": HELLO}, 200),
    ],
)
def test_requests_are_checked_as_by_an_openai_server(
    desk: Desk, method: str, path: str, body: object, status: int
) -> None:
    """Foreign models and paths are 404, incomplete bodies 400."""
    token = desk.world.add_token(desk.world.add_instance(now=NOW).id).value
    assert desk.ask_model(method, path, token, body).status == status


@pytest.mark.parametrize("usage", [True, False])
def test_stream_ends_with_done_and_usage_if_asked(desk: Desk, usage: bool) -> None:
    """Deltas, one finish, usage only with include_usage, and the end mark."""
    token = desk.world.add_token(desk.world.add_instance(now=NOW).id).value
    options = {"stream": True, "stream_options": {"include_usage": usage}}
    body = {"model": MODEL, "messages": HELLO, **options}
    told = events(desk.ask_model("POST", CHAT, token, body).raw.chunks)
    deltas = [choice["delta"] for event in told for choice in event["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "Hello from the emulator."
    assert [event for event in told if event["choices"]][-1]["choices"][0][
        "finish_reason"
    ] == "stop"
    assert ("usage" in told[-1]) is usage
