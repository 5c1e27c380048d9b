"""Shared options as values: output format, provider, location, credentials, verbosity."""

import os
import re
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from di_async import InvalidInputError, Secret
from di_async.cli.numbers import number_fault
from di_async.core.text_input import decode_text, stripped

__all__ = [
    "MIN_TARGET_LAG",
    "Credential",
    "Format",
    "Provider",
    "Settings",
    "option_names",
    "read_credentials",
    "read_variables",
]

MIN_TARGET_LAG = 0.01

_ASSIGNMENT = re.compile(r"(export )?(DIGITALOCEAN|EXOSCALE|GCORE)_[A-Z_]+ *=")


class Format(StrEnum):
    """Output formats of stdout."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Provider(StrEnum):
    """Values of `--provider`."""

    DIGITALOCEAN = "digitalocean"
    EXOSCALE = "exoscale"
    GCORE = "gcore"
    GCORE_V2 = "gcore-v2"


@frozen(kw_only=True)
class Settings:
    """The shared options; None selects the provider's default."""

    output: Format = Format.TABLE
    provider: Provider = Provider.DIGITALOCEAN
    zone: str | None = None
    project: str | None = None
    base_url: str | None = None
    token_file: Path | None = None
    by_environment: bool = False
    """The command reads the credentials of several providers, and has no `token_file`."""
    target_lag: float = 5.0
    verbose: int = 0
    debug: bool = False
    explicit_options: frozenset[str] = field(factory=frozenset)
    """Options given on the command line; those from the environment are not included."""
    variables: Mapping[str, str] = field(factory=dict)
    """The environment variables that options were read from, by the options' names."""

    def command_line(self, *words: str) -> str:
        """Return a `di-async` command line for the same provider, zone and project."""
        options: list[str] = []
        if self.provider is not Provider.DIGITALOCEAN:
            options += ["--provider", str(self.provider)]
        if self.provider is Provider.EXOSCALE and self.zone:
            options += ["--zone", self.zone]
        if self.provider is Provider.GCORE and self.project:
            options += ["--project", self.project]
        return shlex.join(["di-async", *options, *words])


def option_names(names: Iterable[str]) -> list[str]:
    """Return fields of `Settings` or `WriteOptions` as the command line names them, sorted."""
    return [f"--{name.replace('_', '-')}" for name in sorted(names)]


_VARIABLES = {
    "provider": ("DI_ASYNC_PROVIDER",),
    "zone": ("EXOSCALE_ZONE",),
    # As in `gcore.client`, whose import would slow down `--help`.
    "project": ("GCORE_CLOUD_PROJECT_ID", "GCORE_CLOUD_PROJECT"),
    "target_lag": ("DI_ASYNC_TARGET_LAG",),
}


def read_variables(*, unless: Container[str] = ()) -> Settings:
    """Return the settings that the environment chooses, without blanks and quotes around them.

    `unless`: these options were given, and their variables are not read.

    Raises:
        InvalidInputError: a value is not one of its option; the message names the variable.
    """
    values: dict[str, Any] = {}
    variables = {}
    for option, names in _VARIABLES.items():
        found = ((name, stripped(os.environ.get(name, ""))) for name in names)
        name, value = next(((n, v) for n, v in found if v), ("", ""))
        if value and option not in unless:
            values[option], variables[option] = _parsed(option, name, value), name
    return Settings(**values, variables=variables)


def _parsed(option: str, name: str, value: str) -> Any:
    if option == "provider":
        if value not in set(Provider):
            raise InvalidInputError(f"{name}: {value!r} is not one of {', '.join(Provider)}")
        return Provider(value)
    if option == "target_lag":
        fault = number_fault(value, duration=True)
        if fault is None and float(value) < MIN_TARGET_LAG:
            fault = f"expected {MIN_TARGET_LAG} seconds or more, not {value!r}"
        if fault is not None:
            raise InvalidInputError(f"{name}: {fault}")
        return float(value)
    return value


@frozen
class Credential:
    """One secret that a provider requires, and the environment variables that may hold it."""

    label: str
    variables: tuple[str, ...]

    @property
    def value(self) -> str | None:
        """The value in the environment."""
        return self.variable and stripped(os.environ[self.variable])

    @property
    def variable(self) -> str | None:
        """The variable that has the value."""
        names = (name for name in self.variables if stripped(os.environ.get(name, "")))
        return next(names, None)


def read_credentials(settings: Settings, *required: Credential) -> list[Secret]:
    """Read the credentials from `--token-file`, or from the environment without that option.

    Raises:
        InvalidInputError: the file is unreadable or has a wrong line count, or a variable is
            not set.
    """
    if settings.token_file is not None:
        return _read_file(settings.token_file, required)
    missing = [one for one in required if not one.value]
    if missing:
        from_file = f", or use --token-file with a file that holds {_expected_lines(required)}"
        if settings.by_environment:
            from_file = ""
        raise InvalidInputError(
            f"no {' and no '.join(one.label for one in missing)}: "
            f"set {' and '.join(one.variables[0] for one in missing)}{from_file}. "
            "Without an account, try `di-async demo` or `di-async emulate`"
        )
    from di_async.engine.environment import checked_secret

    return [checked_secret(one.value or "", one.variable or "") for one in required]


def _read_file(file: Path, required: Sequence[Credential]) -> list[Secret]:
    from di_async.engine.files import read_file

    source = f"the token file {file}"
    text = decode_text(read_file(file, "token file"), source=source)
    lines = [line for line in map(stripped, text.splitlines()) if line]
    if len(lines) != len(required):
        raise InvalidInputError(
            f"{source} must hold {_expected_lines(required)}; "
            f"it has {len(lines)} line{'s' * (len(lines) != 1)}"
        )
    if any(_ASSIGNMENT.match(line) for line in lines):
        raise InvalidInputError(f"{source} holds NAME=value; leave only the value on each line")
    from di_async.engine.environment import checked_secret

    return [checked_secret(line, source) for line in lines]


def _expected_lines(required: Sequence[Credential]) -> str:
    labels = ", then the ".join(one.label for one in required)
    return f"the {labels}, one per line" if len(required) > 1 else f"the {labels}"
