"""Commands of typer: the decorator that makes one of a coroutine function, help and usage errors.

`command(app)` turns `async def get(cli: Cli, ref: Ref)` into a command that also accepts the shared
options. These may stand before the command's name as well.
"""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from typing import Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup

from di_async.cli.numbers import find_number_faults
from di_async.cli.options import read_shared_options
from di_async.core.printable import printable

__all__ = ["EXIT_CODES", "CommandGroup", "command", "new_app", "new_group", "with_shared_options"]

EXIT_CODES = (
    "Exit codes: 0 success, 1 failure, 2 usage error or price limit (nothing was changed), "
    "3 timeout, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP."
)
_SHARED_HINT = "Shared options such as --provider and --output: see `di-async --help`."
Work = Callable[..., Coroutine[Any, Any, None]]

_SHARED = inspect.signature(read_shared_options).parameters

_SHORT_HELP = "di_async.short_help"
_MAX_SUMMARY = 200  # longer than any, so that none is cut

# What some versions of typer say of a value, and what is meant.
_EXPECTED = (
    (re.compile(r"Input should be a valid integer\b.*"), "expected a whole number"),
    (re.compile(r"Input should be a valid number\b.*"), "expected a number"),
    (re.compile(r"Input should be greater than or equal to (\S+)"), r"expected \1 or more"),
    (re.compile(r"Input should be less than or equal to (\S+)"), r"expected \1 or less"),
)


@contextmanager
def _plain_usage_errors(
    ctx: Any, read_values: Callable[[], Mapping[str, Any]] = dict
) -> Iterator[None]:
    """Say plainly what is wrong with the command line, whatever version of typer says it.

    A message quotes the command line, which may be pasted: what drives a terminal is escaped.
    `ctx` is for errors that do not name their command; `read_values` returns the texts of the
    arguments by their names.
    """
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        # typer does not export the base class of usage errors, and may bring its own. That of a
        # command line without arguments has the help as its message.
        is_help = type(error).__name__ == "NoArgsIsHelpError"
        if isinstance(message, str) and hasattr(error, "format_message") and not is_help:
            plain = printable(message.removeprefix("Value error, "))
            for pattern, meaning in _EXPECTED:
                plain, found = pattern.subn(meaning, plain)
                value = read_values().get(error.param.name) if found else None  # type: ignore[attr-defined]
                plain += f", not {str(value)!r}" if value is not None else ""
            error.message = plain  # type: ignore[attr-defined]
            error.ctx = getattr(error, "ctx", None) or ctx  # type: ignore[attr-defined]
            show = error.show  # type: ignore[attr-defined]
            error.show = partial(_show_usage_error, show)  # type: ignore[attr-defined]
        raise


def _show_usage_error(show: Callable[[TextIO], None], file: TextIO | None = None) -> None:
    """Print a usage error, which begins as all other errors of the command do."""
    shown = StringIO()
    show(shown)
    text = re.sub("^Error: ", "error: ", shown.getvalue(), count=1, flags=re.MULTILINE)
    typer.echo(text, file, nl=False, err=True)


def _check_texts(command: Any, ctx: Any, args: Sequence[str]) -> None:
    """Refuse an empty text, which would count as if it were not there, and odd numbers.

    Raises:
        typer.BadParameter: it names the option or argument.
    """
    given, _, _ = command.make_parser(ctx).parse_args(args=list(args))
    params = command.get_params(ctx)
    for param in params:
        value = given.get(param.name)
        is_several = isinstance(value, list | tuple)
        # Of arguments, only the words of another command may be several.
        is_word = is_several and param.param_type_name == "argument"
        if "" in (value if is_several else (value,)) and not is_word:
            name = _argument_name(param) if param.param_type_name == "argument" else param.opts[0]
            raise typer.BadParameter(
                f"{name} is empty; is a variable of your script unset?", ctx=ctx
            )
    for name, fault in find_number_faults(command, given):
        wrong = next(param for param in params if param.name == name)
        raise typer.BadParameter(fault, ctx=ctx, param=wrong)


def _argument_name(param: Any) -> str:
    """Return what the help calls an argument."""
    return str(param.metavar or param.name.upper())


# Fields of a spec that `create` has options for, and other commands only in a file.
_OF_CREATE = ("--name", "--region", "--model", "--gpu", "--scale", "--vpc", "--public")


class _Command(TyperCommand):
    """A command whose help leaves out the shared options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments."""
        given = list(args)  # parsing empties the list
        with (
            _plain_usage_errors(ctx, lambda: self.make_parser(ctx).parse_args(args=list(given))[0]),
            self._unknown_option_hint(),
        ):
            _check_texts(self, ctx, args)
            return super().parse_args(ctx, args)

    @contextmanager
    def _unknown_option_hint(self) -> Iterator[None]:
        """Point to --spec where an option that only `create` has is used, and else to `--`."""
        try:
            yield
        except typer.BadParameter:
            raise
        except Exception as error:  # typer does not export NoSuchOption, and may bring its own
            if "possibilities" not in vars(error):  # a known option without its value
                raise
            names = {option for param in self.params for option in param.opts}
            unknown = getattr(error, "option_name", None)
            if unknown in _OF_CREATE and "--spec" in names:
                error.message = f"no option {unknown}: set it in the file of --spec FILE"  # type: ignore[attr-defined]
                error.possibilities = ()  # type: ignore[attr-defined]
            elif unknown and not unknown.startswith("--"):
                found = [one for one in self.params if one.param_type_name == "argument"]
                if found:
                    meant = " or ".join(map(_argument_name, found))
                    error.message = (  # type: ignore[attr-defined]
                        f"no option {unknown}; if it is meant as {meant}, put -- before it"
                    )
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words after the command's name, the same for all versions of typer."""
        found = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        names = ((_argument_name(one), one.required) for one in found)
        return ["[OPTIONS]", *(name if needed else f"[{name}]" for name, needed in names)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections "Arguments" and "Options"."""
        own = [param for param in self.get_params(ctx) if param.name not in _SHARED]
        _write_parameters(ctx, formatter, own)


class CommandGroup(TyperGroup):
    """A group whose help lists the commands first."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Without any, the help is printed in short."""
        ctx.meta[_SHORT_HELP] = not args
        with _plain_usage_errors(ctx):
            _check_texts(self, ctx, args)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name."""
        with _plain_usage_errors(ctx):
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of commands and "Options"; in short, only the options' names."""
        self.format_commands(ctx, formatter)
        if not ctx.meta.get(_SHORT_HELP):
            _write_parameters(ctx, formatter, self.get_params(ctx))
            return
        names = [param.opts[0] for param in self.get_params(ctx) if param.name in _SHARED]
        if names:
            formatter.write_paragraph()
            formatter.write_text(f"Options: {', '.join(names)}. See `{ctx.command_path} --help`.")

    def sections(self, ctx: Any) -> Mapping[str, list[tuple[str, str]]]:
        """Return the titles of the help, and the names and summaries of the commands below them."""
        found: list[Any] = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        return {"Commands": [(one.name, one.get_short_help_str(_MAX_SUMMARY)) for one in found]}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by section."""
        sections = self.sections(ctx)
        width = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for title, rows in sections.items():
            with formatter.section(title):
                # Padded, so that all sections have the same columns.
                formatter.write_dl([(f"{name:{width}}", summary) for name, summary in rows])


def _write_parameters(ctx: Any, formatter: Any, parameters: Iterable[Any]) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in parameters:
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            # Newer versions of typer add a Python type to the names of arguments. Older ones escape
            # brackets for rich, in plain text too. All put a default in words into parentheses.
            name = re.sub(r" <[^|>]*>$", "", record[0])
            text = record[1].replace("\\[", "[")
            text = re.sub(r"\[default: \(([^()]*)\)", r"[default: \1", text)
            sections[kind].append((name, text))
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def new_app() -> typer.Typer:
    """Return an empty app for the commands of a module. Their help is plain text."""
    return typer.Typer(rich_markup_mode=None)


def new_group(
    name: str, help: str, epilog: str | None = None, cls: type[CommandGroup] = CommandGroup
) -> typer.Typer:
    """Return an empty group of commands. Its help is plain text, which needs no import of rich."""
    return typer.Typer(
        name=name,
        cls=cls,
        help=help,
        epilog=epilog,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    )


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    before: Callable[..., None] | None = None,
    ends_with_command: bool = False,
) -> Callable[[Work], Work]:
    """Register a coroutine function, whose first parameter is a `Cli`, as a command of `app`.

    `before` is called first, outside the event loop, with the options that it has parameters for.
    `ends_with_command`: what follows the first argument belongs to another command.
    """

    def register(work: Work) -> Work:
        own = list(inspect.signature(work).parameters.values())[1:]

        def run(**values: Any) -> None:
            from di_async.cli.run import execute

            settings = read_shared_options(**{key: values.pop(key) for key in _SHARED})
            names = inspect.signature(before).parameters if before else ()

            execute(
                settings,
                lambda cli: work(cli, **values),
                before=partial(before, **{n: values[n] for n in names}) if before else None,
            )

        callback = with_shared_options(run, own, work.__doc__)
        # A command that runs another one describes its exit codes itself.
        epilog = _SHARED_HINT if ends_with_command else f"{_SHARED_HINT}\n\n{EXIT_CODES}"
        context = {"allow_interspersed_args": not ends_with_command}
        app.command(name or work.__name__, cls=_Command, epilog=epilog, context_settings=context)(
            callback
        )
        return work

    return register


def with_shared_options(
    run: Callable[..., None], own: Iterable[inspect.Parameter], doc: str | None
) -> Callable[..., None]:
    """Return `run` with a signature that typer reads: its own parameters and the shared options."""
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *_SHARED.values())]
    run.__doc__ = doc
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run
