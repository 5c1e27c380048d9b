"""Options of the commands that call a deployment's endpoint: its key, and which endpoint."""

import os
from pathlib import Path
from typing import Any

from di_async import InvalidInputError
from di_async.core.text_input import decode_text, stripped

__all__ = ["VARIABLE", "connect_options"]

VARIABLE = "DI_ASYNC_ACCESS_TOKEN"


def connect_options(
    file: Path | None, *, private: bool = False, mint_token: str | None = None
) -> dict[str, Any]:
    """Return the arguments of `connect` for these options and the environment.

    Raises:
        InvalidInputError: the file is unreadable, or holds no key; or it cannot be one.
    """
    from di_async.engine.environment import checked_secret

    key = _read(file) if file is not None else stripped(os.environ.get(VARIABLE, ""))
    source = VARIABLE if file is None else f"the key file {file}"
    options: dict[str, Any] = {"access_token": checked_secret(key, source)} if key else {}
    if mint_token is not None:
        if file is not None:
            raise InvalidInputError("--mint-token cannot be combined with --access-token-file")
        options = {"mint_token": mint_token}
    return {**options, "private": True} if private else options


def _read(file: Path) -> str:
    from di_async.engine.files import read_file

    source = f"the key file {file}"
    key = stripped(decode_text(read_file(file, "key file"), source=source))
    if not key or len(key.splitlines()) != 1:
        raise InvalidInputError(f"{source} must hold the key in one line")
    return key
