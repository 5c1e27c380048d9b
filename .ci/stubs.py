"""Write the type stubs of `di_async.blocking` from the source of the async classes.

Run it after a change of a public method: `python .ci/stubs.py`. With `--check` it writes nothing
and fails if a stub is out of date.
"""

import ast
import builtins
import functools
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from di_async.blocking import derive, written
from di_async.engine.deployments.temporary import Temporary
from di_async.engine.waiting.account_watch import AccountWatch

ROOT = Path(__file__).parent.parent
BLOCKING = "di_async.blocking"
PROVIDERS = ("digitalocean", "gcore", "exoscale")
MODULES = ("engine", *PROVIDERS, "fleet")
WIDTH = 100
# Async types that are not classes of this package, and what stands for them.
INSTEAD = {
    ("collections.abc", "AsyncIterator"): ("collections.abc", "Iterator"),
    ("contextlib", "AbstractAsyncContextManager"): ("contextlib", "AbstractContextManager"),
    ("di_async.engine.endpoints.serving", "Probe"): (f"{BLOCKING}.engine", "Probe"),
    ("di_async.fleet.protocols", "ScanClient"): (f"{BLOCKING}.engine", "Client"),
}
PROBE = 'Probe = Literal["chat", "models"] | Callable[[ServingEndpoint], object]\n'
# Declared as streams and context managers.
UNNAMED: set[type] = {AccountWatch, Temporary}
WORDS = (
    (r"\n* *`await change` is short for `await change\.wait\(\)`\.\n", "\n"),
    (r"\b([aA])n async (iterator|context manager)", r"\1 \2"),
    (r"\b([aA]) iterator", r"\1n iterator"),
    (r"`async (with|for) ", r"`\1 "),
    (r"`await (listing|change)` is `await ", "`"),
    (r"or `await` it, which\n( *)returns", r"or `wait()`, which\n\1returns"),
    (r"`await ", "`"),
    (r"a coroutine function", "a function"),
    (r": async (with|for) ", r": \1 "),
    (r"unless someone awaits `wait` or `events`", "except during `wait` and `events`"),
    (r"of any clients on this loop", "of any blocking clients"),
    (r"to call concurrently and repeatedly", "to call from several threads, and repeatedly"),
    (r"Cancelling ", "Ctrl-C "),
    (r"a cancellation leaves", "Ctrl-C leaves"),
    (r"A cancellation leaves", "Ctrl-C leaves"),
    (r"After a cancellation", "After Ctrl-C"),
    (
        r"a cancellation, the\nend of an async generator around it, SIGINT,",
        r"the end of a\ngenerator around it, Ctrl-C,",
    ),
    (r"short by further cancellations", "short by another Ctrl-C"),
    (r"\(cancelled, its client closed\)", "(by Ctrl-C, or because its client is closed)"),
    (r"`openai\.AsyncOpenAI`|`AsyncOpenAI`", "`openai.OpenAI`"),
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Write the stubs, or check them."""
    check, stale = "--check" in sys.argv[1:], []
    for path, text in stubs().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name}: " + ("out of date; run python .ci/stubs.py" if check else "written"))
    return 1 if check and stale else 0


def stubs() -> dict[Path, str]:
    """Return the text of each stub."""
    folder = ROOT / "di_async" / "blocking"
    modules = {name: importlib.import_module(f"{BLOCKING}.{name}") for name in MODULES}
    found = {folder / f"{name}.pyi": Stub(module).text() for name, module in modules.items()}
    return {**found, folder / "__init__.pyi": door()}


class Source:
    """The source of one module."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = importlib.import_module(name)
        self.tree = ast.parse(inspect.getsource(self.module))
        self.imports = dict(self._imports())

    @staticmethod
    @functools.cache
    def of(name: str) -> "Source":
        """Return the source of a module, read once."""
        return Source(name)

    def _imports(self) -> Iterator[tuple[str, tuple[str, str]]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.asname or alias.name, (alias.name, "")
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, (str(node.module), alias.name)

    def definition(self, name: str) -> Any:
        """Return the class or function of that name."""
        return next(n for n in self.tree.body if getattr(n, "name", None) == name)

    def origin(self, name: str) -> tuple[str, str]:
        """Return the module and the name of what a name stands for in this module."""
        return self.imports.get(name, (self.name, name))


class Stub:
    """The stub of one module of `di_async.blocking`."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.froms: dict[str, tuple[str, str]] = {}
        self.plain: set[str] = set()
        self.variables: dict[str, str] = {}
        self.defined: set[str] = set()

    def text(self) -> str:
        """Return the stub."""
        name = self.module.__name__
        derived = [
            view
            for kind, view in derive.DERIVED.items()
            if view.__module__ == name and kind not in UNNAMED
        ]
        carried = [k for k in derive.CARRIERS if derive.module_of(k.__module__) == name]
        functions = [v for v in vars(self.module).values() if inspect.isfunction(v)]
        functions = [f for f in functions if f.__module__ in (name, f"{BLOCKING}.engine")]
        self.defined = {one.__name__ for one in (*derived, *carried)}
        parts = [self.a_class(one.async_class, one) for one in derived]
        parts += [self.a_class(kind) for kind in sorted(carried, key=lambda k: k.__name__)]
        parts += [self.a_function(one) for one in sorted(functions, key=lambda f: f.__name__)]
        if name == f"{BLOCKING}.engine":
            self.need("typing", "Literal")
            self.need("collections.abc", "Callable")
            parts.insert(0, PROBE)
        public = [n for n in self.module.__all__ if getattr(self.module, n) not in self.unnamed()]
        for one in public:
            value = getattr(self.module, one)
            if one not in self.defined and not inspect.isfunction(value):
                self.need(self.home(one, value), one)
        return "\n".join((*self.head(public), "", *parts))

    @staticmethod
    def unnamed() -> list[Any]:
        """Return the classes that stubs do not name."""
        return [derive.DERIVED[kind] for kind in UNNAMED]

    def home(self, name: str, value: Any) -> str:
        """Return the module that defines a public name."""
        provider = f"di_async.{self.module.__name__.rpartition('.')[2]}"
        return str(getattr(value, "__module__", provider)) if inspect.isclass(value) else provider

    def head(self, public: Iterable[str]) -> Iterator[str]:
        """Yield docstring, imports and `__all__`."""
        yield f'"""Types of `{self.module.__name__}`; written by `.ci/stubs.py`."""\n'
        yield from (f"import {name}" for name in sorted(self.plain))
        by_module: dict[str, list[str]] = {}
        for local, (module, name) in self.froms.items():
            by_module.setdefault(module, []).append(name if name == local else f"{name} as {local}")
        for module in sorted(by_module):
            yield one_of(f"from {module} import (", sorted(by_module[module]), ")")
        yield ""
        yield one_of("__all__ = [", [f'"{name}"' for name in sorted(public)], "]")
        yield ""
        yield from (self.variables[name] for name in sorted(self.variables))

    # -- names --------------------------------------------------------------------------------

    def need(self, module: str, name: str, local: str | None = None) -> None:
        """Import a name."""
        local = local or name
        if module == self.module.__name__:
            return
        known = self.froms.setdefault(local, (module, name))
        if known != (module, name) or local in self.defined:
            raise SystemExit(f"{self.module.__name__}: two things are called {local}")

    def names(self, node: ast.expr, source: Source) -> ast.expr:
        """Return an annotation with blocking types, and import what it needs."""
        return Annotation(self, source).visit(node)  # type: ignore[no-any-return]

    def annotation(self, node: ast.expr | None, source: Source) -> str:
        """Return the text of an annotation."""
        if node is None:
            return "Any"
        return ast.unparse(self.names(node, source)).replace("'", '"')

    # -- definitions --------------------------------------------------------------------------

    def a_class(self, kind: type, view: Any = None) -> str:
        """Return the definition of a class."""
        source = Source.of(kind.__module__)
        node = source.definition(kind.__name__)
        body = [*self.attributes(node, source, carried=view is None)]
        ours = written.BlockingClient in (view.__bases__ if view else ())
        body += [
            self.a_method(member, source, self.documented(node, member))
            for member in self.members(node)
            if not ours or member.name not in ("__aenter__", "__aexit__", "aclose")
        ]
        if ours:
            by_hand = Source.of(written.__name__)
            body += [
                self.a_method(member, by_hand, member)
                for member in by_hand.definition("BlockingClient").body
                if isinstance(member, ast.FunctionDef) and member.name != "__init__"
            ]
        lines = [f"@{self.decorator(d, source)}" for d in node.decorator_list if view is None]
        lines.append(f"class {kind.__name__}{self.bases(node, source)}:")
        lines.append(docstring(node, 4))
        return "\n".join([*lines, *body, ""])

    def decorator(self, node: ast.expr, source: Source) -> str:
        """Return the text of a decorator."""
        return ast.unparse(self.names(node, source))

    def bases(self, node: ast.ClassDef, source: Source) -> str:
        """Return the bases that the stub has, in parentheses."""
        kept = []
        for base in node.bases:
            root = base.value if isinstance(base, ast.Subscript) else base
            name = root.id if isinstance(root, ast.Name) else ""
            value = getattr(source.module, name, None)
            own = str(getattr(value, "__module__", "")).startswith("di_async.")
            if not own or value in derive.DERIVED:
                kept.append(ast.unparse(self.names(base, source)))
        return f"({', '.join(kept)})" if kept else ""

    def members(self, node: ast.ClassDef) -> Iterator[Function]:
        """Yield the functions of a class that its stub has."""
        overloads: set[str] = set()
        special = {"__aiter__", "__anext__", "__aenter__", "__aexit__"}
        client = written.BlockingClient.__name__
        for member in node.body:
            if not isinstance(member, Function):
                continue
            name = member.name
            is_client = name == "__init__" and node.name in CLIENTS
            public = not name.startswith("_") and name not in derive.HIDDEN
            if not (public or name in special or is_client) or client == node.name:
                continue
            if any(isinstance(d, ast.Name) and d.id == "overload" for d in member.decorator_list):
                overloads.add(name)
            elif name in overloads:
                continue
            yield member

    @staticmethod
    def documented(node: ast.ClassDef, member: Function) -> Any:
        """Return the definition with the docstring of a method: of overloads, the last one."""
        same = [n for n in node.body if getattr(n, "name", None) == member.name]
        return same[-1] if member is same[0] else member

    def a_method(self, node: Function, source: Source, documented: Any) -> str:
        """Return the definition of a method."""
        name = SPECIAL.get(node.name, derive.RENAMED.get(node.name, node.name))
        lines = []
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Name) and decorator.id in ("overload", "property"):
                lines.append(f"    @{decorator.id}")
                if decorator.id == "overload":
                    self.need("typing", "overload")
        text = docstring(documented, 8)
        lines += [self.signature(node, name, source, 4, text), text]
        return "\n".join(line for line in lines if line)

    def a_function(self, function: Any) -> str:
        """Return the definition of a function."""
        original = inspect.unwrap(function)
        source = Source.of(original.__module__)
        node = source.definition(original.__name__)
        text = docstring(node, 4)
        return f"{self.signature(node, node.name, source, 0, text)}\n{text}\n"

    def signature(
        self, node: Function, name: str, source: Source, indent: int, documented: str
    ) -> str:
        """Return the `def` of a function; it ends with `...` if nothing follows."""
        args, found = node.args, []
        positional = [*args.posonlyargs, *args.args]
        first = len(positional) - len(args.defaults)
        for place, arg in enumerate(positional):
            default = args.defaults[place - first] if place >= first else None
            found.append(self.argument(arg, default, source))
        if args.vararg:
            found.append("*" + self.argument(args.vararg, None, source))
        elif args.kwonlyargs:
            found.append("*")
        for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            if arg.arg != "session":  # it belongs to another loop
                found.append(self.argument(arg, default, source))
        if args.kwarg:
            found.append("**" + self.argument(args.kwarg, None, source))
        if name == "__iter__":
            self.need("typing", "Self")
            returns = "Self"
        else:
            returns = self.annotation(node.returns, source)
        end = ":" if documented else ": ..."
        return one_of(f"{' ' * indent}def {name}(", found, f") -> {returns}{end}")

    def argument(self, arg: ast.arg, default: ast.expr | None, source: Source) -> str:
        """Return the text of an argument."""
        if arg.arg == "self":
            return "self"
        text = f"{arg.arg}: {self.annotation(arg.annotation, source)}"
        if default is None:
            return text
        return f"{text} = {literal(default)}"

    # -- attributes ---------------------------------------------------------------------------

    def attributes(self, node: ast.ClassDef, source: Source, *, carried: bool) -> Iterator[str]:
        """Yield a line for each public attribute."""
        seen: set[str] = set()
        for name, kind, value in attribute_nodes(node):
            if name.startswith("_") or name in seen:
                continue
            module, original = source.origin(getattr(kind, "id", ""))
            made = getattr(importlib.import_module(module), original, None) if original else None
            if kind is None or inspect.isfunction(made):
                raise SystemExit(f"{node.name}.{name}: declare its type")
            seen.add(name)
            default = f" = {literal(value)}" if carried and value is not None else ""
            yield f"    {name}: {self.annotation(kind, source)}{default}"


class Annotation(ast.NodeTransformer):
    """Replaces async types in an annotation, and imports what it names."""

    def __init__(self, stub: Stub, source: Source) -> None:
        self.stub = stub
        self.source = source

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Read an annotation that is a string."""
        if not isinstance(node.value, str):
            return node
        try:
            parsed = ast.parse(node.value, mode="eval").body
        except SyntaxError:
            return node
        found: ast.expr = self.visit(parsed)
        return found

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Leave what `Literal` lists as it is."""
        if isinstance(node.value, ast.Name) and node.value.id == "Literal":
            self.visit(node.value)
            return node
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Import a name, or its blocking counterpart."""
        stub, name = self.stub, node.id
        module, original = self.source.origin(name)
        if hasattr(builtins, name) and name not in self.source.imports:
            return node
        if not original:
            stub.plain.add(module if module == name else f"{module} as {name}")
            return node
        value = getattr(importlib.import_module(module), original, None)
        if isinstance(value, TypeVar):
            return self.variable(value, name)
        if (module, original) in INSTEAD:
            module, original = INSTEAD[module, original]
            stub.need(module, original)
            return ast.Name(original)
        if inspect.isclass(value) and value in derive.DERIVED:
            module = derive.DERIVED[value].__module__
        elif inspect.isclass(value) and value in derive.CARRIERS:
            module = derive.module_of(value.__module__)
        stub.need(module, original, name)
        return node

    def variable(self, value: TypeVar, name: str) -> ast.Name:
        """Return a type variable that the stub defines."""
        options, name = "", f"{name}_co" if value.__covariant__ else name
        if value.__bound__ is not None:
            options = f", bound={self.bound(value.__bound__)}"
        options += ", covariant=True" if value.__covariant__ else ""
        self.stub.need("typing", "TypeVar")
        line = f'{name} = TypeVar("{name}"{options})'
        if self.stub.variables.setdefault(name, line) != line:
            raise SystemExit(f"{self.stub.module.__name__}: two type variables are called {name}")
        return ast.Name(name)

    def bound(self, kind: Any) -> str:
        """Return the text of a bound."""
        parts = getattr(kind, "__args__", (kind,))
        for part in parts:
            self.stub.need(part.__module__, part.__name__)
        return " | ".join(part.__name__ for part in parts)


SPECIAL = {
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
}
CLIENTS = ("DigitalOcean", "Gcore", "Exoscale")


Attribute = tuple[str, ast.expr | None, ast.expr | None]
"""Name, annotation and value."""


def attribute_nodes(node: ast.ClassDef) -> Iterator[Attribute]:
    """Yield each attribute of a class; the annotation is None if it is not known."""
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            yield one.target.id, one.annotation, one.value
        elif isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant):
            kind = ast.Name(type(one.value.value).__name__)
            yield from ((t.id, kind, None) for t in one.targets if isinstance(t, ast.Name))
    init = next((n for n in node.body if getattr(n, "name", "") == "__init__"), None)
    if not isinstance(init, ast.FunctionDef):
        return
    given = {a.arg: a.annotation for a in (*init.args.args, *init.args.kwonlyargs)}
    for one in init.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Attribute):
            yield one.target.attr, one.annotation, None
        elif isinstance(one, ast.Assign):
            kinds = assigned(one.value, given)
            names = [t.attr for t in one.targets if isinstance(t, ast.Attribute)]
            yield from ((name, kinds, None) for name in names)


def assigned(value: ast.expr, given: dict[str, ast.expr | None]) -> ast.expr | None:
    """Return the type of what `__init__` assigns to an attribute, or None."""
    if isinstance(value, ast.Name):
        return given.get(value.id)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func
    if isinstance(value, ast.Constant) and value.value is not None:
        return ast.Name(type(value.value).__name__)
    return None


def literal(node: ast.expr) -> str:
    """Return a default as a stub shows it."""
    simple = isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and not node.elts)
    return ast.unparse(node).replace("'", '"') if simple else "..."


def docstring(node: Any, indent: int) -> str:
    """Return the docstring of a definition in the words of blocking code."""
    text = ast.get_docstring(node)
    if text is None:
        return ""
    text = words(text)
    mark = 'r"""' if "\\" in text else '"""'
    if "\n" in text:
        text += "\n"
    return textwrap.indent(f'{mark}{text}"""', " " * indent)


def words(text: str) -> str:
    """Return a docstring without the words of async code."""
    for pattern, ours in WORDS:
        text = re.sub(pattern, ours, text)
    return text


def one_of(before: str, items: list[str], after: str) -> str:
    """Return a list on one line if it fits, else with a line for each item."""
    if before.startswith("from "):
        line = f"{before[:-1]}{', '.join(items)}"
    else:
        line = f"{before}{', '.join(items)}{after}"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(before) - len(before.lstrip()))
    return "\n".join([before, *(f"{indent}    {item}," for item in items), f"{indent}{after}"])


def door() -> str:
    """Return the stub of `di_async.blocking` itself."""
    import di_async
    from di_async import blocking

    lines = ['"""Types of `di_async.blocking`; written by `.ci/stubs.py`."""\n']
    by_module: dict[str, list[str]] = {}
    modules, ours_of = vars(di_async)["_MODULES"], vars(blocking)["_MODULES"]
    for name in di_async.__all__:
        ours = ours_of.get(name)
        module = f"di_async.{modules.get(name, 'core.errors')}"
        by_module.setdefault(f"{BLOCKING}.{ours}" if ours else module, []).append(name)
    lines += [one_of(f"from {m} import (", sorted(by_module[m]), ")") for m in sorted(by_module)]
    lines += ["", one_of("__all__ = [", [f'"{n}"' for n in di_async.__all__], "]"), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
