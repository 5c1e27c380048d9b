"""Commands that change a resource: create, update, scale, start, stop, delete."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from di_async import InvalidInputError
from di_async.cli.commands.report import Report, report_stored
from di_async.cli.confirm import Force, confirm_delete
from di_async.cli.files import new_file, write_token
from di_async.cli.inputs import WriteOptions, read_hf_token, read_spec
from di_async.cli.options import (
    AllowUnknownPrice,
    HFToken,
    MaxHourly,
    NameTimeout,
    OpenToWorld,
    ReadyTimeout,
    Ref,
    SpecFile,
    Timeout,
    TokenOut,
    Wait,
)
from di_async.cli.prices import PriceLimit
from di_async.cli.run import Cli
from di_async.cli.typer_commands import command, new_app
from di_async.core.validation import MAX_WHOLE_NUMBER

if TYPE_CHECKING:
    from di_async import Change, Secret

__all__ = ["app"]

app = new_app()


@command(app)
async def create(
    cli: Cli,
    spec: SpecFile = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the new resource.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Region such as atl1 (DigitalOcean), or its number (Gcore v3)."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SLUG", help="Model, from `di-async models`.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="SLUG",
            help="GPU size, GPU family (Exoscale) or flavor (Gcore v3), from `di-async hardware`.",
        ),
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_WHOLE_NUMBER,
            metavar="N",
            help="Number of GPUs; Exoscale: of replicas.",
            show_default="1",
        ),
    ] = None,
    vpc: Annotated[
        str | None,
        typer.Option(
            metavar="UUID", help="VPC network (DigitalOcean).", show_default="the region's"
        ),
    ] = None,
    public: Annotated[
        bool | None,
        typer.Option(
            "--public/--private", help="Public endpoint (DigitalOcean).", show_default="public"
        ),
    ] = None,
    hf_token: HFToken = False,
    token_out: TokenOut = None,
    open_to_world: OpenToWorld = False,
    max_hourly: MaxHourly = None,
    allow_unknown_price: AllowUnknownPrice = False,
    name_timeout: NameTimeout = 0,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Create an instance or deployment.

    Prints the hourly price first. Waits until it is verified active.

    DigitalOcean: use --spec, or --name, --region, --model and --gpu. Exoscale: use --spec, or
    --name, --model and --gpu. Gcore: use --spec, and --name if the file has none.

    DigitalOcean returns the endpoint's access token only once. It is printed when the create is
    accepted; with -o json or yaml it is in the document, also if the wait fails. --token-out writes
    it to a file instead.
    """
    limit = PriceLimit.parse(max_hourly, allow_unknown=allow_unknown_price)
    options = WriteOptions(
        spec=read_spec(spec) if spec else None,
        name=name,
        region=region,
        model=model,
        gpu=gpu,
        scale=scale,
        vpc=vpc,
        public=public,
        hf_token=read_hf_token(wanted=hf_token),
        open_to_world=open_to_world or None,
    )
    with new_file(token_out) as file:
        async with cli.cloud() as cloud:
            cloud.check_options("create", options)
            await limit.check_create(cli, cloud, options)
            change = await cli.finish(cloud.create(options, name_timeout=name_timeout))
            token = change.access_token and change.access_token.value
            failure = write_token(file, token.reveal()) if token else None
            in_file = file is not None and failure is None
            _print_accepted(cli, change, options.name, None if in_file else token)
            if token and file:
                report_stored(cli, "access token", token_out, failure)
            report = Report(cli, cloud, change, token_out if in_file else None)
            await report.conclude(wait=wait, timeout=timeout)


def _print_accepted(
    cli: Cli, change: "Change[Any]", name: str | None, token: "Secret | None"
) -> None:
    """Print the id, the name and the one-time token in one piece."""
    if cli.out.is_table:
        fields = [
            ("id", change.id),
            ("name", getattr(change.latest, "name", None) or name),
            ("access token", token.reveal() if token else None),
        ]
        cli.out.one(None, fields, keep=True)
    if token:
        cli.message("Store the access token now: the API never returns it again.")


@command(app)
async def update(
    cli: Cli,
    ref: Ref,
    spec: SpecFile = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="New name (not Gcore v3).")
    ] = None,
    hf_token: HFToken = False,
    open_to_world: OpenToWorld = False,
    ready_timeout: ReadyTimeout = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Update an instance or deployment.

    Waits until this change is verified. The spec file needs only the top-level fields that
    change; the others keep their values. A list, such as model_deployments, is replaced as a whole.
    """
    options = WriteOptions(
        spec=read_spec(spec) if spec else None,
        name=name,
        hf_token=read_hf_token(wanted=hf_token),
        open_to_world=open_to_world or None,
        ready_timeout=ready_timeout,
    )
    if not options.given & {"spec", "name", "hf_token"}:
        raise InvalidInputError("nothing to update: use --spec, --name or --hf-token")
    async with cli.cloud() as cloud:
        cloud.check_options("update", options)
        id = await cloud.resolve_id(ref)
        change = await cli.finish(cloud.update(id, options))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


@command(app)
async def scale(
    cli: Cli,
    ref: Ref,
    replicas: Annotated[
        int,
        typer.Argument(
            min=0,
            max=MAX_WHOLE_NUMBER,
            metavar="REPLICAS",
            help="Number of GPUs (DigitalOcean, at least 1) or replicas (Exoscale, Gcore).",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="Which model, if there are several (DigitalOcean)."),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="Which GPU size, if there are several (DigitalOcean)."),
    ] = None,
    type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE", help="Which accelerator type, if there are several (DigitalOcean)."
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="ID", help="Which region, if there are several (Gcore).")
    ] = None,
    ready_timeout: ReadyTimeout = None,
    max_hourly: MaxHourly = None,
    allow_unknown_price: AllowUnknownPrice = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Change the number of GPUs or replicas.

    First prints the current and the new hourly price. Waits until the change is verified. Gcore:
    sets minimum and maximum. 0 sets only the minimum, so the deployment scales to zero when idle.
    """
    limit = PriceLimit.parse(max_hourly, allow_unknown=allow_unknown_price)
    options = WriteOptions(
        scale=replicas,
        model=model,
        gpu=gpu,
        type=type,
        region=region,
        ready_timeout=ready_timeout,
    )
    async with cli.cloud() as cloud:
        cloud.check_options("scale", options)
        id = await cloud.resolve_id(ref)
        if await cloud.is_scaled(id, options):
            cli.message(f"{ref} has {replicas} already: nothing was sent")
            change = cloud.api.begin_wait(id)
        else:
            await limit.check_scale(cli, cloud, id, options)
            change = await cli.finish(cloud.scale(id, options))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


@command(app)
async def start(cli: Cli, ref: Ref, wait: Wait = True, timeout: Timeout = None) -> None:
    """Start a stopped deployment (Gcore).

    Waits until it is active or scaled to zero.
    """
    async with cli.cloud() as cloud:
        change = await cli.finish(cloud.start(ref))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


@command(app)
async def stop(cli: Cli, ref: Ref, wait: Wait = True, timeout: Timeout = None) -> None:
    """Stop a deployment without deleting it (Gcore).

    Waits until it is stopped.
    """
    async with cli.cloud() as cloud:
        change = await cli.finish(cloud.stop(ref))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)


def _confirm(ref: str, *, force: bool) -> None:
    confirm_delete(ref, force=force)


@command(app, before=_confirm)
async def delete(
    cli: Cli,
    ref: Ref,
    force: Force = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> None:
    """Delete an instance or deployment.

    Waits for the API's 404; the resource is billed until then.

    If no resource has that id, the command prints a warning and succeeds. Check the token, zone or
    project then: the resource may exist elsewhere and be billed.
    """
    async with cli.cloud() as cloud:
        id = await cloud.resolve_id(ref)
        change = await cli.finish(cloud.api.delete(id))
        await Report(cli, cloud, change).conclude(wait=wait, timeout=timeout)
