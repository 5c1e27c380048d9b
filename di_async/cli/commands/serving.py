"""Commands that call an endpoint: connect, chat."""

import json
import shlex
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import DecodeError, DIError, InvalidInputError
from di_async.cli.commands.report import document_of_failure
from di_async.cli.endpoint_keys import VARIABLE, connect_options
from di_async.cli.inputs import read_input
from di_async.cli.options import AccessTokenFile, MintToken, Private, Ref, Timeout
from di_async.cli.run import Cli
from di_async.cli.settings import Provider
from di_async.cli.typer_commands import command, new_app
from di_async.core.completion import CompletionReader
from di_async.core.printable import printable
from di_async.core.redaction import redact
from di_async.core.text_input import decode_text

_CA_FILE = "CA.pem"

if TYPE_CHECKING:
    from di_async.engine.endpoints.serving import ServingEndpoint

__all__ = ["app"]

app = new_app()


@command(app)
async def connect(
    cli: Cli,
    ref: Ref,
    access_token_file: AccessTokenFile = None,
    mint_token: MintToken = None,
    private: Private = False,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="Print the endpoint's key, too.")
    ] = False,
    timeout: Timeout = None,
) -> None:
    """Wait until a deployment answers; print how to call it.

    Prints its base URL, its models, and a command line for curl. DigitalOcean shows an
    endpoint's key only once: pass it, or use --mint-token, which creates and prints another.
    Exoscale reveals it. Gcore's is the secret of one of its API keys.
    """
    options = connect_options(access_token_file, private=private, mint_token=mint_token)
    endpoint = await _connect(cli, ref, options, timeout, show_minted=False)
    shown = show_key or mint_token is not None
    key = endpoint.access_token.reveal() if shown and endpoint.access_token else None
    document = {
        "id": endpoint.id,
        "base_url": endpoint.base_url,
        "models": list(endpoint.models),
        "needs_key": endpoint.access_token is not None,
        "access_token": key,
        "curl": _curl(endpoint),
    }
    fields = [
        ("base url", endpoint.base_url),
        ("models", ", ".join(endpoint.models)),
        ("key", key or ("needed" if endpoint.access_token else "not needed")),
        *([("set first", f"export {VARIABLE}={shlex.quote(key)}")] if key else []),
        ("call", _curl(endpoint)),
        (
            "chat",
            cli.settings.command_line("chat", ref, "Hello", *(["--private"] if private else [])),
        ),
    ]
    cli.out.one(document, fields, keep=mint_token is not None)
    if _CA_FILE in _tls_options(endpoint) and cli.settings.provider is Provider.DIGITALOCEAN:
        cli.message(f"Write {_CA_FILE} with: {cli.settings.command_line('ca', ref)} > {_CA_FILE}")


async def _connect(
    cli: Cli, ref: str, options: dict[str, Any], timeout: float | None, *, show_minted: bool
) -> "ServingEndpoint":
    """Return the endpoint once it answers.

    A key of --mint-token is created here and not by `Change.connect`, so that it is printed if
    the endpoint does not answer. `show_minted`: it is printed in any case.
    """
    from di_async.cli.progress import follow, follow_connect

    async with cli.cloud() as cloud:
        id = await cloud.resolve_id(ref)
        change = cloud.api.begin_wait(id)
        if timeout is not None:
            options = {**options, "timeout": timeout}
        if "mint_token" not in options or cloud.provider is not Provider.DIGITALOCEAN:
            with document_of_failure(cli, change):
                return await follow_connect(cli, change, **options)
        with document_of_failure(cli, change):
            await follow(cli, change, timeout=timeout)
        name, api = options.pop("mint_token"), cloud.client.dedicated_inferences
        key = (await cli.finish(api.create_token(id, name))).value
        is_known = False
        try:
            with document_of_failure(
                cli, change, lambda: {"access_token": key.reveal() if key else None}
            ):
                endpoint = await follow_connect(cli, change, **options, access_token=key)
            is_known = not show_minted
        finally:
            if key is not None and not is_known:
                cli.message(
                    f"created the key {name!r}: {key.reveal()}",
                    "Store it now: the API never returns it again.",
                    keep=True,
                )
        return endpoint


def _curl(endpoint: "ServingEndpoint") -> str:
    """Return a command line that asks the first model; the key is taken from a variable."""
    model = endpoint.models[0] if endpoint.models else "MODEL"
    messages = [{"role": "user", "content": "Hello"}]
    body = json.dumps({"model": model, "messages": messages})
    words = ["curl", *_tls_options(endpoint), f"{endpoint.base_url}/chat/completions"]
    words += ["-H", "Content-Type: application/json", "-d", body]
    line = shlex.join(words)
    return f'{line} -H "Authorization: Bearer ${VARIABLE}"' if endpoint.access_token else line


def _tls_options(endpoint: "ServingEndpoint") -> list[str]:
    import ssl

    context = endpoint.ssl_context
    if context is None:
        return []
    return ["-k"] if context.verify_mode is ssl.CERT_NONE else ["--cacert", _CA_FILE]


@command(app)
async def chat(
    cli: Cli,
    ref: Ref,
    prompt: Annotated[str, typer.Argument(metavar="TEXT|-", help="The message; '-' reads stdin.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which model, if there are several.")
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="A system message.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Length of the answer, at most.")
    ] = None,
    access_token_file: AccessTokenFile = None,
    mint_token: MintToken = None,
    private: Private = False,
    timeout: Timeout = None,
) -> None:
    """Send one message to a deployment and print the answer.

    The answer is printed as it arrives. Waits until the deployment lists its models. Needs `pip
    install 'di-async[openai]'`. For keys see `di-async connect --help`; the key that --mint-token
    creates is printed to stderr.
    """
    cli.stop_when_stdout_fails()
    text = decode_text(read_input("-", "message"), source="stdin") if prompt == "-" else prompt
    if not text.strip():
        raise InvalidInputError("the message is empty")
    try:
        import openai  # noqa: F401 - an extra
    except ModuleNotFoundError:
        raise InvalidInputError(
            "chat needs the openai package: pip install 'di-async[openai]'"
        ) from None
    options = connect_options(access_token_file, private=private, mint_token=mint_token)
    options["probe"] = "models"
    endpoint = await _connect(cli, ref, options, timeout, show_minted=True)
    if model is not None and model not in endpoint.models:
        raise InvalidInputError(
            f"--model: {ref} has no model {model!r}; it has {', '.join(endpoint.models)}"
        )
    messages = [{"role": "system", "content": system}] if system is not None else []
    body: dict[str, Any] = {
        "model": model or endpoint.models[0],
        "messages": [*messages, {"role": "user", "content": text}],
        **({} if max_tokens is None else {"max_tokens": max_tokens}),
    }
    answer, is_complete = await _ask(cli, endpoint, body)
    if not cli.out.is_table:
        cli.out.document({"id": endpoint.id, "model": body["model"], "content": answer})
    elif not answer.endswith("\n"):
        cli.streams.out.write("\n")
    if not answer:
        cli.message("warning: the answer holds no text")
    if not is_complete:
        cli.message("warning: the stream ended without an end marker; the answer may be cut off")


async def _ask(cli: Cli, endpoint: "ServingEndpoint", body: dict[str, Any]) -> tuple[str, bool]:
    """Print the answer as it comes; return it, and whether it is complete."""
    from di_async.engine.endpoints.serving import of_http_library

    parts, reader = list[str](), CompletionReader()
    try:
        async for part in _answer(endpoint, body, reader):
            parts.append(part)
            if cli.out.is_table:
                cli.streams.out.write(_shown(part))
                cli.streams.out.flush()
        if not parts and not reader.is_complete:
            raise DecodeError("it is empty")
    except Exception as error:
        is_invalid = isinstance(error, DecodeError)
        if not is_invalid and not of_http_library(error):
            raise
        # The SDK says "Connection error.", and the HTTP library why.
        reasons = [str(one).rstrip(".") for one in (error, error.__cause__) if one is not None]
        key = endpoint.access_token
        text = ": ".join(filter(None, reasons)) or type(error).__name__
        text = redact(text, [key.reveal()] if key else ())
        raise DIError(f"the answer is not valid: {text}" if is_invalid else text) from None
    return "".join(parts), reader.is_complete


async def _answer(
    endpoint: "ServingEndpoint", body: dict[str, Any], reader: CompletionReader
) -> AsyncIterator[str]:
    """Yield the parts of the answer; the SDK does not check what a server sends."""
    try:
        sdk = endpoint.openai()
    except Exception as error:  # of the SDK and of the HTTP library behind it
        raise DIError(f"the openai package cannot use this environment's proxy: {error}") from None
    async with sdk as llm:
        chat = llm.chat.completions.with_streaming_response
        async with chat.create(**body, stream=True) as response:
            async for chunk in response.iter_bytes():
                if text := reader.feed(chunk):
                    yield text
                if reader.is_over:
                    break
    if text := reader.end():
        yield text


def _shown(text: str) -> str:
    """Return a part of an answer for a terminal; only line breaks and tabs pass as they are."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
