"""From what a user typed to an id, and from options to a spec."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from di_async import DIError, DigitalOcean, InvalidInputError
from di_async.digitalocean.spec import parse_text

__all__ = ["HFToken", "SpecFile", "id_of", "provider_tokens", "read_spec"]

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


class UnknownNameError(DIError):
    """No instance bears that name, or not in this team."""


async def id_of(client: DigitalOcean, ref: str) -> str:
    """The id that is meant: `ref` itself, or that of the instance of this name.

    Raises:
        UnknownNameError: nothing is called so.
    """
    try:
        return str(UUID(ref))
    except ValueError:
        found = await client.dedicated_inferences.find(ref)
    if found is None:
        raise UnknownNameError(
            f"nothing is called {ref!r} in this team, and it is no id: `di-async list`"
        )
    return found.id


def read_spec(file: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping in a spec file (or stdin for "-") with these fields on top."""
    raw = dict(parse_text(_text(file), source="stdin" if file == "-" else file))
    if isinstance(raw.get("spec"), Mapping):
        return {**raw, "spec": {**raw["spec"], **changes}}
    return {**raw, **changes}


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
