"""Run all benchmarks, each in its own process: `python -m benchmarks`.

Prints one table of all figures and their targets, in less than ten minutes. Exits with 1 if a
target was missed. `--only decode,scan` runs some of them, `--json FILE` writes the rows and
`--from FILE` reads them instead of measuring; `--readme` prints only docs/costs.md's
table. Each module's docstring says what a good figure is and what it is compared with.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from benchmarks.readme import readme_table
from benchmarks.rounds import Row, table
from benchmarks.settle.report import misses, write_json

__all__ = ["BENCHMARKS", "main"]

# Settling takes half an hour with all its scenarios: this is the one in the README.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "overhead": (),
    "decode": (),
    "scan": (),
    "startup": (),
    "waiters": (),
    "settle": ("--scenario", "A", "--n", "1000", "--seeds", "1"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen benchmarks; return 1 if a target was missed."""
    args = _parser().parse_args(arguments)
    if args.source:
        rows = read_rows(Path(args.source))
    else:
        rows = [row for name in BENCHMARKS if name in args.only for row in run(name)]
    if args.json:
        write_json(args.json, rows)
    print(readme_table(rows) if args.readme else table(rows))
    return 1 if misses(rows) else 0


def run(name: str) -> list[Row]:
    """Run one benchmark and return its rows; its own output is dropped."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        argv = [sys.executable, "-m", f"benchmarks.{name}", *BENCHMARKS[name], "--json", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
        if not file.exists():
            print(f"benchmarks.{name} broke down:\n{done.stderr}", file=sys.stderr)
            return [Row(name, "crashed", 1.0, 0.0, ok=False)]
        return read_rows(file)


def read_rows(file: Path) -> list[Row]:
    """Return the rows that `--json` wrote."""
    stored: Iterable[dict[str, object]] = orjson.loads(file.read_bytes())
    return [
        Row(**{**row, "value": float("nan") if row["value"] is None else row["value"]})  # type: ignore[arg-type]
        for row in stored
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--only", type=_names, default=set(BENCHMARKS), metavar="NAME,NAME")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--from", dest="source", metavar="FILE")
    parser.add_argument("--readme", action="store_true")
    return parser


def _names(text: str) -> set[str]:
    names = set(text.split(","))
    if unknown := names - set(BENCHMARKS):
        raise argparse.ArgumentTypeError(f"no such benchmark: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
