"""Which modules are mutated, and which tests must notice.

`fast` runs first and should take about a second: the module's own unit tests. `slow` runs only for
mutants that survive `fast`. Paths are relative to the top of the repository; globs are allowed.
"""

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
PACKAGE = "di_async"

POLICIES = "tests/core/test_policy_limits.py"
PROMISES = "tests/promises/test_{}*.py"


@frozen
class Target:
    """Modules that share their tests."""

    modules: str
    fast: tuple[str, ...]
    slow: tuple[str, ...] = ()

    def paths(self) -> Iterator[str]:
        """Yield the matching modules, sorted."""
        found = sorted(ROOT.glob(f"{PACKAGE}/{self.modules}"))
        if not found:
            raise FileNotFoundError(f"no module matches {self.modules!r}: update tests/mutation")
        for path in found:
            if path.name != "__init__.py":
                yield path.relative_to(ROOT).as_posix()

    def stages(self) -> list[list[str]]:
        """Return the test files of each stage that has any."""
        return [expand(stage) for stage in (self.fast, self.slow) if stage]


def expand(patterns: tuple[str, ...]) -> list[str]:
    """Return the test files that the patterns name; a folder names all its test files."""
    files: list[str] = []
    for pattern in patterns:
        found = sorted(ROOT.glob(pattern))
        if not found:
            raise FileNotFoundError(f"no test matches {pattern!r}: update tests/mutation")
        for path in found:
            inner = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
            files += [file.relative_to(ROOT).as_posix() for file in inner]
    return list(dict.fromkeys(files))


def core(name: str, *more: str, slow: tuple[str, ...] = ()) -> Target:
    """Return the target of a module of core and its mirror."""
    return Target(f"core/{name}.py", (f"tests/core/test_{name}.py", *more), slow)


# Every mutant of these is tried: they decide when to read, when a change has settled, what is
# repeated.
DECISIONS = (
    core(
        "waiter", "tests/core/test_waiter_rules.py", slow=("tests/core/test_waiter_properties.py",)
    ),
    core("planner", "tests/core/test_sifting.py", slow=("tests/engine/test_desk.py",)),
    Target("core/waiting/sifting.py", ("tests/core/test_sifting.py", "tests/core/test_planner.py")),
    Target("core/waiting/view.py", ("tests/core/test_sifting.py", "tests/core/test_planner.py")),
    Target("core/waiting/items.py", ("tests/core/test_planner.py",)),
    core("pace"),
    core("durations", "tests/core/test_laws.py"),
    core("laws", "tests/core/test_durations.py"),
    core("budget"),
    core("retry", POLICIES),
    core("reconcile", POLICIES),
    core("schedule", POLICIES),
    Target("digitalocean/lifecycle.py", ("tests/digitalocean/test_lifecycle.py",)),
    Target("gcore/lifecycle.py", ("tests/gcore/test_lifecycle.py",)),
    Target("exoscale/lifecycle.py", ("tests/exoscale/test_lifecycle.py",)),
)

# Of all other modules a sample is tried. The emulator is test equipment and left out.
SAMPLE_SIZE = 160
SAMPLE_SEED = 20
SAMPLED = (
    Target("core/*.py", ("tests/core",), ("tests/engine/test_session.py",)),
    Target("engine/*.py", ("tests/engine",), (PROMISES.format("0"),)),
    Target("fleet/*.py", ("tests/fleet",)),
    Target("digitalocean/*.py", ("tests/digitalocean",), (PROMISES.format("08"),)),
    Target("gcore/*.py", ("tests/gcore",)),
    Target("exoscale/*.py", ("tests/exoscale",)),
)
