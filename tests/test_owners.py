"""Tests that every field has one module that writes it (docs/architecture.md)."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "di_async"
FOLDERS = ("core", "engine", "fleet", "digitalocean", "gcore", "exoscale")
FILES = sorted(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef

# An error's details may be added by the code that knows them.
EXEMPT = {"core/errors.py"}


def name(path: Path) -> str:
    """Return a file's name as messages show it."""
    return path.relative_to(PACKAGE).as_posix()


def stored_attributes(node: ast.AST) -> Iterator[ast.Attribute]:
    """Return every attribute that is assigned to below a node."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            yield inner


def is_self(node: ast.expr) -> bool:
    """Return whether an expression is the method's own object."""
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def fields_of(cls: ast.ClassDef) -> set[str]:
    """Return the fields that a class declares or that its methods assign."""
    declared = {
        statement.target.id
        for statement in cls.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    return declared | {node.attr for node in stored_attributes(cls) if is_self(node.value)}


def foreign_writes(trees: dict[str, ast.Module]) -> set[tuple[str, str, str]]:
    """Return (module, field, owner) of each field that is written outside its own module."""
    owners: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for field in fields_of(node):
                    owners[field].add(module)
    found = set()
    for module, tree in trees.items():
        for node in stored_attributes(tree):
            owned_by = owners[node.attr]
            exempt = module in owned_by or owned_by & EXEMPT
            if not is_self(node.value) and owned_by and not exempt:
                found.add((module, node.attr, ", ".join(sorted(owned_by))))
    return found


def is_setter(function: Function) -> bool:
    """Return whether a method only stores its arguments in its object."""
    body = [
        statement
        for statement in function.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    arguments = {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]}
    return bool(body) and all(
        isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Name)
        and statement.value.id in arguments
        and all(isinstance(t, ast.Attribute) and is_self(t.value) for t in statement.targets)
        for statement in body
    )


def shared_setters(trees: dict[str, ast.Module]) -> set[tuple[str, frozenset[str]]]:
    """Return the setter methods that several modules call, with these modules."""
    setters = {
        function.name
        for tree in trees.values()
        for cls in ast.walk(tree)
        if isinstance(cls, ast.ClassDef)
        for function in cls.body
        if isinstance(function, Function) and function.name != "__init__" and is_setter(function)
    }
    callers: dict[str, set[str]] = defaultdict(set)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                callers[node.func.attr].add(module)
    return {(name, frozenset(callers[name])) for name in setters if len(callers[name]) > 1}


def references_typed_any(tree: ast.Module) -> Iterator[str]:
    """Return attributes annotated with bare `Any` and named like an owner: back references."""
    owners = ("poller", "tracker", "entry", "client", "engine", "schedule", "waiter", "adapter")
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) in {
            "Any",
            "Any | None",
        }:
            target = ast.unparse(node.target).rpartition(".")[2].lstrip("_")
            if target in owners:
                yield target


def trees() -> dict[str, ast.Module]:
    """Return the syntax of every file."""
    return {name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def test_no_field_is_written_from_two_modules() -> None:
    """A field is assigned only in the module of its class."""
    assert foreign_writes(trees()) == set()


def test_no_setter_is_called_from_two_modules() -> None:
    """No method that only stores its arguments is called by several modules."""
    assert shared_setters(trees()) == set()


def test_back_references_are_typed() -> None:
    """No attribute that refers to an owner is typed `Any`."""
    found = [(file, one) for file, tree in trees().items() for one in references_typed_any(tree)]
    assert found == []


def test_checks_find_what_they_look_for() -> None:
    """A foreign write, a shared setter and an untyped back reference are found."""
    sources = {
        "a.py": (
            "class A:\n    x: int\n    poller: Any\n    def set_x(self, x):\n        self.x = x\n"
        ),
        "b.py": "def f(a):\n    a.x = 1\n    a.set_x(2)\n",
        "c.py": "def g(a):\n    a.set_x(3)\n",
    }
    parsed = {file: ast.parse(source) for file, source in sources.items()}
    assert foreign_writes(parsed) == {("b.py", "x", "a.py")}
    assert shared_setters(parsed) == {("set_x", frozenset({"b.py", "c.py"}))}
    assert list(references_typed_any(parsed["a.py"])) == ["poller"]
