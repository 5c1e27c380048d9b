"""Commands around deployments: secrets, tasks, flavors, quota."""

import os
from enum import StrEnum
from typing import Annotated, Any

import typer

from di_async import InvalidInputError, Secret
from di_async.cli.commands.report import finish_and_report
from di_async.cli.confirm import Force, confirm_delete
from di_async.cli.inputs import WriteOptions, read_spec
from di_async.cli.options import SpecFile
from di_async.cli.output import Column, format_time
from di_async.cli.providers import cloud_for
from di_async.cli.run import FAILED, Cli
from di_async.cli.settings import Provider
from di_async.cli.typer_commands import command, new_app, new_group
from di_async.core.text_input import stripped

__all__ = ["app"]


class TaskState(StrEnum):
    """Values of `tasks list --state`."""

    NEW = "NEW"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    ERROR = "ERROR"


_SECRETS: tuple[Column[Any], ...] = (
    Column("name", lambda secret: secret.name),
    Column("type", lambda secret: secret.type),
    Column("access key id", lambda s: s.data and s.data.aws_access_key_id),
)
_TASKS: tuple[Column[Any], ...] = (
    Column("id", lambda task: task.id),
    Column("state", lambda task: task.state, status=True),
    Column("type", lambda task: task.task_type),
    Column("created", lambda task: format_time(task.created_on)),
    Column("acknowledged", lambda task: format_time(task.acknowledged_at), wide=True),
    Column("error", lambda task: task.error, prose=True),
)
_FLAVORS: tuple[Column[Any], ...] = (
    Column("flavor", lambda flavor: flavor.name),
    Column("gpus", lambda flavor: flavor.gpu, right=True),
    Column("gpu", lambda flavor: flavor.gpu_model),
    Column("gpu GB", lambda flavor: flavor.gpu_memory, right=True),
    Column("cpus", lambda flavor: flavor.cpu, right=True, wide=True),
    Column("GB", lambda flavor: flavor.memory, right=True, wide=True),
)
_QUOTAS: tuple[Column[Any], ...] = (
    Column("quota", lambda row: row["quota"]),
    Column("limit", lambda row: row["limit"], right=True),
    Column("used", lambda row: row["usage"], right=True),
    Column("requested", lambda row: row["requested"], right=True),
    Column("fits", lambda row: "no" if row["exceeded"] else "yes"),
)
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]

app = new_app()
secrets = new_group("secrets", "Manage AWS credentials stored at Gcore, for SQS triggers.")
app.add_typer(secrets)
tasks = new_group("tasks", "Show the tasks that Gcore's writes start.")
app.add_typer(tasks)


# -- secrets ------------------------------------------------------------------------------------


@command(secrets, "list")
async def list_secrets(cli: Cli) -> None:
    """List the secrets, without the keys in them."""
    async with cloud_for(cli, "secrets") as cloud:
        found = [secret async for secret in cloud.client.secrets.list()]
    cli.rows(found, _SECRETS, none="no secrets")


@command(secrets, "create")
async def create_secret(cli: Cli, name: _Name) -> None:
    """Store the AWS credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

    The SQS trigger of a deployment names the secret in secret_name.
    """
    async with cloud_for(cli, "secrets") as cloud:
        made = await cli.finish(cloud.client.secrets.create(name, **_aws_credentials()))
        cli.out.record(made, _SECRETS)


@command(secrets, "get")
async def get_secret(cli: Cli, name: _Name) -> None:
    """Show a secret, without the key in it."""
    async with cloud_for(cli, "secrets") as cloud:
        cli.out.record(await cloud.client.secrets.get(name), _SECRETS)


@command(secrets, "replace")
async def replace_secret(cli: Cli, name: _Name) -> None:
    """Replace a secret with the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    async with cloud_for(cli, "secrets") as cloud:
        made = await cli.finish(cloud.client.secrets.replace(name, **_aws_credentials()))
        cli.out.record(made, _SECRETS)


def _confirm(name: str, *, force: bool) -> None:
    confirm_delete(f"the secret {name}", force=force)


@command(secrets, "delete", before=_confirm)
async def delete_secret(cli: Cli, name: _Name, force: Force = False) -> None:
    """Delete a secret permanently."""
    async with cloud_for(cli, "secrets") as cloud:
        deleting = cloud.client.secrets.delete(name)
        document = {"name": name, "deleted": True}
        await finish_and_report(cli, deleting, f"deleted {name}", document)


def _aws_credentials() -> dict[str, Any]:
    """Return the credentials in the environment, which a process list does not show.

    Raises:
        InvalidInputError: one is not set.
    """
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    id, key = (stripped(os.environ.get(name, "")) for name in names)
    if not id or not key:
        raise InvalidInputError(f"set {' and '.join(names)} to the credentials to store")
    return {"aws_access_key_id": id, "aws_secret_access_key": Secret(key)}


# -- tasks --------------------------------------------------------------------------------------


@command(tasks, "list")
async def list_tasks(
    cli: Cli,
    state: Annotated[
        TaskState | None, typer.Option(case_sensitive=False, help="Only those in this state.")
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="Also those that were acknowledged.")] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Number of tasks.")] = 50,
) -> None:
    """List tasks that were not acknowledged, the newest first."""
    async with cloud_for(cli, "tasks") as cloud:
        found = []
        known = cloud.client.tasks.list(state=state, is_acknowledged=None if all else False)
        async for task in known:
            found.append(task)
            if len(found) == limit:
                break
    cli.rows(found, _TASKS, none="no tasks")


@command(tasks, "get")
async def get_task(
    cli: Cli, id: Annotated[str, typer.Argument(metavar="ID", help="ID of the task.")]
) -> None:
    """Show one task."""
    async with cloud_for(cli, "tasks") as cloud:
        found = await cloud.client.tasks.get(id)
    cli.out.record(found, _TASKS)


@command(tasks)
async def acknowledge(
    cli: Cli,
    id: Annotated[
        str | None, typer.Argument(metavar="ID", help="ID of the task.", show_default=False)
    ] = None,
    all: Annotated[bool, typer.Option("--all", help="All finished tasks of the project.")] = False,
) -> None:
    """Mark one task, or all finished ones, as read."""
    if (id is None) != all:
        raise InvalidInputError("use `tasks acknowledge ID`, or `tasks acknowledge --all`")
    async with cloud_for(cli, "tasks") as cloud:
        tasks = cloud.client.tasks
        writing = tasks.acknowledge_all() if id is None else tasks.acknowledge(id)
        done = f"acknowledged {id or 'all finished tasks'}"
        await finish_and_report(cli, writing, done, {"id": id, "acknowledged": True})


# -- flavors, quota -----------------------------------------------------------------------------


@command(app)
async def flavors(cli: Cli) -> None:
    """List the flavors of Gcore. `hardware` shows their prices, and where there is room."""
    async with cloud_for(cli, "flavors") as cloud:
        found = await cloud.client.flavors()
    cli.out.rows(found, _FLAVORS)


@command(app)
async def quota(
    cli: Cli,
    spec: SpecFile = None,
    region: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Region of the deployment (Gcore).")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(metavar="FLAVOR", help="Flavor of the deployment (Gcore).")
    ] = None,
) -> None:
    """Show the account's quota (Exoscale, Gcore).

    Exoscale: the quota of public inference. Gcore: all quotas, and what a deployment would add; use
    --spec, or --region and --gpu for one replica. The exit code is 1 if it does not fit.
    """
    async with cloud_for(cli, "quota") as cloud:
        if cloud.provider is Provider.EXOSCALE:
            if spec or region or gpu:
                raise InvalidInputError("--spec, --region and --gpu are only for --provider gcore")
            found = await cloud.client.quota()
            limit = found.quota_uom_per_minute
            shown = "unlimited" if limit is None else limit
            cli.out.one(found, [("units per minute", shown)])
            return
        if spec is None and (region is None or gpu is None):
            raise InvalidInputError("use --spec FILE, or --region NUMBER and --gpu FLAVOR")
        body = read_spec(spec) if spec else {"image": "image", "listening_port": 80}
        options = WriteOptions(spec={"name": "name", **body}, region=region, gpu=gpu)
        uses = await cloud.client.inference_deployments.check_limits(cloud.create_spec(options))
    rows = [
        {
            "quota": name,
            "limit": use.limit,
            "usage": use.usage,
            "requested": use.requested,
            "exceeded": use.exceeded,
        }
        for name, use in uses.items()
    ]
    cli.out.rows(rows, _QUOTAS)
    if any(row["exceeded"] for row in rows):
        cli.message("the deployment does not fit into the quota")
        raise typer.Exit(FAILED)
