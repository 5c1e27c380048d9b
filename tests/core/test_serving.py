"""Tests of what an endpoint shows: its URL, its models, a completion; and of its key."""

from types import SimpleNamespace
from typing import Any

import pytest

from di_async import InvalidInputError, Secret
from di_async.core.http import Response
from di_async.core.secret import hidden
from di_async.core.serving import api_base, as_secret, is_completion, listed_models


@pytest.mark.parametrize(
    "token", ["key", " key ", Secret("key"), Secret(" key "), SimpleNamespace(value=Secret("key"))]
)
def test_accepted(token: Any) -> None:
    """Text, a secret, or what created one; spaces around it are not part of it."""
    assert as_secret(token) == Secret("key")


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
        '{"choices": [{"text": "Hi", "finish_reason": null}]}',
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


def test_names_of_models_are_of_bounded_length() -> None:
    """A text longer than any name is not one; names are listed once, in their order."""
    rows = ",".join(f'{{"id": "{name}"}}' for name in ("b", "a", "b", "x" * 257, ""))
    answer = Response(200, {}, f'{{"data": [{rows}, {{"id": 5}}, null]}}'.encode())
    assert listed_models(answer) == ("b", "a")


@pytest.mark.parametrize(
    "url", ["h.test", "https://h.test/", "https://h.test/v1", "http://[::1]:8"]
)
def test_base_url_ends_in_v1(url: str) -> None:
    """A host name and a URL with or without a path are endpoints."""
    assert api_base(url).endswith("/v1")
    assert api_base(url).count("/v1") == 1


@pytest.mark.parametrize(
    "url",
    ["", "https://", "ftp://h", "https://h:99999", "https://h:x", "https://h?x=1", "https://h#x",
     "https://user:word@h", "https://[::1"],
)  # fmt: skip
def test_other_texts_are_not_an_endpoint(url: str) -> None:
    """A port out of range, a query or a user in a URL is an `InvalidInputError`."""
    with pytest.raises(InvalidInputError, match="is not the URL of an endpoint") as caught:
        api_base(url)
    assert "word" not in str(caught.value)
