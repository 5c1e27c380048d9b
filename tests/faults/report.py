# ruff: noqa: E501 - lines of a Markdown page
"""The matrix as a page: `docs/faults.md`."""

from collections import Counter
from pathlib import Path

from tests.faults.expected import FAMILIES, TABLES, expected
from tests.faults.faults import FAULTS
from tests.faults.matrix import MODES
from tests.faults.operations import GROUPS, OPERATIONS

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
_PROVIDERS = {
    "digitalocean": "DigitalOcean",
    "gcore-v2": "Gcore v2",
    "gcore-v3": "Gcore v3",
    "exoscale": "Exoscale",
}
_GROUPS = {
    "read": "one GET of a resource",
    "facts": "one GET of prices, logs, certificates",
    "list": "list pages",
    "create": "a create under a unique name",
    "unnamed": "a create where names are not unique",
    "token": "a create whose value is shown once",
    "update": "a write that sets values, with a wait",
    "set": "a small write without a wait",
    "delete": "a delete, with a wait",
    "revoke": "a delete without a wait",
    "wait": "the wait for a write",
    "active": "a wait without a write",
    "gone": "a wait for a deletion",
    "watch": "events of one resource",
    "stream": "events of the account",
    "scan": "an inventory",
}
_INTRO = """# Faults

The result of each operation when a response is lost, wrong or late. `python -m tests.faults` runs every operation of the
three providers under every fault: once with a fault in the first response, and once in all responses from then on. It
writes this page. The suite runs all cells, too, and fails if one of them differs from this page.

In every cell, one create never makes two resources, and an error or a log names what exists after a create that raised.
Every error is a `DIError`, a call ends within minutes, and no task is left running. A wait that succeeds returns the real
state of the emulated account.
"""
_LEGEND = """
`ok`: the right result with the right effect, after retries or a look-up where needed. `error`: the fault's own error.
`unknown`: `OutcomeUnknownError`. `refused`: `WaitRefusedError`. `timeout`: `WaitTimeoutError` at the wait's deadline.
`gone`: `ResourceVanishedError`. `silent`: the stream has no event while the fault lasts. `-`: no cell, because such a
response looks correct. `/` divides results that depend on what the provider supports. A scan
reports errors in `.errors`, and a stream of one resource reports them as events.
"""


def page() -> str:
    """Return the page's text."""
    parts = [
        _INTRO,
        _totals(),
        "\n## Faults by family\n\n| family | what | faults |\n|---|---|---|\n",
    ]
    for family, what in FAMILIES.items():
        names = "; ".join(fault.name for fault in FAULTS if fault.family == family)
        parts.append(f"| {family} | {what} | {names} |\n")
    parts.append("\n## Operations by group\n\n| group | what | operations |\n|---|---|---|\n")
    for group, what in _GROUPS.items():
        found = Counter(one.name for one in OPERATIONS if one.group == group)
        names = ", ".join(found)
        parts.append(f"| {group} | {what} | {names} |\n")
    for mode, title in (
        ("once", "A fault in the first response"),
        ("lasting", "A fault in all responses from then on"),
    ):
        parts.append(f"\n## {title}\n\n| family | {' | '.join(GROUPS)} |\n{'|---' * 17}|\n")
        for family, cells in TABLES[mode].items():
            parts.append(f"| {family} | {' | '.join(cells[group] for group in GROUPS)} |\n")
        if mode == "once":
            parts.append(_LEGEND)
    return "".join(parts)


def _totals() -> str:
    cells = Counter(
        _PROVIDERS[operation.cloud.name]
        for operation in OPERATIONS
        for fault in FAULTS
        for mode in MODES
        if expected(operation, fault, mode)
    )
    operations = Counter(_PROVIDERS[operation.cloud.name] for operation in OPERATIONS)
    rows = [
        f"| {name} | {operations[name]} | {len(FAULTS)} | {count:,} |\n"
        for name, count in cells.items()
    ]
    total = f"| **all** | {len(OPERATIONS)} | {len(FAULTS)} | **{sum(cells.values()):,}** |\n"
    return f"\n| | operations | faults | cells |\n|---|--:|--:|--:|\n{''.join(rows)}{total}"
