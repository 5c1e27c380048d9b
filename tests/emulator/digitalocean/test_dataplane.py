"""The data plane of an instance."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from di_async.emulator import Lifecycle

from ..helpers import MODEL, NOW, ApiClient, a_spec  # noqa: TID252

Make = Callable[..., ApiClient]
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello?"}]


def with_token(api: ApiClient) -> tuple[str, str]:
    """Return a new instance's id and access token."""
    made = api.request("POST", "", {"spec": a_spec()}).json
    return made["dedicated_inference"]["id"], made["token"]["value"]


def events(chunks: tuple[bytes, ...]) -> list[Any]:
    """Return the events of a stream without its end mark."""
    assert chunks[-1] == b"data: [DONE]\n\n"
    return [orjson.loads(chunk.removeprefix(b"data: ")) for chunk in chunks[:-1]]


def test_endpoint_is_503_until_the_create_has_settled(api: ApiClient) -> None:
    """The token is valid at once, the model not ready before the create settles."""
    _, token = with_token(api)
    assert api.request_dataplane("GET", "/health", token).status == 503
    api.now += 600
    assert api.request_dataplane("GET", "/health", token).status == 200


def test_ready_lag_keeps_the_endpoint_at_503_after_active(make_api: Make) -> None:
    """With `ready_lag` the weights are still loading after `active`."""
    api = make_api(lifecycle=Lifecycle(create=600, ready_lag=20))
    id, token = with_token(api)
    api.now += 619
    assert (api.status(id), api.request_dataplane("GET", "/health", token).status) == (
        "active",
        503,
    )
    api.now += 1
    assert api.request_dataplane("GET", "/health", token).status == 200


def test_account_token_and_revoked_token_are_401(api: ApiClient) -> None:
    """Only valid tokens of the instance are accepted."""
    placed = api.world.add_instance(now=NOW)
    token = api.world.add_token(placed.id)
    assert api.request_dataplane("GET", "/v1/models", token.value).status == 200
    api.request("DELETE", f"/{placed.id}/tokens/{token.id}")
    refused = [
        api.request_dataplane("GET", "/v1/models", t) for t in (token.value, api.world.token)
    ]
    assert [reply.status for reply in refused] == [401, 401]
    assert refused[0].json["error"]["message"] == "Unauthorized"


def test_token_is_invalid_once_its_instance_is_deleted(api: ApiClient) -> None:
    """After the deletion the token is 401."""
    placed = api.world.add_instance(now=NOW)
    token = api.world.add_token(placed.id).value
    api.request("DELETE", f"/{placed.id}")
    assert api.request_dataplane("GET", "/health", token).status == 200
    api.now += 60
    assert api.request_dataplane("GET", "/health", token).status == 401


def test_failed_instance_is_503(api: ApiClient) -> None:
    """An instance in `error` does not serve."""
    placed = api.world.add_instance(now=NOW)
    token = api.world.add_token(placed.id).value
    api.world.fault("error", id=placed.id)
    assert api.request_dataplane("GET", "/v1/models", token).status == 503


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
    api: ApiClient, method: str, path: str, body: object, status: int
) -> None:
    """Unknown models and paths are 404, incomplete bodies 400."""
    token = api.world.add_token(api.world.add_instance(now=NOW).id).value
    assert api.request_dataplane(method, path, token, body).status == status


@pytest.mark.parametrize("usage", [True, False])
def test_stream_ends_with_done_and_optional_usage(api: ApiClient, usage: bool) -> None:
    """A stream has deltas, one finish, usage only with include_usage, and the end mark."""
    token = api.world.add_token(api.world.add_instance(now=NOW).id).value
    options = {"stream": True, "stream_options": {"include_usage": usage}}
    body = {"model": MODEL, "messages": HELLO, **options}
    sent = events(api.request_dataplane("POST", CHAT, token, body).raw.chunks)
    deltas = [choice["delta"] for event in sent for choice in event["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "Hello from the emulator."
    assert [event for event in sent if event["choices"]][-1]["choices"][0][
        "finish_reason"
    ] == "stop"
    assert ("usage" in sent[-1]) is usage
