"""Test that the stubs of `di_async.blocking` are those of today's async classes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_stubs_are_up_to_date() -> None:
    """`.ci/stubs.py` would write the stubs as they are."""
    done = subprocess.run(  # noqa: S603 - this interpreter, this script
        [sys.executable, ROOT / ".ci" / "stubs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
