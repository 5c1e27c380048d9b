"""The mutants of one module and their results, in a session file of cosmic-ray."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutation.targets import ROOT

# One replacement for each operator: cosmic-ray's other ten fail in the same tests.
OPERATORS = re.compile(
    r"core/(ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Mul|Pow_Mul)"
    r"|ReplaceComparisonOperator_(Lt_(LtE|GtE)|LtE_(Lt|Gt)|Gt_(GtE|LtE)|GtE_(Gt|Lt)"
    r"|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is|In_NotIn|NotIn_In)"
    r"|ReplaceUnaryOperator_(USub_UAdd|Delete_Not)|NumberReplacer|AddNot"
    r"|Replace(TrueWithFalse|FalseWithTrue|AndWithOr|OrWithAnd|BreakWithContinue"
    r"|ContinueWithBreak)|ZeroIterationForLoop)"
)
# Decorators and class lines hold only options of attrs, these branches are for the type checker.
UNTOUCHED = re.compile(r"\s*(@|class |if TYPE_CHECKING|assert_never\()")
# What only restricts how a call may be written, or checks what holds anyway.
HARMLESS = (("*,", "/,"), ("kw_only=True", "kw_only=False"), ("strict=True", "strict=False"))


@frozen
class Mutant:
    """One change to one module."""

    job: str
    path: str
    within: str
    """The innermost function or class; empty at the top of the module."""
    source: str
    """The changed module, whole."""
    line: int
    old: str
    new: str


def _changed_lines(before: str, after: str) -> tuple[int, str, str]:
    """Return the number of the first changed line, and the changed lines before and after."""
    old, new = before.splitlines(), after.splitlines()
    start = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    while len(old) > start and len(new) > start and old[-1] == new[-1]:
        old.pop(), new.pop()
    texts = [" ".join(" ".join(lines[start:]).split()) for lines in (old, new)]
    return start + 1, texts[0], texts[1]


def candidates(source: str, path: str) -> Iterator[WorkItem]:
    """Yield the mutations of a module that are worth trying."""
    nodes, lines = list(ast_nodes(get_ast(source))), source.splitlines()
    for name in filter(OPERATORS.fullmatch, operator_names()):
        operator = get_operator(name)()
        positions = ((node, at) for node in nodes for at in operator.mutation_positions(node))
        for occurrence, (node, (start, end)) in enumerate(positions):
            if not UNTOUCHED.match(lines[start[0] - 1]):
                within = ASTQuery(node).get_definition_name()
                spec = MutationSpec(
                    Path(path), name, occurrence, start, end, definition_name=within
                )
                yield WorkItem.single(f"{name}:{occurrence}", spec)


def mutants(items: Iterable[WorkItem], path: str) -> Iterator[Mutant]:
    """Yield the mutants that these mutations make."""
    source = (ROOT / path).read_text(encoding="utf-8")
    for item in items:
        (spec,) = item.mutations
        mutated = mutate_code(source, get_operator(spec.operator_name)(), spec.occurrence)
        if mutated is not None and mutated != source:
            within, changed = spec.definition_name or "", _changed_lines(source, mutated)
            mutant = Mutant(item.job_id, path, within, mutated, *changed)
            if not any(old in mutant.old and new in mutant.new for old, new in HARMLESS):
                yield mutant


def order(item: WorkItem, seed: int) -> str:
    """Return a mutation's place in a sample: the same for the same seed and code."""
    (spec,) = item.mutations
    key = f"{seed} {spec.module_path} {spec.operator_name} {spec.occurrence}"
    return hashlib.sha256(key.encode()).hexdigest()


@contextmanager
def session(folder: Path, path: str) -> Iterator[WorkDB]:
    """Open the session of a module; changed code starts a new one."""
    digest = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()[:10]
    stem = path.removesuffix(".py").replace("/", ".")
    file = folder / f"{stem}-{digest}.sqlite"
    for old in folder.glob(f"{stem}-*.sqlite"):
        if old != file:
            old.unlink()
    partial = file.with_suffix(".part")
    if not file.exists():
        partial.unlink(missing_ok=True)
        with use_db(str(partial)) as db:
            db.add_work_items(candidates((ROOT / path).read_text(encoding="utf-8"), path))
        partial.rename(file)
    with use_db(str(file)) as db:
        yield db


def results(db: WorkDB) -> dict[str, tuple[bool, str]]:
    """Return whether each finished mutant was killed, and under which tests."""
    return {job: (result.is_killed, result.output or "") for job, result in db.results}


def record(db: WorkDB, job: str, *, killed: bool, tests: str) -> None:
    """Store a mutant's result; `tests` is the digest of the tests that ran."""
    outcome = TestOutcome.KILLED if killed else TestOutcome.SURVIVED
    kwargs: dict[str, Any] = {"output": tests, "test_outcome": outcome}
    db.set_result(job, WorkResult(WorkerOutcome.NORMAL, **kwargs))
