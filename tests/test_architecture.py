"""The layers of docs/architecture.md, read from the source, and what each must not use."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "di_async"
FILES = sorted(PACKAGE.rglob("*.py"))
PROVIDERS = {"digitalocean", "gcore", "exoscale"}

# Who may import whom. The emulator imports nothing of ours, so that it cannot share our mistakes.
ALLOWED = {
    "core": {"core"},
    "engine": {"core", "engine"},
    **{provider: {"core", "engine", provider} for provider in PROVIDERS},
    "fleet": {"core", "engine", "fleet"},
    "emulator": {"emulator"},
    "cli": {"", "core", "engine", *PROVIDERS, "fleet", "emulator", "cli"},
    "airflow": {"", "core", "engine", *PROVIDERS, "fleet", "airflow"},
    "": {"", "core", "engine", *PROVIDERS, "fleet", "cli"},
}

# Files outside engine/transport.py that may import aiohttp, each for a reason.
AIOHTTP = {
    "engine/transport.py": "the only one that drives its client",
    "engine/client.py": "types of the constructors' session and trace_configs",
    "digitalocean/client.py": "types of the constructor's session and trace_configs",
}
AIOHTTP_ROOMS = {
    "emulator": "its server half",
    "cli": "the demo asks the data plane, which is no part of the API",
}


# The only files of the emulator that use sockets, threads and real time.
EMULATOR_SERVER = {"emulator", "http_server", "pytest_plugin"}


def room(path: Path) -> str:
    """The folder below the package; nothing for the door itself."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def name(path: Path) -> str:
    """The file, as this test speaks of it."""
    return path.relative_to(PACKAGE).as_posix()


def module(path: Path) -> str:
    """Its dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(path: Path) -> ast.Module:
    """Its syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Dotted names that a file imports, wherever in it; all absolute, as ruff's TID sees to."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree(path)):
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


def ours(path: Path) -> set[str]:
    """Rooms of ours that a file imports from."""
    rooms = {m.split(".")[1] if m.count(".") else "" for m in imports(path) if is_ours(m)}
    known = {room(file) for file in FILES}
    return {r if r in known else "" for r in rooms}


def is_ours(dotted: str) -> bool:
    """It is a module or a name of this package."""
    return dotted.split(".")[0] == "di_async"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    """Core <- engine <- providers (never each other) <- fleet <- cli, airflow."""
    assert ours(path) <= ALLOWED[room(path)]


def test_every_room_has_its_rule() -> None:
    """A new folder must say whom it may import."""
    assert {room(path) for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "core"], ids=name)
def test_core_knows_no_clock_no_loop_and_no_network(path: Path) -> None:
    """Values in, decisions out."""
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    forbidden = {
        *("asyncio", "anyio", "time", "aiohttp", "socket", "threading", "random", "os"),
        *("logging", "subprocess", "ssl", "http", "contextvars"),
    }
    assert not roots & forbidden
    assert not any(
        isinstance(node, ast.AsyncFunctionDef | ast.Await)
        for node in ast.walk(tree(path))
        # The protocols of the async half are declared there.
        if name(path) not in {"core/protocols.py", "core/waiting/resource_adapter.py"}
    )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_aiohttp_is_known_to_few(path: Path) -> None:
    """The client is driven from one file; each other one that sees aiohttp has a reason."""
    if "aiohttp" in {dotted.split(".")[0] for dotted in imports(path)}:
        assert name(path) in AIOHTTP or room(path) in AIOHTTP_ROOMS


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_the_transport_makes_client_sessions(path: Path) -> None:
    """Outside it (and the demo's chat) nobody opens connections."""
    calls = {"ClientSession"} & {
        node.func.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls or name(path) == "engine/transport.py" or room(path) == "cli"


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


def _loop(graph: dict[str, set[str]]) -> list[str]:
    """A loop of imports, if there is one."""
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


def test_modules_import_each_other_in_no_loop() -> None:
    """At run time; a loop means that a value belongs in core."""
    assert _loop(_graph()) == []


def test_loop_finder_finds_loops() -> None:
    """The test above can fail."""
    assert _loop({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert len(_graph()["di_async.engine.waiting.poller"]) > 5


_ALONE = """
import importlib, os, sys
import aiohttp.web, anyio, attrs, cattrs, orjson  # theirs: each child has them already
import pytest, rich.live, trustme, typer, yaml
import di_async  # comes first whatever is imported of it
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


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_each_module_is_importable_alone(tmp_path: Path) -> None:
    """In a process that has imported nothing of ours; of what only programs import, each folder."""
    programs = {"cli", "emulator"}
    names = [
        module(p)
        for p in FILES
        if p.name == "__init__.py" or (p.name != "__main__.py" and room(p) not in programs)
    ]
    env = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(tmp_path)  # compiled once, not by each child
    done = subprocess.run(  # noqa: S603 - our own interpreter, our own modules
        [sys.executable, "-W", "error", "-c", _ALONE, *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=env,
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_wall_clocks_are_read_in_one_place(path: Path) -> None:
    """Time is the loop's; engine/clock.py anchors it (emulator and CLI are apart)."""
    if name(path) == "engine/clock.py" or room(path) in {"cli", "emulator"}:
        return
    assert not {"time", "time.time", "time.monotonic"} & set(imports(path))
    read = {
        (node.value.id, node.attr)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not read & CLOCKS


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if room(p) == "emulator" and p.stem not in EMULATOR_SERVER],
    ids=name,
)
def test_emulator_s_world_is_pure(path: Path) -> None:
    """Time is an argument; there is no event loop, socket or thread."""
    roots = {dotted.split(".")[0] for dotted in imports(path)}
    assert not roots & {"time", "asyncio", "anyio", "aiohttp", "socket", "threading"}


@pytest.mark.parametrize(
    "path",
    [p for p in FILES if room(p) == "emulator" and p.parent.name in {"cloud", *PROVIDERS}],
    ids=name,
)
def test_emulated_vendors_share_only_the_cloud_folder(path: Path) -> None:
    """`cloud` imports no vendor, and no vendor another; `world` combines them."""
    parts = [dotted.split(".") for dotted in imports(path) if is_ours(dotted)]
    assert {found[2] for found in parts} <= {"cloud", path.parent.name}


def _code_words(path: Path) -> set[str]:
    """Names and text constants in code; docstrings and comments, which may link to pages, not."""
    parsed = tree(path)
    docs = {
        id(node.value)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    words: set[str] = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            words.add(node.value.lower())
        words |= {str(getattr(node, f)).lower() for f in ("id", "attr", "arg") if hasattr(node, f)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words.add(node.name.lower())
    return words


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in {"core", "engine"}], ids=name)
def test_core_and_engine_name_no_provider(path: Path) -> None:
    """What a provider does differently is told to them as data."""
    words = _code_words(path)
    assert not [w for w in words for p in PROVIDERS if p in w]


@pytest.mark.parametrize("path", [p for p in FILES if room(p) != "cli"], ids=name)
def test_nothing_is_printed(path: Path) -> None:
    """A library logs; only the commands have an audience."""
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "breakpoint", "input"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    """In the first line."""
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_warned_about_by_the_warnings_module(path: Path) -> None:
    """Unknown words are logged: a user who turns warnings into errors must not lose a wait."""
    assert "warnings" not in {dotted.split(".")[0] for dotted in imports(path)}
