"""Print each Python version that pyproject.toml declares, and where this machine has it.

A line is `3.12 /path/to/python3.12`, or `3.12` alone where none is found. Looked through, in this
order: the running interpreter, PATH, pyenv's versions, and the folders beside this interpreter's.
With `--lowest`, print only the interpreter with the lowest release of the oldest version, such as
the one of a Linux distribution: asyncio has changed between 3.11.2 and 3.11.9.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def declared() -> list[str]:
    """Return the versions in the classifiers, oldest first."""
    classifiers = tomllib.loads(PYPROJECT.read_text())["project"]["classifiers"]
    found = [match[1] for line in classifiers if (match := CLASSIFIER.fullmatch(line))]
    return sorted(found, key=lambda version: int(version.split(".")[1]))


def candidates(version: str) -> Iterator[Path]:
    """Yield interpreters that may be of this version."""
    yield Path(sys.executable)
    name = f"python{version}"
    for folder in os.get_exec_path():
        if found := shutil.which(name, path=folder):
            yield Path(found)
    homes = [Path(sys.base_prefix).parent]
    if root := os.environ.get("PYENV_ROOT") or pyenv_root():
        homes.append(Path(root, "versions"))
    for home in homes:
        yield from sorted(home.glob(f"*{version}*/bin/{name}"), reverse=True)


def pyenv_root() -> str | None:
    """Return pyenv's folder, if pyenv is installed."""
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return None
    return subprocess.run(
        [pyenv, "root"], capture_output=True, text=True, check=False
    ).stdout.strip()


def release(python: Path, version: str) -> tuple[int, ...] | None:
    """Return the release of a CPython of this version; None for others, and for pyenv's shims."""
    code = "import ensurepip, sys; print(sys.implementation.name, *sys.version_info[:3])"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    implementation, *numbers = done.stdout.split() or [""]
    if done.returncode or implementation != "cpython" or ".".join(numbers[:2]) != version:
        return None
    return tuple(map(int, numbers))


def lowest(version: str) -> Path | None:
    """Return the interpreter of this version with the lowest release."""
    found = {python: release(python, version) for python in candidates(version)}
    return min((p for p in found if found[p]), key=lambda p: found[p] or (), default=None)


if "--lowest" in sys.argv:
    print(lowest(declared()[0]) or "")
else:
    for version in declared():
        python = next((p for p in candidates(version) if release(p, version)), None)
        print(version, python or "", sep=" " if python else "")
