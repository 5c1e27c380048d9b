"""The command `di-async`: a thin layer over the library.

typer, rich and PyYAML come with `pip install 'di-async[cli]'`; only `main` imports them.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = frozenset({"typer", "rich", "yaml", "click", "shellingham"})


def main(args: Sequence[str] | None = None) -> None:
    """Run `di-async` with the arguments (default: `sys.argv`) and exit with its exit code."""
    try:
        from di_async.cli.streams import open_streams, reserve_descriptors
    except KeyboardInterrupt:  # importing takes a while
        raise SystemExit(130) from None

    reserve_descriptors()
    with open_streams() as streams:
        try:
            _run(args)
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
        if isinstance(code, int | None):
            code = streams.exit_code(code or 0)
    raise SystemExit(code)


def _run(args: Sequence[str] | None) -> None:
    try:
        from di_async.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(
            f"error: the command line needs {error.name}, which is not installed.\n"
            "Install it with: pip install 'di-async[cli]'\n"
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    app(args, prog_name="di-async")
