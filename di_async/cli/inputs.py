"""Input of write commands: option values, spec files, tokens in the environment, output files."""

import errno
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import attrs
from attrs import frozen

from di_async import DIError, InvalidInputError
from di_async.core.text_input import stripped

__all__ = [
    "WaitTarget",
    "WriteOptions",
    "new_file",
    "provider_tokens",
    "read_spec",
    "read_text",
    "replace_file",
    "write_token",
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
    hf_token: Mapping[str, str] | None = None
    """Tokens of model providers, sent with the request."""
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

    return parse_text(read_text(file), source="stdin" if file == "-" else file)


def read_text(file: str) -> bytes:
    """Return the content of a file, or of stdin for "-".

    Raises:
        InvalidInputError: the file is unreadable.
    """
    from di_async.core.text_input import MAX_INPUT
    from di_async.engine.spec import read_file

    if file != "-":
        return read_file(file)
    if sys.stdin is None:
        raise InvalidInputError("stdin is closed: use a file")
    return sys.stdin.buffer.read(MAX_INPUT + 1)


def provider_tokens(*, hugging_face: bool) -> dict[str, str] | None:
    """Return the model providers' tokens to send, from the environment.

    Raises:
        InvalidInputError: a requested token is not set.
    """
    if not hugging_face:
        return None
    token = stripped(os.environ.get("HF_TOKEN", ""))
    if not token:
        raise InvalidInputError(
            "--hf-token needs the environment variable HF_TOKEN, which is unset"
        )
    return {"hugging_face_token": token}


@contextmanager
def new_file(path: Path | None) -> Iterator[TextIO | None]:
    """Create a file of mode 0600 before any request is sent; yield None without a path.

    The file is removed if nothing was written to it.

    Raises:
        InvalidInputError: the file exists, or cannot be created.
    """
    if path is None:
        yield None
        return
    path = path.expanduser()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidInputError(f"cannot create the file {path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    finally:
        if path.stat().st_size == 0:
            path.unlink()


@contextmanager
def replace_file(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that replaces the content of a file; it does nothing without a path.

    That a file can be created there is checked before any request is sent. Readers of the path see
    the old file or the new one, never a part.

    Raises:
        InvalidInputError: no file can be created there. DIError: it could not be written.
    """
    if path is None:
        yield lambda _: None
        return
    path = path.expanduser().resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")

    def write(text: str) -> None:
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise DIError(f"cannot write the file {path}: {error.strerror}") from error

    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        draft.touch(exist_ok=False)
    except OSError as error:
        raise InvalidInputError(f"cannot create the file {path}: {error.strerror}") from error
    try:
        yield write
    finally:
        draft.unlink(missing_ok=True)


def write_token(file: TextIO | None, token: str) -> str | None:
    """Write a one-time token to its file at once; return what failed, if the disk is full."""
    if file is None:
        return None
    data = f"{token}\n".encode()
    try:
        # Not through the file's buffer, which would fail a second time when it is closed.
        while data:
            data = data[os.write(file.fileno(), data) :]
        os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(file.fileno(), 0)
        return error.strerror or str(error)
    return None
