"""Print each Python version that pyproject.toml declares, and where this machine has it.

A line is `3.12 /path/to/python3.12`, or `3.12` alone where none is found. Looked through, in this
order: the running interpreter, PATH, pyenv's versions, and the folders beside this interpreter's.
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


def is_version(python: Path, version: str) -> bool:
    """Return whether it runs (a pyenv shim may not) and is CPython of this version."""
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == f"cpython {version}"


for version in declared():
    python = next((p for p in candidates(version) if is_version(p, version)), None)
    print(version, python or "", sep=" " if python else "")
