"""Which modules are mutated, and which tests must notice.

The first tests to run are those in `also` and a module's mirror (`tests/core/test_retry.py` for
`core/retry.py`); together they should take about a second. Each entry of `later` runs only for
mutants that survived what ran before it. Paths are relative, globs and folders are allowed.
"""

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
PACKAGE = "di_async"


@frozen
class Target:
    """Modules that share their tests."""

    modules: str
    also: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def paths(self) -> Iterator[str]:
        """Yield the matching modules, sorted."""
        found = sorted(ROOT.glob(f"{PACKAGE}/{self.modules}"))
        if not found:
            raise FileNotFoundError(f"no module matches {self.modules!r}: update tests/mutation")
        for path in found:
            if path.name != "__init__.py":
                yield path.relative_to(ROOT).as_posix()

    def stages(self, path: str) -> list[list[str]]:
        """Return the test files of each stage, every file in the first that names it."""
        folder, name = path.removeprefix(f"{PACKAGE}/").rsplit("/", 1)
        mirror = f"tests/{folder}/test_{name}"
        first = [mirror] if (ROOT / mirror).is_file() else []
        stages = [[*expand(self.also), *first], *(expand((entry,)) for entry in self.later)]
        seen: set[str] = set()
        for stage in stages:
            stage[:] = [file for file in dict.fromkeys(stage) if file not in seen]
            seen.update(stage)
        return [stage for stage in stages if stage]


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
    return files


_WAITING = "tests/core/waiting/test_{}.py"
_POLICIES = "tests/core/test_policy_limits.py"
_SCHEDULE = _WAITING.format("poll_schedule")

# All mutants of these are tried: they decide when to read, when a change has settled, and what is
# retried.
DECISIONS = (
    Target(
        "core/waiting/evidence.py",
        also=(_WAITING.format("evidence_rules"), _WAITING.format("odd_versions")),
        later=(_WAITING.format("evidence_properties"), "tests/clouds/test_own_delete.py"),
    ),
    Target(
        "core/waiting/observation.py",
        tuple(map(_WAITING.format, ("evidence_rules", "evidence", "odd_versions"))),
        later=("tests/clouds/test_light_rows.py",),
    ),
    Target(
        "core/waiting/page_index.py",
        (_WAITING.format("page_index*"),),
        later=(_SCHEDULE, "tests/clouds/test_odd_rows.py"),
    ),
    Target(
        "core/waiting/poll_schedule.py",
        (_WAITING.format("poll_schedule_rules"),),
        later=("tests/clouds/test_light_rows.py", "tests/engine/waiting/test_fleet_waits.py"),
    ),
    Target("core/waiting/region_choice.py", (_WAITING.format("region_choice*"),), (_SCHEDULE,)),
    Target("core/waiting/pacing.py", (_WAITING.format("pacing_rules"),)),
    Target(
        "core/waiting/durations.py",
        (_WAITING.format("durations_fit"), _WAITING.format("duration_estimator*")),
    ),
    Target("core/waiting/poll_policy.py", (_POLICIES,)),
    Target(
        "core/rate_limit.py",
        ("tests/core/test_rate_limit_rules.py", "tests/core/test_shared_token_rules.py"),
        later=("tests/core/test_shared_token.py",),
    ),
    Target(
        "core/shared_token.py",
        ("tests/core/test_shared_token_rules.py",),
        later=("tests/core/test_rate_limit*.py",),
    ),
    Target("core/retry.py", (_POLICIES,)),
    Target("core/responses.py", ("tests/core/test_response_rules.py",)),
    Target("core/serving.py"),
    Target("core/pricing.py"),
    Target("core/capacity.py", ("tests/core/test_capacity.py",)),
    Target("engine/deployments/cleanup.py", later=("tests/clouds/test_cleanup.py",)),
    Target("engine/deployments/reap.py", ("tests/clouds/test_reap.py",)),
    Target("core/lost_create.py", (_POLICIES,), later=("tests/clouds/test_first_attempt.py",)),
    Target(
        "*/lifecycle.py",
        ("tests/clouds/test_*_rules.py",),
        later=(
            "tests/clouds/test_light_rows.py",
            "tests/clouds/test_differences.py",
            "tests/clouds/test_failure_reasons.py",
            "tests/clouds/test_damaged_tokens.py",
            "tests/clouds/test_own_delete.py",
        ),
    ),
)

# A sample is taken of all other modules. The emulator is test equipment, and the CLI prints.
SAMPLE_SIZE = 160
SAMPLE_SEED = 20
SAMPLED = (
    Target("core/**/*.py", later=("tests/core", "tests/engine/test_session.py")),
    Target(
        "engine/**/*.py",
        later=(
            "tests/engine",
            "tests/promises/test_0*.py",
            "tests/promises/test_pacing.py",
            "tests/gcore/test_lost_writes.py",  # deletes by name
            "tests/digitalocean/test_small_writes.py",
        ),
    ),
    Target("fleet/*.py", later=("tests/fleet",)),
    Target("digitalocean/*.py", later=("tests/digitalocean", "tests/promises/test_08*.py")),
    Target("gcore/*.py", later=("tests/gcore",)),
    Target("exoscale/*.py", later=("tests/exoscale",)),
)
