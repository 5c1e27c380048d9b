"""Input of write commands: option values, spec files, tokens in the environment."""

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs
from attrs import frozen

from di_async import InvalidInputError, Secret
from di_async.core.text_input import stripped

__all__ = [
    "WaitTarget",
    "WriteOptions",
    "read_hf_token",
    "read_input",
    "read_spec",
]


class WaitTarget(StrEnum):
    """Values of `wait --for`."""

    ACTIVE = "active"
    DELETED = "deleted"


@frozen(kw_only=True)
class WriteOptions:
    """Options of `create`, `update` and `scale`, by option name; None where not given."""

    spec: Mapping[str, Any] | None = None
    """The content of the spec file."""
    name: str | None = None
    region: str | None = None
    model: str | None = None
    gpu: str | None = None
    type: str | None = None
    scale: int | None = None
    vpc: str | None = None
    public: bool | None = None
    hf_token: Secret | None = None
    """The Hugging Face token, sent with the request."""
    open_to_world: bool | None = None
    ready_timeout: float | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that have a value."""
        fields = attrs.fields(WriteOptions)
        return frozenset(a.name for a in fields if getattr(self, a.name) is not None)


def read_spec(file: str) -> Mapping[str, Any]:
    """Read the mapping in a JSON or YAML spec file, or in stdin for "-".

    Raises:
        InvalidInputError: the file is unreadable, or not a mapping.
    """
    from di_async.engine.spec import parse_text

    return parse_text(read_input(file, "spec file"), source="stdin" if file == "-" else file)


def read_input(file: str, what: str) -> bytes:
    """Return the content of a file, which messages call `what`, or of stdin for "-".

    Raises:
        InvalidInputError: it is unreadable.
    """
    from di_async.core.text_input import MAX_INPUT
    from di_async.engine.files import read_file

    if file != "-":
        return read_file(file, what)
    if sys.stdin is None:
        raise InvalidInputError("stdin is closed, so there is nothing to read for '-'")
    try:
        return sys.stdin.buffer.read(MAX_INPUT + 1)
    except OSError as error:
        raise InvalidInputError(f"cannot read stdin: {error.strerror or error}") from error


def read_hf_token(*, wanted: bool) -> Secret | None:
    """Return the Hugging Face token in the environment; None if it is not wanted.

    Raises:
        InvalidInputError: it is not set, or cannot be a token.
    """
    if not wanted:
        return None
    token = stripped(os.environ.get("HF_TOKEN", ""))
    if not token:
        raise InvalidInputError(
            "--hf-token needs the environment variable HF_TOKEN, which is unset"
        )
    from di_async.engine.environment import checked_secret

    return checked_secret(token, "HF_TOKEN")
