"""Play the matrix, print what is not as written, and write docs/faults.md.

With a part of an operation's name it plays only these operations, and writes nothing.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.faults.matrix import play_operation
from tests.faults.operations import OPERATIONS
from tests.faults.report import PAGE, page


def _play(number: int) -> list[tuple[str, bool, str]]:
    operation = OPERATIONS[number]
    return [(operation.cloud.name, cell.is_right, str(cell)) for cell in play_operation(operation)]


def main() -> int:
    """Return 1 if a cell is not as written."""
    part, began = " ".join(sys.argv[1:]), time.monotonic()
    chosen = [number for number, one in enumerate(OPERATIONS) if part in str(one)]
    right, wrong = Counter[str](), Counter[str]()
    with ProcessPoolExecutor() as pool:
        for cells in pool.map(_play, chosen):
            for cloud, is_right, text in cells:
                (right if is_right else wrong)[cloud] += 1
                if not is_right:
                    print(text)  # noqa: T201 - a report
    for cloud in right | wrong:
        total = right[cloud] + wrong[cloud]
        print(f"{cloud}: {right[cloud]} of {total} cells as written")  # noqa: T201
    all_right, total = right.total(), right.total() + wrong.total()
    took = time.monotonic() - began
    print(f"all: {all_right} of {total} cells as written, {took:.0f} s")  # noqa: T201
    if not part:
        PAGE.write_text(page())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
