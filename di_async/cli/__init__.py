"""The command `di-async`. Rules of this room: thin; what it does, the library does.

typer, rich and PyYAML come with `pip install 'di-async[cli]'` and are imported by `main` alone.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]

_OF_THE_EXTRA = frozenset({"typer", "rich", "yaml", "click", "shellingham"})


def main(args: Sequence[str] | None = None) -> None:
    """Run `di-async` with these arguments (`sys.argv` if None) and exit with its code."""
    try:
        from di_async.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(
            f"the command line needs {error.name}, which is not installed.\n"
            "Get it with: pip install 'di-async[cli]'\n"
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    app(args, prog_name="di-async")
