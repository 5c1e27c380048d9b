"""Helpers shared by the tests of the command line."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml
from attrs import frozen

from di_async.cli.output import Out
from di_async.cli.run import Cli
from di_async.cli.settings import Format, Settings
from di_async.cli.streams import OutputStream, Streams

HF_TOKEN = "hf_planted_0123456789"
MODEL = "mistral/mistral-7b-instruct-v3"
GATED = "meta-llama/Llama-3.1-8B-Instruct"
GPU = "gpu-mi300x1-192gb"
EASY = ("--name", "web", "--region", "atl1", "--model", MODEL, "--gpu", GPU)
ABSENT = "6e008c8d-505d-46ee-b011-5f7ec7595d69"
SPEC: dict[str, Any] = {
    "name": "web",
    "region": "atl1",
    "model_deployments": [{"model_slug": MODEL, "accelerators": [{"accelerator_slug": GPU}]}],
}


@frozen
class Result:
    """The exit code and output of a call of `di-async`."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout, parsed as one JSON document."""
        return json.loads(self.out)

    @property
    def yaml(self) -> Any:
        """Stdout, parsed as one YAML document."""
        return yaml.safe_load(self.out)


class Screen(io.StringIO):
    """An output stream that says whether it is a terminal."""

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def cli_with_stderr(err: Screen, settings: Settings | None = None) -> Cli:
    """Return the context of a command that prints a table to nobody, and messages to `err`."""
    streams = Streams(OutputStream(io.StringIO()), OutputStream(err))
    return Cli(settings or Settings(), Out(Format.TABLE, streams))


class Di(Protocol):
    """The type of the function that calls `di-async`."""

    def __call__(self, *args: str, input: str | None = None) -> Result: ...


@contextmanager
def start(
    *args: str, env: Mapping[str, str] = {}, **more: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Run `python -m di_async` with `env` as its only provider variables.

    The process is killed if the block raises, or after a minute.
    """
    ours = ("DI_ASYNC", "DIGITALOCEAN", "EXOSCALE", "GCORE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "di_async", *args],
        env={**kept, "PYTHONUNBUFFERED": "1", **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        except BaseException:
            process.kill()  # leaving the block waits for the process
            raise
        finally:
            watchdog.cancel()


def write_file(path: Path, text: str) -> str:
    """Write a text file and return its path."""
    path.write_text(text)
    return str(path)
