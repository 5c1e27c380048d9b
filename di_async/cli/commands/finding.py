"""From what a user typed to an id, and from options to a spec."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from di_async import DigitalOcean, InvalidInputError
from di_async.cli.clouds import OnDigitalOcean
from di_async.cli.run import Cli
from di_async.digitalocean.spec import parse_text

__all__ = ["HFToken", "SpecFile", "digitalocean_id", "provider_tokens", "read_spec"]

SpecFile = Annotated[
    str | None,
    typer.Option("--spec", metavar="FILE|-", help="The spec, JSON or YAML; '-' reads stdin."),
]
HFToken = Annotated[
    bool,
    typer.Option(
        "--hf-token",
        help="Send the Hugging Face token in HF_TOKEN along; gated models need it.",
    ),
]


async def digitalocean_id(cli: Cli, client: DigitalOcean, ref: str) -> str:
    """The id that is meant, for the commands that only DigitalOcean has."""
    return await OnDigitalOcean(client, cli.settings).id_of(ref)


def read_spec(file: str) -> Mapping[str, Any]:
    """The mapping in a spec file, or in stdin for "-"."""
    return parse_text(_text(file), source="stdin" if file == "-" else file)


def _text(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read the spec file {file}: {error.strerror}") from error


def provider_tokens(*, hugging_face: bool) -> dict[str, str] | None:
    """The provider tokens to send along.

    Raises:
        InvalidInputError: asked for, and not in the environment.
    """
    if not hugging_face:
        return None
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise InvalidInputError("--hf-token: the environment has no HF_TOKEN")
    return {"hugging_face_token": token}
