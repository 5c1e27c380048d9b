"""Operations under every fault, against the tables; see `python -m tests.faults`.

By default the commonest operations under half of the faults, the other half in another cloud;
`pytest -m exhaustive` plays the rest.
"""

from collections.abc import Iterator

import pytest

from tests.faults.expected import FAMILIES, TABLES
from tests.faults.faults import FAULTS
from tests.faults.matrix import play_operation
from tests.faults.operations import OPERATIONS, Operation
from tests.faults.report import PAGE, page

_COMMON = ("get", "create", "wait for a create", "delete")
# Versions 2 and 3 of Gcore share most code: by default v3 stands for both.
_CLOUDS = ("digitalocean", "gcore-v3", "exoscale")


def _by_default(operation: Operation, half: int) -> bool:
    name, cloud = operation.name, operation.cloud.name
    if name not in _COMMON or cloud not in _CLOUDS:
        return False
    return half == (_COMMON.index(name) + _CLOUDS.index(cloud)) % 2


def _parameters() -> Iterator[object]:
    for operation in OPERATIONS:
        for half in (0, 1):
            marks = () if _by_default(operation, half) else pytest.mark.exhaustive
            yield pytest.param(operation, half, marks=marks, id=f"{operation}-{half}")


@pytest.mark.parametrize(("operation", "half"), list(_parameters()))
def test_outcomes_are_as_written(operation: Operation, half: int) -> None:
    """Under every fault the outcome is the expected one, and nothing is doubled, lost or left."""
    cells = list(play_operation(operation, FAULTS[half::2]))
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
