"""Tests of the layers of docs/architecture.md: imports, and what each layer must not use."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "di_async"
FILES = sorted(PACKAGE.rglob("*.py"))
PROVIDERS = {"digitalocean", "gcore", "exoscale"}

# What each package may import. The emulator imports no other, so that it shares no mistakes.
ALLOWED = {
    "core": {"core"},
    "engine": {"core", "engine"},
    **{provider: {"core", "engine", provider} for provider in PROVIDERS},
    "fleet": {"core", "engine", "fleet"},
    "emulator": {"emulator"},
    "cli": {"", "core", "engine", *PROVIDERS, "fleet", "emulator", "cli"},
    "blocking": {"", "core", "engine", *PROVIDERS, "fleet", "blocking"},
    "airflow": {"", "core", "engine", *PROVIDERS, "fleet", "airflow"},
    "": {"", "core", "engine", *PROVIDERS, "fleet", "cli"},
}

# Files outside engine/transport.py that may import aiohttp, each for a reason.
AIOHTTP = {
    "engine/transport.py": "the only one that drives its client",
    "engine/client_options.py": "types of the constructors' session and trace_configs",
    "digitalocean/client.py": "types of the constructor's session and trace_configs",
}
AIOHTTP_ROOMS = {
    "emulator": "its server half",
    "cli": "the demo calls the data plane, which is not part of the API",
}


# The only files of the emulator that use sockets, threads and real time.
EMULATOR_SERVER = {"emulator", "http_server", "pytest_plugin"}


def package_of(path: Path) -> str:
    """Return the package below `di_async` of a file; empty for the top level."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def name(path: Path) -> str:
    """Return the name of a file in test ids."""
    return path.relative_to(PACKAGE).as_posix()


def module(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file."""
    return tuple(ast.walk(tree(path)))


def imports(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports anywhere; all absolute, as ruff's TID enforces."""
    skipped: set[ast.AST] = set()
    for node in nodes(path):
        if at_run_time and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for stmt in node.body for inner in ast.walk(stmt))
        if at_run_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            skipped.update(ast.walk(node))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def each_file(files: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Return a decorator: one test that checks all of these files and names those that fail.

    A test for each file would be a fourth of all tests of the project.
    """

    def decorate(check: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            failed = {}
            for path in files:
                try:
                    check(path)
                except AssertionError as error:
                    failed[name(path)] = str(error)
            assert not failed

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


def own_imports(path: Path) -> set[str]:
    """Return the packages of di_async that a file imports from."""
    rooms = {m.split(".")[1] if m.count(".") else "" for m in imports(path) if is_own(m)}
    known = {package_of(file) for file in FILES}
    return {r if r in known else "" for r in rooms}


def is_own(dotted: str) -> bool:
    """Return whether this is a module or a name of di_async."""
    return dotted.split(".")[0] == "di_async"


@each_file(FILES)
def test_packages_import_only_what_they_may(path: Path) -> None:
    """Packages import only those below them: core, engine, providers, fleet, cli."""
    assert own_imports(path) <= ALLOWED[package_of(path)]


def test_every_package_has_a_rule() -> None:
    """Every package has a rule."""
    assert {package_of(path) for path in FILES} <= set(ALLOWED)


@each_file([p for p in FILES if package_of(p) == "core"])
def test_core_uses_no_clock_loop_or_network(path: Path) -> None:
    """Core uses no clock, no event loop and no network."""
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    forbidden = {
        *("asyncio", "anyio", "time", "aiohttp", "socket", "threading", "random", "os"),
        *("logging", "subprocess", "ssl", "http", "contextvars"),
    }
    assert not roots & forbidden
    assert not any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await)
        for node in nodes(path)
        # The protocols of the async part are declared there.
        if name(path) not in {"core/protocols.py", "core/waiting/resource_adapter.py"}
    )


@each_file(FILES)
def test_which_files_import_aiohttp(path: Path) -> None:
    """Only the transport and the listed files import aiohttp."""
    if "aiohttp" in {dotted.split(".")[0] for dotted in imports(path)}:
        assert name(path) in AIOHTTP or package_of(path) in AIOHTTP_ROOMS


@each_file(FILES)
def test_only_telemetry_imports_opentelemetry(path: Path) -> None:
    """OpenTelemetry is an extra; the engine reports to protocols."""
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    assert "opentelemetry" not in roots or name(path) == "telemetry.py"


@each_file(FILES)
def test_only_the_transport_makes_client_sessions(path: Path) -> None:
    """Only the transport (and the demo's chat) makes client sessions."""
    calls = {"ClientSession"} & {
        node.func.attr
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls or name(path) == "engine/transport.py" or package_of(path) == "cli"


def _graph() -> dict[str, set[str]]:
    modules = {module(path) for path in FILES}
    graph: dict[str, set[str]] = {}
    for path in FILES:
        found = set()
        for dotted in imports(path, at_run_time=True):
            parent = dotted.rpartition(".")[0]
            found |= {m for m in (dotted, parent) if m in modules and m != module(path)}
            found -= {parent} if dotted in modules else set()
        graph[module(path)] = found
    return graph


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return a cycle of imports, if there is one."""
    done: set[str] = set()

    def visit(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph[node]):
            if found := visit(other, [*trail, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := visit(node, []))), [])


def test_no_import_cycles() -> None:
    """Modules have no import cycle at run time; a cycle means that a value belongs in core."""
    assert _cycle(_graph()) == []


def test_cycle_search_finds_cycles() -> None:
    """The search for cycles finds one."""
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert len(_graph()["di_async.engine.waiting.poller"]) > 5


_ALONE = """
import importlib, os, sys
import aiohttp.web, anyio, attrs, cattrs, orjson  # loaded once for all children
import pytest, rich.live, trustme, typer, yaml
import di_async  # imported before any of its modules
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(name, type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print("failed:", name)
"""


def needs_airflow(path: Path) -> bool:
    """Return whether a module of the provider cannot be imported without Airflow."""
    own = {
        *("base", "batch", "hook", "links", "operators", "sensor", "set_up", "trigger", "writes"),
    }
    return package_of(path) == "airflow" and path.stem in own


@pytest.mark.exhaustive
@pytest.mark.timeout(180)
def test_each_module_is_importable_alone(tmp_path: Path) -> None:
    """Each module can be imported alone; modules of programs, with their package."""
    programs = {"cli", "emulator"}
    names = [
        module(p)
        for p in FILES
        if not needs_airflow(p)
        if p.name == "__init__.py" or (p.name != "__main__.py" and package_of(p) not in programs)
    ]
    without = ("PYTHONDONTWRITEBYTECODE", "COVERAGE_")  # imports alone show nothing of coverage
    env = {n: v for n, v in os.environ.items() if not n.startswith(without)}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)  # compiled once for all children
    done = subprocess.run(  # noqa: S603 - this interpreter, this package
        [sys.executable, "-W", "error", "-c", _ALONE, *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=env,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


@each_file(FILES)
def test_wall_clock_is_read_in_one_place(path: Path) -> None:
    """Only engine/clock.py reads wall-clock time, apart from emulator, CLI and Airflow."""
    if name(path) in {"engine/clock.py", "airflow/wall_clock.py"} or package_of(path) in {
        "cli",
        "emulator",
    }:
        return
    assert not {"time", "time.time", "time.monotonic"} & set(imports(path))
    read = {
        (node.value.id, node.attr)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not read & CLOCKS


@each_file([p for p in FILES if package_of(p) == "emulator" and p.stem not in EMULATOR_SERVER])
def test_world_of_the_emulator_is_pure(path: Path) -> None:
    """The emulator's world takes time as an argument and uses no event loop, socket or thread."""
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    assert not roots & {"time", "asyncio", "anyio", "aiohttp", "socket", "threading"}


@each_file(
    [p for p in FILES if package_of(p) == "emulator" and p.parent.name in {"cloud", *PROVIDERS}]
)
def test_emulated_vendors_share_only_the_cloud_folder(path: Path) -> None:
    """`cloud` imports no provider, and no provider another; `world` combines them."""
    parts = [dotted.split(".") for dotted in imports(path) if is_own(dotted)]
    assert {found[2] for found in parts} <= {"cloud", path.parent.name}


def _code_names(path: Path) -> set[str]:
    """Return names and text constants in code, without docstrings and comments."""
    parsed = tree(path)
    docs = {
        id(node.value)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    names: set[str] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            names.add(node.value.lower())
        names |= {str(getattr(node, f)).lower() for f in ("id", "attr", "arg") if hasattr(node, f)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name.lower())
    return names


@each_file([p for p in FILES if package_of(p) in {"core", "engine"}])
def test_core_and_engine_name_no_provider(path: Path) -> None:
    """Core and engine name no provider."""
    names = _code_names(path)
    assert not [w for w in names for p in PROVIDERS if p in w]


@each_file([p for p in FILES if package_of(p) != "cli"])
def test_nothing_is_printed(path: Path) -> None:
    """Only commands print; the library logs."""
    called = {
        node.func.id
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "breakpoint", "input"}


@each_file(FILES)
def test_every_module_has_a_docstring(path: Path) -> None:
    """Every module has a docstring with a first line."""
    assert ast.get_docstring(tree(path))


@each_file(FILES)
def test_warnings_module_is_not_used(path: Path) -> None:
    """No module uses `warnings`: users who turn warnings into errors must not lose a wait."""
    assert "warnings" not in {dotted.split(".")[0] for dotted in imports(path)}


@each_file([p for p in FILES if package_of(p) not in {"cli", "emulator"}])
def test_records_are_logged_through_one_class(path: Path) -> None:
    """Only `engine.log` takes a logger: records are one line, and broken handlers do no harm."""
    takes = any(isinstance(n, ast.Attribute) and n.attr == "getLogger" for n in nodes(path))
    assert not takes or path.as_posix().endswith("engine/log.py")
