"""Check a built wheel and sdist against the tree: contents, metadata, version.

Usage: python .ci/dist.py [--release] DIST [SDIST-FOLDER]

DIST holds one wheel and one sdist. With SDIST-FOLDER the sdist is unpacked there. `--release` also
requires what a published release needs: URLs, a dated changelog entry, a complete API snapshot.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IN_SDIST = ("di_async", "tests", "docs", "benchmarks", ".ci")
REQUIRED_IN_SDIST = ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO")
JUNK = re.compile(r"(^|/)(__pycache__|\.venv|\.git|\.[a-z_]+_cache|dist|\.coverage.*)(/|$)|\.pyc$")
MOST_BYTES = 2_500_000
"""Of each archive; a larger one probably holds something by mistake."""


def version() -> str:
    """Return the version, which stands in one file."""
    text = (ROOT / "di_async/core/version.py").read_text(encoding="utf-8")
    found = re.findall(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert len(found) == 1, "di_async/core/version.py: expected one `__version__ = ...`"
    return str(found[0])


def files_of(folder: str) -> set[str]:
    """Return the files below a folder of the tree, without those that are not distributed."""
    paths = (path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*"))
    return {path for path in paths if not JUNK.search(path) and (ROOT / path).is_file()}


def check_version() -> Iterator[str]:
    """Yield where else the version is written."""
    if "version" in PROJECT or "version" not in PROJECT.get("dynamic", ()):
        yield "pyproject.toml: the version stands in di_async/core/version.py alone"


def check_wheel(path: Path) -> Iterator[str]:
    """Yield what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        folder = f"di_async-{version()}.dist-info"
        files = {name for name in names if not name.startswith(f"{folder}/")}
        expected = files_of("di_async")
        yield from (f"the wheel lacks {name}" for name in sorted(expected - files))
        yield from (f"the wheel has a stray {name}" for name in sorted(files - expected))
        if not path.name.endswith("-py3-none-any.whl"):
            yield f"{path.name} is not a wheel for every Python 3 and platform"
        for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
            if f"{folder}/{name}" not in names:
                yield f"the wheel lacks {folder}/{name}"
                return
        entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
        for line in ("di-async = di_async.cli:main", "di_async = di_async.emulator.pytest_plugin"):
            if line not in entry_points:
                yield f"the wheel lacks the entry point {line}"
        yield from check_metadata(Parser().parsestr(wheel.read(f"{folder}/METADATA").decode()))


def check_metadata(metadata: Message) -> Iterator[str]:
    """Yield what is wrong with the metadata."""
    expected = {
        "Name": PROJECT["name"],
        "Version": version(),
        "Summary": PROJECT["description"],
        "Requires-Python": PROJECT["requires-python"],
        "License-Expression": PROJECT["license"],
        "Description-Content-Type": "text/markdown",
    }
    for name, value in expected.items():
        if metadata[name] != value:
            yield f"metadata: {name} is {metadata[name]!r}, not {value!r}"
    extras = {name.lower().replace("_", "-") for name in metadata.get_all("Provides-Extra", ())}
    if extras != set(PROJECT["optional-dependencies"]):
        yield f"metadata: the extras are {sorted(extras)}"
    always = [line for line in metadata.get_all("Requires-Dist", ()) if "extra ==" not in line]
    if len(always) != len(PROJECT["dependencies"]):
        yield f"metadata: a bare install requires {always}"
    if not str(metadata.get_payload()).startswith("# di_async"):
        yield "metadata: the description is not the README"


def check_sdist(path: Path, folder: Path | None) -> Iterator[str]:
    """Yield what is wrong with an sdist; unpack it if a folder is given."""
    with tarfile.open(path) as sdist:
        root = f"di_async-{version()}/"
        members = [member for member in sdist.getmembers() if member.isfile()]
        names = {member.name.removeprefix(root) for member in members}
        yield from (f"the sdist lacks {name}" for name in REQUIRED_IN_SDIST if name not in names)
        for part in IN_SDIST:
            missing = files_of(part) - names
            yield from (f"the sdist lacks {name}" for name in sorted(missing))
        yield from (f"the sdist has a stray {name}" for name in sorted(names) if JUNK.search(name))
        if folder is not None:
            sdist.extractall(folder, filter="data")


def check_release() -> Iterator[str]:
    """Yield what a published release lacks."""
    if not PROJECT.get("urls"):
        yield "pyproject.toml: [project.urls] is missing (Source, Documentation, Changelog, Issues)"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version())} - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md: `## {version()} - YYYY-MM-DD` is missing"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if re.search(r"not on PyPI yet", readme):
        yield "README.md: it says that the package is not on PyPI yet"
    if re.search(r"\]\((?!https?://|#)", readme):
        yield "README.md: its relative links lead nowhere on PyPI; write full URLs"
    command = [sys.executable, "-m", "tests.public_api"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("0 lines added\n") or done.returncode:
        yield "tests/data/public_api.txt is not up to date: python -m tests.public_api --write"


def main() -> int:
    """Check, print what is wrong, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--release", action="store_true")
    options = parser.parse_args()
    wheels, sdists = (sorted(options.dist.glob(ending)) for ending in ("*.whl", "*.tar.gz"))
    problems = list(check_version())
    if (len(wheels), len(sdists)) != (1, 1):
        problems.append(f"{options.dist}: expected one wheel and one sdist; remove older ones")
    else:
        problems += [*check_wheel(wheels[0]), *check_sdist(sdists[0], options.folder)]
        for path in (*wheels, *sdists):
            size = path.stat().st_size
            print(f"{path.name}: {size:,} bytes")
            if size > MOST_BYTES:
                problems.append(f"{path.name} is larger than {MOST_BYTES:,} bytes")
    problems += check_release() if options.release else ()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
