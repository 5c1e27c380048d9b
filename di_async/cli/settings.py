"""The shared options as values: which cloud, with whose credentials, told how."""

import os
import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from attrs import field, frozen

from di_async import InvalidInputError, Secret
from di_async.cli.output import Format

__all__ = ["Credential", "Provider", "Settings", "read_credentials"]


class Provider(StrEnum):
    """The clouds that `--provider` can name."""

    DIGITALOCEAN = "digitalocean"
    EXOSCALE = "exoscale"
    GCORE = "gcore"
    GCORE_V2 = "gcore-v2"


@frozen(kw_only=True)
class Settings:
    """The shared options; None where the cloud's own default holds."""

    output: Format = Format.TABLE
    provider: Provider = Provider.DIGITALOCEAN
    zone: str | None = None
    project: str | None = None
    base_url: str | None = None
    token_file: Path | None = None
    target_lag: float = 5.0
    verbose: int = 0
    debug: bool = False
    by_hand: frozenset[str] = field(factory=frozenset)
    """Those of these that were given as options, rather than by the environment."""

    def line(self, *words: str) -> str:
        """A command line that does this at the same cloud, to be copied."""
        aim = [] if self.provider is Provider.DIGITALOCEAN else ["--provider", str(self.provider)]
        if self.provider is Provider.EXOSCALE and self.zone:
            aim += ["--zone", self.zone]
        if self.provider is Provider.GCORE and self.project:
            aim += ["--project", self.project]
        return shlex.join(["di-async", *aim, *words])


@frozen
class Credential:
    """One secret that a cloud asks for, and where it may stand."""

    what: str
    variables: tuple[str, ...]

    @property
    def found(self) -> str | None:
        """Its value in the environment."""
        return next(filter(None, map(os.environ.get, self.variables)), None)


def read_credentials(settings: Settings, *needed: Credential) -> list[Secret]:
    """These, from the lines of `--token-file`, else from the environment.

    Raises:
        InvalidInputError: the file cannot be read or has other lines, or a variable is not set.
    """
    if settings.token_file is not None:
        return _from_file(settings.token_file, needed)
    missing = [one for one in needed if not one.found]
    if missing:
        raise InvalidInputError(
            f"no {' and no '.join(one.what for one in missing)}: "
            f"set {' and '.join(one.variables[0] for one in missing)}, or name with --token-file "
            f"a file that holds {_lines(needed)}. "
            "Without an account: `di-async demo`, or `di-async emulate`"
        )
    return [Secret(one.found or "") for one in needed]


def _from_file(file: Path, needed: Sequence[Credential]) -> list[Secret]:
    try:
        lines = file.read_text().split()
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "not a text file"
        raise InvalidInputError(f"cannot read the token file {file}: {told}") from error
    if len(lines) != len(needed):
        raise InvalidInputError(
            f"the token file {file} must hold {_lines(needed)}; lines that it has: {len(lines)}"
        )
    return [Secret(line) for line in lines]


def _lines(needed: Sequence[Credential]) -> str:
    told = ", then the ".join(one.what for one in needed)
    return f"the {told}, a line each" if len(needed) > 1 else f"the {told}"
