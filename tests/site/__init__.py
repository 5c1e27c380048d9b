"""The examples of the documentation, run against the emulator."""

from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
OUTPUT = EXAMPLES / "output"
# The others (a service, a notebook, tests) print nothing that a page shows.
SCRIPTS = [EXAMPLES / f"{output.stem}.py" for output in sorted(OUTPUT.glob("*.txt"))]
