"""Tests of `connect` and `chat`, on all clouds."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from di_async.cli.endpoint_keys import VARIABLE
from di_async.emulator import Emulator
from di_async.emulator.cloud import openai as openai_endpoint
from di_async.emulator.cloud.http import ApiError, Response
from tests.cli.clouds import SOON, ProviderCLI
from tests.cli.helpers import Di, Result, write_file

PROVIDERS = ("digitalocean", "exoscale", "gcore", "gcore-v2")
TEXT = "Hello from the emulator."


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variable with the key."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture(params=PROVIDERS)
def cli(request: pytest.FixtureRequest, di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Return the command for each provider, with a deployment named `web`."""
    found = ProviderCLI(di, di_emulator, request.param)
    found.place("web-1")
    return found


def key_options(cli: ProviderCLI) -> tuple[str, ...]:
    """Return the options with which a key is known."""
    return ("--mint-token", "mine") if cli.provider == "digitalocean" else ()


def test_connect_prints_where_and_how(cli: ProviderCLI) -> None:
    """Base URL, models, whether a key is needed, and a command line that calls it."""
    result = cli("connect", "web-1", *key_options(cli))
    assert result.code == 0, result.err
    titles = [line.split()[0] for line in result.out.splitlines()]
    set_first = ["set"] * ("--mint-token" in key_options(cli))  # the lines below use the key
    assert titles == ["base", "models", "key", *set_first, "call", "chat"]
    found = cli("connect", "web-1", *key_options(cli), "-o", "json").json
    assert found["base_url"].endswith("/v1")
    assert found["models"]
    assert f"{found['base_url']}/chat/completions" in found["curl"]
    assert (f"${VARIABLE}" in found["curl"]) == found["needs_key"]


def test_chat_prints_the_answer(cli: ProviderCLI) -> None:
    """As text, or in a document."""
    result = cli("chat", "web-1", "Hi", *key_options(cli))
    assert (result.code, result.out) == (0, f"{TEXT}\n")
    assert cli("chat", "web-1", "Hi", *key_options(cli), "-o", "json").json["content"] == TEXT


def test_chat_reads_stdin(cli: ProviderCLI) -> None:
    """`-` stands for stdin; an empty message is refused."""
    assert cli("chat", "web-1", "-", *key_options(cli), input="Hi").out == f"{TEXT}\n"
    assert cli("chat", "web-1", "-", *key_options(cli), input=" ").code == 2


def test_an_unknown_model_is_refused_with_the_known_ones(cli: ProviderCLI) -> None:
    """A typing error costs nothing."""
    result = cli("chat", "web-1", "Hi", "--model", "nope", *key_options(cli))
    assert result.code == 2
    assert "it has " in result.err


def test_a_missing_key_is_explained_with_options(di: Di, di_emulator: Emulator) -> None:
    """The message names options and not parameters."""
    di_emulator.add_instance(name="web")
    result = di("connect", "web")
    assert result.code == 2
    assert f"use --access-token-file FILE or {VARIABLE}, or --mint-token NAME" in result.err


def test_the_key_comes_from_a_file_or_the_environment(
    di: Di, di_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is printed only with `--show-key`, or when it was created."""
    di_emulator.add_instance(name="web")
    minted = di("connect", "web", "--mint-token", "mine", "-o", "json").json["access_token"]
    file = write_file(tmp_path / "key", f"{minted}\n")
    result = di("connect", "web", "--access-token-file", file)
    assert result.code == 0, result.err
    assert minted not in result.out + result.err
    monkeypatch.setenv(VARIABLE, minted)
    assert di("connect", "web", "-o", "json").json["access_token"] is None
    assert minted in di("connect", "web", "--show-key").out
    monkeypatch.setenv(VARIABLE, "wrong")
    refused = di("connect", "web")
    assert refused.code == 1
    assert f"Check {VARIABLE} or --access-token-file" in refused.err


def test_a_file_of_several_lines_is_no_key(di: Di, tmp_path: Path) -> None:
    """It is refused before any request."""
    file = write_file(tmp_path / "key", "one\ntwo\n")
    assert "must hold the key in one line" in di("connect", "w", "--access-token-file", file).err
    result = di("connect", "w", "--access-token-file", file, "--mint-token", "mine")
    assert result.code == 2


def test_the_private_endpoint(di: Di, di_emulator: Emulator) -> None:
    """`--private` trusts the deployment's own CA alone."""
    di_emulator.add_instance(name="web")
    result = di("connect", "web", "--private", "--mint-token", "mine")
    assert result.code == 0, result.err
    assert "--cacert CA.pem" in result.out
    assert "Write CA.pem with: di-async ca web > CA.pem" in result.err


def test_chat_without_the_extra(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how to install it; no request was sent."""
    monkeypatch.setitem(sys.modules, "openai", None)
    result = di("chat", "web", "Hi")
    assert result.code == 2
    assert "pip install 'di-async[openai]'" in result.err
    assert not di_emulator.world.requests


def test_connect_waits_and_shows_the_steps(cli: ProviderCLI) -> None:
    """A deployment that is not active yet is waited for, with lines on stderr."""
    cli.place("late-1", settles_in=SOON)
    result = cli("connect", "late-1", *key_options(cli))
    assert result.code == 0, result.err
    assert "answering: " in result.err.splitlines()[-1]


def test_a_key_that_was_created_is_not_lost(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the endpoint does not answer, `connect` prints the key; `chat` prints it always."""
    di_emulator.add_instance(name="web")
    chatted = di("chat", "web", "Hi", "--mint-token", "first")
    assert (chatted.code, chatted.out) == (0, f"{TEXT}\n")
    assert "created the key 'first': di_" in chatted.err

    def refuse(*_: object) -> None:
        raise ApiError(401, "no")

    monkeypatch.setattr(openai_endpoint, "_answer", refuse)
    refused = di("connect", "web", "--mint-token", "second")
    assert refused.code == 1
    assert "created the key 'second': di_" in refused.err


def chatted(di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, body: bytes) -> Result:
    """Return what `chat` does when the endpoint answers with this."""
    id = di_emulator.add_instance().id
    answer = Response(200, {"content-type": "text/event-stream"}, chunks=(body,))
    monkeypatch.setattr(openai_endpoint, "_stream", lambda *_, **__: answer)
    return di("chat", id, "Hi", "--mint-token", "mine")


@pytest.mark.parametrize(
    "body",
    [
        b"data: 5\n\n",
        b'data: {"error": {"message": "CUDA out of memory"}}\n\n',
        b"<html>log in</html>",
        b"",
    ],
)
def test_what_is_not_an_answer_is_an_error(
    body: bytes, di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported as the endpoint's, and not as a defect of the command."""
    result = chatted(di, di_emulator, monkeypatch, body)
    assert (result.code, result.out) == (1, "")
    assert "the answer is not valid: " in result.err
    assert "bug" not in result.err


def test_a_stream_that_was_cut_off(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came is printed, and a warning."""
    body = b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n'
    result = chatted(di, di_emulator, monkeypatch, body)
    assert (result.code, result.out) == (0, "Hel\n")
    assert "may be cut off" in result.err
    result = chatted(di, di_emulator, monkeypatch, body + b"data: [DONE]\n\n")
    assert "may be cut off" not in result.err


@pytest.mark.parametrize("delta", [{"tool_calls": [{"index": 0}]}, {"reasoning": "Hm"}, {}])
def test_an_answer_without_text(
    delta: object, di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a success that says why nothing is printed."""
    choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
    body = f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode()
    result = chatted(di, di_emulator, monkeypatch, body)
    assert (result.code, result.out) == (0, "\n")
    assert "warning: the answer holds no text" in result.err


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_the_sdk_cannot_use(
    proxy: str, di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported as what is wrong with the environment, and not as a defect."""
    monkeypatch.setenv("HTTP_PROXY", proxy)  # which requests to the API do not use
    result = chatted(di, di_emulator, monkeypatch, b"")
    assert (result.code, result.out) == (1, "")
    assert "cannot use this environment's proxy" in result.err
    assert "bug" not in result.err


def test_a_connection_error_says_why(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason of the HTTP library is in the message."""
    monkeypatch.setenv("OPENAI_ORG_ID", "two\nlines")
    result = chatted(di, di_emulator, monkeypatch, b"")
    assert result.code == 1
    assert "Connection error: Illegal header value" in result.err


def test_a_server_that_does_not_stream(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is printed."""
    body = b'{"choices": [{"index": 0, "message": {"content": "Hello"}}]}'
    result = chatted(di, di_emulator, monkeypatch, body)
    assert (result.code, result.out) == (0, "Hello\n")
    assert "cut off" not in result.err


def test_names_of_models_are_quoted_in_the_command_line(
    di: Di, di_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server cannot add to the body, or to the shell's command line."""
    di_emulator.add_instance(name="web")
    name = """x", "n": 2, 'y' $(id)"""
    monkeypatch.setattr(openai_endpoint, "_model", lambda *_: {"id": name})
    monkeypatch.setattr(openai_endpoint, "_served_name", lambda *_: name)
    found = di("connect", "web", "--mint-token", "mine", "-o", "json").json
    words = shlex.split(found["curl"])
    body = json.loads(words[words.index("-d") + 1])
    assert list(body) == ["model", "messages"]
    assert body["model"] == name


def test_chat_reads_stdin_as_specs_are_read(environment: dict[str, str]) -> None:
    """A stdin that is closed, unreadable or not text is a usage error that names it."""
    for redirect in ("<&-", "0>/dev/null", "< <(printf '\\200a')"):
        done = subprocess.run(  # noqa: S603 - our own command
            ["/bin/bash", "-c", f"{shlex.quote(sys.executable)} -m di_async chat web - {redirect}"],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "stdin" in done.stderr
