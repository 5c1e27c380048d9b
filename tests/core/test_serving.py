"""Tests of what an endpoint shows: its URL, its models, a completion; and of its key."""

from itertools import islice
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from di_async import InvalidInputError, Secret
from di_async.core.errors import AuthenticationError, BadRequestError
from di_async.core.http import Request, Response
from di_async.core.secret import hidden
from di_async.core.serving import (
    ConnectOptions,
    NotServingYetError,
    NotYet,
    Refusal,
    ServingTarget,
    api_base,
    as_secret,
    chat_request,
    error_message,
    is_completion,
    judge_status,
    list_request,
    listed_models,
    pauses,
)

ASKED = Request("POST", "/chat/completions")


@pytest.mark.parametrize(
    "token", ["key", " key ", Secret("key"), Secret(" key "), SimpleNamespace(value=Secret("key"))]
)
def test_accepted(token: Any) -> None:
    """Text, a secret, or what created one; spaces around it are not part of it."""
    found = as_secret(token)
    assert found is not None
    assert found.reveal() == "key"


def test_none_is_none() -> None:
    """A connect without a key is valid."""
    assert as_secret(None) is None


@pytest.mark.parametrize("key", ["", " ", "key\n", "k\ney", "k\x00ey", "kéy"])
@pytest.mark.parametrize("wrap", [str, Secret, lambda key: SimpleNamespace(secret=Secret(key))])
def test_what_a_header_cannot_carry_is_refused(wrap: Any, key: str) -> None:
    """However it is passed; else each probe would fail until the timeout."""
    with pytest.raises(InvalidInputError, match="expected printable ASCII text"):
        as_secret(wrap(key))


@pytest.mark.parametrize("token", [5, b"key", ["key"], SimpleNamespace(value=None), Secret(5)])  # type: ignore[arg-type]
def test_other_kinds_are_refused(token: Any) -> None:
    """The error says what is expected."""
    with pytest.raises(InvalidInputError, match="expected text, a Secret, or a token with one"):
        as_secret(token)


@pytest.mark.parametrize("token", ["PLANTED", b"PLANTED", ["PLANTED"]])
def test_hidden_whatever_it_is(token: Any) -> None:
    """Also what will be refused."""
    assert "PLANTED" not in repr(hidden(token))


MESSAGE = '{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}'


@pytest.mark.parametrize(
    "body",
    [
        f'{{"choices": [{MESSAGE}]}}',
        f'{{"choices": [{MESSAGE}], "error": null}}',
        f'{{"choices": [{MESSAGE}, null]}}',
        '{"choices": [{"text": "Hi", "finish_reason": null}]}',
        '{"choices": [{"text": "Hi", "finish_reason": {"kind": "stop"}}]}',
        '{"choices": [{"message": {"content": null, "reasoning_content": "Hm"}}]}',
    ],
)
def test_completions(body: str) -> None:
    """A message or a text is a completion, even without content: one token may be a thought."""
    assert is_completion(Response(200, {}, body.encode()))


@pytest.mark.parametrize(
    "body",
    [
        "<html></html>",
        "[]",
        '{"choices": []}',
        '{"choices": [null]}',
        f'{{"choices": [null, {MESSAGE}]}}',
        '{"choices": [{}]}',
        '{"choices": "abc"}',
        '{"choices": {"0": {}}}',
        f'{{"choices": [{MESSAGE}], "error": {{"message": "out of memory"}}}}',
        '{"choices": [{"message": null, "finish_reason": "error"}]}',
        '{"choices": [{"message": {"content": ""}, "finish_reason": "abort"}]}',
    ],
)
def test_success_that_is_not_a_completion(body: str) -> None:
    """An error, an aborted completion or a page with status 200 does not prove that it answers."""
    assert not is_completion(Response(200, {}, body.encode()))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_answers_in_another_encoding(encoding: str) -> None:
    """A byte order mark hides neither models nor completions, as it hides no answer of an API."""
    models = Response(200, {}, '{"data": [{"id": "m"}]}'.encode(encoding))
    assert listed_models(models) == ("m",)
    assert is_completion(Response(200, {}, f'{{"choices": [{MESSAGE}]}}'.encode(encoding)))


def test_names_of_models_are_of_bounded_length() -> None:
    """A text longer than any name is not one; names are listed once, in their order."""
    rows = ",".join(f'{{"id": "{name}"}}' for name in ("b", "a", "b", "x" * 257, ""))
    answer = Response(200, {}, f'{{"data": [{rows}, {{"id": 5}}, null]}}'.encode())
    assert listed_models(answer) == ("b", "a")


@pytest.mark.parametrize(
    "url", ["h.test", " h.test ", "https://h.test/", "https://h.test/v1", "http://[::1]:8"]
)
def test_base_url_ends_in_v1(url: str) -> None:
    """A host name and a URL with or without a path are endpoints."""
    assert api_base(url).endswith("/v1")
    assert api_base(url).count("/v1") == 1


@pytest.mark.parametrize(
    "url",
    ["", "https://", "ftp://h", "https://h:99999", "https://h:x", "https://h?x=1", "https://h#x",
     "https://user:word@h", "https://[::1", " ", "https://a b", "https://a\nb", "https://a\tb"],
)  # fmt: skip
def test_other_texts_are_not_an_endpoint(url: str) -> None:
    """A port out of range, a query or a user in a URL: the API may show another one soon."""
    with pytest.raises(NotServingYetError, match="is not the URL of an endpoint") as caught:
        api_base(url)
    assert caught.value.transient
    assert "word" not in str(caught.value)


# --- requests and their answers ----------------------------------------------------------------


def test_requests() -> None:
    """The models are listed, and each is asked for one token."""
    assert (list_request().method, list_request().path) == ("GET", "/models")
    asked = chat_request("a/b")
    assert (asked.method, asked.path) == ("POST", "/chat/completions")
    assert orjson.loads(asked.body or b"") == {
        "model": "a/b",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
    }


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success(status: int) -> None:
    """Its body is judged elsewhere."""
    assert judge_status(ASKED, Response(status, {}, b"x"), None) is None


@pytest.mark.parametrize(
    "status", [100, 199, 300, 302, 399, 404, 408, 409, 410, 421, 425, 429, 500, 502, 503, 599]
)
def test_not_yet(status: int) -> None:
    """A model that is loading, or a gateway before it, answers with any of these."""
    answer = Response(status, {}, b'{"error": {"message": "loading"}}')
    assert judge_status(ASKED, answer, None) == NotYet(
        f"POST /chat/completions: {status} loading", status
    )
    empty = judge_status(ASKED, Response(status, {}, b""), None)
    assert empty == NotYet(f"POST /chat/completions: {status}", status)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 405, 406, 411, 422, 424, 426, 499])
def test_refusal(status: int) -> None:
    """It is sure if it has the form of an error."""
    for body, is_sure, text in (
        (b'{"detail": "no"}', True, "no"),
        (b"{}", True, "{}"),
        (b'"no"', False, "no"),
        (b"<html>", False, "<html>"),
        (b"", False, ""),
    ):
        found = judge_status(ASKED, Response(status, {}, body), None)
        assert isinstance(found, Refusal)
        assert (found.is_sure, found.error.message) == (is_sure, text)
        assert (found.error.status, found.error.method, found.error.path) == (
            status,
            "POST",
            "/chat/completions",
        )


def test_classes_of_refusals() -> None:
    """They are those of the status."""
    for status, kind in ((400, BadRequestError), (401, AuthenticationError)):
        found = judge_status(ASKED, Response(status, {}, b"{}"), None)
        assert isinstance(found, Refusal)
        assert isinstance(found.error, kind)


@pytest.mark.parametrize("key", [None, Secret("plain-word-key")])
def test_texts_of_refusals(key: Secret | None) -> None:
    """The key is masked, and a long text is cut."""
    found = judge_status(ASKED, Response(401, {}, b"no plain-word-key"), key)
    assert isinstance(found, Refusal)
    assert ("plain-word-key" in found.error.message) is (key is None)
    long = judge_status(ASKED, Response(400, {}, b"x " * 5000), key)
    assert isinstance(long, Refusal)
    assert len(long.error.message) < 600


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "no"}}, "no"),
        ({"error": "no"}, "no"),
        ({"message": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"error": {"detail": "no"}}, "no"),
        ({"message": {"detail": "no"}}, "no"),
        ({"error": {"message": {"detail": "no"}}}, "no"),
        ("no", "no"),
        ({"error": {"code": 5}}, None),
        ({"detail": ["no"]}, None),
        ({}, None),
        (None, None),
    ],
)
def test_messages_of_errors(body: Any, message: str | None) -> None:
    """The usual forms are read."""
    assert error_message(body) == message


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"data": [{"id": "a"}]}', ("a",)),
        (b'{"data": [{"id": "%s"}]}' % (b"x" * 256), ("x" * 256,)),
        (b'{"data": [{"id": "a"}, 5, {}]}', ("a",)),
        (b'{"data": {"id": "a"}}', ()),
        (b'{"data": null}', ()),
        (b'[{"id": "a"}]', ()),
        (b"<html>", ()),
    ],
)
def test_lists_of_models(body: bytes, names: tuple[str, ...]) -> None:
    """What is not a list of models has none."""
    assert listed_models(Response(200, {}, body)) == names


def test_pauses() -> None:
    """They begin short, and grow to the longest."""
    assert list(islice(pauses(), 6)) == [0.75, 1.125, 1.6875, 2.53125, 3.0, 3.0]
    assert list(islice(pauses(0.5), 3)) == [0.5, 0.5, 0.5]
    assert list(islice(pauses(1.0), 3)) == [0.75, 1.0, 1.0]


def test_defaults() -> None:
    """A connect is to the public endpoint, and a refusal is sure, unless something else is said."""
    assert ConnectOptions() == ConnectOptions(private=False, access_token=None, mint_token=None)
    target = ServingTarget(url="h")
    assert (target.access_token, target.ca_pem, target.note) == (None, None, None)
    assert "PEM" not in repr(ServingTarget(url="h", ca_pem="PEM"))
    assert Refusal(BadRequestError("no", status=400)).is_sure
    assert NotServingYetError("no").transient


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("h.test", "https://h.test/v1"),
        ("http://h.test/", "http://h.test/v1"),
        ("https://h.test/x/v1/", "https://h.test/x/v1"),
        ("https://h.test:65535", "https://h.test:65535/v1"),
    ],
)
def test_base_urls(url: str, base: str) -> None:
    """A scheme is added if there is none, and slashes at the end go."""
    assert api_base(url) == base
