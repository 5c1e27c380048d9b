"""All commands: their names, summaries and modules, in the order of the help.

`CommandTable` imports a module when one of its commands is needed, so that `di-async --help` and
each command start at once. A summary is the first sentence of the command's docstring.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import typer

from di_async.cli.typer_commands import CommandGroup

__all__ = ["SECTIONS", "CommandTable", "Entry", "LazyGroup"]


class Entry(NamedTuple):
    """A command or a group of commands, and the module of `di_async.cli.commands` it is in."""

    name: str
    module: str
    summary: str


SECTIONS: Mapping[str, tuple[Entry, ...]] = {
    "Commands that read": (
        Entry("list", "reading", "List instances or deployments."),
        Entry("get", "reading", "Show one instance or deployment."),
        Entry("logs", "reading", "Show the log of a deployment (Exoscale, Gcore)."),
        Entry("accelerators", "reading", "List the GPUs of an instance (DigitalOcean)."),
        Entry("ca", "reading", "Show the CA certificate of an instance (DigitalOcean)."),
        Entry("sizes", "reading", "List GPU sizes with prices and regions (DigitalOcean)."),
        Entry("hardware", "reading", "List what can be deployed, where, and its hourly price."),
        Entry("models", "models", "List models that can be deployed, or manage one (Exoscale)."),
        Entry("catalog", "models", "List the model catalog (DigitalOcean)."),
        Entry("custom-models", "models", "Manage models imported by the team (DigitalOcean)."),
        Entry("scan", "scanning", "Scan all resources: counts, cost, changes in progress."),
        Entry("watch", "watching", "Show the status of one resource, or of all, as it changes."),
    ),
    "Commands that change": (
        Entry("create", "writing", "Create an instance or deployment."),
        Entry("update", "writing", "Update an instance or deployment."),
        Entry("scale", "writing", "Change the number of GPUs or replicas."),
        Entry("start", "writing", "Start a stopped deployment (Gcore)."),
        Entry("stop", "writing", "Stop a deployment without deleting it (Gcore)."),
        Entry("delete", "writing", "Delete an instance or deployment."),
        Entry("ensure", "ensuring", "Create or update the deployment of a spec, or do nothing."),
        Entry("apply", "applying", "Create and update the deployments of a fleet file."),
    ),
    "Commands that wait or use a deployment": (
        Entry("wait", "waiting", "Wait for a resource, or for all changes in progress."),
        Entry("connect", "serving", "Wait until a deployment answers; print how to call it."),
        Entry("chat", "serving", "Send one message to a deployment and print the answer."),
        Entry("tokens", "tokens", "Manage the access tokens of an endpoint (DigitalOcean)."),
    ),
    "Keys, secrets, tasks and quota": (
        Entry("keys", "keys", "Manage API keys of endpoints (Gcore, Exoscale)."),
        Entry("secrets", "account", "Manage AWS credentials stored at Gcore, for SQS triggers."),
        Entry("tasks", "account", "Show the tasks that Gcore's writes start."),
        Entry("flavors", "account", "List the flavors of Gcore."),
        Entry("quota", "account", "Show the account's quota (Exoscale, Gcore)."),
    ),
    "Temporary deployments": (
        Entry("run", "running", "Run a command with a temporary deployment."),
        Entry("reap", "reaping", "Delete expired temporary deployments, and nothing else."),
    ),
    "Without an account": (
        Entry("demo", "emulator", "Show the whole life cycle, without an account."),
        Entry("emulate", "emulator", "Run the emulator of the three APIs until Ctrl-C."),
    ),
}


class CommandTable(Mapping[str, Any]):
    """Commands of typer by name, those of a module made when one of them is needed."""

    def __init__(self) -> None:
        self._modules = {
            entry.name: entry.module for entries in SECTIONS.values() for entry in entries
        }

    def __getitem__(self, name: str) -> Any:
        return _commands(self._modules[name])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


@cache
def _commands(module: str) -> Mapping[str, Any]:
    """Return the commands of a module by name."""
    app = import_module(f"di_async.cli.commands.{module}").app
    return typer.main.get_group(app).commands


class LazyGroup(CommandGroup):
    """The group `di-async`. Its help imports no command."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands: Any = CommandTable()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(self.commands)

    def sections(self, ctx: Any) -> Mapping[str, list[tuple[str, str]]]:
        """Return names and summaries by section."""
        return {
            title: [(entry.name, entry.summary) for entry in entries]
            for title, entries in SECTIONS.items()
        }
