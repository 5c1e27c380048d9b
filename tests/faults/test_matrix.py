"""Operations under every fault, against the tables; see `python -m tests.faults`.

By default the commonest operations; `pytest -m exhaustive` plays the others.
"""

import pytest

from tests.faults.expected import FAMILIES, TABLES
from tests.faults.faults import FAULTS
from tests.faults.matrix import play_operation
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.report import PAGE, page

_COMMON = {"get", "create", "wait for a create", "delete"}


def _parameter(operation: Operation) -> object:
    # Versions 2 and 3 of Gcore share most code: by default v3 stands for both.
    by_default = operation.name in _COMMON and operation.cloud.name != "gcore-v2"
    marks = () if by_default else pytest.mark.exhaustive
    return pytest.param(operation, marks=marks, id=str(operation))


@pytest.mark.parametrize("operation", [_parameter(one) for one in OPERATIONS])
def test_outcomes_are_as_written(operation: Operation) -> None:
    """Under every fault the outcome is the expected one, and nothing is doubled, lost or left."""
    cells = list(play_operation(operation))
    assert cells
    assert not [str(cell) for cell in cells if not cell.is_right]


def test_every_family_has_a_row_and_a_fault() -> None:
    """The tables, the families and the faults name the same families."""
    families = {fault.family for fault in FAULTS}
    assert families == set(FAMILIES) == set(TABLES["once"]) == set(TABLES["lasting"])


def test_names_are_unique() -> None:
    """No two faults, and no two operations, have one name."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({str(operation) for operation in OPERATIONS}) == len(OPERATIONS)


def test_page_is_true() -> None:
    """`docs/faults.md` is what `python -m tests.faults` writes."""
    assert PAGE.read_text() == page(), "run `python -m tests.faults`, or only write the page"
